//! How far the run is: one line that is written over on a terminal, one line for each flow elsewhere.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use flow_testkit::{Report, Suite};

use crate::matrix::Counts;

/// One flow of a run that goes on.
#[derive(Debug)]
struct Course {
    begun: Instant,
    ended: Instant,
    reports: Vec<Report>,
}

/// A run that goes on.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    laws: usize,
    all: usize,
    done: usize,
    failed: usize,
    flows: HashMap<String, Course>,
}

impl Progress {
    /// Of so many laws on each of these flows.
    pub(crate) fn new(suite: &Suite, laws: usize) -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            laws,
            all: suite.subjects().len() * laws,
            done: 0,
            failed: 0,
            flows: HashMap::new(),
        }
    }

    /// One more law is done.
    pub(crate) fn tell(&mut self, report: &Report) {
        self.done += 1;
        self.failed += usize::from(!report.outcome.is_fine());
        let now = Instant::now();
        let begun = now.checked_sub(report.took).unwrap_or(now);
        let flow = self
            .flows
            .entry(report.subject.clone())
            .or_insert_with(|| Course {
                begun,
                ended: now,
                reports: vec![],
            });
        flow.begun = flow.begun.min(begun);
        flow.ended = now;
        flow.reports.push(report.clone());
        // A progress that cannot be shown is no reason to stop.
        let mut err = io::stderr().lock();
        let _ = if self.terminal {
            let Self {
                done, all, failed, ..
            } = self;
            let failed = match *failed {
                0 => String::new(),
                failed => format!(", {failed} failed"),
            };
            write!(err, "\r\x1b[K{done}/{all} laws{failed}: {}", report.subject)
                .and_then(|()| err.flush())
        } else if flow.reports.len() == self.laws {
            let counts = Counts::of(flow.reports.iter()).words();
            let took = (flow.ended - flow.begun).as_secs_f32();
            writeln!(err, "{}: {counts} in {took:.1} s", report.subject)
        } else {
            Ok(())
        };
    }

    /// The run is over: how long each flow took.
    pub(crate) fn end(self) -> HashMap<String, Duration> {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        let flows = self.flows.into_iter();
        flows
            .map(|(name, flow)| (name, flow.ended - flow.begun))
            .collect()
    }
}
