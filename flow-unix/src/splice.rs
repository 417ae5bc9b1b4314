//! Bytes that go from descriptor to descriptor by way of a pipe, without coming into memory: splice(2).
//!
//! A pipe carries one chunk: it is empty when the chunk is put in, and is used again only when all of it is out. So nothing of one flow ever
//! gets into another, and what a call would do with a pipe that is half full need not be known. While bytes are in it, it belongs to the
//! chunk, as memory belongs to any other: whoever has the chunk can write it, keep it, or read it into memory.
//!
//! Pipes are made when there is something to put in, and are never more than [`MOST`]: beyond that, and where there are no descriptors, bytes go
//! through memory. A few empty ones are kept as long as there is a flow that has used one.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use flow_core::{Chunks, Outside};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ioctl_fionread, read, retry_on_intr};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with};

use crate::kind::Kind;
use crate::quiet;
use crate::way::{self, Refusal, Way};

/// How many bytes a pipe is made to hold: about what the queue of a Unix socket holds. Users may be refused it.
const ROOM: usize = 256 * 1024;

/// With less room than a pipe has ordinarily it does not pay.
const LEAST_ROOM: usize = 64 * 1024;

/// With less than this to be had, copying is cheaper than the calls.
const WORTH: u64 = 32 * 1024;

/// The most pipes that there are at a time. A copy whose destination is stuck holds one.
const MOST: usize = 64;

/// How many empty ones are kept.
const KEPT: usize = 8;

/// After so many chunks that did not pay the next try comes at the latest.
const LONGEST_BREAK: u32 = 31;

/// The pipes of the process, as long as somebody has used one.
#[derive(Debug, Default)]
struct Pipes(Mutex<Stock>);

#[derive(Debug, Default)]
struct Stock {
    empty: Vec<Pipe>,
    /// How many there are, with those that are in use.
    count: usize,
}

#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    room: usize,
}

impl Pipes {
    fn of_process() -> Arc<Self> {
        static PIPES: Mutex<Weak<Pipes>> = Mutex::new(Weak::new());

        let mut pipes = PIPES.lock().unwrap_or_else(PoisonError::into_inner);
        pipes.upgrade().unwrap_or_else(|| {
            let fresh = Arc::default();
            *pipes = Arc::downgrade(&fresh);
            fresh
        })
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty pipe.
    fn take(self: &Arc<Self>) -> Option<Piped> {
        let pipe = {
            let mut stock = self.stock();
            match stock.empty.pop() {
                None if stock.count >= MOST => return None,
                None => {
                    stock.count += 1;
                    None
                }
                pipe => pipe,
            }
        };
        let mut piped = Piped {
            pipe,
            len: 0,
            whole: true,
            pipes: Arc::clone(self),
        };
        if piped.pipe.is_none() {
            piped.pipe = Pipe::new();
        }
        piped.pipe.is_some().then_some(piped)
    }
}

impl Pipe {
    fn new() -> Option<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        _ = fcntl_setpipe_size(&writer, ROOM);
        let room = fcntl_getpipe_size(&writer).ok()?;
        (room >= LEAST_ROOM).then_some(Self {
            reader,
            writer,
            room,
        })
    }
}

/// A chunk in a pipe.
#[derive(Debug)]
pub(crate) struct Piped {
    /// `None` only while it is made.
    pipe: Option<Pipe>,
    len: usize,
    /// Whether a reader may take any part of it. What came out of a pipe may be packets, of which one that is read in part is lost.
    whole: bool,
    pipes: Arc<Pipes>,
}

impl Outside for Piped {
    fn len(&self) -> usize {
        self.len
    }

    fn bring_in(&mut self) -> Option<Bytes> {
        let pipe = self.pipe.as_ref()?;
        let mut bytes = Vec::with_capacity(self.len);
        // Packets come one by one.
        while self.len > 0 {
            match retry_on_intr(|| read(&pipe.reader, spare_capacity(&mut bytes))) {
                Ok(count @ 1..) => self.len = self.len.checked_sub(count)?,
                Ok(0) | Err(_) => return None,
            }
        }
        Some(bytes.into())
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let mut stock = self.pipes.stock();
        match self.pipe.take() {
            Some(pipe) if self.len == 0 && stock.empty.len() < KEPT => stock.empty.push(pipe),
            pipe => {
                stock.count -= 1;
                drop(stock);
                drop(pipe);
            }
        }
    }
}

