//! Sending: one buffer as it is, many small ones as one, many large ones as a list.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use bytes::{Bytes, BytesMut};
use flow_core::Chunks;
use rustix::io::Errno;

use crate::error::Doing;
use crate::kind::Kind;
use crate::passing::Passing;
use crate::way::{Refusal, Way};
use crate::{Attempt, Error, scratch, splice};

/// How many buffers one call takes: `IOV_MAX`.
pub(crate) const LIST: usize = 1024;

/// Lists up to this length need no allocation.
const SHORT_LIST: usize = 16;

/// Buffers that are shorter than this, on average, are cheaper to copy than to list.
const SMALL: usize = 256;

/// No call is offered more, because some systems count in 32 bits.
const MOST: usize = 1 << 30;

/// What an attempt to send came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// Bytes were sent.
    Sent,
    /// The call may block, and is for the pool to make.
    Blocks,
}

/// One attempt to send bytes off the front of `data`, of which there must be some.
pub(crate) fn attempt(
    fd: BorrowedFd<'_>,
    kind: Kind,
    way: Way,
    data: &mut Chunks,
    passing: &Passing,
) -> Attempt<Result<Put, Error>> {
    if data.is_outside() {
        // Nobody else sends from that pipe, so that less than all says nothing of the room.
        match splice::send(fd, kind, way, data) {
            Some(Ok(_)) => return Attempt::Maybe(Ok(Put::Sent)),
            Some(Err(Refusal::WouldBlock)) => return Attempt::WouldBlock,
            Some(Err(Refusal::Os(errno))) => return failed(errno),
            Some(Err(Refusal::Blocks)) | None if data.bring_in() => {}
            Some(Err(Refusal::Blocks)) | None => return failed(Errno::IO),
        }
    }
    let (offered, sent) = if let Some((offered, sent)) = passing.send(fd, data) {
        (offered, sent.map_err(Refusal::from))
    } else if data.is_single() {
        send_one(fd, way, data.first())
    } else {
        send_many(fd, way, data)
    };
    match sent {
        Ok(len) => {
            data.advance(len);
            // Less was taken than was offered: there is no room left, and its coming is an event.
            if len < offered {
                Attempt::Drained(Ok(Put::Sent))
            } else {
                Attempt::Maybe(Ok(Put::Sent))
            }
        }
        Err(Refusal::WouldBlock) => Attempt::WouldBlock,
        Err(Refusal::Blocks) => Attempt::Maybe(Ok(Put::Blocks)),
        Err(Refusal::Os(errno)) => failed(errno),
    }
}

fn failed<T>(errno: Errno) -> Attempt<Result<T, Error>> {
    Attempt::Maybe(Err(Error::os(Doing::Send, errno)))
}

/// Takes bytes off the front of `data` for a call of the pool. A copy: the writer's own buffers may run code when they are dropped, and that
/// is not for the pool's threads, nor for where the pool lets a call go that it will not make.
pub(crate) fn take(data: &mut Chunks) -> Bytes {
    const PART: usize = 256 * 1024;

    let mut taken = BytesMut::with_capacity(data.len().min(PART));
    while !data.is_empty() && taken.len() < PART {
        let first = data.first();
        let len = first.len().min(PART - taken.len());
        taken.extend_from_slice(&first[..len]);
        data.advance(len);
    }
    taken.freeze()
}

type Sent = (usize, Result<usize, Refusal>);

fn send_one(fd: BorrowedFd<'_>, way: Way, data: &[u8]) -> Sent {
    let data = &data[..data.len().min(MOST)];
    (data.len(), way.write(fd, data))
}

fn send_many(fd: BorrowedFd<'_>, way: Way, data: &Chunks) -> Sent {
    let count = data.count_at_most();
    if data.len() < count * SMALL {
        return send_copied(fd, way, data);
    }
    let mut room = MOST;
    let entries = data.slices().take(LIST).map(|slice| {
        let part = &slice[..slice.len().min(room)];
        room -= part.len();
        IoSlice::new(part)
    });
    let sent = if count <= SHORT_LIST {
        let mut list = [IoSlice::new(&[]); SHORT_LIST];
        list.iter_mut()
            .zip(entries)
            .for_each(|(to, entry)| *to = entry);
        way.write_list(fd, &list[..count])
    } else {
        way.write_list(fd, &entries.collect::<Vec<_>>())
    };
    (MOST - room, sent)
}

/// Sends as much as fits into the scratch buffer.
fn send_copied(fd: BorrowedFd<'_>, way: Way, data: &Chunks) -> Sent {
    scratch::with(|scratch| {
        let buffer = &mut scratch.buffer[..];
        let mut room = &mut buffer[..];
        // By `all`, which goes through the first buffer and the others in a loop each.
        data.slices().all(|slice| {
            let fits = slice.len().min(room.len());
            let (here, left) = std::mem::take(&mut room).split_at_mut(fits);
            here.copy_from_slice(&slice[..fits]);
            room = left;
            fits == slice.len()
        });
        let len = scratch::LEN - room.len();
        send_one(fd, way, &buffer[..len])
    })
}
