//! Receiving: how much to ask for, where to put it, and what an answer says about the next one.

use std::io::IoSliceMut;
use std::os::fd::BorrowedFd;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, recv, recvmsg};

use crate::error::Doing;
use crate::kind::Kind;
use crate::{Attempt, Error, scratch};

/// The largest chunk.
const LARGEST: usize = 256 * 1024;

/// The smallest buffer that is allocated before its message has come. Whatever may be shorter goes through the thread's scratch buffer.
const SMALLEST: usize = 64 * 1024;

/// A chunk may keep this many times its length in memory; a shorter one is copied. (The contract says 16.)
const SPARE: usize = 4;

/// How much the next receive asks for, by what came before.
///
/// Nothing else is kept between receives: an idle flow holds no buffer. Short messages are received into the thread's scratch buffer
/// and copied into a rolling block of the thread's, the smaller the shorter they are, so a chunk that is kept keeps few others in memory.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    /// 0 while messages fit into the scratch buffer.
    buffer: usize,
}

impl Estimate {
    /// One attempt to receive, with room to spare if the estimate is right.
    pub(crate) fn attempt(
        &mut self,
        fd: BorrowedFd<'_>,
        kind: Kind,
    ) -> Attempt<Result<Option<Bytes>, Error>> {
        loop {
            let received = match self.buffer {
                0 => receive_short(fd, kind),
                room => receive_long(fd, kind, room),
            };
            match received {
                Ok(received) => {
                    self.learn(&received);
                    let Received { chunk, drained, .. } = received;
                    let chunk = Ok((!chunk.is_empty()).then_some(chunk));
                    return if drained {
                        Attempt::Drained(chunk)
                    } else {
                        Attempt::Maybe(chunk)
                    };
                }
                Err(Errno::AGAIN) => return Attempt::WouldBlock,
                // The peer left input of ours unread. What it sent has all arrived, and its end comes next.
                Err(Errno::CONNRESET) if kind == Kind::Unix => {}
                Err(errno) => return Attempt::Maybe(Err(Error::os(Doing::Receive, errno))),
            }
        }
    }

    fn learn(&mut self, received: &Received) {
        let len = received.chunk.len();
        self.buffer = match self.buffer {
            0 if len == received.room => SMALLEST,
            0 => 0,
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

fn receive_short(fd: BorrowedFd<'_>, kind: Kind) -> Result<Received, Errno> {
    scratch::with(|buffer| {
        let (len, whole) = match kind {
            // A receive stops behind a byte that a descriptor was passed with. Only this call says so. Without room for descriptors
            // the kernel closes them.
            Kind::Unix => retry_on_intr(|| {
                let buffers = &mut [IoSliceMut::new(buffer)];
                let answer = recvmsg(
                    fd,
                    buffers,
                    &mut RecvAncillaryBuffer::default(),
                    RecvFlags::DONTWAIT,
                )?;
                Ok((answer.bytes, !answer.flags.contains(ReturnFlags::CTRUNC)))
            })?,
            _ => (
                retry_on_intr(|| recv(fd, &mut *buffer, RecvFlags::DONTWAIT))?.0,
                true,
            ),
        };
        Ok(Received {
            chunk: scratch::carve(&buffer[..len]),
            room: buffer.len(),
            drained: 0 < len && len < buffer.len() && whole && kind.short_read_drains(),
        })
    })
}

fn receive_long(fd: BorrowedFd<'_>, kind: Kind, room: usize) -> Result<Received, Errno> {
    let mut buffer = Vec::with_capacity(room);
    let len = retry_on_intr(|| recv(fd, spare_capacity(&mut buffer), RecvFlags::DONTWAIT))?.0;
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
