//! How many descriptors there may be.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Left for the runtime and the program.
const OTHERS: u64 = 64;

/// Allows as many as the system lets this process have.
pub(crate) fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // As many as there may be is all that can be had.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// How many pairs of sockets there may be.
pub(crate) fn pairs() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    usize::try_from(descriptors.saturating_sub(OTHERS) / 2).unwrap_or(usize::MAX)
}
