//! Flows that write wrongly.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, ready};

use flow_core::{Bytes, Chunks, CloseOp, Flow, FlushOp, ReadOp, ShutdownOp, WriteError, WriteOp};

use super::Broken;
use super::naive::{self, ForgetsTheRest};
use super::over_memory::{DONE, DonePoll, FlowFault, Inside, ReadPoll, flow};
use super::over_socket::{self, SocketFault, unix};
use crate::plain::{PlainError, Socket};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<OneSystemCall>(
            "write_accepts_every_byte",
            "the peer met the end after 4000 bytes",
        ),
        flow::<WaitsForABufferful>(
            "write_moves_by_itself",
            "bytes that were accepted is asleep",
        ),
        flow::<QueuesEverything>(
            "write_back_pressure",
            "were accepted while the peer does not read",
        ),
        flow::<RoomWakesNobody>("write_resumes_with_room", "a write with room is asleep"),
        naive::flow::<ForgetsTheRest>("write_calls_in_order", "the peer got foreign bytes"),
        flow::<LoopOfWrites>("write_whole_under_concurrency", "was cut by another write"),
        flow::<StopsAtIovMax>("writev_any_count", "bytes that should arrive is asleep"),
        flow::<FirstBufferOnly>("writev_empty_entries", "bytes that should arrive is asleep"),
        flow::<EmptyWaitsForRoom>(
            "write_empty_is_immediate",
            "an empty write on a full flow gave Pending",
        ),
        flow::<EmptyIsAlwaysOk>(
            "write_empty_after_close",
            "an empty write after shutdown gave Ready(Ok",
        ),
        flow::<WritesVanish>("write_peer_gone_is_closed", "were accepted"),
        flow::<LeavingWakesNoWriter>("write_parked_peer_gone", "a large write is asleep"),
        flow::<OkAfterClose>("write_after_shutdown", "a write after shutdown gave Ok"),
        flow::<FailsOnce>(
            "write_failure_is_final",
            "flush 1 after a failed write gave Ok",
        ),
        flow::<OneFailureForBoth>(
            "write_failure_spares_reading",
            "the reader met the end at 0",
        ),
        unix::<EverythingIsClosed>("write_keeps_other_errors", "was told as `Closed`"),
        flow::<FlushIsDone>("write_flush_waits_for_taken", "a flush should still wait"),
        flow::<FlushWaitsForLaterWrites>(
            "write_flush_waits_for_taken",
            "a flush before a later write is asleep",
        ),
    ]
}

/// Only the front of a write.
pub(super) fn cut(op: &mut WriteOp, len: usize) {
    let whole: Vec<u8> = op.chunks().slices().collect::<Vec<_>>().concat();
    *op.chunks() = Bytes::copy_from_slice(&whole[..len.min(whole.len())]).into();
}

/// One system call, whatever it took.
#[derive(Default)]
struct OneSystemCall;

impl FlowFault for OneSystemCall {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if !op.is_taken() {
            cut(op, 4000);
        }
        inside.flow.poll_write(cx, op)
    }
}

/// Small writes wait in a buffer for the next one.
#[derive(Default)]
pub(super) struct WaitsForABufferful {
    buffer: RefCell<Vec<u8>>,
}

impl FlowFault for WaitsForABufferful {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if !op.is_taken() {
            let mut buffer = self.buffer.borrow_mut();
            op.chunks()
                .slices()
                .for_each(|slice| buffer.extend_from_slice(slice));
            *op.chunks() = Chunks::new();
            if buffer.len() < 4096 {
                return DONE;
            }
            *op.chunks() = Bytes::from(std::mem::take(&mut *buffer)).into();
        }
        inside.flow.poll_write(cx, op)
    }
}

/// Every write is accepted into a queue, which later calls send.
#[derive(Default)]
pub(super) struct QueuesEverything {
    queue: RefCell<VecDeque<WriteOp>>,
}

impl QueuesEverything {
    fn drive(&self, inside: &Inside, cx: &mut Context<'_>) -> DonePoll {
        let mut queue = self.queue.borrow_mut();
        while let Some(op) = queue.front_mut() {
            ready!(inside.flow.poll_write(cx, op))?;
            queue.pop_front();
        }
        DONE
    }

    pub(super) fn queue(&self, op: &mut WriteOp) {
        self.queue
            .borrow_mut()
            .push_back(WriteOp::new(std::mem::take(op.chunks())));
    }
}

impl FlowFault for QueuesEverything {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        self.queue(op);
        match self.drive(inside, cx) {
            Poll::Pending => DONE,
            ready => ready,
        }
    }

    fn poll_flush(&self, inside: &Inside, cx: &mut Context<'_>, _: &mut FlushOp) -> DonePoll {
        self.drive(inside, cx)
    }
}

/// A write that waits is not told of room.
#[derive(Default)]
struct RoomWakesNobody;

impl FlowFault for RoomWakesNobody {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let waker = inside.deaf_unless(cx, |_| false);
        inside.flow.poll_write(&mut Context::from_waker(&waker), op)
    }
}

/// Vectored writes that are sent as several.
#[derive(Default)]
pub(super) struct Parts {
    next: Cell<u64>,
    parts: RefCell<BTreeMap<u64, VecDeque<WriteOp>>>,
}

