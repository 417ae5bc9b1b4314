//! The calls that move bytes without ever blocking, by kind of descriptor.
//!
//! `O_NONBLOCK` belongs to the open file, which others may share, so it is neither changed nor relied on: each call says for itself that it does
//! not wait, or it is made where the flag is ours or has just been looked at, or a thread of the blocking pool makes it.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{Errno, read, retry_on_intr};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use rustix::termios::{LocalModes, SpecialCodeIndex, tcgetattr};

use crate::kind::Kind;
use crate::pipe;

/// How the bytes of a descriptor are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Calls of sockets, which have a flag for it.
    Socket,
    /// Calls with `RWF_NOWAIT`: the two ends of an anonymous pipe.
    NoWait,
    #[cfg_attr(
        not(target_os = "linux"),
        allow(dead_code, reason = "no other system makes such files")
    )]
    /// Plain calls on an open file of our own, where `O_NONBLOCK` is set; should somebody have cleared it nevertheless, as `Plain`.
    Own,
    /// Plain calls on an open file that others may change at any moment: a read while `O_NONBLOCK` is set and something is there, so that it takes
    /// two others at once to block it; all else by the pool, once the descriptor is ready.
    Plain,
    /// Plain calls on devices that never wait.
    Inline,
    /// What is in memory at once; whatever has to be fetched, and all that is written, by the pool.
    File,
    /// The pool makes all calls.
    Pool,
}

/// Why no bytes were moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is nothing, or no room; the runtime tells when that changes.
    WouldBlock,
    /// The call may block: it is for the pool.
    Blocks,
    Os(Errno),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN => Self::WouldBlock,
            errno => Self::Os(errno),
        }
    }
}

#[cfg(not(target_vendor = "apple"))]
pub(crate) const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// These have a socket option for it, which was set when the flow was made.
#[cfg(target_vendor = "apple")]
pub(crate) const SEND: SendFlags = SendFlags::DONTWAIT;

/// What ends a wait for input: there is some, or none will come.
pub(crate) const READABLE: PollFlags = PollFlags::IN.union(OVER);

/// What ends a wait for room.
pub(crate) const WRITABLE: PollFlags = PollFlags::OUT.union(OVER);

const OVER: PollFlags = PollFlags::HUP.union(PollFlags::ERR);

