//! What the process holds: descriptors, memory and threads, as far as the system tells.

use std::fs;

/// What the process holds at one moment. `None` is what the system does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) descriptors: Option<usize>,
    /// In bytes.
    pub(crate) resident: Option<u64>,
    pub(crate) threads: Option<usize>,
}

impl Holdings {
    /// Counts.
    pub(crate) fn now() -> Self {
        Self {
            // The folder that is being read is among them, each time.
            descriptors: entries("/proc/self/fd").or_else(|| entries("/dev/fd")),
            resident: resident(),
            threads: entries("/proc/self/task"),
        }
    }
}

fn entries(folder: &str) -> Option<usize> {
    Some(fs::read_dir(folder).ok()?.count())
}

fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
