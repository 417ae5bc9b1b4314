//! How far the rounds are: one line that is written over on a terminal, one line for each round elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Instant;

/// Rounds that go on.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    begun: Instant,
    rounds: u32,
    rows: usize,
    done: usize,
}

impl Progress {
    pub(crate) fn new(rounds: u32, rows: usize) -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            begun: Instant::now(),
            rounds,
            rows,
            done: 0,
        }
    }

    /// This row is next.
    pub(crate) fn tell(&mut self, round: u32, row: &str) {
        let all = self.rows * self.rounds as usize;
        let Self { done, rounds, .. } = self;
        let (round, seconds) = (round + 1, self.begun.elapsed().as_secs());
        // A progress that cannot be shown is no reason to stop.
        let mut err = io::stderr().lock();
        let _ = if self.terminal {
            let percent = *done * 100 / all;
            write!(
                err,
                "\r\x1b[K{percent} %, {seconds} s, round {round} of {rounds}: {row}"
            )
            .and_then(|()| err.flush())
        } else if done.is_multiple_of(self.rows) {
            writeln!(err, "round {round} of {rounds} after {seconds} s")
        } else {
            Ok(())
        };
        self.done += 1;
    }

    /// The rounds are over.
    pub(crate) fn end(self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
