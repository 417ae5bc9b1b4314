//! Broken flows: for each law at least one flow with one fault, of a kind that real flows have had, that the law must reject.
//!
//! A law that nobody has seen fail is not yet a law. Most are a wrapper of a few lines round a good flow; the table says which law rejects
//! which flow, and by which words. Most real faults show only now and then: beside a plain one, `narrow` has those that differ from it in
//! when they go wrong.

mod abort;
mod around;
mod breaks;
mod cancel;
mod close;
mod delivery;
mod direct;
mod fd;
mod leaves;
mod naive;
mod narrow;
mod outside;
mod over_memory;
mod over_socket;
mod over_threads;
mod over_wire;
mod read;
mod remade;
mod scripts;
mod shutdown;
mod switch;
mod tasks;
mod threads;
mod write;

use std::sync::OnceLock;
use std::time::Duration;

use crate::harness::Harness;
use crate::law::Verdict;
use crate::laws;
use crate::report::Outcome;
use crate::subject::Subject;

/// How a law must reject a broken flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// By an assertion whose message has these words.
    Fails(&'static str),
    /// Only by its watchdog: the fault is to hang inside a call.
    Hangs,
}

/// A flow with one fault, and the law that finds it.
#[derive(Clone, Copy, Debug)]
pub struct Broken {
    /// What the flow does.
    pub name: &'static str,
    /// The law that must reject it.
    pub law: &'static str,
    /// How.
    pub expect: Expect,
    /// The flow with the same fault that shows it in more states, for one that differs from it only in when it goes wrong.
    pub wider: Option<&'static str>,
    make: fn(&str) -> Subject,
}

impl Broken {
    /// A flow of this harness, named after `T`, which `law` must reject with these words.
    fn new<T, H: Harness + Default>(law: &'static str, words: &'static str) -> Self {
        let path = std::any::type_name::<T>();
        let name = path.rsplit("::").next().unwrap_or(path);
        Self {
            name,
            law,
            expect: Expect::Fails(words),
            wider: None,
            make: |name| Subject::of::<H>(name),
        }
    }

    /// It differs from this one only in when it goes wrong.
    fn narrower_than(self, wider: &'static str) -> Self {
        Self {
            wider: Some(wider),
            ..self
        }
    }

    fn hanging(self) -> Self {
        Self {
            expect: Expect::Hangs,
            ..self
        }
    }

    /// In how many runs the law has to reject it at least once.
    ///
    /// More than one where two threads have to meet in a window of a few nanoseconds, which is chance: a fault that is met in one run of four is not met in
    /// twenty in 0.3 % of all cases.
    #[must_use]
    pub fn runs(&self) -> usize {
        if self.law.starts_with("threads_") {
            20
        } else {
            1
        }
    }

    /// Runs the law that is to find the fault.
    #[must_use]
    pub fn run(&self, watchdog: Duration) -> Verdict {
        self.run_law(self.law, watchdog)
    }

    /// Runs any law on this flow.
    ///
    /// # Panics
    ///
    /// If there is no law of that name.
    #[must_use]
    pub fn run_law(&self, law: &str, watchdog: Duration) -> Verdict {
        let law = laws::find(law).unwrap_or_else(|| panic!("no law has the name {law}"));
        let report = self.subject().run(&law, true, watchdog);
        match report.outcome {
            Outcome::Kept => Verdict::Kept,
            Outcome::Hang => Verdict::Hang(report.message),
            _ => Verdict::Broken(report.message),
        }
    }

    /// The flow as one of a suite: `broken/` and its name.
    #[must_use]
    pub fn subject(&self) -> Subject {
        (self.make)(&format!("broken/{}", self.name))
    }
}

/// All broken flows, in the order of the laws: first the plain faults, then those that show only now and then.
#[must_use]
pub fn all() -> Vec<Broken> {
    let files = [
        read::all,
        write::all,
        cancel::all,
        shutdown::all,
        close::all,
        delivery::all,
        abort::all,
        breaks::all,
        switch::all,
        direct::all,
        outside::all,
        remade::all,
        tasks::all,
        threads::all,
        fd::all,
        leaves::all,
        scripts::all,
        narrow::all,
    ];
    files.into_iter().flat_map(|file| file()).collect()
}

/// What the faults are put into, with no fault in it: no law may reject these.
#[must_use]
pub fn good() -> Vec<Subject> {
    vec![
        Subject::of::<over_memory::OverMemory<NoFault>>("good/memory"),
        Subject::of::<over_threads::OverThreads<NoFault>>("good/threads"),
        Subject::of::<over_wire::OverWire<NoFault>>("good/transport"),
        Subject::of::<breaks::OverFragile<NoFault>>("good/fragile"),
        Subject::of::<direct::OverUnseen<NoFault>>("good/direct"),
        Subject::of::<remade::OverRemade<NoFault>>("good/remade"),
        Subject::of::<over_socket::OverSocket<NoFault, false>>("good/unix"),
        Subject::of::<over_socket::OverSocket<NoFault, true>>("good/tcp"),
    ]
}

/// Nothing is wrong.
#[derive(Default)]
struct NoFault;

impl over_memory::FlowFault for NoFault {}
impl over_threads::ThreadFault for NoFault {}
impl over_wire::WireFault for NoFault {}
impl breaks::BreakFault for NoFault {}
impl direct::DirectFault for NoFault {}
impl remade::RemadeFault for NoFault {}
impl over_socket::SocketFault for NoFault {}

static HEAP: OnceLock<fn() -> usize> = OnceLock::new();

/// How the running binary counts the heap of a thread, for the law that needs it. See [`Harness::allocated`].
pub fn count_heap_with(allocated: fn() -> usize) {
    let _ = HEAP.set(allocated);
}

fn allocated() -> Option<usize> {
    HEAP.get().map(|allocated| allocated())
}
