//! Out of a flow again: its descriptor, or a stream of std.

use std::error;
use std::fmt;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::kind::Kind;
use crate::transport::keep;
use crate::{Error, FdEngine, Readiness};

/// Takes a flow apart: the descriptor comes out, and the peer is told nothing.
///
/// # Errors
///
/// The flow comes back as it was if bytes would be lost (a write that was taken is unfinished, a close has read ahead, a thread reads a file),
/// if it is over (it was aborted, or a write has failed), or if it is over two descriptors.
///
/// # Panics
///
/// If a `Readiness` that was dropped keeps the descriptor.
pub fn into_fd<R: Readiness>(flow: FdEngine<R>) -> Result<OwnedFd, FdEngine<R>> {
    let [read, write] = apart(flow, 1)?;
    // Where both directions use it, both have given it: one of them is let go.
    let fd = read.or(write).expect("there is one");
    Ok(alone(fd))
}

/// Takes a flow over two descriptors apart, as [`into_fd`]: the one that it reads, and the one that it writes.
///
/// # Errors
///
/// The flow comes back as from [`into_fd`], or if it is over one descriptor, or if the end of the one that it wrote was signalled by closing it.
///
/// # Panics
///
/// If a `Readiness` that was dropped keeps a descriptor.
pub fn into_fds<R: Readiness>(flow: FdEngine<R>) -> Result<(OwnedFd, OwnedFd), FdEngine<R>> {
    let [read, write] = apart(flow, 2)?.map(|fd| alone(fd.expect("there are two")));
    Ok((read, write))
}

fn apart<R: Readiness>(
    flow: FdEngine<R>,
    count: usize,
) -> Result<[Option<Arc<OwnedFd>>; 2], FdEngine<R>> {
    if !flow.transport().is_over(count) {
        return Err(flow);
    }
    let parts = flow.into_parts()?;
    Ok(keep(&parts.rx, &parts.tx))
}

fn alone(fd: Arc<OwnedFd>) -> OwnedFd {
    Arc::try_unwrap(fd).expect("only the transport and its states held it")
}

/// Takes a flow over an `AF_UNIX` socket apart, as [`into_fd`].
///
/// # Errors
///
/// [`IntoStreamError`], which gives the flow back.
pub fn into_unix_stream<R: Readiness>(
    flow: FdEngine<R>,
) -> Result<UnixStream, IntoStreamError<FdEngine<R>>> {
    into_stream(flow, Kind::Unix).map(UnixStream::from)
}

/// Takes a flow over a TCP socket apart, as [`into_fd`].
///
/// # Errors
///
/// [`IntoStreamError`], which gives the flow back.
pub fn into_tcp_stream<R: Readiness>(
    flow: FdEngine<R>,
) -> Result<TcpStream, IntoStreamError<FdEngine<R>>> {
    into_stream(flow, Kind::Tcp).map(TcpStream::from)
}

fn into_stream<R: Readiness>(
    flow: FdEngine<R>,
    kind: Kind,
) -> Result<OwnedFd, IntoStreamError<FdEngine<R>>> {
    match flow.transport().kind() {
        Some(other) if other != kind => Err(IntoStreamError::new(Why::OtherKind, flow)),
        _ => into_fd(flow).map_err(|flow| IntoStreamError::new(Why::Busy, flow)),
    }
}

/// Why a flow did not become a stream. It comes back, but where the runtime failed after the flow was gone.
#[derive(Debug)]
pub struct IntoStreamError<F> {
    why: Why,
    flow: Option<F>,
    cause: Option<Error>,
}

#[derive(Clone, Copy, Debug)]
enum Why {
    OtherKind,
    Busy,
    Runtime,
}

impl<F> IntoStreamError<F> {
    const fn new(why: Why, flow: F) -> Self {
        Self {
            why,
            flow: Some(flow),
            cause: None,
        }
    }

    /// For backends: the runtime would not have, or did not take, the stream.
    #[must_use]
    pub const fn runtime(cause: Error, flow: Option<F>) -> Self {
        Self {
            why: Why::Runtime,
            flow,
            cause: Some(cause),
        }
    }

    /// The flow, as it was.
    #[must_use]
    pub fn into_flow(self) -> Option<F> {
        self.flow
    }

    /// For wrappers: the same error about a flow around this one.
    #[must_use]
    pub fn map<G>(self, wrap: impl FnOnce(F) -> G) -> IntoStreamError<G> {
        IntoStreamError {
            why: self.why,
            flow: self.flow.map(wrap),
            cause: self.cause,
        }
    }
}

impl<F> fmt::Display for IntoStreamError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.why {
            Why::OtherKind => "the flow is over another kind of socket",
            Why::Busy => "the flow is over, or holds bytes that would be lost: flush it, and read what was read ahead",
            Why::Runtime => "the runtime did not take the stream",
        })
    }
}

impl<F: fmt::Debug> error::Error for IntoStreamError<F> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.cause.as_ref().map(|e| e as _)
    }
}
