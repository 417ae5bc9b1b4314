//! Bytes in one direction: a bounded queue with two ends.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};

use super::MemoryError;
use crate::section;
use crate::sync::{Mutex, lock};
use crate::{Chunks, Delivered, PeerEnd, WriteError};

pub(super) struct Pipe {
    capacity: usize,
    state: Mutex<State>,
}

struct State {
    chunks: VecDeque<Bytes>,
    len: usize,
    writer: Side,
    /// The reader is gone: nobody will take what is written.
    refused: bool,
    /// Bytes were thrown away because of that.
    lost: bool,
    /// Waits for bytes or the end.
    reading: Option<Waker>,
    /// Waits for room or for the reader to go.
    writing: Option<Waker>,
    /// Waits for the writer's end, whatever is queued.
    ending: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Open,
    Ended,
    /// Ended in the middle of a write.
    Torn,
}

/// Keeps the latest waker. The one it replaces is returned, to be dropped after unlocking.
fn keep(slot: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match slot {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => slot.replace(cx.waker().clone()),
    }
}

impl Pipe {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        let state = State {
            chunks: VecDeque::new(),
            len: 0,
            writer: Side::Open,
            refused: false,
            lost: false,
            reading: None,
            writing: None,
            ending: None,
        };
        Arc::new(Self {
            capacity: capacity.max(1),
            state: Mutex::new(state),
        })
    }

    pub(super) fn queued(&self) -> usize {
        lock(&self.state).len
    }

    /// Whether the reader has taken all that was pushed.
    pub(super) fn delivered(&self) -> Delivered {
        let state = lock(&self.state);
        if state.lost || state.len > 0 {
            Delivered::No
        } else {
            Delivered::Yes
        }
    }

    /// The next chunk, or what the end is.
    pub(super) fn pop(&self) -> Option<Result<Option<Bytes>, MemoryError>> {
        let (result, woken) = {
            let mut state = lock(&self.state);
            match state.chunks.pop_front() {
                Some(chunk) => {
                    state.len -= chunk.len();
                    (Some(Ok(Some(chunk))), state.writing.take())
                }
                None => match state.writer {
                    Side::Open => (None, None),
                    Side::Ended => (Some(Ok(None)), None),
                    Side::Torn => (Some(Err(MemoryError::Torn)), None),
                },
            }
        };
        woken.into_iter().for_each(section::wake);
        result
    }

    /// Copies out what fits, or says what the end is.
    pub(super) fn copy_out(&self, buffer: &mut [u8]) -> Option<Result<usize, MemoryError>> {
        let mut count = 0;
        let mut spent = Vec::new();
        let (end, woken) = {
            let mut state = lock(&self.state);
            while count < buffer.len() {
                let Some(chunk) = state.chunks.front_mut() else {
                    break;
                };
                let part = chunk.len().min(buffer.len() - count);
                chunk.copy_to_slice(&mut buffer[count..count + part]);
                count += part;
                if chunk.is_empty() {
                    spent.extend(state.chunks.pop_front());
                }
            }
            state.len -= count;
            (
                state.writer,
                if count > 0 {
                    state.writing.take()
                } else {
                    None
                },
            )
        };
        section::discard_all(spent);
        woken.into_iter().for_each(section::wake);
        match end {
            _ if count > 0 => Some(Ok(count)),
            Side::Open => None,
            Side::Ended => Some(Ok(0)),
            Side::Torn => Some(Err(MemoryError::Torn)),
        }
    }

    /// How much may be written now, or `None` if nobody will read it.
    pub(super) fn room(&self) -> Option<usize> {
        let state = lock(&self.state);
        (!state.refused && state.writer == Side::Open)
            .then(|| self.capacity.saturating_sub(state.len))
    }

    /// Only after asking for the [`room`](Self::room), by the one writer.
    pub(super) fn push(&self, chunk: Bytes) {
        let refused = {
            let mut state = lock(&self.state);
            if state.refused {
                state.lost = true;
                Err(chunk)
            } else {
                state.len += chunk.len();
                state.chunks.push_back(chunk);
                Ok(state.reading.take())
            }
        };
        match refused {
            Ok(woken) => woken.into_iter().for_each(section::wake),
            Err(chunk) => section::discard(chunk),
        }
    }

    fn await_read(&self, cx: &Context<'_>) {
        let old = keep(&mut lock(&self.state).reading, cx);
        section::forget(old);
    }

    fn await_room(&self, cx: &Context<'_>) {
        let old = keep(&mut lock(&self.state).writing, cx);
        section::forget(old);
    }

    pub(super) fn poll_ended(&self, cx: &Context<'_>) -> Poll<PeerEnd> {
        let old = {
            let mut state = lock(&self.state);
            if state.writer != Side::Open {
                return Poll::Ready(PeerEnd::Ended);
            }
            keep(&mut state.ending, cx)
        };
        section::forget(old);
        Poll::Pending
    }

    /// The writer's end. The first one counts.
    pub(super) fn end(&self, torn: bool) {
        let woken = {
            let mut state = lock(&self.state);
            if state.writer == Side::Open {
                state.writer = if torn { Side::Torn } else { Side::Ended };
            }
            [state.reading.take(), state.ending.take()]
        };
        woken.into_iter().flatten().for_each(section::wake);
    }

    /// The reader is gone.
    pub(super) fn refuse(&self) {
        let (chunks, woken) = {
            let mut state = lock(&self.state);
            state.refused = true;
            state.lost |= state.len > 0;
            state.len = 0;
            (std::mem::take(&mut state.chunks), state.writing.take())
        };
        section::discard_all(chunks);
        woken.into_iter().for_each(section::wake);
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe")
            .field("queued", &self.queued())
            .finish_non_exhaustive()
    }
}

