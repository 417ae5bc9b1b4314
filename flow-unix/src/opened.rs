//! A descriptor made ready for being a flow: which kind it is, how its bytes are moved, and what its owner gets back.

use std::os::fd::OwnedFd;

use rustix::fs::OFlags;

use crate::ConnectError;
use crate::kind::{Access, Kind};
use crate::way::Way;

/// A descriptor as a flow uses it.
pub(crate) struct Opened {
    pub(crate) fd: OwnedFd,
    pub(crate) kind: Kind,
    pub(crate) access: Access,
    pub(crate) way: Way,
    /// Where `fd` is an open file of our own: the descriptor that was handed in, and its flags.
    original: Option<(OwnedFd, OFlags)>,
}

impl Opened {
    /// Looks at what was handed in. `wanted` are the directions in which the flow will use it.
    pub(crate) fn new(fd: OwnedFd, wanted: Access) -> Result<Self, ConnectError> {
        let (kind, access, fd) = Kind::of(fd)?;
        let opened = Self {
            way: as_found(kind, &fd),
            fd,
            kind,
            access: access.and(wanted),
            original: None,
        };
        Ok(match kind {
            Kind::Terminal | Kind::Pipe | Kind::Loop if opened.way == Way::Plain => {
                opened.with_a_file_of_its_own()
            }
            _ => opened,
        })
    }

    /// A socket that the library has made.
    pub(crate) fn socket(fd: OwnedFd, kind: Kind) -> Self {
        Self {
            fd,
            kind,
            access: Access::BOTH,
            way: Way::Socket,
            original: None,
        }
    }

    /// The descriptor as it was handed in.
    pub(crate) fn into_original(self) -> OwnedFd {
        self.original.map_or(self.fd, |(original, _)| original)
    }

    /// The descriptor that was handed in, and its flags, where the one to use is another.
    ///
    /// It is to be closed once all is well: it would count as another writer for as long as it is open.
    pub(crate) fn take_original(&mut self) -> Option<(OwnedFd, OFlags)> {
        self.original.take()
    }

    /// Opens the same file once more where that can be done, so that `O_NONBLOCK` is ours. Otherwise it stays as it was found.
    #[cfg(target_os = "linux")]
    fn with_a_file_of_its_own(mut self) -> Self {
        use std::os::fd::AsRawFd as _;

        use rustix::fs::{Mode, fcntl_getfl, fstat, open};

        let opened = fcntl_getfl(&self.fd).and_then(|flags| {
            let mode = match self.access {
                Access::BOTH => OFlags::RDWR,
                Access { read: true, .. } => OFlags::RDONLY,
                Access { read: false, .. } => OFlags::WRONLY,
            };
            // DIRECT is packet mode, in which each write is a message to the reader.
            let kept = flags & (OFlags::APPEND | OFlags::DIRECT);
            let added = OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
            let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
            let fresh = open(path, mode | kept | added, Mode::empty())?;
            let (ours, theirs) = (fstat(&fresh)?, fstat(&self.fd)?);
            let same = (ours.st_dev, ours.st_ino, ours.st_rdev)
                == (theirs.st_dev, theirs.st_ino, theirs.st_rdev);
            Ok(same.then_some((fresh, flags)))
        });
        if let Ok(Some((fresh, flags))) = opened
            && !(self.kind == Kind::Pipe && self.access.read && has_hung_up(&self.fd))
        {
            let original = std::mem::replace(&mut self.fd, fresh);
            self.way = Way::Own;
            self.original = Some((original, flags));
        }
        self
    }

    /// Opening by way of a descriptor's name makes no open file of its own there.
    #[cfg(not(target_os = "linux"))]
    fn with_a_file_of_its_own(self) -> Self {
        self
    }
}

/// A reader whose writers have all left keeps the open file that knows of it: a fresh one would wait for the first.
#[cfg(target_os = "linux")]
fn has_hung_up(fd: &OwnedFd) -> bool {
    use std::os::fd::AsFd as _;

    crate::way::is(fd.as_fd(), rustix::event::PollFlags::HUP)
}

/// How bytes are moved over the open file that was handed in.
fn as_found(kind: Kind, fd: &OwnedFd) -> Way {
    match kind {
        Kind::Unix | Kind::Tcp | Kind::Stream => Way::Socket,
        Kind::Pipe | Kind::Loop if is_anonymous(fd) => Way::NoWait,
        Kind::Pipe | Kind::Loop | Kind::Terminal | Kind::Master => Way::Plain,
        Kind::Device if never_waits(fd) => Way::Inline,
        Kind::Device => Way::Plain,
        Kind::File => Way::File,
    }
}

/// Only pipes without a name know the call that does not wait.
#[cfg(target_os = "linux")]
fn is_anonymous(fd: &OwnedFd) -> bool {
    /// `PIPEFS_MAGIC` of linux/magic.h.
    const PIPEFS: i64 = 0x5049_5045;

    #[allow(
        clippy::useless_conversion,
        reason = "its type differs between architectures"
    )]
    rustix::fs::fstatfs(fd).is_ok_and(|fs| i64::from(fs.f_type) == PIPEFS)
}

#[cfg(not(target_os = "linux"))]
fn is_anonymous(_: &OwnedFd) -> bool {
    false
}

/// The devices of mem(4) and null(4) that make or swallow bytes.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn never_waits(fd: &OwnedFd) -> bool {
    use rustix::fs::{fstat, major, minor};

    const MEMORY: u32 = 1;
    const NULL: u32 = 3;
    const ZERO: u32 = 5;
    const FULL: u32 = 7;
    const URANDOM: u32 = 9;

    fstat(fd).is_ok_and(|stat| {
        major(stat.st_rdev) == MEMORY && matches!(minor(stat.st_rdev), NULL | ZERO | FULL | URANDOM)
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn never_waits(_: &OwnedFd) -> bool {
    false
}
