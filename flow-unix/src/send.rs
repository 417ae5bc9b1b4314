//! Sending: one buffer as it is, many small ones as one, many large ones as a list.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use flow_core::Chunks;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};

use crate::error::Doing;
use crate::{Attempt, Error, scratch};

/// How many buffers one call takes: `IOV_MAX`.
const LIST: usize = 1024;

/// Lists up to this length need no allocation.
const SHORT_LIST: usize = 16;

/// Buffers that are shorter than this, on average, are cheaper to copy than to list.
const SMALL: usize = 256;

/// No call is offered more, because some systems count in 32 bits.
const MOST: usize = 1 << 30;

#[cfg(not(target_vendor = "apple"))]
const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// These have a socket option for it, which was set when the flow was made.
#[cfg(target_vendor = "apple")]
const FLAGS: SendFlags = SendFlags::DONTWAIT;

/// One attempt to send bytes off the front of `data`, of which there must be some.
pub(crate) fn attempt(fd: BorrowedFd<'_>, data: &mut Chunks) -> Attempt<Result<(), Error>> {
    let (offered, sent) = if data.is_single() {
        send_one(fd, data.first())
    } else {
        send_many(fd, data)
    };
    match sent {
        Ok(len) => {
            data.advance(len);
            // Less was taken than was offered: there is no room left, and its coming is an event.
            if len < offered {
                Attempt::Drained(Ok(()))
            } else {
                Attempt::Maybe(Ok(()))
            }
        }
        Err(Errno::AGAIN) => Attempt::WouldBlock,
        Err(errno) => Attempt::Maybe(Err(Error::os(Doing::Send, errno))),
    }
}

type Sent = (usize, Result<usize, Errno>);

fn send_one(fd: BorrowedFd<'_>, data: &[u8]) -> Sent {
    let data = &data[..data.len().min(MOST)];
    (data.len(), retry_on_intr(|| send(fd, data, FLAGS)))
}

fn send_many(fd: BorrowedFd<'_>, data: &Chunks) -> Sent {
    let (mut count, mut bytes) = (0, 0);
    for slice in data.slices().take(SHORT_LIST) {
        count += 1;
        bytes += slice.len();
    }
    if bytes < count * SMALL {
        send_copied(fd, data)
    } else if bytes == data.len() {
        let mut list = [IoSlice::new(&[]); SHORT_LIST];
        for (entry, slice) in list.iter_mut().zip(data.slices()) {
            *entry = IoSlice::new(slice);
        }
        send_list(fd, &list[..count])
    } else {
        let list: Vec<_> = data.slices().take(LIST).map(IoSlice::new).collect();
        send_list(fd, &list)
    }
}

fn send_list(fd: BorrowedFd<'_>, list: &[IoSlice<'_>]) -> Sent {
    let mut offered = 0;
    let fits = |entry: &&IoSlice<'_>| {
        offered += entry.len();
        offered <= MOST
    };
    let count = list.iter().take_while(fits).count();
    match list {
        // The first one alone is too long.
        [first, ..] if count == 0 => send_one(fd, first),
        _ => {
            let list = &list[..count];
            let offered = list.iter().map(|entry| entry.len()).sum();
            (
                offered,
                retry_on_intr(|| sendmsg(fd, list, &mut SendAncillaryBuffer::default(), FLAGS)),
            )
        }
    }
}

/// Sends as much as fits into the scratch buffer.
fn send_copied(fd: BorrowedFd<'_>, data: &Chunks) -> Sent {
    scratch::with(|buffer| {
        let mut len = 0;
        for slice in data.slices() {
            let part = slice.len().min(buffer.len() - len);
            buffer[len..len + part].copy_from_slice(&slice[..part]);
            len += part;
            if part < slice.len() {
                break;
            }
        }
        send_one(fd, &buffer[..len])
    })
}
