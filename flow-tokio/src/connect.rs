//! Making flows: of descriptors, pairs, paths and addresses.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use flow_core::Switch;
use flow_unix::{ConnectError, Error, Host, PairError};

use crate::{TokioFlow, TokioReadiness};

/// Makes a flow of a descriptor that carries bytes: a connected stream socket, an end of a pipe, a terminal, a device, a file.
///
/// Socket options that fill the socket's error queue (`SO_TIMESTAMPING`, `MSG_ZEROCOPY`, `IP_RECVERR`) are not supported: nobody empties it,
/// and a flow that waits is woken over and over. It stays correct, and keeps a processor busy.
///
/// # Errors
///
/// It carries no stream of bytes, or there is no runtime here. [`ConnectError::into_fd`] gives the descriptor back.
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
/// let folder = std::fs::File::open("/")?;
/// let refused = flow_tokio::connect(folder).unwrap_err();
/// assert_eq!(refused.to_string(), "a directory carries no stream of bytes: use a socket, a pipe, a terminal, a device or a file");
/// let _folder = refused.into_fd();
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

/// Makes a flow that reads one descriptor and writes another: two pipes, a child's output and input, two files.
///
/// The end of each direction is that of its own descriptor. See [`TokioFlow`] for what that is, by kind.
///
/// # Errors
///
/// One of them carries no bytes, or not in that direction, or there is no runtime here. [`PairError::into_fds`] gives both back.
///
/// # Examples
///
/// A program that reads and writes as one flow:
///
/// ```
/// use std::process::{Command, Stdio};
///
/// use flow_tokio::{FlowExt as _, Shutdown};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
/// let cat = flow_tokio::from_pair(output, input)?;
/// cat.write("meow").await?;
/// cat.shutdown(Shutdown::Write).await?;
/// assert_eq!(cat.read().await?.as_deref(), Some(&b"meow"[..]));
/// assert_eq!(cat.read().await?, None);
/// # child.wait()?;
/// # Ok(())
/// # }
/// ```
pub fn from_pair(
    read: impl Into<OwnedFd>,
    write: impl Into<OwnedFd>,
) -> Result<TokioFlow, PairError> {
    flow_unix::from_pair(read.into(), write.into()).map(TokioFlow::from)
}

/// The same, tied to a switch: turning that off aborts the flow.
///
/// # Errors
///
/// As [`from_pair`], or the switch is off. [`PairError::into_fds`] gives both back.
pub fn from_pair_with(
    read: impl Into<OwnedFd>,
    write: impl Into<OwnedFd>,
    switch: &Switch,
) -> Result<TokioFlow, PairError> {
    flow_unix::from_pair_with(read.into(), write.into(), switch).map(TokioFlow::from)
}

/// One flow that reads standard input and writes standard output, whatever they are: a terminal, pipes, files, a socket.
///
/// Each direction ends as its own kind does. When the flow ends a pipe or a socket, descriptor 0 or 1 of the process is replaced by
/// `/dev/null`: the peer of a pipe would otherwise see no end before the process exits, and printing to a socket would fail. What is printed
/// afterwards goes nowhere. If standard error is the same pipe (`2>&1`), that keeps it open; if it is the same socket, printing to it fails.
///
/// # Errors
///
/// No runtime here, one of the two is closed, or is nothing that carries bytes.
pub fn stdio() -> Result<TokioFlow, Error> {
    flow_unix::stdio().map(TokioFlow::from)
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
