//! Which kind of descriptor this is, and what does not work as a flow.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, getpeername, getsockname, sockopt};
use rustix::termios::isatty;

use crate::error::Doing;
use crate::{ConnectError, ConnectErrorKind, Error, way};

/// The kinds of descriptor that differ in how they end, fail and are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// `AF_UNIX`: nothing gets lost on the way, so that a peer that leaves abruptly is an end. Passed descriptors cut reads short.
    Unix,
    /// TCP: a reset may have destroyed bytes. Urgent data cuts reads short.
    Tcp,
    /// Another stream socket (MPTCP, vsock). As TCP, but nothing is assumed of a short read.
    Stream,
    /// One end of a pipe or a FIFO. Closing it is what ends it.
    Pipe,
    /// A FIFO that is open in both directions, and so its own peer: it never ends.
    Loop,
    /// A terminal, or the slave's side of a pseudoterminal. Both directions end together.
    Terminal,
    /// The master's side of a pseudoterminal. To open it again would make another one.
    Master,
    /// A character device that is no terminal.
    Device,
    /// A regular file or a block device: read and written from where the file's position is.
    File,
}

/// The directions in which a descriptor was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Access {
    pub(crate) const BOTH: Self = Self {
        read: true,
        write: true,
    };

    pub(crate) const READ: Self = Self {
        read: true,
        write: false,
    };
    pub(crate) const WRITE: Self = Self {
        read: false,
        write: true,
    };

    /// The directions in which both go.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            read: self.read && other.read,
            write: self.write && other.write,
        }
    }
}

impl Kind {
    /// Which kind a descriptor is, and how it was opened. What carries no byte stream is refused, and given back.
    pub(crate) fn of(fd: OwnedFd) -> Result<(Self, Access, OwnedFd), ConnectError> {
        match Self::look(&fd) {
            Ok((kind, access)) => Ok((kind, access, fd)),
            Err(Refused::For(kind, what)) => Err(ConnectError::new(kind, what, fd)),
            Err(Refused::Os(errno)) => Err(ConnectError::os(Error::os(Doing::Use, errno), fd)),
        }
    }

    pub(crate) fn is_socket(self) -> bool {
        matches!(self, Self::Unix | Self::Tcp | Self::Stream)
    }

    /// Whether a read that fills less than its buffer shows that nothing is left, where nothing speaks against it.
    pub(crate) fn short_read_drains(self) -> bool {
        matches!(self, Self::Unix | Self::Tcp)
    }

    /// Whether the end of writing can be shown to the peer while reading goes on.
    pub(crate) fn half_closes(self) -> bool {
        !matches!(self, Self::Terminal | Self::Master | Self::Loop)
    }

    /// Whether there is a peer whose end can be waited for.
    pub(crate) fn has_peer(self) -> bool {
        self.is_socket() || self == Self::Pipe
    }

    /// Whether this error is how the kind says that the other side has gone.
    pub(crate) fn hangs_up_by(self, errno: Errno) -> bool {
        errno == Errno::IO && matches!(self, Self::Terminal | Self::Master)
    }

    /// Whether bytes would be accepted that nobody will get: the slave's side is gone, and the master takes them until its buffer is full, for ever.
    /// Asked by the pool, which makes all writes to masters.
    pub(crate) fn takes_bytes_for_nobody(self, fd: BorrowedFd<'_>) -> bool {
        self == Self::Master && way::is(fd, PollFlags::HUP)
    }

