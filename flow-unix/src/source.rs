//! A socket and its place in the runtime: shared by the two directions, released when the last of them lets go.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown, sockopt};

#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::hang_up::has_ended;
use crate::kind::Kind;
use crate::{Attempt, Direction, Error, Interest, Readiness, scratch};

/// How many times input is thrown away before release, [`scratch::LEN`] at a time: a peer that never stops sending is reset.
const DISCARDS: usize = 1024;

pub(crate) struct Source<R> {
    /// Before the descriptor, because it is to be taken out of the runtime before it is closed.
    io: R,
    fd: Arc<OwnedFd>,
    kind: Kind,
    /// Released without a word to the peer: torn, or given back.
    silent: AtomicBool,
    /// The descriptor was lent out since nothing was left to receive.
    lent: AtomicBool,
}

impl<R: Readiness> Source<R> {
    pub(crate) fn new(io: R, fd: Arc<OwnedFd>, kind: Kind) -> Self {
        Self {
            io,
            fd,
            kind,
            silent: AtomicBool::new(false),
            lent: AtomicBool::new(false),
        }
    }

    /// Has the runtime watch a socket; gives it back if that fails.
    pub(crate) fn register(
        runtime: &R::Runtime,
        fd: OwnedFd,
        kind: Kind,
    ) -> Result<Self, (Error, OwnedFd)> {
        let fd = Arc::new(fd);
        match R::register(runtime, Arc::clone(&fd), Interest::Both) {
            Ok(io) => Ok(Self::new(io, fd, kind)),
            Err(e) => Err((
                e,
                Arc::try_unwrap(fd).expect("a failed registration keeps no descriptor"),
            )),
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Lends the descriptor out.
    pub(crate) fn lend<T>(&self, work: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
        // Before and after, because the flow may be reading meanwhile.
        self.lent.store(true, Ordering::Relaxed);
        let result = work(self.fd());
        self.lent.store(true, Ordering::Relaxed);
        result
    }

    /// An attempt to receive whose short read is believed only if nobody else had the descriptor. Who takes urgent data out of its stream leaves
    /// a mark there that cuts a read short, and of which no event tells.
    pub(crate) fn attempt_to_recv<T>(&self, attempt: impl FnOnce() -> Attempt<T>) -> Attempt<T> {
        // Taken before the attempt, so that what is lent out meanwhile counts for the next one.
        let lent = self.lent.swap(false, Ordering::Relaxed);
        let attempted = attempt();
        if lent && !matches!(attempted, Attempt::WouldBlock) {
            self.lent.store(true, Ordering::Relaxed);
        }
        match attempted {
            Attempt::Drained(result) if self.lent.load(Ordering::Relaxed) => Attempt::Maybe(result),
            attempted => attempted,
        }
    }

    /// Attempts when ready; `fresh` says that this direction has never been attempted before.
    pub(crate) fn poll_io<T>(
        &self,
        direction: Direction,
        fresh: &mut bool,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut() -> Attempt<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        if R::WAITS_FIRST && std::mem::take(fresh) {
            match attempt() {
                Attempt::WouldBlock => {}
                Attempt::Maybe(result) | Attempt::Drained(result) => return Poll::Ready(result),
            }
        }
        Poll::Ready(ready!(self.io.poll_io(direction, cx, attempt)).and_then(|result| result))
    }

    /// Ends both directions for the peer, at once, although others may still hold the descriptor.
    pub(crate) fn end(&self, torn: bool) {
        if torn && self.kind != Kind::Unix {
            self.silent.store(true, Ordering::Relaxed);
            reset(self.fd());
        } else {
            // Over TCP not the receiving direction: the kernel would answer input with a reset, which destroys what was sent.
            let how = if self.kind == Kind::Unix {
                Shutdown::Both
            } else {
                Shutdown::Write
            };
            _ = shutdown(self.fd(), how);
        }
    }

    /// The descriptor, which is not to be ended when this is dropped.
    pub(crate) fn keep(&self) -> Arc<OwnedFd> {
        self.silent.store(true, Ordering::Relaxed);
        Arc::clone(&self.fd)
    }
}

/// Closing a socket with unread input makes the kernel answer with a reset, which destroys what was sent and has not been read by the
/// peer, on TCP, and shows as an error to the peer, on `AF_UNIX`. So input is thrown away first.
impl<R> Drop for Source<R> {
    fn drop(&mut self) {
        if !self.silent.load(Ordering::Relaxed) {
            discard_input(self.fd.as_fd());
            if self.kind != Kind::Unix {
                do_not_linger(self.fd.as_fd());
            }
        }
    }
}

/// Closing a socket that lingers would block the thread until the peer has acknowledged everything, or for that long.
fn do_not_linger(fd: BorrowedFd<'_>) {
    // Without time it is a reset that was asked for, and does not block.
    if matches!(sockopt::socket_linger(fd), Ok(Some(time)) if !time.is_zero()) {
        _ = sockopt::set_socket_linger(fd, None);
    }
}

fn discard_input(fd: BorrowedFd<'_>) {
    scratch::with(|buffer| {
        for round in 0_usize.. {
            // Once the peer has ended, no more comes than is there.
            if round == DISCARDS && !has_ended(fd) {
                return;
            }
            match retry_on_intr(|| recv(fd, &mut *buffer, RecvFlags::DONTWAIT)) {
                Ok((1.., _)) => {}
                _ => return,
            }
        }
    });
}

/// Where there is no event for it, a peer that has sent that much is taken for one that never stops.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn has_ended(_: BorrowedFd<'_>) -> bool {
    false
}

/// Makes the kernel tell a TCP peer that the stream was cut: now where it can be done, at any rate when the descriptor is closed.
fn reset(fd: BorrowedFd<'_>) {
    _ = sockopt::set_socket_linger(fd, Some(std::time::Duration::ZERO));
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        _ = rustix::net::connect_unspec(fd);
    }
}
