//! The clock of a run.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A clock that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    begun: Instant,
    cpu: Duration,
}

/// How long something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(crate) struct Took {
    /// On the wall.
    pub(crate) wall: Duration,
    /// Of the processors, for all threads of this process and the kernel in their calls. Other processes are in it only by what they do to caches.
    pub(crate) cpu: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            cpu: cpu(),
            begun: Instant::now(),
        }
    }

    pub(crate) fn took(&self) -> Took {
        let wall = self.begun.elapsed();
        Took {
            wall,
            cpu: cpu().saturating_sub(self.cpu),
        }
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
