//! The run on one runtime: warm-up, the two kinds of work, and what they left behind.

use std::fmt;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::args::{Amount, Args};
use crate::backend::Backend;
use crate::cancels::round;
use crate::cycles::cycle;
use crate::holdings::Holdings;

/// What runtimes, allocators and threads' buffers take once is taken by then.
const WARM_UP: u64 = 1000;

/// How much memory may be more afterwards: in a million cycles one byte each.
const BOUND: u64 = 1 << 20;

/// What was done on one runtime, and what it left behind.
#[derive(Debug)]
pub(crate) struct Soaked {
    runtime: &'static str,
    cycles: Work,
    cancels: Work,
    before: Holdings,
    after: Holdings,
}

/// How much was done in how much time.
#[derive(Clone, Copy, Debug)]
struct Work {
    count: u64,
    took: Duration,
}

/// Does the work on one runtime.
pub(crate) fn soak<B: Backend>(args: &Args) -> Result<Soaked, Failure> {
    let amount = args.amount();
    B::run(async {
        cycles::<B>(Amount::Count(WARM_UP), args).await?;
        cancels::<B>(Amount::Count(WARM_UP), args).await?;
        let before = Holdings::now();
        let cycles = cycles::<B>(amount, args).await?;
        let cancels = cancels::<B>(amount, args).await?;
        Ok(Soaked {
            runtime: B::NAME,
            cycles,
            cancels,
            before,
            after: Holdings::now(),
        })
    })?
}

async fn cycles<B: Backend>(amount: Amount, args: &Args) -> Result<Work, Failure> {
    let mut work = Working::new(amount);
    while work.goes_on() {
        cycle::<B>(work.count, args.leak).await?;
        work.count += 1;
    }
    Ok(work.end())
}

async fn cancels<B: Backend>(amount: Amount, args: &Args) -> Result<Work, Failure> {
    let mut work = Working::new(amount);
    for number in 0.. {
        if !work.goes_on() {
            break;
        }
        work.count += round::<B>(number, args.leak).await?;
    }
    Ok(work.end())
}

/// Work that goes on until it is enough.
struct Working {
    amount: Amount,
    begun: Instant,
    count: u64,
}

impl Working {
    fn new(amount: Amount) -> Self {
        Self {
            amount,
            begun: Instant::now(),
            count: 0,
        }
    }

    fn goes_on(&self) -> bool {
        match self.amount {
            Amount::Count(count) => self.count < count,
            Amount::Time(time) => self.begun.elapsed() < time,
        }
    }

    fn end(self) -> Work {
        Work {
            count: self.count,
            took: self.begun.elapsed(),
        }
    }
}

impl Soaked {
    /// What there is more of than before, and may not be.
    pub(crate) fn grown(&self) -> Vec<&'static str> {
        let Self { before, after, .. } = self;
        let mut grown = vec![];
        if after.descriptors > before.descriptors {
            grown.push("descriptors");
        }
        if after.resident > before.resident.map(|bytes| bytes + BOUND) {
            grown.push("memory");
        }
        if after.threads > before.threads {
            grown.push("threads");
        }
        grown
    }
}

impl fmt::Display for Soaked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, after, .. } = self;
        writeln!(f, "{}", self.runtime)?;
        writeln!(f, "  cycles                {}", self.cycles)?;
        writeln!(f, "  cancelled operations  {}", self.cancels)?;
        let mut line =
            |name, before: Option<String>, after: Option<String>, note: &str| match before
                .zip(after)
            {
                Some((before, after)) => {
                    writeln!(f, "  {name:<22}{before} before, {after} after{note}")
                }
                None => writeln!(f, "  {name:<22}the system does not tell"),
            };
        let count = |count: Option<usize>| count.map(|count| count.to_string());
        let kib = |bytes: Option<u64>| bytes.map(|bytes| format!("{} KiB", bytes / 1024));
        line(
            "descriptors",
            count(before.descriptors),
            count(after.descriptors),
            "",
        )?;
        let note = format!(" (at most {} KiB more)", BOUND / 1024);
        line(
            "resident memory",
            kib(before.resident),
            kib(after.resident),
            &note,
        )?;
        line("threads", count(before.threads), count(after.threads), "")?;
        match self.grown().as_slice() {
            [] => writeln!(f, "  nothing was left behind"),
            grown => writeln!(f, "  LEFT BEHIND: {}", grown.join(", ")),
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        let rate = self.count as f64 / seconds.max(f64::EPSILON);
        write!(f, "{} in {seconds:.1} s, {rate:.0} per second", self.count)
    }
}
