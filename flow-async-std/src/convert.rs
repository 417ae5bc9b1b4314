//! From and to the streams of std and of async-std, smol and async-io.
//!
//! Into a flow: refused as [`connect`] refuses, and the descriptor comes back. Out of a flow: the flow comes back where
//! [`AsyncStdFlow::into_fd`] gives it back. The peer is told nothing either way. Streams of async-io need `O_NONBLOCK`, which is set for them.

use std::io;
use std::net;
use std::os::fd::OwnedFd;
use std::os::unix::net as unix;

use async_io::Async;
use flow_unix::{ConnectError, IntoStreamError};

use crate::{AsyncStdFlow, connect};

impl TryFrom<OwnedFd> for AsyncStdFlow {
    type Error = ConnectError;

    fn try_from(fd: OwnedFd) -> Result<Self, ConnectError> {
        connect(fd)
    }
}

impl TryFrom<AsyncStdFlow> for OwnedFd {
    type Error = AsyncStdFlow;

    fn try_from(flow: AsyncStdFlow) -> Result<Self, AsyncStdFlow> {
        flow.into_fd()
    }
}

impl TryFrom<unix::UnixStream> for AsyncStdFlow {
    type Error = ConnectError;

    fn try_from(stream: unix::UnixStream) -> Result<Self, ConnectError> {
        connect(stream)
    }
}

impl TryFrom<AsyncStdFlow> for unix::UnixStream {
    type Error = IntoStreamError<AsyncStdFlow>;

    fn try_from(flow: AsyncStdFlow) -> Result<Self, IntoStreamError<AsyncStdFlow>> {
        flow_unix::into_unix_stream(flow.into_inner()).map_err(|e| e.map(AsyncStdFlow::from))
    }
}

impl TryFrom<net::TcpStream> for AsyncStdFlow {
    type Error = ConnectError;

    fn try_from(stream: net::TcpStream) -> Result<Self, ConnectError> {
        connect(stream)
    }
}

impl TryFrom<AsyncStdFlow> for net::TcpStream {
    type Error = IntoStreamError<AsyncStdFlow>;

    fn try_from(flow: AsyncStdFlow) -> Result<Self, IntoStreamError<AsyncStdFlow>> {
        flow_unix::into_tcp_stream(flow.into_inner()).map_err(|e| e.map(AsyncStdFlow::from))
    }
}

impl TryFrom<Async<unix::UnixStream>> for AsyncStdFlow {
    type Error = io::Error;

    fn try_from(stream: Async<unix::UnixStream>) -> io::Result<Self> {
        Ok(connect(stream.into_inner()?)?)
    }
}

impl TryFrom<AsyncStdFlow> for Async<unix::UnixStream> {
    type Error = IntoStreamError<AsyncStdFlow>;

    fn try_from(flow: AsyncStdFlow) -> Result<Self, IntoStreamError<AsyncStdFlow>> {
        let stream = unix::UnixStream::try_from(flow)?;
        Self::new(stream).map_err(|e| IntoStreamError::runtime(e.into(), None))
    }
}

impl TryFrom<Async<net::TcpStream>> for AsyncStdFlow {
    type Error = io::Error;

    fn try_from(stream: Async<net::TcpStream>) -> io::Result<Self> {
        Ok(connect(stream.into_inner()?)?)
    }
}

impl TryFrom<AsyncStdFlow> for Async<net::TcpStream> {
    type Error = IntoStreamError<AsyncStdFlow>;

    fn try_from(flow: AsyncStdFlow) -> Result<Self, IntoStreamError<AsyncStdFlow>> {
        let stream = net::TcpStream::try_from(flow)?;
        Self::new(stream).map_err(|e| IntoStreamError::runtime(e.into(), None))
    }
}

/// async-std keeps what it was made of, so its streams are duplicated on the way in.
#[cfg(feature = "async-std")]
mod async_std {
    use std::os::fd::AsFd as _;

    use super::*;

    impl TryFrom<::async_std::os::unix::net::UnixStream> for AsyncStdFlow {
        type Error = io::Error;

        fn try_from(stream: ::async_std::os::unix::net::UnixStream) -> io::Result<Self> {
            Ok(connect(stream.as_fd().try_clone_to_owned()?)?)
        }
    }

    impl TryFrom<AsyncStdFlow> for ::async_std::os::unix::net::UnixStream {
        type Error = IntoStreamError<AsyncStdFlow>;

        fn try_from(flow: AsyncStdFlow) -> Result<Self, IntoStreamError<AsyncStdFlow>> {
            unix::UnixStream::try_from(flow).map(Self::from)
        }
    }

    impl TryFrom<::async_std::net::TcpStream> for AsyncStdFlow {
        type Error = io::Error;

        fn try_from(stream: ::async_std::net::TcpStream) -> io::Result<Self> {
            Ok(connect(stream.as_fd().try_clone_to_owned()?)?)
        }
    }

    impl TryFrom<AsyncStdFlow> for ::async_std::net::TcpStream {
        type Error = IntoStreamError<AsyncStdFlow>;

        fn try_from(flow: AsyncStdFlow) -> Result<Self, IntoStreamError<AsyncStdFlow>> {
            net::TcpStream::try_from(flow).map(Self::from)
        }
    }
}
