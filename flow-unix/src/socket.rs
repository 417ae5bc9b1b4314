//! Making sockets: close-on-exec and non-blocking, all of them.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use flow_core::Switch;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketType};
#[cfg(not(target_vendor = "apple"))]
use rustix::net::{SocketFlags, acceptfrom_with, socket_with};

use self::flags::pair;
pub(crate) use self::flags::{accept, stream};
use crate::error::Doing;
use crate::kind::Kind;
use crate::opened::Opened;
use crate::privacy::Privacy;
use crate::source::Source;
use crate::{Error, FdEngine, FdTransport, Readiness};

/// Two connected flows over a pair of `AF_UNIX` sockets, on the runtime of the code that is running.
///
/// # Errors
///
/// No runtime here, or no descriptors left.
pub fn socketpair<R: Readiness>() -> Result<(FdEngine<R>, FdEngine<R>), Error> {
    let (a, b) = pair().map_err(|errno| Error::os(Doing::Pair, errno))?;
    let runtime = R::runtime()?;
    let flow = |fd, privacy| {
        let opened = Opened::socket(fd, Kind::Unix);
        let source = Source::register(&runtime, opened).map_err(|(e, _)| e)?;
        let source = source.private(privacy);
        Ok::<_, Error>(FdTransport::of_socket(runtime.clone(), source))
    };
    let (of_a, of_b) = Privacy::of_pair();
    Ok((flow(a, of_a)?, flow(b, of_b)?))
}

/// The same, both tied to a switch.
///
/// # Errors
///
/// As [`socketpair`], or the switch is off.
pub fn socketpair_with<R>(switch: &Switch) -> Result<(FdEngine<R>, FdEngine<R>), Error>
where
    R: Readiness<Runtime: Send + Sync> + Send + Sync + 'static,
{
    let (a, b) = socketpair()?;
    let attached = a.attach(switch).and_then(|()| b.attach(switch));
    attached.map_err(|_| Error::switch_off())?;
    Ok((a, b))
}

/// The address of a path.
pub(crate) fn at(path: &Path, doing: Doing) -> Result<SocketAddrUnix, Error> {
    // The system takes the empty path for none, and may choose an address of its own.
    if path.as_os_str().is_empty() {
        return Err(Error::no_path(doing));
    }
    SocketAddrUnix::new(path).map_err(|errno| Error::os(doing, errno))
}

#[cfg(not(target_vendor = "apple"))]
mod flags {
    use super::*;

    const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

    pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)
    }

    pub(crate) fn stream(family: AddressFamily) -> Result<OwnedFd, Errno> {
        socket_with(family, SocketType::STREAM, FLAGS, None)
    }

    pub(crate) fn accept(listener: impl AsFd) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
        acceptfrom_with(listener, FLAGS)
    }
}

/// These systems set the flags after the fact: a program started by another thread in between inherits the socket.
#[cfg(target_vendor = "apple")]
mod flags {
    use rustix::io::{ioctl_fioclex, ioctl_fionbio};

    use super::*;

    pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
        let (a, b) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            rustix::net::SocketFlags::empty(),
            None,
        )?;
        Ok((prepared(a)?, prepared(b)?))
    }

    pub(crate) fn stream(family: AddressFamily) -> Result<OwnedFd, Errno> {
        prepared(rustix::net::socket(family, SocketType::STREAM, None)?)
    }

    pub(crate) fn accept(listener: impl AsFd) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
        let (fd, peer) = rustix::net::acceptfrom(listener)?;
        Ok((prepared(fd)?, peer))
    }

    fn prepared(fd: OwnedFd) -> Result<OwnedFd, Errno> {
        ioctl_fioclex(&fd)?;
        ioctl_fionbio(&fd, true)?;
        Ok(fd)
    }
}
