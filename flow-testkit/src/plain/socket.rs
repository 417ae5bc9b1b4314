//! The transport: system calls, and what their errors mean.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use flow_core::{Aborted, Bytes, Chunks, PeerEnd, Transport, WriteError};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};

use super::reactor::{Source, Which};

/// Why a plain flow failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlainError {
    /// This side aborted.
    Aborted,
    /// The reactor has ended.
    NoReactor,
    /// A system call failed.
    Os(Errno),
}

impl fmt::Display for PlainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => f.write_str("the flow was aborted on this side"),
            Self::NoReactor => f.write_str("the reactor has ended"),
            Self::Os(_) => f.write_str("a system call failed"),
        }
    }
}

impl Error for PlainError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Os(errno) => Some(errno),
            Self::Aborted | Self::NoReactor => None,
        }
    }
}

impl From<Aborted> for PlainError {
    fn from(_: Aborted) -> Self {
        Self::Aborted
    }
}

/// How much is received at a time.
const PORTION: usize = 16 * 1024;
/// How much unread input is thrown away before a socket is closed, so that the kernel does not destroy what was sent.
const UNREAD: usize = 16 * 1024 * 1024;

/// A stream socket and what is known of its readiness.
pub struct Socket {
    /// `None` once aborted.
    fd: RefCell<Option<OwnedFd>>,
    source: Rc<Source>,
    tcp: bool,
}

impl Socket {
    /// A connected stream socket.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn new(fd: OwnedFd) -> Self {
        let source = Source::new(&fd);
        let tcp = sockopt::socket_domain(&fd).is_ok_and(|domain| domain != AddressFamily::UNIX);
        Self {
            fd: RefCell::new(Some(fd)),
            source,
            tcp,
        }
    }

    /// Receives with these flags.
    pub(crate) fn poll_recv_with(
        &self,
        flags: RecvFlags,
        cx: &Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        let mut buffer = [0; PORTION];
        let call = |fd: BorrowedFd<'_>| recv(fd, &mut buffer, flags).map(|(_, count)| count);
        Poll::Ready(match ready!(self.poll_io(Which::Read, cx, call)) {
            Ok(0) => Ok(None),
            Ok(count) => Ok(Some(Bytes::copy_from_slice(&buffer[..count]))),
            // A Unix peer that left with input unread: what it sent has all been read.
            Err(PlainError::Os(Errno::CONNRESET)) if !self.tcp => Ok(None),
            Err(e) => Err(e),
        })
    }

    /// Waits for the next event before it receives again, whatever there is.
    #[cfg(feature = "broken")]
    pub(crate) fn clear_read(&self) {
        self.source.clear(Which::Read);
    }

    /// Runs `call` on the descriptor whenever it may be ready, until it does not say `EAGAIN`.
    pub(crate) fn poll_io<T>(
        &self,
        which: Which,
        cx: &Context<'_>,
        mut call: impl FnMut(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Poll<Result<T, PlainError>> {
        loop {
            if ready!(self.source.poll_ready(which, cx)).is_none() {
                return Poll::Ready(Err(PlainError::NoReactor));
            }
            let fd = self.fd.borrow();
            let Some(fd) = &*fd else {
                return Poll::Ready(Err(PlainError::Aborted));
            };
            match call(fd.as_fd()) {
                Ok(value) => return Poll::Ready(Ok(value)),
                Err(Errno::AGAIN) => self.source.clear(which),
                Err(Errno::INTR) => {}
                Err(e) => return Poll::Ready(Err(PlainError::Os(e))),
            }
        }
    }

    /// Closes the descriptor; the kernel answers unread input with a reset, so there must be none.
    fn release(&self, discard: bool) {
        let Some(fd) = self.fd.take() else { return };
        let mut buffer = [0; PORTION];
        let mut left = if discard { UNREAD } else { 0 };
        while left > 0 {
            match recv(&fd, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((_, count)) if count > 0 => left = left.saturating_sub(count),
                _ => break,
            }
        }
    }

    /// Closes the descriptor with whatever is unread.
    #[cfg(feature = "broken")]
    pub(crate) fn release_at_once(&self) {
        self.release(false);
    }
}

impl Transport for Socket {
    type Error = PlainError;
    type Rx = ();
    type Tx = ();

    fn poll_recv(
        &self,
        (): &mut (),
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        self.poll_recv_with(RecvFlags::DONTWAIT, cx)
    }

    fn poll_send(
        &self,
        (): &mut (),
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        while !data.is_empty() {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match ready!(self.poll_io(Which::Write, cx, |fd| send(fd, data.first(), flags))) {
                Ok(count) => data.advance(count),
                // It follows a clean end of reading, which reports what there is to report.
                Err(PlainError::Os(Errno::PIPE)) => return Poll::Ready(Err(WriteError::Closed)),
                Err(e) => return Poll::Ready(Err(WriteError::Transport(e))),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_finish(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        if let Some(fd) = &*self.fd.borrow() {
            // The peer may have gone first.
            let _ = shutdown(fd, Shutdown::Write);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        self.source
            .poll_ready(Which::HangUp, cx)
            .map(|_| PeerEnd::Ended)
    }

    fn abort(&self, torn: bool) {
        if torn && let Some(fd) = &*self.fd.borrow() {
            // TCP says by a reset that the stream was cut off. A Unix socket has no way to.
            let _ = sockopt::set_socket_linger(fd, Some(Duration::ZERO));
        }
        self.release(true);
    }

    fn is_closed(error: &PlainError) -> bool {
        matches!(
            error,
            PlainError::Os(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN | Errno::CONNABORTED)
        )
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.release(true);
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("fd", &self.fd)
            .finish_non_exhaustive()
    }
}
