//! Accepting flows, at a path or over TCP.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::Path;

use flow_unix::{Error, Host, ListenError, TcpListener, UnixListener};

use crate::connect::resolve;
use crate::{AsyncStdFlow, AsyncStdReadiness};

/// Accepts flows at a path. Dropping it removes the path, if that is still this listener's.
///
/// Its descriptor does not block, and has to stay so: with `O_NONBLOCK` cleared, accepting blocks the thread.
#[derive(Debug)]
pub struct UnixFlowListener(UnixListener<AsyncStdReadiness>);

/// Accepts flows over TCP.
///
/// Its descriptor does not block, and has to stay so: with `O_NONBLOCK` cleared, accepting blocks the thread.
#[derive(Debug)]
pub struct TcpFlowListener(TcpListener<AsyncStdReadiness>);

/// Listens at a path, which must not exist yet.
///
/// # Errors
///
/// [`InUse`](crate::ListenErrorKind::InUse) if somebody listens there; [`Stale`](crate::ListenErrorKind::Stale) if a listener that is gone left its socket
/// behind: see [`listen_unix_replacing_stale`].
pub fn listen_unix(path: impl AsRef<Path>) -> Result<UnixFlowListener, ListenError> {
    UnixListener::bind(path).map(UnixFlowListener)
}

/// Listens at a path, in place of a socket that was left behind there.
///
/// Two programs that do this at the same time for the same path may remove each other's socket: where that can happen, a lock must
/// decide who may.
///
/// # Errors
///
/// As [`listen_unix`], but for [`Stale`](crate::ListenErrorKind::Stale).
pub fn listen_unix_replacing_stale(
    path: impl AsRef<Path>,
) -> Result<UnixFlowListener, ListenError> {
    UnixListener::bind_replacing_stale(path).map(UnixFlowListener)
}

/// Listens over TCP, at the first of the addresses that can be bound. Port 0 is any that is free.
///
/// # Errors
///
/// The last address's, if none can be bound; [`Unresolved`](crate::ErrorKind::Unresolved) for a name without an address.
///
/// # Cancel safety
///
/// A dropped listen has bound nothing.
///
/// # Examples
///
/// ```
/// use flow_async_std::{FlowExt as _, connect_tcp, listen_tcp};
///
/// # futures_lite::future::block_on(async {
/// let listener = listen_tcp("127.0.0.1:0").await?;
/// let client = connect_tcp(listener.local_addr()?).await?;
/// let (server, _peer) = listener.accept().await?;
/// client.write("hello").await?;
/// assert_eq!(server.read().await?.as_deref(), Some(&b"hello"[..]));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub async fn listen_tcp(host: impl Into<Host>) -> Result<TcpFlowListener, Error> {
    TcpListener::bind(&resolve(host.into()).await?).map(TcpFlowListener)
}

impl UnixFlowListener {
    /// Waits for the next flow. The peer's address is unnamed, as a rule.
    ///
    /// # Errors
    ///
    /// What the system said, `EMFILE` for instance. The listener works on: close something, or wait, and try again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what a dropped accept would have got, the next one gets. Several tasks may accept at the same time.
    pub async fn accept(&self) -> Result<(AsyncStdFlow, UnixAddr), Error> {
        self.0
            .accept()
            .await
            .map(|(flow, peer)| (flow.into(), peer))
    }

    /// The path where this listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl TcpFlowListener {
    /// Waits for the next flow, and says where it comes from. Small writes are sent at once: `TCP_NODELAY` is set.
    ///
    /// # Errors
    ///
    /// What the system said, `EMFILE` for instance. The listener works on: close something, or wait, and try again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what a dropped accept would have got, the next one gets. Several tasks may accept at the same time.
    pub async fn accept(&self) -> Result<(AsyncStdFlow, SocketAddr), Error> {
        self.0
            .accept()
            .await
            .map(|(flow, peer)| (flow.into(), peer))
    }

    /// The address where this listens.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.0.local_addr()
    }
}

impl AsFd for UnixFlowListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for TcpFlowListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
