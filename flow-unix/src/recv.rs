//! Receiving: how much to ask for, where to put it, and what an answer says about the next one.

use std::mem;
use std::os::fd::BorrowedFd;

use bytes::Bytes;
use rustix::io::Errno;

use crate::error::Doing;
use crate::kind::Kind;
use crate::memory::Memory;
use crate::passing::Passing;
use crate::source::Source;
use crate::way::{Nothing, Refusal};
use crate::{Attempt, Error, Readiness, recvmsg, scratch};

/// The largest chunk.
const LARGEST: usize = 256 * 1024;

/// The largest chunk over a network. The kernel lets as much pile up there as a reader takes in at once, and more: with reads of 128 KiB and longer two ends
/// on one thread pass 4 MiB to and fro, which no near cache holds, and writes of 1 MiB take twice as long.
const LARGEST_OF_NETWORK: usize = 64 * 1024;

/// The smallest buffer that is allocated before its message has come. Whatever may be shorter goes through the thread's scratch buffer.
const SMALLEST: usize = 64 * 1024;

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
    /// 0 while messages fit into the scratch buffer. Up to [`LARGEST`], as is the next one.
    buffer: u32,
    /// How much has come since nothing was left.
    burst: u32,
    /// The socket has told, as it does once, that the peer left without reading what was sent.
    cut: bool,
}

impl Estimate {
    /// Whether a receive was told that the peer left without reading what was sent.
    pub(crate) fn met_a_cut(&self) -> bool {
        self.cut
    }

    /// One attempt to receive, with room to spare if the estimate is right.
    pub(crate) fn attempt<R: Readiness>(
        &mut self,
        source: &Source<R>,
        passing: &Passing,
    ) -> Attempt<Result<Got, Error>> {
        let (fd, kind) = (source.fd(), source.kind());
        let limit = passing.limit();
        let mut perhaps = false;
        loop {
            let received = match self.buffer as usize {
                // Asked of a flow of another kind, there are none to come.
                _ if limit > 0 && kind == Kind::Unix => receive_with_fds(fd, passing, limit),
                0 => receive_short(source),
                room => receive_long(source, room),
            };
            match received {
                Ok(received) if !received.chunk.is_empty() => {
                    self.learn(kind, received.chunk.len(), received.room);
                    let chunk = Ok(Got::Chunk(Some(received.chunk)));
                    return match received.left {
                        Left::Perhaps => Attempt::Maybe(chunk),
                        Left::Urgent => Attempt::Short(chunk),
                        Left::Nothing => Attempt::Drained(chunk),
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
        SMALLEST.max(self.buffer as usize)
    }

    /// Learns from what a call brought that asked for `room` bytes.
    #[inline]
    pub(crate) fn learn(&mut self, kind: Kind, len: usize, room: usize) {
        if len < room && self.burst == 0 && self.buffer == 0 {
            return;
        }
        let largest = match kind {
            Kind::Tcp | Kind::Stream => LARGEST_OF_NETWORK,
            _ => LARGEST,
        };
        self.burst = largest.min(self.burst as usize + len) as u32;
        if len >= room {
            self.buffer = (room * 2).clamp(SMALLEST, largest) as u32;
        } else {
            self.end_burst();
        }
    }

    /// Nothing is left. As much as came may come again, and is then received at once.
    #[cold]
    fn end_burst(&mut self) {
        self.buffer = match mem::take(&mut self.burst) as usize {
            0..=scratch::LEN => 0,
            burst => SMALLEST.max(burst.next_power_of_two()) as u32,
        };
    }
}

struct Received {
    chunk: Bytes,
    /// How much was asked for.
    room: usize,
    left: Left,
}

/// What may be left.
#[derive(Clone, Copy)]
enum Left {
    Perhaps,
    /// Less came than was asked for: nothing, unless urgent data has cut it short.
    Urgent,
    /// Less came than was asked for, and nothing explains it but that no more is there.
    Nothing,
}

impl Left {
    /// After recvmsg(2), which says whether descriptors have cut it short.
    #[inline]
    fn after_recvmsg(whole: bool, full: bool) -> Self {
        if whole && !full {
            Self::Urgent
        } else {
            Self::Perhaps
        }
    }

    /// After a call that does not say so, and that was made `while_private` or of another kind than descriptors are passed over.
    #[inline]
    fn after<R: Readiness>(source: &Source<R>, while_private: bool, full: bool) -> Self {
        if full || !source.kind().short_read_drains() {
            Self::Perhaps
        } else if !while_private {
            Self::Urgent
        } else if source.is_private() {
            Self::Nothing
        } else {
            // It may have ended before the call, and a descriptor that came since have cut this short.
            Self::Perhaps
        }
    }
}

fn receive_short<R: Readiness>(source: &Source<R>) -> Result<Received, Refusal> {
    let private = source.is_private();
    scratch::with(|scratch| {
        let buffer = &mut scratch.buffer[..];
        let (len, left) = if source.kind() == Kind::Unix && !private {
            let (len, whole) = recvmsg::into_slice(source.fd(), buffer)?;
            (len, Left::after_recvmsg(whole, len == scratch::LEN))
        } else {
            let len = source.way().read(source.fd(), buffer)?;
            (len, Left::after(source, private, len == scratch::LEN))
        };
        Ok(Received {
            chunk: scratch.carve(len),
            room: scratch::LEN,
            left,
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
            left: Left::after_recvmsg(whole, len == scratch::LEN),
        })
    })
}

fn receive_long<R: Readiness>(source: &Source<R>, room: usize) -> Result<Received, Refusal> {
    let private = source.is_private();
    let mut memory = Memory::with_room(room);
    let left = if source.kind() == Kind::Unix && !private {
        let (_, whole) = recvmsg::append(source.fd(), &mut memory.buffer)?;
        Left::after_recvmsg(whole, memory.is_full())
    } else {
        source.way().append(source.fd(), &mut memory.buffer)?;
        Left::after(source, private, memory.is_full())
    };
    Ok(Received {
        chunk: memory.into_chunk(),
        room,
        left,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_become_as_long_as_is_good_for_the_kind() {
        for (kind, largest) in [(Kind::Unix, LARGEST), (Kind::Tcp, LARGEST_OF_NETWORK)] {
            let mut estimate = Estimate::default();
            let mut room = scratch::LEN;
            // Every buffer is filled; then a burst ends, and comes again.
            for _ in 0..8 {
                estimate.learn(kind, room, room);
                room = estimate.buffer as usize;
            }
            assert_eq!(room, largest, "{kind:?}");
            estimate.learn(kind, 1, room);
            assert_eq!(estimate.buffer as usize, largest, "{kind:?}");
        }
    }
}
