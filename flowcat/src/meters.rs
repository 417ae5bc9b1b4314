//! How much went each way: the statistics at the end, and the progress line.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flow_core::combinators::LiveStats;

use crate::address::Address;
use crate::args::Args;
use crate::failure::say;

/// How often the line is written over.
const TICK: Duration = Duration::from_millis(250);

/// The statistics of each direction that there is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meters(Arc<Mutex<Vec<(String, LiveStats)>>>);

impl Meters {
    pub(crate) fn add(&self, from: &Address, to: &Address, live: LiveStats) {
        self.lock().push((format!("{from} -> {to}"), live));
    }

    pub(crate) fn tell(&self) {
        for (way, live) in &*self.lock() {
            say(&format!("{way}: {}", live.now()));
        }
    }

    fn written(&self) -> Vec<u64> {
        let meters = self.lock();
        meters
            .iter()
            .map(|(_, live)| live.now().written_bytes)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, LiveStats)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line on the terminal that is written over, and erased when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Where standard error is a terminal, unless that shows what is relayed too.
    pub(crate) fn start(args: &Args, meters: &Meters) -> Self {
        let terminals = [
            io::stdin().is_terminal(),
            io::stdout().is_terminal(),
            io::stderr().is_terminal(),
        ];
        if !is_wanted(args, terminals) {
            return Self(None);
        }
        let (stop, stopped) = mpsc::channel();
        let meters = meters.clone();
        let thread = thread::spawn(move || {
            let mut before = (Instant::now(), 0);
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let now = (Instant::now(), meters.written());
                let total = now.1.iter().sum::<u64>();
                let rate = (total - before.1) as f64 / (now.0 - before.0).as_secs_f64();
                before = (now.0, total);
                show(&line(&now.1, rate));
            }
            show("");
        });
        Self(Some((stop, thread)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            _ = thread.join();
        }
    }
}

/// Which of the three standard streams are terminals decides.
fn is_wanted(args: &Args, [stdin, stdout, stderr]: [bool; 3]) -> bool {
    let (reads, writes) = args.stdio();
    let relayed = reads && stdin || writes && stdout;
    stderr && !args.quiet && !relayed
}

/// Writes the line over. A progress that cannot be shown is no reason to stop.
fn show(line: &str) {
    let mut err = io::stderr().lock();
    _ = write!(err, "\r\x1b[K{line}").and_then(|()| err.flush());
}

fn line(written: &[u64], rate: f64) -> String {
    let rate = Size(rate);
    match written {
        [there] => format!("{}, {rate}/s", Size(*there as f64)),
        [there, back] => {
            let (there, back) = (Size(*there as f64), Size(*back as f64));
            format!("{there} there, {back} back, {rate}/s")
        }
        _ => String::new(),
    }
}

/// Bytes, as a few letters.
struct Size(f64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut size, mut unit) = (self.0, "B");
        for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
            // Just below the next unit it would be rounded up to 1024.0 of this one.
            if size < 1023.95 {
                break;
            }
            (size, unit) = (size / 1024.0, next);
        }
        let places = usize::from(unit != "B");
        write!(f, "{size:.places$} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn the_line_does_not_come_between_what_is_relayed() {
        let wanted = |words: &str, terminals| {
            let words = ["flowcat"].into_iter().chain(words.split(' '));
            is_wanted(&Args::parse_from(words), terminals)
        };
        let (all, none) = ([true; 3], [false; 3]);
        let (not_in, not_out) = ([false, true, true], [true, false, true]);
        assert!(wanted("unix:a unix:b", all));
        assert!(!wanted("unix:a unix:b", none));
        assert!(!wanted("-q unix:a unix:b", all));
        assert!(wanted("- unix:b", [false, false, true]));
        assert!(!wanted("- unix:b", not_in));
        assert!(!wanted("unix:b -", not_out));
        // What is not relayed may be a terminal.
        assert!(wanted("file:a -", not_out));
        assert!(wanted("- file:a", not_in));
        assert!(!wanted("file:a -", not_in));
    }

    #[test]
    fn the_line_is_short() {
        assert_eq!(line(&[], 0.0), "");
        assert_eq!(line(&[1536], 1023.0), "1.5 KiB, 1023 B/s");
        let most = line(&[u64::MAX, 1023 * 1024], 1023.9 * 1024.0);
        assert_eq!(most, "16.0 EiB there, 1023.0 KiB back, 1023.9 KiB/s");
    }
}
