//! The two backends behind one trait.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use flow_core::Flow;
use flow_unix::{ConnectError, Error, ListenError, PairError};

/// Where flows come from, and what drives them.
pub(crate) trait Backend {
    type Flow: Flow<Error = Error>;
    type Unix;
    type Tcp;

    fn run<T>(work: impl Future<Output = T>) -> io::Result<T>;

    fn connect(fd: OwnedFd) -> Result<Self::Flow, ConnectError>;
    fn from_pair(read: OwnedFd, write: OwnedFd) -> Result<Self::Flow, PairError>;
    fn stdio() -> Result<Self::Flow, Error>;
    async fn connect_unix(path: &Path) -> Result<Self::Flow, Error>;
    async fn connect_tcp(host: &str) -> Result<Self::Flow, Error>;

    fn listen_unix(path: &Path) -> Result<Self::Unix, ListenError>;
    async fn accept_unix(listener: &Self::Unix) -> Result<Self::Flow, Error>;
    async fn listen_tcp(host: &str) -> Result<Self::Tcp, Error>;
    async fn accept_tcp(listener: &Self::Tcp) -> Result<Self::Flow, Error>;
    fn local_addr(listener: &Self::Tcp) -> Result<std::net::SocketAddr, Error>;

    /// The descriptor of a flow, or the one that it reads.
    fn with_fd<T>(flow: &Self::Flow, work: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T>;
}

/// tokio, of one thread: a relay is one task.
#[derive(Debug)]
pub(crate) struct Tokio;

/// async-std.
#[derive(Debug)]
pub(crate) struct AsyncStd;

/// Both export the same names.
macro_rules! flows_of {
    ($backend:ident) => {
        type Flow = $backend::FdFlow;
        type Unix = $backend::UnixFlowListener;
        type Tcp = $backend::TcpFlowListener;

        fn connect(fd: OwnedFd) -> Result<Self::Flow, ConnectError> {
            $backend::connect(fd)
        }

        fn from_pair(read: OwnedFd, write: OwnedFd) -> Result<Self::Flow, PairError> {
            $backend::from_pair(read, write)
        }

        fn stdio() -> Result<Self::Flow, Error> {
            $backend::stdio()
        }

        async fn connect_unix(path: &Path) -> Result<Self::Flow, Error> {
            $backend::connect_unix(path).await
        }

        async fn connect_tcp(host: &str) -> Result<Self::Flow, Error> {
            $backend::connect_tcp(host).await
        }

        fn listen_unix(path: &Path) -> Result<Self::Unix, ListenError> {
            $backend::listen_unix_replacing_stale(path)
        }

        async fn accept_unix(listener: &Self::Unix) -> Result<Self::Flow, Error> {
            Ok(listener.accept().await?.0)
        }

        async fn listen_tcp(host: &str) -> Result<Self::Tcp, Error> {
            $backend::listen_tcp(host).await
        }

        async fn accept_tcp(listener: &Self::Tcp) -> Result<Self::Flow, Error> {
            Ok(listener.accept().await?.0)
        }

        fn local_addr(listener: &Self::Tcp) -> Result<std::net::SocketAddr, Error> {
            listener.local_addr()
        }

        fn with_fd<T>(flow: &Self::Flow, work: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
            flow.with_fd(work)
        }
    };
}

impl Backend for Tokio {
    flows_of!(flow_tokio);

    fn run<T>(work: impl Future<Output = T>) -> io::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let result = runtime.block_on(work);
        // A read of a terminal that some thread still waits in is nothing to wait for.
        runtime.shutdown_background();
        Ok(result)
    }
}

impl Backend for AsyncStd {
    flows_of!(flow_async_std);

    fn run<T>(work: impl Future<Output = T>) -> io::Result<T> {
        Ok(async_std::task::block_on(work))
    }
}
