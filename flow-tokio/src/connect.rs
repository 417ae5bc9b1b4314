//! Making flows: of descriptors, pairs, paths and addresses.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use flow_core::Switch;
use flow_unix::{ConnectError, Error, Host};

use crate::{TokioFlow, TokioReadiness};

/// Makes a flow of a connected stream socket: anything that owns a descriptor.
///
/// Socket options that fill the socket's error queue (`SO_TIMESTAMPING`, `MSG_ZEROCOPY`, `IP_RECVERR`) are not supported: nobody empties it,
/// and a flow that waits is woken over and over. It stays correct, and keeps a processor busy.
///
/// # Errors
///
/// Not a connected stream socket, or no runtime here. [`ConnectError::into_fd`] gives the descriptor back.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
///
/// use flow_tokio::FlowExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (ours, theirs) = UnixStream::pair()?;
/// let flow = flow_tokio::connect(ours)?;
/// drop(theirs);
/// assert_eq!(flow.read().await?, None);
///
/// let file = std::fs::File::open("/dev/null")?;
/// let refused = flow_tokio::connect(file).unwrap_err();
/// assert_eq!(refused.to_string(), "this kind of descriptor is not supported yet: a character device");
/// let _file = refused.into_fd();
/// # Ok(())
/// # }
/// ```
pub fn connect(fd: impl Into<OwnedFd>) -> Result<TokioFlow, ConnectError> {
    flow_unix::connect(fd.into()).map(TokioFlow::from)
}

/// The same, tied to a switch: turning that off aborts the flow.
///
/// # Errors
///
/// As [`connect`], or the switch is off. [`ConnectError::into_fd`] gives the descriptor back.
pub fn connect_with(fd: impl Into<OwnedFd>, switch: &Switch) -> Result<TokioFlow, ConnectError> {
    flow_unix::connect_with(fd.into(), switch).map(TokioFlow::from)
}

/// Two connected flows, over a pair of `AF_UNIX` sockets.
///
/// # Errors
///
/// No runtime here, or no descriptors left.
pub fn socketpair() -> Result<(TokioFlow, TokioFlow), Error> {
    flow_unix::socketpair().map(|(a, b)| (a.into(), b.into()))
}

/// The same, both tied to a switch.
///
/// # Errors
///
/// As [`socketpair`], or the switch is off.
pub fn socketpair_with(switch: &Switch) -> Result<(TokioFlow, TokioFlow), Error> {
    flow_unix::socketpair_with(switch).map(|(a, b)| (a.into(), b.into()))
}

/// Connects to a listener at a path.
///
/// # Errors
///
/// [`Refused`](crate::ErrorKind::Refused) where nobody listens; `EAGAIN` where the listener has too many waiting already; otherwise what
/// the system said.
///
/// # Cancel safety
///
/// A dropped connect closes what it had begun.
pub async fn connect_unix(path: impl AsRef<Path>) -> Result<TokioFlow, Error> {
    flow_unix::connect_unix::<TokioReadiness>(path)
        .await
        .map(TokioFlow::from)
}

/// Connects over TCP, to the first of the addresses that answers. Small writes are sent at once: `TCP_NODELAY` is set.
///
/// A name is looked up by the system, on a thread where that may block.
///
/// # Errors
///
/// [`Unresolved`](crate::ErrorKind::Unresolved) for a name without an address, otherwise the last address's.
///
/// # Cancel safety
///
/// A dropped connect closes what it had begun.
pub async fn connect_tcp(host: impl Into<Host>) -> Result<TokioFlow, Error> {
    let addresses = resolve(host.into()).await?;
    flow_unix::connect_tcp::<TokioReadiness>(&addresses)
        .await
        .map(TokioFlow::from)
}

pub(crate) async fn resolve(host: Host) -> Result<Vec<SocketAddr>, Error> {
    match host {
        Host::Addresses(addresses) => Ok(addresses),
        Host::Name(_) if tokio::runtime::Handle::try_current().is_err() => Err(Error::no_runtime()),
        Host::Name(name) => match tokio::net::lookup_host(name).await {
            Ok(addresses) => Ok(addresses.collect()),
            Err(_) => Err(Error::unresolved()),
        },
    }
}
