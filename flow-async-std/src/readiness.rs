//! Readiness from async-io, which reports levels when asked: attempts come first, and asking is what arms it.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_io::Async;
use flow_unix::{Attempt, Direction, Error, Readiness};

/// A descriptor that async-io watches.
pub struct AsyncStdReadiness(Async<Arc<OwnedFd>>);

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
        Ok(Self(Async::new_nonblocking(fd)?))
    }

    fn poll_io<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut() -> Attempt<T>,
    ) -> Poll<Result<T, Error>> {
        loop {
            match attempt() {
                Attempt::WouldBlock => {}
                Attempt::Maybe(result) | Attempt::Drained(result) => {
                    return Poll::Ready(Ok(result));
                }
            }
            for _ in 0..ASKS {
                ready!(match direction {
                    Direction::Read => self.0.poll_readable(cx),
                    Direction::Write => self.0.poll_writable(cx),
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
            .field(self.0.get_ref())
            .finish()
    }
}
