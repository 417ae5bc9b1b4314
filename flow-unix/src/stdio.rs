//! The process's own input and output as one flow.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::stdio::{dup2_stdin, dup2_stdout, stdin, stdout};

use crate::error::Doing;
use crate::kind::Access;
use crate::opened::Opened;
use crate::source::Source;
use crate::{Error, FdEngine, FdTransport, Readiness};

/// One flow that reads standard input and writes standard output.
///
/// Each direction is what it is on its own: a terminal, a pipe, a file, a socket. The flow has descriptors of its own for them. When the flow ends
/// a pipe or a socket, descriptor 0 or 1 of the process is replaced by `/dev/null`: the peer of a pipe would otherwise see no end before the
/// process exits, and printing to a socket would fail. What is printed afterwards goes nowhere. A pipe that is also standard error stays open
/// there; printing to standard error fails where it is the same socket.
///
/// # Errors
///
/// No runtime here, one of the two is closed, or is nothing that carries bytes.
pub fn stdio<R: Readiness>() -> Result<FdEngine<R>, Error> {
    let runtime = R::runtime()?;
    let half = |fd: BorrowedFd<'_>, standard: Standard, wanted: Access| {
        let doing = standard.doing();
        // Above the standard ones, so that it is not taken for one should theirs be closed.
        let fd = fcntl_dupfd_cloexec(fd, 3).map_err(|errno| Error::os(doing, errno))?;
        let opened = Opened::new(fd, wanted).map_err(|e| e.into_error().doing(doing))?;
        if opened.access != wanted {
            return Err(Error::os(doing, Errno::BADF));
        }
        let source = Source::register(&runtime, opened).map_err(|(e, _)| e.doing(doing))?;
        Ok(source.standing_for(standard))
    };
    let read = half(stdin(), Standard::Input, Access::READ)?;
    let write = match half(stdout(), Standard::Output, Access::WRITE) {
        Ok(write) => write,
        Err(e) => {
            // The process's own stays as it is.
            drop(read.into_fd());
            return Err(e);
        }
    };
    Ok(FdTransport::of_two(runtime, read, write))
}

/// A descriptor of the process that a flow's own stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standard {
    Input,
    Output,
}

impl Standard {
    const fn doing(self) -> Doing {
        match self {
            Self::Input => Doing::Input,
            Self::Output => Doing::Output,
        }
    }

    /// Replaces the process's descriptor, if it is still the same file: a pipe ends only when it is closed, and writing to a socket that was shut
    /// down fails, or kills.
    pub(crate) fn let_go(self, ours: BorrowedFd<'_>) {
        let theirs = match self {
            Self::Input => stdin(),
            Self::Output => stdout(),
        };
        if is_pipe_or_socket(ours) && is_same(ours, theirs) {
            _ = null().and_then(|null| match self {
                Self::Input => dup2_stdin(null),
                Self::Output => dup2_stdout(null),
            });
        }
    }
}

fn is_pipe_or_socket(fd: BorrowedFd<'_>) -> bool {
    use rustix::fs::FileType;

    let kind = fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::Socket))
}

fn is_same(ours: BorrowedFd<'_>, theirs: BorrowedFd<'_>) -> bool {
    match (fstat(ours), fstat(theirs)) {
        (Ok(ours), Ok(theirs)) => (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino),
        _ => false,
    }
}

fn null() -> Result<OwnedFd, Errno> {
    open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}