impl Parts {
    /// Writes so many buffers at a time.
    pub(super) fn write(
        &self,
        most: usize,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> DonePoll {
        let key = op.taken().unwrap_or_else(|| {
            let key = self.next.replace(self.next.get() + 1);
            let buffers: Vec<Bytes> = std::mem::take(op.chunks()).into_iter().collect();
            let parts = buffers
                .chunks(most)
                .map(|part| part.iter().cloned().collect())
                .collect();
            self.parts.borrow_mut().insert(key, parts);
            op.set_taken(key);
            key
        });
        let mut all = self.parts.borrow_mut();
        let parts = all.get_mut(&key).expect("a write under way");
        while let Some(part) = parts.front_mut() {
            ready!(inside.flow.poll_write(cx, part))?;
            parts.pop_front();
        }
        DONE
    }
}

/// A vectored write is a loop of writes.
#[derive(Default)]
struct LoopOfWrites(Parts);

impl FlowFault for LoopOfWrites {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        self.0.write(1, inside, cx, op)
    }
}

/// What does not fit into one `writev` is not sent.
#[derive(Default)]
struct StopsAtIovMax;

impl FlowFault for StopsAtIovMax {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if !op.is_taken() {
            let len = op.chunks().slices().take(1024).map(<[u8]>::len).sum();
            cut(op, len);
        }
        inside.flow.poll_write(cx, op)
    }
}

/// A vectored write by a default method that knows only one buffer.
#[derive(Default)]
struct FirstBufferOnly;

impl FlowFault for FirstBufferOnly {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if !op.is_taken() {
            let len = op.chunks().first().len();
            cut(op, len);
        }
        inside.flow.poll_write(cx, op)
    }
}

/// An empty write waits its turn like any other.
#[derive(Default)]
struct EmptyWaitsForRoom {
    flush: RefCell<FlushOp>,
}

impl FlowFault for EmptyWaitsForRoom {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if !op.is_taken() && op.chunks().is_empty() {
            return inside.flow.poll_flush(cx, &mut self.flush.borrow_mut());
        }
        inside.flow.poll_write(cx, op)
    }
}

/// An empty write is done before anything is looked at.
#[derive(Default)]
struct EmptyIsAlwaysOk;

impl FlowFault for EmptyIsAlwaysOk {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if !op.is_taken() && op.chunks().is_empty() {
            return DONE;
        }
        inside.flow.poll_write(cx, op)
    }
}

/// Writes to a peer that is gone are dropped, with a line in a log.
#[derive(Default)]
struct WritesVanish;

impl FlowFault for WritesVanish {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        match inside.flow.poll_write(cx, op) {
            Poll::Ready(Err(_)) if inside.spy.gone() => DONE,
            other => other,
        }
    }
}

/// It listens for room only, and a reader that leaves makes none.
#[derive(Default)]
struct LeavingWakesNoWriter;

impl FlowFault for LeavingWakesNoWriter {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let waker = inside.deaf_unless(cx, |spy| !spy.gone());
        inside.flow.poll_write(&mut Context::from_waker(&waker), op)
    }
}

/// A write after the end of writing is thrown away.
#[derive(Default)]
struct OkAfterClose {
    over: Cell<bool>,
}

impl FlowFault for OkAfterClose {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if self.over.get() {
            DONE
        } else {
            inside.flow.poll_write(cx, op)
        }
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        self.over.set(op.how().is_write());
        inside.flow.poll_shutdown(cx, op)
    }
}

/// A write tells its failure, and nobody else hears of it.
#[derive(Default)]
struct FailsOnce {
    failed: Cell<bool>,
}

impl FlowFault for FailsOnce {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let result = inside.flow.poll_write(cx, op);
        self.failed
            .set(matches!(result, Poll::Ready(Err(WriteError::Closed))));
        result
    }

    fn poll_flush(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        if self.failed.get() {
            DONE
        } else {
            inside.flow.poll_flush(cx, op)
        }
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        if self.failed.get() {
            DONE
        } else {
            inside.flow.poll_close(cx, op)
        }
    }
}

/// One state for both directions: a failed write ends reading.
#[derive(Default)]
struct OneFailureForBoth {
    failed: Cell<bool>,
}

impl FlowFault for OneFailureForBoth {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.failed.get() {
            Poll::Ready(Ok(None))
        } else {
            inside.flow.poll_read(cx, op)
        }
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let result = inside.flow.poll_write(cx, op);
        self.failed.set(matches!(result, Poll::Ready(Err(_))));
        result
    }
}

/// Any failure of a write means that the flow is closed.
#[derive(Default)]
struct EverythingIsClosed;

impl SocketFault for EverythingIsClosed {
    fn poll_send(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        over_socket::send(socket, cx, data).map_err(|_| WriteError::Closed)
    }
}

/// There is nothing to flush, as writes are not buffered.
#[derive(Default)]
struct FlushIsDone;

impl FlowFault for FlushIsDone {
    fn poll_flush(&self, _: &Inside, _: &mut Context<'_>, _: &mut FlushOp) -> DonePoll {
        DONE
    }
}

/// A flush is done when nothing is left, however much was written since it began.
#[derive(Default)]
struct FlushWaitsForLaterWrites;

impl FlowFault for FlushWaitsForLaterWrites {
    fn poll_flush(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        let flushed = inside.flow.poll_flush(cx, op);
        if flushed.is_pending() {
            op.set_until(u64::MAX);
        }
        flushed
    }
}
