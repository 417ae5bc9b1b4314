//! From and to the streams of std and of tokio.
//!
//! Into a flow: refused as [`connect`] refuses, and the descriptor comes back. Out of a flow: the flow comes back where
//! [`TokioFlow::into_fd`] gives it back. The peer is told nothing either way. Streams of tokio need `O_NONBLOCK`, which is set for them.

use std::io;
use std::net;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net as unix;
use std::sync::Arc;

use flow_unix::{ConnectError, Error, Interest, IntoStreamError, Readiness as _};

use crate::{TokioFlow, TokioReadiness, connect};

impl TryFrom<OwnedFd> for TokioFlow {
    type Error = ConnectError;

    fn try_from(fd: OwnedFd) -> Result<Self, ConnectError> {
        connect(fd)
    }
}

impl TryFrom<TokioFlow> for OwnedFd {
    type Error = TokioFlow;

    fn try_from(flow: TokioFlow) -> Result<Self, TokioFlow> {
        flow.into_fd()
    }
}

impl TryFrom<unix::UnixStream> for TokioFlow {
    type Error = ConnectError;

    fn try_from(stream: unix::UnixStream) -> Result<Self, ConnectError> {
        connect(stream)
    }
}

impl TryFrom<TokioFlow> for unix::UnixStream {
    type Error = IntoStreamError<TokioFlow>;

    fn try_from(flow: TokioFlow) -> Result<Self, IntoStreamError<TokioFlow>> {
        flow_unix::into_unix_stream(flow.into_inner()).map_err(|e| e.map(TokioFlow::from))
    }
}

impl TryFrom<net::TcpStream> for TokioFlow {
    type Error = ConnectError;

    fn try_from(stream: net::TcpStream) -> Result<Self, ConnectError> {
        connect(stream)
    }
}

impl TryFrom<TokioFlow> for net::TcpStream {
    type Error = IntoStreamError<TokioFlow>;

    fn try_from(flow: TokioFlow) -> Result<Self, IntoStreamError<TokioFlow>> {
        flow_unix::into_tcp_stream(flow.into_inner()).map_err(|e| e.map(TokioFlow::from))
    }
}

impl TryFrom<tokio::net::UnixStream> for TokioFlow {
    type Error = io::Error;

    fn try_from(stream: tokio::net::UnixStream) -> io::Result<Self> {
        Ok(connect(stream.into_std()?)?)
    }
}

impl TryFrom<TokioFlow> for tokio::net::UnixStream {
    type Error = IntoStreamError<TokioFlow>;

    fn try_from(flow: TokioFlow) -> Result<Self, IntoStreamError<TokioFlow>> {
        let stream = unix::UnixStream::try_from(inside(flow)?)?;
        let stream = stream
            .set_nonblocking(true)
            .and_then(|()| Self::from_std(stream));
        stream.map_err(|e| IntoStreamError::runtime(e.into(), None))
    }
}

impl TryFrom<tokio::net::TcpStream> for TokioFlow {
    type Error = io::Error;

    fn try_from(stream: tokio::net::TcpStream) -> io::Result<Self> {
        Ok(connect(stream.into_std()?)?)
    }
}

impl TryFrom<TokioFlow> for tokio::net::TcpStream {
    type Error = IntoStreamError<TokioFlow>;

    fn try_from(flow: TokioFlow) -> Result<Self, IntoStreamError<TokioFlow>> {
        let stream = net::TcpStream::try_from(inside(flow)?)?;
        let stream = stream
            .set_nonblocking(true)
            .and_then(|()| Self::from_std(stream));
        stream.map_err(|e| IntoStreamError::runtime(e.into(), None))
    }
}

/// Where tokio would panic, outside of a runtime or in one without I/O, the flow goes back.
fn inside(flow: TokioFlow) -> Result<TokioFlow, IntoStreamError<TokioFlow>> {
    let probe = |fd: BorrowedFd<'_>| -> Result<(), Error> {
        let runtime = TokioReadiness::runtime()?;
        // There is no way to ask but to register: not the flow's own descriptor, which has its place already.
        let fd = Arc::new(fd.try_clone_to_owned()?);
        TokioReadiness::register(&runtime, fd, Interest::Read).map(drop)
    };
    match flow.with_fd(probe) {
        Some(Err(e)) => Err(IntoStreamError::runtime(e, Some(flow))),
        // One that was aborted is refused for that.
        _ => Ok(flow),
    }
}
