//! A socket and its place in the runtime: shared by the two directions, released when the last of them lets go.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown, sockopt};

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
}

impl<R: Readiness> Source<R> {
    pub(crate) fn new(io: R, fd: Arc<OwnedFd>, kind: Kind) -> Self {
        Self {
            io,
            fd,
            kind,
            silent: AtomicBool::new(false),
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
        }
    }
}

fn discard_input(fd: BorrowedFd<'_>) {
    scratch::with(|buffer| {
        for _ in 0..DISCARDS {
            match retry_on_intr(|| recv(fd, &mut *buffer, RecvFlags::DONTWAIT)) {
                Ok((1.., _)) => {}
                _ => return,
            }
        }
    });
}

/// Makes the kernel tell a TCP peer that the stream was cut: now where it can be done, at any rate when the descriptor is closed.
fn reset(fd: BorrowedFd<'_>) {
    _ = sockopt::set_socket_linger(fd, Some(std::time::Duration::ZERO));
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        _ = rustix::net::connect_unspec(fd);
    }
}