/// What a source knows of receiving so.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// Set by the first chunk.
    pipes: Option<Arc<Pipes>>,
    refused: bool,
    /// How many tries are left out, and how many were last.
    to_skip: u32,
    last_break: u32,
}

impl Receiver {
    /// Takes what is there, if it is enough to pay, from what [`moves`]. An error is one that the socket had kept and has given away now.
    pub(crate) fn receive(
        &mut self,
        fd: BorrowedFd<'_>,
        kind: Kind,
    ) -> Result<Option<Chunks>, Errno> {
        if self.refused {
            return Ok(None);
        }
        if self.to_skip > 0 {
            self.to_skip -= 1;
            return Ok(None);
        }
        // That something is there is what keeps the call from waiting should the flag have been cleared since: it takes two others at once.
        let there = ioctl_fionread(fd).unwrap_or(0);
        if there < WORTH || !answers_at_once(fd, kind) {
            // Nothing is waited for, and may then be much.
            if there > 0 {
                self.take_a_break();
            }
            return Ok(None);
        }
        let pipes = self.pipes.get_or_insert_with(Pipes::of_process);
        let Some(mut piped) = pipes.take() else {
            self.take_a_break();
            return Ok(None);
        };
        let Some(pipe) = &piped.pipe else {
            return Ok(None);
        };
        match splice(fd, pipe.writer.as_fd(), pipe.room) {
            Ok(0) | Err(Errno::AGAIN) => Ok(None),
            Ok(count) => {
                piped.len = count;
                piped.whole = kind != Kind::Pipe;
                // Short messages lie in a place of the pipe each, so that few of them fill it.
                if (count as u64) < WORTH {
                    self.take_a_break();
                } else {
                    self.last_break = 0;
                }
                Ok(Some(Chunks::outside(piped)))
            }
            Err(errno) if is_refusal(errno) => {
                self.refused = true;
                Ok(None)
            }
            Err(errno) => Err(errno),
        }
    }

    fn take_a_break(&mut self) {
        self.last_break = (self.last_break * 2 + 1).min(LONGEST_BREAK);
        self.to_skip = self.last_break;
    }
}

/// Whether a descriptor of this kind takes these bytes from where they are.
pub(crate) fn takes(kind: Kind, way: Way, data: &Chunks) -> bool {
    let Some(piped) = data.outside_ref::<Piped>() else {
        return false;
    };
    // The mark of a packet goes along from pipe to pipe.
    moves(kind, way) && (piped.whole || kind != Kind::Pipe)
}

/// Sends bytes of a [`Piped`] off the front of `data`: how many, or that they have to be brought in first.
pub(crate) fn send(
    fd: BorrowedFd<'_>,
    kind: Kind,
    way: Way,
    data: &mut Chunks,
) -> Option<Result<usize, Refusal>> {
    if !takes(kind, way, data) || !answers_at_once(fd, kind) {
        return None;
    }
    let piped = data.outside_mut::<Piped>()?;
    let pipe = piped.pipe.as_ref()?;
    let sent = quiet::with_sigpipe_held_back(|| splice(pipe.reader.as_fd(), fd, piped.len));
    match sent {
        Ok(0) => None,
        Ok(count) => {
            piped.len -= count;
            data.advance(count);
            Some(Ok(count))
        }
        Err(errno) if is_refusal(errno) => None,
        Err(errno) => Some(Err(errno.into())),
    }
}

fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, len: usize) -> Result<usize, Errno> {
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    retry_on_intr(|| rustix::pipe::splice(from, None, to, None, len, flags))
}

/// The kinds between which the kernel moves pages. What else it would accept it does by copying, or by waiting.
///
/// Pipes only over open files of our own: splice(2) takes the call that does not wait, `RWF_NOWAIT`, away from an open file for good (measured on Linux
/// 6.18), and for a pipe of others there is no other way.
pub(crate) fn moves(kind: Kind, way: Way) -> bool {
    matches!(
        (kind, way),
        (Kind::Unix | Kind::Tcp, Way::Socket) | (Kind::Pipe, Way::Own)
    )
}

/// Pipes go by the flag of the call. Sockets go by the flag of the open file, whoever set it.
fn answers_at_once(fd: BorrowedFd<'_>, kind: Kind) -> bool {
    kind == Kind::Pipe || way::is_nonblocking(fd).unwrap_or(false)
}

/// There is no such call, it is forbidden, or not for this descriptor.
fn is_refusal(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP
    )
}
