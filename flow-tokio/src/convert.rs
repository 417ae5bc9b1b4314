//! From and to the streams of std and of tokio.
//!
//! Into a flow: refused as [`connect`] refuses, and the descriptor comes back. Out of a flow: the flow comes back where
//! [`TokioFlow::into_fd`] gives it back. The peer is told nothing either way. Streams of tokio need `O_NONBLOCK`, which is set for them.

use std::io;
use std::net;
use std::os::fd::OwnedFd;
use std::os::unix::net as unix;

use flow_unix::{ConnectError, Error, IntoStreamError};

use crate::{TokioFlow, connect};

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

/// Where tokio would panic, outside of a runtime, the flow goes back.
fn inside(flow: TokioFlow) -> Result<TokioFlow, IntoStreamError<TokioFlow>> {
    match tokio::runtime::Handle::try_current() {
        Ok(_) => Ok(flow),
        Err(_) => Err(IntoStreamError::runtime(Error::no_runtime(), Some(flow))),
    }
}
