//! The transport over a descriptor: what the engine asks, answered by system calls.

use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use flow_core::{Chunks, Engine, PeerEnd, Switch, Transport, WriteError};
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};

use crate::error::Doing;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::hang_up::HangUp;
use crate::kind::Kind;
use crate::recv::Estimate;
use crate::source::Source;
use crate::{ConnectError, Direction, Error, Readiness, into_fd, send};

/// A [`Transport`] over a connected stream socket, on any runtime that has [`Readiness`].
///
/// For authors of backends; everybody else uses the flows of `flow-tokio` or `flow-async-std`, which are
/// [`Engine`]s over this.
pub struct FdTransport<R: Readiness> {
    runtime: R::Runtime,
    /// The states of both directions hold it too; empty once aborted, so that the last of them releases it.
    source: Mutex<Option<Arc<Source<R>>>>,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    hang_up: HangUp<R>,
}

/// A flow over a descriptor, on any runtime: what backends wrap.
pub type FdEngine<R> = Engine<FdTransport<R>>;

/// The state of receiving of an [`FdTransport`].
pub struct Rx<R: Readiness> {
    source: Arc<Source<R>>,
    fresh: bool,
    estimate: Estimate,
}

/// The state of sending of an [`FdTransport`].
pub struct Tx<R: Readiness> {
    source: Arc<Source<R>>,
    fresh: bool,
}

/// Makes a flow of a connected stream socket, on the runtime of the code that is running.
///
/// # Errors
///
/// [`ConnectError`], which gives the descriptor back.
///
/// # Panics
///
/// If a `Readiness` that was refused by its runtime keeps the descriptor.
pub fn connect<R: Readiness>(fd: OwnedFd) -> Result<FdEngine<R>, ConnectError> {
    let (kind, fd) = Kind::of(fd)?;
    let runtime = match R::runtime() {
        Ok(runtime) => runtime,
        Err(e) => return Err(ConnectError::os(e, fd)),
    };
    match Source::register(&runtime, fd, kind) {
        Ok(source) => Ok(FdTransport::engine(runtime, source)),
        Err((e, fd)) => Err(ConnectError::os(e, fd)),
    }
}

/// The same as [`connect`], tied to a switch: turning that off aborts the flow.
///
/// # Errors
///
/// [`ConnectError`], which gives the descriptor back, also where the switch is off.
///
/// # Panics
///
/// If a `Readiness` keeps the descriptor that it was to let go.
pub fn connect_with<R>(fd: OwnedFd, switch: &Switch) -> Result<FdEngine<R>, ConnectError>
where
    R: Readiness<Runtime: Send + Sync> + Send + Sync + 'static,
{
    let flow = connect(fd)?;
    match flow.attach(switch) {
        Ok(()) => Ok(flow),
        Err(off) => {
            let fd = into_fd(flow).expect("a flow that nobody has used is whole");
            Err(off.map(|()| fd).into())
        }
    }
}

impl<R: Readiness> FdTransport<R> {
    pub(crate) fn engine(runtime: R::Runtime, source: Source<R>) -> Engine<Self> {
        prepare(source.fd());
        let source = Arc::new(source);
        let rx = Rx {
            source: Arc::clone(&source),
            fresh: true,
            estimate: Estimate::default(),
        };
        let tx = Tx {
            source: Arc::clone(&source),
            fresh: true,
        };
        let transport = Self {
            runtime,
            source: Mutex::new(Some(source)),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            hang_up: HangUp::new(),
        };
        Engine::new(transport, rx, tx)
    }

    /// Lends the descriptor out; `None` once the flow was aborted.
    ///
    /// While `work` runs, the descriptor stays open. `SO_ERROR` is not to be read there: that takes the error away which reading would
    /// report, and a reset then looks like a clean end.
    pub fn with_fd<T>(&self, work: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        Some(self.source()?.lend(work))
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        self.source().map(|source| source.kind())
    }

    fn source(&self) -> Option<Arc<Source<R>>> {
        self.source
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What a socket needs before its first byte.
fn prepare(fd: BorrowedFd<'_>) {
    // These systems have no flag for it in the call.
    #[cfg(target_vendor = "apple")]
    {
        _ = rustix::net::sockopt::set_socket_nosigpipe(fd, true);
    }
    #[cfg(not(target_vendor = "apple"))]
    let _ = fd;
}

impl<R: Readiness> Rx<R> {
    /// The descriptor, which is not to be ended when the flow is dropped.
    pub(crate) fn keep(&self) -> Arc<OwnedFd> {
        self.source.keep()
    }
}

impl<R: Readiness> Transport for FdTransport<R> {
    type Error = Error;
    type Rx = Rx<R>;
    type Tx = Tx<R>;

    fn poll_recv(
        &self,
        rx: &mut Rx<R>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        let Rx {
            source,
            fresh,
            estimate,
        } = rx;
        source.poll_io(Direction::Read, fresh, cx, || {
            source.attempt_to_recv(|| estimate.attempt(source.fd(), source.kind()))
        })
    }

    fn poll_send(
        &self,
        tx: &mut Tx<R>,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Error>>> {
        if data.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let Tx { source, fresh } = tx;
        source
            .poll_io(Direction::Write, fresh, cx, || {
                send::attempt(source.fd(), data)
            })
            .map_err(|e| write_error(e, source.kind()))
    }

    fn poll_finish(
        &self,
        tx: &mut Tx<R>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Error>>> {
        let source = &tx.source;
        Poll::Ready(match shutdown(source.fd(), Shutdown::Write) {
            Ok(()) => Ok(()),
            // The connection is gone: was anything under way?
            Err(Errno::NOTCONN) if owes(source.fd(), source.kind()) => Err(WriteError::Closed),
            Err(Errno::NOTCONN) => Ok(()),
            Err(errno) => Err(WriteError::Transport(Error::os(Doing::End, errno))),
        })
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        match self.source() {
            Some(source) => self.hang_up.poll(&self.runtime, source.fd(), cx),
            None => Poll::Ready(PeerEnd::Ended),
        }
    }

    fn abort(&self, torn: bool) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        self.hang_up.release();
        let source = self
            .source
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(source) = source {
            source.end(torn);
        }
    }

    fn is_closed(error: &Error) -> bool {
        error.is_closed()
    }
}

/// What a failed send is to the writer. An error that reading reports by itself is just the end of writing.
fn write_error(error: Error, kind: Kind) -> WriteError<Error> {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::PIPE) => WriteError::Closed,
        Some(Errno::CONNRESET) if kind == Kind::Unix => WriteError::Closed,
        _ => WriteError::Transport(error),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn owes(fd: BorrowedFd<'_>, kind: Kind) -> bool {
    kind == Kind::Tcp && crate::owed::bytes(fd).is_some_and(|bytes| bytes > 0)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn owes(_: BorrowedFd<'_>, _: Kind) -> bool {
    false
}

impl<R: Readiness> fmt::Debug for FdTransport<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdTransport").finish_non_exhaustive()
    }
}

impl<R: Readiness> fmt::Debug for Rx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rx")
            .field("fd", &self.source.fd())
            .finish_non_exhaustive()
    }
}

impl<R: Readiness> fmt::Debug for Tx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("fd", &self.source.fd())
            .finish_non_exhaustive()
    }
}
