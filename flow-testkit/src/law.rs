//! A law, and how one is run: on a thread of its own, under a watchdog that names it.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::any::AnyHarness;
use crate::asked;
use crate::case::Case;
use crate::harness::Need;
use crate::journal::{self, Journal};
use crate::row::Row;

/// One clause of the contract as a test over any flow.
#[derive(Clone, Copy)]
pub struct Law {
    /// The clause's id.
    pub name: &'static str,
    /// What the law needs beyond a pair.
    pub needs: &'static [Need],
    /// The test: it panics where the clause is broken.
    pub check: fn(&Case<AnyHarness>),
}

impl fmt::Debug for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Law")
            .field("name", &self.name)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

/// What became of a law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The flow keeps the clause.
    Kept,
    /// It does not, and this is the assertion that failed.
    Broken(String),
    /// Nothing happened for the watchdog's time; this is where.
    Hang(String),
}

/// A verdict, and how it came to it.
#[derive(Clone, Debug)]
pub struct Run {
    /// What became of the law.
    pub verdict: Verdict,
    /// The last events before it.
    pub events: Vec<String>,
}

/// The watchdog's time where nothing else is said: 20 s, or as many as the variable `FLOW_TESTKIT_WATCHDOG` says.
///
/// # Panics
///
/// If the variable is no number of seconds.
#[must_use]
pub fn watchdog() -> Duration {
    asked::watchdog().unwrap_or(Duration::from_secs(20))
}

const HANG: &str = "hang (watchdog)";

impl Law {
    /// What the contract says under this law's name.
    #[must_use]
    pub fn promise(&self) -> &'static str {
        promise(self.name).unwrap_or("(a clause that is not in the contract)")
    }

    /// Runs the law on a fresh harness in one way. Never waits longer than the watchdog's time for one step.
    ///
    /// `alone` says that nothing else goes on in the process, so that its descriptors and threads can be counted.
    ///
    /// A law that hangs inside a call of the flow leaves its thread behind.
    ///
    /// # Panics
    ///
    /// If no thread can be made.
    #[must_use]
    pub fn run(
        &self,
        make: impl FnOnce() -> AnyHarness + Send + 'static,
        row: Row,
        alone: bool,
        watchdog: Duration,
    ) -> Run {
        let (done, verdict) = mpsc::channel();
        let journal = Journal::new();
        let (law, watched) = (*self, Arc::clone(&journal));
        let body = move || {
            journal::begin(Arc::clone(&watched));
            let run = || {
                let case = Case::new(make(), row, alone, watchdog, watched);
                (law.check)(&case);
                case.leave();
            };
            let verdict = match catch_unwind(AssertUnwindSafe(run)) {
                Ok(()) => Verdict::Kept,
                Err(panic) => match text(&*panic) {
                    hang if hang.starts_with(HANG) => Verdict::Hang(hang),
                    broken => Verdict::Broken(broken),
                },
            };
            let _ = done.send(verdict);
        };
        let thread = thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(body)
            .expect("a thread for the law");
        let begun = Instant::now();
        let verdict = loop {
            let steps = journal.steps();
            // Longer than the law's own watchdog, which knows more.
            match verdict.recv_timeout(watchdog.mul_f32(1.5)) {
                Ok(verdict) => {
                    // With what the thread itself still held.
                    let _ = thread.join();
                    break verdict;
                }
                Err(RecvTimeoutError::Timeout) if journal.steps() != steps => {
                    // Steps without end are no progress.
                    if begun.elapsed() > watchdog * 20 {
                        let at = journal.at();
                        break Verdict::Hang(format!("{HANG} in steps without end, at {at}"));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    let at = journal.at();
                    break Verdict::Hang(format!("{HANG} inside a call, at {at}"));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    break Verdict::Broken("the law's thread ended without a verdict".to_owned());
                }
            }
        };
        let events = match verdict {
            Verdict::Kept => vec![],
            Verdict::Broken(_) | Verdict::Hang(_) => journal.events(),
        };
        Run { verdict, events }
    }
}

pub(crate) fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "a panic".to_owned())
}

/// The clause of that id, as the contract words it.
fn promise(clause: &str) -> Option<&'static str> {
    include_str!("../CONTRACT.md").lines().find_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        (cells.next()?.trim_end_matches('`') == clause).then_some(())?;
        matches!(cells.next()?, "must" | "kind").then_some(())?;
        cells.next()
    })
}
