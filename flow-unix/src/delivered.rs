//! Whether the peer has read what was sent: what the kernel knows of it, and what has to be kept in mind because the kernel says it once.
//!
//! The kernel's own word is `SIOCOUTQ`, "output queue size (not sent + not acked)" in `linux/sockios.h`; tcp(7) knows it, unix(7) does not.
//! As measured on Linux 6.18:
//!
//! - `AF_UNIX`: memory of ours that waits in the peer's queue. One unread byte of a buffer keeps all of it counted, so only zero
//!   means something: all is read, or was thrown away. The latter is an error on our side, `ECONNRESET`, which is there before the
//!   memory is given back. Whoever receives or sends first takes it away.
//! - TCP: bytes that the peer's system has not acknowledged. Our own end counts as one, until it is acknowledged too. A reset
//!   leaves the count as it was.
//!
//! - Pipes: `FIONREAD` on the writing end counts what lies in the pipe, also once the readers have gone. With our end closed nothing can be
//!   asked any more.
//!
//! On other systems nothing is known.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use flow_core::Delivered;
use rustix::io::Errno;

use crate::Error;
use crate::kind::Kind;

/// What a socket has told about the fate of what was sent, to whichever call.
///
/// Written by the calls of either direction, and read while neither is under way.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    /// A call was told that the connection is cut.
    cut: AtomicBool,
    /// Our end is among what is sent.
    ended: AtomicBool,
}

impl Receipts {
    /// A receive or a send was told of this error, and no later call will be.
    pub(crate) fn note_error(&self, error: &Error, kind: Kind) {
        let cut = match error.raw_os_error() {
            // EPIPE, for one, comes also where the peer has read everything and left.
            Some(errno) if kind == Kind::Unix => errno == Errno::CONNRESET.raw_os_error(),
            errno => errno.is_some(),
        };
        if cut {
            self.note_cut();
        }
    }

    /// The socket has told that the connection is cut.
    pub(crate) fn note_cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    /// The end of writing was signalled.
    pub(crate) fn note_end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// What is known of all that was sent through this socket.
    pub(crate) fn of(&self, fd: BorrowedFd<'_>, kind: Kind) -> Delivered {
        if !matches!(kind, Kind::Unix | Kind::Tcp) {
            return Delivered::Unknown;
        }
        // The count before the error: what is thrown away leaves the count when the error is there.
        let Some(owed) = owed(fd) else {
            return Delivered::Unknown;
        };
        let end = usize::from(kind == Kind::Tcp && self.ended.load(Ordering::Relaxed));
        let cut = || self.cut.load(Ordering::Relaxed) || has_error(fd);
        match kind {
            _ if owed > end => Delivered::No,
            Kind::Unix if cut() => Delivered::No,
            Kind::Unix => Delivered::Yes,
            // It had come to the peer's system, which may have thrown it away unread.
            _ if cut() => Delivered::Unknown,
            _ => Delivered::Arrived,
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn owed(fd: BorrowedFd<'_>) -> Option<usize> {
    crate::owed::bytes(fd)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn owed(_: BorrowedFd<'_>) -> Option<usize> {
    None
}

/// Whether the socket has an error that no call has been told of. It stays there to be told.
fn has_error(fd: BorrowedFd<'_>) -> bool {
    crate::way::is(fd, rustix::event::PollFlags::ERR)
}

/// What is known of all that was written to a pipe, of which `fd` is the writing end: what lies in it is unread, and lies there still when
/// the readers have gone.
pub(crate) fn of_pipe(fd: BorrowedFd<'_>) -> Delivered {
    // Elsewhere this asks the other direction, or nothing.
    if !cfg!(any(target_os = "linux", target_os = "android")) {
        return Delivered::Unknown;
    }
    match rustix::io::ioctl_fionread(fd) {
        Ok(0) => Delivered::Yes,
        Ok(_) => Delivered::No,
        Err(_) => Delivered::Unknown,
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use std::os::fd::AsFd as _;

    use rustix::io::{read, write};
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[test]
    fn a_pipe_tells_what_is_unread_also_when_its_reader_has_gone() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        assert_eq!(of_pipe(writer.as_fd()), Delivered::Yes);
        write(&writer, b"hello").unwrap();
        assert_eq!(of_pipe(writer.as_fd()), Delivered::No);
        read(&reader, &mut [0; 4]).unwrap();
        assert_eq!(of_pipe(writer.as_fd()), Delivered::No);
        read(&reader, &mut [0; 4]).unwrap();
        assert_eq!(of_pipe(writer.as_fd()), Delivered::Yes);
        write(&writer, b"unread").unwrap();
        drop(reader);
        assert_eq!(of_pipe(writer.as_fd()), Delivered::No);
    }
}
