//! Which kind of descriptor this is, and what does not work as a flow.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, getpeername, getsockname, sockopt};

use crate::error::Doing;
use crate::{ConnectError, ConnectErrorKind, Error};

/// The kinds of descriptor that differ in how they end, fail and are read.
///
/// Pipes, terminals, devices and files will be kinds of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `AF_UNIX`: nothing gets lost on the way, so that a peer that leaves abruptly is an end. Passed descriptors cut reads short.
    Unix,
    /// TCP: a reset may have destroyed bytes. Urgent data cuts reads short.
    Tcp,
    /// Another stream socket (MPTCP, vsock). As TCP, but nothing is assumed of a short read.
    Stream,
}

impl Kind {
    /// Whether a read that fills less than its buffer shows that nothing is left, where nothing speaks against it.
    pub(crate) fn short_read_drains(self) -> bool {
        self != Self::Stream
    }

    /// Which kind a connected stream socket is. Everything else is refused, and given back.
    pub(crate) fn of(fd: OwnedFd) -> Result<(Self, OwnedFd), ConnectError> {
        match Self::look(&fd) {
            Ok(kind) => Ok((kind, fd)),
            Err(Refused::For(kind, what)) => Err(ConnectError::new(kind, what, fd)),
            Err(Refused::Os(errno)) => Err(ConnectError::os(Error::os(Doing::Use, errno), fd)),
        }
    }

    fn look(fd: &OwnedFd) -> Result<Self, Refused> {
        let socket = match sockopt::socket_type(fd) {
            Err(Errno::NOTSOCK) => return Err(Self::not_a_socket(fd)?),
            other => other?,
        };
        let refuse = |kind, what| Err(Refused::For(kind, what));
        match socket {
            SocketType::STREAM => {}
            SocketType::DGRAM => return refuse(ConnectErrorKind::NotAStream, "a datagram socket"),
            SocketType::SEQPACKET => {
                return refuse(ConnectErrorKind::NotAStream, "a sequential-packet socket");
            }
            _ => return refuse(ConnectErrorKind::NotAStream, "a raw socket"),
        }
        if is_listening(fd) {
            return refuse(ConnectErrorKind::Listening, "a listening socket");
        }
        match getpeername(fd) {
            Ok(_) => Ok(Self::of_stream(fd.as_fd())?),
            // INVAL: some systems' word for a socket that is shut down.
            Err(Errno::NOTCONN | Errno::INVAL) => {
                refuse(ConnectErrorKind::NotConnected, "a socket without a peer")
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Which kind a socket is that is known to be a stream with a peer, though the peer may already have left.
    pub(crate) fn of_stream(fd: BorrowedFd<'_>) -> Result<Self, Errno> {
        Ok(match getsockname(fd)?.address_family() {
            AddressFamily::UNIX => Self::Unix,
            AddressFamily::INET | AddressFamily::INET6 if is_tcp(fd) => Self::Tcp,
            _ => Self::Stream,
        })
    }

    fn not_a_socket(fd: &OwnedFd) -> Result<Refused, Errno> {
        let what = match FileType::from_raw_mode(fstat(fd)?.st_mode) {
            FileType::RegularFile => "a regular file",
            FileType::Directory => "a directory",
            FileType::Fifo => "a pipe",
            FileType::CharacterDevice => "a character device",
            FileType::BlockDevice => "a block device",
            _ => "not a socket",
        };
        Ok(Refused::For(ConnectErrorKind::Unsupported, what))
    }
}

enum Refused {
    For(ConnectErrorKind, &'static str),
    Os(Errno),
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Self::Os(errno)
    }
}

#[cfg(not(target_vendor = "apple"))]
fn is_listening(fd: &OwnedFd) -> bool {
    sockopt::socket_acceptconn(fd).unwrap_or(false)
}

/// These systems cannot say; such a socket has no peer either.
#[cfg(target_vendor = "apple")]
fn is_listening(_: &OwnedFd) -> bool {
    false
}

#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "fuchsia"
))]
fn is_tcp(fd: BorrowedFd<'_>) -> bool {
    use rustix::net::ipproto;

    matches!(sockopt::socket_protocol(fd), Ok(Some(ipproto::TCP)))
}

/// Where the protocol cannot be asked for, stream sockets of the internet are TCP.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "fuchsia"
)))]
fn is_tcp(_: BorrowedFd<'_>) -> bool {
    true
}
