//! Connecting to a peer without blocking.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, connect, getpeername, sockopt};

use crate::error::Doing;
use crate::kind::Kind;
use crate::opened::Opened;
use crate::source::Source;
use crate::{Attempt, Direction, Error, FdEngine, FdTransport, Interest, Readiness, socket};

/// Connects to a listener at a path.
///
/// # Errors
///
/// What the system said: [`Refused`](crate::ErrorKind::Refused) where nobody listens, `EAGAIN` where the listener's queue is full.
///
/// # Cancel safety
///
/// Does not wait.
pub async fn connect_unix<R: Readiness>(path: impl AsRef<Path>) -> Result<FdEngine<R>, Error> {
    let runtime = R::runtime()?;
    let address = socket::at(path.as_ref(), Doing::Connect)?;
    let dial = || {
        let fd = socket::stream(AddressFamily::UNIX)?;
        connect(&fd, &address)?;
        Ok(fd)
    };
    let fd = dial().map_err(failed)?;
    let source = Source::register(&runtime, Opened::socket(fd, Kind::Unix)).map_err(|(e, _)| e)?;
    Ok(FdTransport::of_socket(runtime, source))
}

/// Connects over TCP, to the first of the addresses that answers.
///
/// Small writes are sent at once: `TCP_NODELAY` is set.
///
/// # Errors
///
/// The last address's, if none answers.
///
/// # Cancel safety
///
/// A dropped connect closes what it had begun.
pub async fn connect_tcp<R: Readiness>(addresses: &[SocketAddr]) -> Result<FdEngine<R>, Error> {
    let runtime = R::runtime()?;
    let mut last = Error::unresolved();
    for address in addresses {
        match dial_tcp::<R>(&runtime, address).await {
            Ok(source) => return Ok(FdTransport::of_socket(runtime, source)),
            Err(e) => last = e,
        }
    }
    Err(last)
}

async fn dial_tcp<R: Readiness>(
    runtime: &R::Runtime,
    address: &SocketAddr,
) -> Result<Source<R>, Error> {
    let fd = begin_tcp(address).map_err(failed)?;
    let fd = Arc::new(fd);
    // Only now: a socket that has not begun to connect counts as hung up.
    let io = R::register(runtime, Arc::clone(&fd), Interest::Both)?;
    poll_fn(|cx| io.poll_io(Direction::Write, cx, || is_connected(&fd))).await??;
    Ok(Source::new(io, fd, Kind::Tcp))
}

fn begin_tcp(address: &SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let fd = socket::stream(family)?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    match connect(&fd, address) {
        // Interrupted, it goes on like one that takes its time.
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(fd),
        Err(errno) => Err(errno),
    }
}

fn is_connected(fd: impl AsFd) -> Attempt<Result<(), Error>> {
    match getpeername(&fd) {
        Ok(_) => Attempt::Maybe(Ok(())),
        Err(Errno::NOTCONN) => match sockopt::socket_error(&fd) {
            Ok(Ok(())) => Attempt::WouldBlock,
            Ok(Err(errno)) | Err(errno) => Attempt::Maybe(Err(failed(errno))),
        },
        Err(errno) => Attempt::Maybe(Err(failed(errno))),
    }
}

fn failed(errno: Errno) -> Error {
    Error::os(Doing::Connect, errno)
}
