//! Readiness from async-io, which reports levels when asked: attempts come first, and asking is what arms it.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use async_io::Async;
use flow_unix::{Attempt, Direction, Error, Readiness};

/// A descriptor that async-io watches.
pub struct AsyncStdReadiness {
    io: Async<Arc<OwnedFd>>,
    /// The last read left nothing: the next one waits without looking first. Should there be something nevertheless, the event comes at once.
    drained: AtomicBool,
}

/// How often one poll asks async-io. Its first "ready" may be about an event that was used up long ago; the second time it is armed.
const ASKS: usize = 2;

impl Readiness for AsyncStdReadiness {
    /// There is one for the whole process, which never ends.
    type Runtime = ();

    const WAITS_FIRST: bool = false;

    fn runtime() -> Result<(), Error> {
        Ok(())
    }

    fn register((): &(), fd: Arc<OwnedFd>, _: flow_unix::Interest) -> Result<Self, Error> {
        // Not `Async::new`, which would set O_NONBLOCK.
        Ok(Self {
            io: Async::new_nonblocking(fd)?,
            drained: AtomicBool::new(false),
        })
    }

    #[inline]
    fn poll_io<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut() -> Attempt<T>,
    ) -> Poll<Result<T, Error>> {
        loop {
            let reads = direction == Direction::Read;
            if !(reads && self.drained.swap(false, Ordering::Relaxed)) {
                match attempt() {
                    Attempt::WouldBlock => {}
                    Attempt::Maybe(result) => return Poll::Ready(Ok(result)),
                    Attempt::Short(result) | Attempt::Drained(result) => {
                        self.drained.store(reads, Ordering::Relaxed);
                        return Poll::Ready(Ok(result));
                    }
                }
            }
            for _ in 0..ASKS {
                ready!(match direction {
                    Direction::Read => self.io.poll_readable(cx),
                    Direction::Write => self.io.poll_writable(cx),
                })?;
            }
        }
    }

    fn spawn_blocking((): &(), job: Box<dyn FnOnce() + Send>) {
        blocking::unblock(job).detach();
    }
}

impl fmt::Debug for AsyncStdReadiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncStdReadiness")
            .field(self.io.get_ref())
            .finish()
    }
}
