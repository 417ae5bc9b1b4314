//! A law, and how one is run: on a thread of its own, under a watchdog that names it.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::case::{Case, Progress};
use crate::harness::{Harness, Need};

/// One clause of the contract as a test over any flow.
pub struct Law<H: Harness> {
    /// The clause's id.
    pub name: &'static str,
    /// What the law needs of the harness beyond a pair.
    pub needs: &'static [Need],
    /// The test: it panics where the clause is broken.
    pub check: fn(&Case<H>),
}

impl<H: Harness> Clone for Law<H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: Harness> Copy for Law<H> {}

impl<H: Harness> fmt::Debug for Law<H> {
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

/// The watchdog's time where nothing else is said: 20 s, or as many as the variable `FLOW_TESTKIT_WATCHDOG` says.
#[must_use]
pub fn watchdog() -> Duration {
    let seconds = std::env::var("FLOW_TESTKIT_WATCHDOG")
        .ok()
        .and_then(|s| s.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

const HANG: &str = "hang (watchdog)";

impl<H: Harness> Law<H> {
    /// Runs the law on a fresh harness. Never waits longer than the watchdog's time for one step.
    ///
    /// A law that hangs inside a call of the flow leaves its thread behind.
    ///
    /// # Panics
    ///
    /// If no thread can be made.
    #[must_use]
    pub fn run(&self, make: fn() -> H, watchdog: Duration) -> Verdict {
        let (done, verdict) = mpsc::channel();
        let progress = Arc::new(Progress::default());
        let (law, watched) = (*self, Arc::clone(&progress));
        let body = move || {
            let run = || {
                let case = Case::new(make(), watchdog, watched);
                (law.check)(&case);
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
        thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(body)
            .expect("a thread for the law");
        let begun = Instant::now();
        loop {
            let steps = progress.steps();
            // Longer than the law's own watchdog, which knows more.
            match verdict.recv_timeout(watchdog.mul_f32(1.5)) {
                Ok(verdict) => return verdict,
                Err(RecvTimeoutError::Timeout) if progress.steps() != steps => {
                    // Steps without end are no progress.
                    if begun.elapsed() > watchdog * 20 {
                        return Verdict::Hang(format!(
                            "{HANG} in steps without end, at {}",
                            progress.at()
                        ));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Verdict::Hang(format!("{HANG} inside a call, at {}", progress.at()));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Verdict::Broken("the law's thread ended without a verdict".to_owned());
                }
            }
        }
    }

    /// Runs the law as a test: panics unless the clause is kept.
    ///
    /// # Panics
    ///
    /// If the flow breaks the clause, naming it.
    pub fn test(&self, make: fn() -> H) {
        match self.run(make, watchdog()) {
            Verdict::Kept => {}
            Verdict::Broken(why) | Verdict::Hang(why) => {
                panic!("law {} is broken: {why}", self.name)
            }
        }
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "a panic".to_owned())
}