impl Way {
    /// Reads into `buffer`. 0 is whatever the descriptor means by it.
    #[inline]
    pub(crate) fn read(self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Refusal> {
        match self {
            Self::Socket => receive(fd, buffer),
            _ => self.read_what_is_no_socket(fd, buffer),
        }
    }

    fn read_what_is_no_socket(
        self,
        fd: BorrowedFd<'_>,
        buffer: &mut [u8],
    ) -> Result<usize, Refusal> {
        match self {
            Self::Socket => receive(fd, buffer),
            Self::NoWait => match nowait::read(fd, buffer) {
                Err(Errno::OPNOTSUPP) => Err(by_pool(fd, READABLE)),
                result => Ok(result?),
            },
            Self::Own | Self::Plain => {
                self.unblocked(fd, READABLE)?;
                Ok(retry_on_intr(|| read(fd, &mut *buffer))?)
            }
            Self::Inline => inline(retry_on_intr(|| read(fd, &mut *buffer))),
            Self::File => inline(nowait::read(fd, buffer)),
            Self::Pool => Err(Refusal::Blocks),
        }
    }

    /// Reads behind what is in `buffer`, as much as it has room for.
    pub(crate) fn append(self, fd: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<(), Refusal> {
        match self {
            Self::Socket => {
                retry_on_intr(|| recv(fd, spare_capacity(buffer), RecvFlags::DONTWAIT))?;
            }
            Self::Own | Self::Plain => {
                self.unblocked(fd, READABLE)?;
                retry_on_intr(|| read(fd, spare_capacity(buffer)))?;
            }
            Self::NoWait | Self::Inline | Self::File | Self::Pool => {
                let before = buffer.len();
                buffer.resize(buffer.capacity(), 0);
                let read = self.read(fd, &mut buffer[before..]);
                buffer.truncate(before + read.as_ref().map_or(0, |len| *len));
                read?;
            }
        }
        Ok(())
    }

    pub(crate) fn write(self, fd: BorrowedFd<'_>, data: &[u8]) -> Result<usize, Refusal> {
        match self {
            Self::Socket => Ok(retry_on_intr(|| send(fd, data, SEND))?),
            _ => self.write_list(fd, &[IoSlice::new(data)]),
        }
    }

    pub(crate) fn write_list(
        self,
        fd: BorrowedFd<'_>,
        list: &[IoSlice<'_>],
    ) -> Result<usize, Refusal> {
        match self {
            Self::Socket => Ok(retry_on_intr(|| {
                sendmsg(fd, list, &mut SendAncillaryBuffer::default(), SEND)
            })?),
            Self::NoWait => match pipe::write_nowait(fd, list) {
                Err(Errno::OPNOTSUPP) => Err(by_pool(fd, WRITABLE)),
                result => Ok(result?),
            },
            Self::Own => {
                self.unblocked(fd, WRITABLE)?;
                Ok(pipe::write(fd, list)?)
            }
            // However little is written, more than there is room for would block once the flag is gone.
            Self::Plain => Err(by_pool(fd, WRITABLE)),
            Self::Inline => inline(pipe::write(fd, list)),
            Self::File | Self::Pool => Err(Refusal::Blocks),
        }
    }

    /// Whether a plain call does not block just now.
    fn unblocked(self, fd: BorrowedFd<'_>, events: PollFlags) -> Result<(), Refusal> {
        if !is_nonblocking(fd)? {
            Err(by_pool(fd, events))
        } else if self == Self::Plain && !is(fd, events) {
            Err(Refusal::WouldBlock)
        } else {
            Ok(())
        }
    }
}

#[inline]
fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Refusal> {
    Ok(retry_on_intr(|| recv(fd, &mut *buffer, RecvFlags::DONTWAIT))?.0)
}

pub(crate) fn is_nonblocking(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(fcntl_getfl(fd)?.contains(OFlags::NONBLOCK))
}

/// Without readiness to wait for, what would block is for the pool.
fn inline(result: Result<usize, Errno>) -> Result<usize, Refusal> {
    match result {
        Err(Errno::AGAIN | Errno::OPNOTSUPP) => Err(Refusal::Blocks),
        result => Ok(result?),
    }
}

/// Threads are not kept waiting for what the runtime can wait for.
fn by_pool(fd: BorrowedFd<'_>, events: PollFlags) -> Refusal {
    if is(fd, events) {
        Refusal::Blocks
    } else {
        Refusal::WouldBlock
    }
}

/// Whether one of these events is there.
pub(crate) fn is(fd: BorrowedFd<'_>, events: PollFlags) -> bool {
    const NOW: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };

    let mut fds = [PollFd::from_borrowed_fd(fd, events)];
    matches!(retry_on_intr(|| poll(&mut fds, Some(&NOW))), Ok(1..))
        && fds[0].revents().intersects(events)
}

/// What a read of nothing means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    End,
    /// Nobody has begun yet, or nothing is there just now.
    NotYet,
    /// It is the end if the next read gives nothing either.
    Perhaps,
}

impl Nothing {
    pub(crate) fn of(fd: BorrowedFd<'_>, kind: Kind) -> Self {
        match kind {
            // Without a hang-up no writer has come yet. One that came, wrote and left after the read was made has left bytes.
            Kind::Pipe if is(fd, PollFlags::HUP) => Self::Perhaps,
            Kind::Pipe => Self::NotYet,
            Kind::Terminal | Kind::Master if answers_nothing(fd) && !is(fd, PollFlags::HUP) => {
                Self::NotYet
            }
            _ => Self::End,
        }
    }
}

/// A terminal that was told to answer at once with nothing, rather than to wait.
fn answers_nothing(fd: BorrowedFd<'_>) -> bool {
    tcgetattr(fd).is_ok_and(|terminal| {
        !terminal.local_modes.contains(LocalModes::ICANON)
            && terminal.special_codes[SpecialCodeIndex::VMIN] == 0
    })
}

#[cfg(target_os = "linux")]
mod nowait {
    use std::io::IoSliceMut;

    use rustix::io::{ReadWriteFlags, preadv2};

    use super::*;

    /// Where the file's position is.
    const HERE: u64 = u64::MAX;

    pub(super) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
        retry_on_intr(|| {
            let buffers = &mut [IoSliceMut::new(buffer)];
            preadv2(fd, buffers, HERE, ReadWriteFlags::NOWAIT)
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod nowait {
    use super::*;

    pub(super) fn read(_: BorrowedFd<'_>, _: &mut [u8]) -> Result<usize, Errno> {
        Err(Errno::OPNOTSUPP)
    }
}
