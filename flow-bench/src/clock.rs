//! The clock of a run.

use std::time::{Duration, Instant};

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

/// Of the C library, because rustix asks the kernel's own page of functions, which is not there under valgrind.
#[allow(
    unsafe_code,
    reason = "there is no safe function for this clock that runs under valgrind"
)]
fn cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a timespec that lives until the call returns, and nothing else is touched.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(answer, 0, "every system has this clock");
    let nanos = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(time.tv_sec.cast_unsigned(), nanos)
}
