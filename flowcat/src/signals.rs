//! SIGINT and SIGTERM: what is to be removed is removed, and then they do what they always do.

use std::fs;
use std::future::pending;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Those of the two that end this process.
pub(crate) struct Ending(Option<Signals>);

impl Ending {
    /// From here on they are waited for. One that whoever started this has set to be ignored, as shells do in the background, stays ignored.
    pub(crate) fn new() -> Self {
        let ignored = ignored();
        let ours = [SIGINT, SIGTERM]
            .into_iter()
            .filter(|signal| ignored & 1 << (signal - 1) == 0);
        // Without this they end the process as before, and only leave a socket behind.
        Self(Signals::new(ours).ok())
    }

    /// The first of them.
    pub(crate) async fn wait(self) -> i32 {
        let first = match self.0 {
            Some(mut signals) => blocking::unblock(move || signals.forever().next()).await,
            None => None,
        };
        match first {
            Some(signal) => signal,
            None => pending().await,
        }
    }
}

/// Ends the process by this signal, so that whoever waits for it sees that.
pub(crate) fn end_by(signal: i32) {
    _ = emulate_default_handler(signal);
}

/// The signals that this process ignores, as bits; none where that cannot be read.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