    /// What people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unix => "a Unix socket",
            Self::Tcp => "a TCP socket",
            Self::Stream => "a stream socket",
            Self::Pipe => "a pipe",
            Self::Loop => "a FIFO that is open in both directions",
            Self::Terminal => "a terminal",
            Self::Master => "the master of a pseudoterminal",
            Self::Device => "a device",
            Self::File => "a file",
        }
    }

    fn look(fd: &OwnedFd) -> Result<(Self, Access), Refused> {
        let flags = fcntl_getfl(fd)?;
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        if flags.contains(OFlags::PATH) {
            return refuse(ConnectErrorKind::Unsupported, Thing::Path);
        }
        match sockopt::socket_type(fd) {
            Ok(socket) => Ok((Self::look_at_socket(fd, socket)?, Access::BOTH)),
            Err(Errno::NOTSOCK) => Self::look_at_file(fd, flags),
            Err(errno) => Err(errno.into()),
        }
    }

    fn look_at_socket(fd: &OwnedFd, socket: SocketType) -> Result<Self, Refused> {
        match socket {
            SocketType::STREAM => {}
            SocketType::DGRAM => return refuse(ConnectErrorKind::NotAStream, Thing::Datagram),
            SocketType::SEQPACKET => {
                return refuse(ConnectErrorKind::NotAStream, Thing::SeqPacket);
            }
            _ => return refuse(ConnectErrorKind::NotAStream, Thing::Raw),
        }
        if is_listening(fd) {
            return refuse(ConnectErrorKind::Listening, Thing::Listening);
        }
        match getpeername(fd) {
            Ok(_) => Ok(Self::of_stream(fd.as_fd())?),
            // INVAL: some systems' word for a socket that is shut down.
            Err(Errno::NOTCONN | Errno::INVAL) => {
                refuse(ConnectErrorKind::NotConnected, Thing::NoPeer)
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

    fn look_at_file(fd: &OwnedFd, flags: OFlags) -> Result<(Self, Access), Refused> {
        let mode = flags & OFlags::ACCMODE;
        let access = Access {
            read: mode == OFlags::RDONLY || mode == OFlags::RDWR,
            write: mode == OFlags::WRONLY || mode == OFlags::RDWR,
        };
        let kind = match FileType::from_raw_mode(fstat(fd)?.st_mode) {
            FileType::Fifo if access == Access::BOTH => Self::Loop,
            FileType::Fifo => Self::Pipe,
            FileType::CharacterDevice if is_master(fd) => Self::Master,
            FileType::CharacterDevice if isatty(fd) => Self::Terminal,
            FileType::CharacterDevice => Self::Device,
            FileType::RegularFile | FileType::BlockDevice => Self::File,
            FileType::Directory => {
                return refuse(ConnectErrorKind::Unsupported, Thing::Directory);
            }
            // Counters, timers, watches: what the kernel makes without a file behind it.
            _ => return refuse(ConnectErrorKind::Unsupported, Thing::Events),
        };
        if access.read || access.write {
            Ok((kind, access))
        } else {
            refuse(ConnectErrorKind::Unsupported, Thing::Neither)
        }
    }
}

/// What a descriptor is that does not become a flow. As small as its error has to be, which every read and write hands through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Thing {
    /// It was not looked at.
    Descriptor,
    Of(Kind),
    Path,
    Datagram,
    SeqPacket,
    Raw,
    Listening,
    NoPeer,
    Directory,
    Events,
    Neither,
}

impl Thing {
    /// What people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Descriptor => "the descriptor",
            Self::Of(kind) => kind.name(),
            Self::Path => "a descriptor that was opened with O_PATH",
            Self::Datagram => "a datagram socket",
            Self::SeqPacket => "a sequential-packet socket",
            Self::Raw => "a raw socket",
            Self::Listening => "a listening socket",
            Self::NoPeer => "a socket without a peer",
            Self::Directory => "a directory",
            Self::Events => "a descriptor of events",
            Self::Neither => "a descriptor that is open for neither reading nor writing",
        }
    }
}

enum Refused {
    For(ConnectErrorKind, Thing),
    Os(Errno),
}

fn refuse<T>(kind: ConnectErrorKind, what: Thing) -> Result<T, Refused> {
    Err(Refused::For(kind, what))
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

/// Only a master has the name of a slave.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn is_master(fd: &OwnedFd) -> bool {
    isatty(fd) && rustix::pty::ptsname(fd, Vec::new()).is_ok()
}

/// Where this cannot be asked for a master counts as a terminal, which there is used as it was found.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn is_master(_: &OwnedFd) -> bool {
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