/// The reading end. Dropping it refuses what comes.
#[derive(Debug)]
pub(super) struct Reader(Arc<Pipe>);

impl Reader {
    pub(super) fn new(pipe: Arc<Pipe>) -> Self {
        Self(pipe)
    }

    pub(super) fn pipe(&self) -> &Pipe {
        &self.0
    }

    pub(super) fn poll_read(&self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>, MemoryError>> {
        if let Some(result) = self.0.pop() {
            return Poll::Ready(result);
        }
        self.0.await_read(cx);
        // What came between the two is not missed.
        self.0.pop().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.refuse();
    }
}

/// The writing end. Dropping it is the end of the stream.
#[derive(Debug)]
pub(super) struct Writer {
    pipe: Arc<Pipe>,
    /// A buffer is being sent in pieces: each is a copy, so that a piece that is kept does not keep the whole.
    cut: bool,
}

impl Writer {
    pub(super) fn new(pipe: Arc<Pipe>) -> Self {
        Self { pipe, cut: false }
    }

    pub(super) fn pipe(&self) -> &Pipe {
        &self.pipe
    }

    /// Writes what there is room for. Ready once nothing is left.
    pub(super) fn poll_write(
        &mut self,
        cx: &Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<MemoryError>>> {
        let mut waiting = false;
        loop {
            let Some(room) = self.pipe.room() else {
                return Poll::Ready(Err(WriteError::Closed));
            };
            if data.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if room == 0 {
                if waiting {
                    return Poll::Pending;
                }
                // What is read between the two is not missed: the room is asked for once more.
                self.pipe.await_room(cx);
                waiting = true;
                continue;
            }
            let whole = data.first().len() <= room;
            if whole && !self.cut {
                data.take_first()
                    .into_iter()
                    .for_each(|chunk| self.pipe.push(chunk));
            } else {
                let piece = Bytes::copy_from_slice(&data.first()[..room.min(data.first().len())]);
                data.advance(piece.len());
                self.pipe.push(piece);
                self.cut = !whole;
            }
        }
    }

    pub(super) fn end(&self) {
        self.pipe.end(false);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.pipe.end(false);
    }
}
