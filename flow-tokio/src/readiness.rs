//! Readiness from tokio, which reports edges: it is waited for, and an event counts until it is cleared.

#![allow(unsafe_code, reason = "tokio's registration is an unsafe function")]

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use flow_unix::{Attempt, Direction, Error, Readiness};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

/// How often one poll attempts. An event that cannot be cleared, such as that of an error queue, would keep a poll for ever.
const ATTEMPTS: usize = 3;

/// A descriptor that tokio watches.
pub struct TokioReadiness(AsyncFd<Arc<OwnedFd>>);

impl Readiness for TokioReadiness {
    type Runtime = Handle;

    const WAITS_FIRST: bool = true;

    fn runtime() -> Result<Handle, Error> {
        Handle::try_current().map_err(|_| Error::no_runtime())
    }

    fn register(
        runtime: &Handle,
        fd: Arc<OwnedFd>,
        interest: flow_unix::Interest,
    ) -> Result<Self, Error> {
        let interest = match interest {
            flow_unix::Interest::Read => tokio::io::Interest::READABLE,
            flow_unix::Interest::Both => both(),
        };
        let register = || {
            let _inside = runtime.enter();
            // SAFETY: the descriptor is open, and stays open and the same, because the `Arc` that owns it is given to the `AsyncFd`, which keeps it
            // until it has been deregistered. `as_raw_fd` of an `Arc<OwnedFd>` always answers the same.
            unsafe { AsyncFd::register_with_interest(fd, interest) }
        };
        // A runtime that was built without I/O says so by a panic, and there is no way to ask first.
        match catch_unwind(AssertUnwindSafe(register)) {
            Ok(Ok(fd)) => Ok(Self(fd)),
            Ok(Err(e)) => Err(from_tokio(e.into_parts().1)),
            Err(_) => Err(Error::no_runtime()),
        }
    }

    #[inline(always)]
    fn poll_io<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut() -> Attempt<T>,
    ) -> Poll<Result<T, Error>> {
        for _ in 0..ATTEMPTS {
            // The event is taken before the attempt, so clearing it spares one that comes meanwhile; an end is never cleared.
            let event = match direction {
                Direction::Read => self.0.poll_read_ready(cx),
                Direction::Write => self.0.poll_write_ready(cx),
            };
            let mut event = ready!(event).map_err(from_tokio)?;
            let attempted = match direction {
                Direction::Read => self.attempt_to_read(&mut attempt),
                Direction::Write => attempt(),
            };
            match attempted {
                Attempt::WouldBlock => event.clear_ready(),
                Attempt::Maybe(result) => return Poll::Ready(Ok(result)),
                Attempt::Short(result) | Attempt::Drained(result) => {
                    event.clear_ready();
                    return Poll::Ready(Ok(result));
                }
            }
        }
        // Others have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn spawn_blocking(runtime: &Handle, job: Box<dyn FnOnce() + Send>) {
        drop(runtime.spawn_blocking(job));
    }
}

impl TokioReadiness {
    /// Attempts, and believes that nothing is left only where no urgent data may have cut the read short.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[inline(always)]
    fn attempt_to_read<T>(&self, attempt: &mut impl FnMut() -> Attempt<T>) -> Attempt<T> {
        match attempt() {
            Attempt::Short(result) if self.is_urgent() => Attempt::Maybe(result),
            Attempt::WouldBlock => self.attempt_after_urgent(attempt),
            attempted => attempted,
        }
    }

    /// Whether urgent data was reported since nothing at all was left. Costs no system call.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[inline]
    fn is_urgent(&self) -> bool {
        let asked = self.0.try_io(tokio::io::Interest::PRIORITY, |_| Ok(()));
        asked.is_ok()
    }

    /// Nothing is left. Where urgent data was reported, that is forgotten, if nothing is left still: the report is to be taken before the attempt
    /// that clears it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[cold]
    fn attempt_after_urgent<T>(&self, attempt: &mut impl FnMut() -> Attempt<T>) -> Attempt<T> {
        let mut attempted = Attempt::WouldBlock;
        let cleared = self.0.try_io(tokio::io::Interest::PRIORITY, |_| {
            attempted = attempt();
            match attempted {
                Attempt::WouldBlock => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        });
        drop(cleared);
        match attempted {
            Attempt::Short(result) | Attempt::Drained(result) => Attempt::Maybe(result),
            attempted => attempted,
        }
    }

    /// Where urgent data is not reported, a short read shows nothing.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn attempt_to_read<T>(&self, attempt: &mut impl FnMut() -> Attempt<T>) -> Attempt<T> {
        match attempt() {
            Attempt::Short(result) => Attempt::Maybe(result),
            attempted => attempted,
        }
    }
}

fn both() -> tokio::io::Interest {
    let both = tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let both = both | tokio::io::Interest::PRIORITY;
    both
}

/// The only errors of tokio itself that have no number are those of a runtime that has ended.
fn from_tokio(e: io::Error) -> Error {
    match e.raw_os_error() {
        Some(_) => e.into(),
        None => Error::runtime_gone(),
    }
}

impl fmt::Debug for TokioReadiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokioReadiness")
            .field(self.0.get_ref())
            .finish()
    }
}
