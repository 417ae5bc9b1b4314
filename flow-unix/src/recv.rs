//! Receiving: how much to ask for, where to put it, and what an answer says about the next one.

use std::io::IoSliceMut;
use std::mem::ManuallyDrop;
use std::os::fd::BorrowedFd;

use bytes::Bytes;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, recvmsg};

use crate::error::Doing;
use crate::kind::Kind;
use crate::passing::Passing;
use crate::way::{Nothing, Refusal, Way};
use crate::{Attempt, Error, scratch};

/// The largest chunk.
const LARGEST: usize = 256 * 1024;

/// The smallest buffer that is allocated before its message has come. Whatever may be shorter goes through the thread's scratch buffer.
const SMALLEST: usize = 64 * 1024;

/// A chunk may keep this many times its length in memory; a shorter one is copied. (The contract says 16.)
const SPARE: usize = 4;

/// What an attempt to receive came to.
pub(crate) enum Got {
    /// A chunk, or the end.
    Chunk(Option<Bytes>),
    /// The call may block, and is for the pool to make.
    Blocks,
}

/// How much the next receive asks for, by what came before.
///
/// Nothing else is kept between receives: an idle flow holds no buffer. Short messages are received into the thread's scratch buffer
/// and copied into a rolling block of the thread's, the smaller the shorter they are, so a chunk that is kept keeps few others in memory.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    /// 0 while messages fit into the scratch buffer.
    buffer: usize,
    /// The socket has told, as it does once, that the peer left without reading what was sent.
    cut: bool,
}

impl Estimate {
    /// Whether a receive was told that the peer left without reading what was sent.
    pub(crate) fn met_a_cut(&self) -> bool {
        self.cut
    }

    /// One attempt to receive, with room to spare if the estimate is right.
    pub(crate) fn attempt(
        &mut self,
        fd: BorrowedFd<'_>,
        kind: Kind,
        way: Way,
        passing: &Passing,
    ) -> Attempt<Result<Got, Error>> {
        let limit = passing.limit();
        let mut perhaps = false;
        loop {
            let received = match self.buffer {
                _ if limit > 0 => receive_with_fds(fd, passing, limit),
                0 => receive_short(fd, kind, way),
                room => receive_long(fd, kind, way, room),
            };
            match received {
                Ok(received) if !received.chunk.is_empty() => {
                    self.learn(received.chunk.len(), received.room);
                    let chunk = Ok(Got::Chunk(Some(received.chunk)));
                    return if received.drained {
                        Attempt::Drained(chunk)
                    } else {
                        Attempt::Maybe(chunk)
                    };
                }
                Ok(_) if kind.is_socket() || perhaps => {
                    return Attempt::Maybe(Ok(Got::Chunk(None)));
                }
                Ok(_) => match Nothing::of(fd, kind) {
                    Nothing::End => return Attempt::Maybe(Ok(Got::Chunk(None))),
                    Nothing::NotYet => return Attempt::WouldBlock,
                    Nothing::Perhaps => perhaps = true,
                },
                Err(Refusal::WouldBlock) => return Attempt::WouldBlock,
                Err(Refusal::Blocks) => return Attempt::Maybe(Ok(Got::Blocks)),
                // The peer left input of ours unread. What it sent has all arrived, and its end comes next.
                Err(Refusal::Os(Errno::CONNRESET)) if kind == Kind::Unix => self.cut = true,
                Err(Refusal::Os(errno)) if kind.hangs_up_by(errno) => {
                    return Attempt::Maybe(Ok(Got::Chunk(None)));
                }
                Err(Refusal::Os(errno)) => {
                    return Attempt::Maybe(Err(Error::os(Doing::Receive, errno)));
                }
            }
        }
    }

    /// How much a call of the pool asks for, which costs far more than the memory.
    pub(crate) fn room(&self) -> usize {
        self.buffer.max(SMALLEST)
    }

    /// Learns from what a call brought that asked for `room` bytes.
    #[inline]
    pub(crate) fn learn(&mut self, len: usize, room: usize) {
        self.buffer = match room {
            scratch::LEN if len == room => SMALLEST,
            scratch::LEN => 0,
            room if len == room => (room * 2).min(LARGEST),
            room if len >= room / SPARE => room,
            SMALLEST => 0,
            room => room / 2,
        };
    }
}

struct Received {
    chunk: Bytes,
    /// How much was asked for.
    room: usize,
    /// Less came than was asked for, and nothing else explains it than that no more is there.
    drained: bool,
}

fn receive_short(fd: BorrowedFd<'_>, kind: Kind, way: Way) -> Result<Received, Refusal> {
    scratch::with(|scratch| {
        let buffer = &mut scratch.buffer[..];
        let (len, whole) = match kind {
            // A receive stops behind a byte that a descriptor was passed with. Only this call says so. Without room for descriptors
            // the kernel closes them.
            Kind::Unix => retry_on_intr(|| {
                let buffers = &mut [IoSliceMut::new(buffer)];
                // Empty before and after, it has nothing to drop.
                let mut no_room = ManuallyDrop::new(RecvAncillaryBuffer::default());
                let answer = recvmsg(fd, buffers, &mut no_room, RecvFlags::DONTWAIT)?;
                Ok((answer.bytes, !answer.flags.contains(ReturnFlags::CTRUNC)))
            })?,
            _ => (way.read(fd, buffer)?, true),
        };
        Ok(Received {
            chunk: scratch.carve(len),
            room: scratch::LEN,
            drained: 0 < len && len < scratch::LEN && whole && kind.short_read_drains(),
        })
    })
}

fn receive_with_fds(
    fd: BorrowedFd<'_>,
    passing: &Passing,
    limit: usize,
) -> Result<Received, Refusal> {
    scratch::with(|scratch| {
        let (len, whole) = passing.receive(fd, &mut scratch.buffer, limit)?;
        Ok(Received {
            chunk: scratch.carve(len),
            room: scratch::LEN,
            drained: 0 < len && len < scratch::LEN && whole,
        })
    })
}

fn receive_long(
    fd: BorrowedFd<'_>,
    kind: Kind,
    way: Way,
    room: usize,
) -> Result<Received, Refusal> {
    let buffer = way.read_new(fd, room)?;
    let len = buffer.len();
    Ok(Received {
        chunk: if len >= room / SPARE {
            buffer.into()
        } else {
            Bytes::copy_from_slice(&buffer)
        },
        room,
        // On AF_UNIX it might have stopped at a passed descriptor. One needless attempt after a long run is cheap.
        drained: 0 < len && len < room && kind == Kind::Tcp,
    })
}
