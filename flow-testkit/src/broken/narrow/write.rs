//! Writing that goes wrong only now and then.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use flow_core::memory::{Memory as Wire, MemoryError, Tx};
use flow_core::{
    Bytes, Chunks, Flow, FlushOp, ReadOp, ShutdownOp, Transport as _, WriteError, WriteOp,
};

use crate::broken::Broken;
use crate::broken::over_memory::{CLOSED, DONE, DonePoll, FlowFault, Inside, ReadPoll, flow};
use crate::broken::over_socket::{self, SocketFault, unix};
use crate::broken::over_wire::{self, WireFault};
use crate::broken::write::{Parts, cut};
use crate::plain::{PlainError, Socket};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<LengthIn16Bits>(
            "write_accepts_every_byte",
            "bytes that should arrive is asleep",
        )
        .narrower_than("OneSystemCall"),
        over_wire::flow::<RepeatsAtTheSeam>("write_accepts_every_byte", "wrong bytes at offset 97")
            .narrower_than("OneSystemCall"),
        flow::<ReadableIsHangUp>("write_accepts_every_byte", "a write of 1 bytes failed")
            .narrower_than("EndClosesBoth"),
        flow::<KeepsTheTail>(
            "write_moves_by_itself",
            "bytes that were accepted is asleep",
        )
        .narrower_than("WaitsForABufferful"),
        flow::<SmallRoomWakesNobody>("write_resumes_with_room", "a write with room is asleep")
            .narrower_than("RoomWakesNobody"),
        flow::<GivesUpOnSlowReaders>("write_waits_for_slow_reader", "a write to a slow reader"),
        unix::<BelievesRoom>("write_ignores_false_readiness", "should still wait")
            .narrower_than("BelievesReadiness"),
        flow::<SplitsAtIovMax>("write_whole_under_concurrency", "was cut by another write")
            .narrower_than("LoopOfWrites"),
        over_wire::flow::<AdvancesByBuffers>("writev_any_count", "bytes lost")
            .narrower_than("FirstBufferOnly"),
        over_wire::flow::<SkipsAtTheBoundary>("writev_any_count", "bytes lost")
            .narrower_than("FirstBufferOnly"),
        over_wire::flow::<StageOverflows>("writev_any_count", "bytes lost")
            .narrower_than("FirstBufferOnly"),
        flow::<EmptyIsTheEndOnceEnded>(
            "write_empty_is_immediate",
            "an empty write on a flow whose peer has ended gave",
        )
        .narrower_than("EmptyWaitsForRoom"),
        flow::<EmptyIsOkOnceClosing>(
            "write_empty_after_close",
            "an empty write after the first poll of close gave Ready(Ok",
        )
        .narrower_than("EmptyIsAlwaysOk"),
        flow::<RawErrorForMany>("write_peer_gone_is_closed", "instead of `Closed`")
            .narrower_than("WritesVanish"),
        flow::<RawErrorForParked>(
            "write_parked_peer_gone",
            "a write parked when the peer went gave Err(Transport",
        )
        .narrower_than("WritesVanish"),
        flow::<SecondWriterSleepsOn>("write_parked_peer_gone", "a write in line is asleep")
            .narrower_than("LeavingWakesNoWriter"),
        flow::<DeafOnceEnded>("write_parked_peer_gone", "a large write is asleep")
            .narrower_than("LeavingWakesNoWriter"),
        flow::<OkAfterCloseForMany>("write_after_shutdown", "a write after shutdown gave Ok")
            .narrower_than("OkAfterClose"),
        flow::<SecondFailureIsOk>(
            "write_failure_is_final",
            "write 1 after a failed write gave Ok",
        )
        .narrower_than("FailsOnce"),
        flow::<ShutdownAfterAFailureIsOk>(
            "write_failure_is_final",
            "shutdown 1 after a failed write gave Ok",
        )
        .narrower_than("FailsOnce"),
        flow::<WaitingFailsOnceEnded>(
            "read_end_leaves_writing",
            "a write after the peer's end failed",
        )
        .narrower_than("EndClosesBoth"),
        flow::<OneFlushIsEnough>(
            "write_flush_waits_for_taken",
            "a flush after a later write should still wait",
        )
        .narrower_than("FlushIsDone"),
        flow::<NoFlushOnceShut>(
            "states_answer_as_listed",
            "flush 1 on a flow after shutdown(Write) gave Closed",
        ),
    ]
}

/// How long a write is, is counted in 16 bits (W8).
#[derive(Default)]
struct LengthIn16Bits;

impl FlowFault for LengthIn16Bits {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let len = op.chunks().len();
        if !op.is_taken() && len > 0xffff && len & 0xffff > 0 {
            cut(op, len & 0xffff);
        }
        inside.flow.poll_write(cx, op)
    }
}

/// What comes after a short write begins one byte too early (W2).
#[derive(Default)]
struct RepeatsAtTheSeam;

impl WireFault for RepeatsAtTheSeam {
    fn poll_send(
        &self,
        wire: &Wire,
        tx: &mut Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> DonePoll {
        let before: Vec<u8> = data.slices().collect::<Vec<_>>().concat();
        let result = wire.poll_send(tx, cx, data);
        let sent = before.len() - data.len();
        // Of a large write, so that it gets on at all.
        if sent > 1 && !data.is_empty() {
            *data = Bytes::copy_from_slice(&before[sent - 1..]).into();
        }
        result
    }
}

/// Input on a socket that is only written to is taken for a hang-up (F7).
#[derive(Default)]
struct ReadableIsHangUp {
    read: Cell<bool>,
}

impl FlowFault for ReadableIsHangUp {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        self.read.set(true);
        inside.flow.poll_read(cx, op)
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if !self.read.get() && inside.spy.sent() > 0 {
            return CLOSED;
        }
        inside.flow.poll_write(cx, op)
    }
}

/// Whole blocks are sent, and the tail of a long write waits for the next (W5).
#[derive(Default)]
struct KeepsTheTail {
    tail: RefCell<Vec<u8>>,
}

impl FlowFault for KeepsTheTail {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if !op.is_taken() && !op.chunks().is_empty() {
            let mut all = self.tail.take();
            op.chunks()
                .slices()
                .for_each(|slice| all.extend_from_slice(slice));
            if all.len() > 4096 {
                let whole = all.len() / 4096 * 4096;
                self.tail.replace(all.split_off(whole));
            }
            *op.chunks() = Bytes::from(all).into();
        }
        inside.flow.poll_write(cx, op)
    }
}

/// It listens for a change of the room that is worth it, and a slow reader never makes one (B3).
#[derive(Default)]
struct SmallRoomWakesNobody;

impl FlowFault for SmallRoomWakesNobody {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let waker = inside.deaf_unless(cx, |spy| spy.asked() > 1);
        inside.flow.poll_write(&mut Context::from_waker(&waker), op)
    }
}

/// A peer that lets us wait too often is cut off (B5).
#[derive(Default)]
struct GivesUpOnSlowReaders {
    waits: Cell<usize>,
}

impl FlowFault for GivesUpOnSlowReaders {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if self.waits.get() >= 300 {
            return CLOSED;
        }
        let result = inside.flow.poll_write(cx, op);
        if result.is_pending() {
            self.waits.set(self.waits.get() + 1);
        }
        result
    }
}

/// Passes a wake on, and notes that there was one.
struct Told {
    waker: Waker,
    told: Arc<AtomicBool>,
}

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.told.store(true, Ordering::SeqCst);
        self.waker.wake_by_ref();
    }
}

/// Once told that there is room, it takes `EAGAIN` for a failure (R5, for writes).
#[derive(Default)]
struct BelievesRoom {
    told: Arc<AtomicBool>,
}

impl SocketFault for BelievesRoom {
    fn poll_send(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        let waker = Waker::from(Arc::new(Told {
            waker: cx.waker().clone(),
            told: Arc::clone(&self.told),
        }));
        let told = self.told.swap(false, Ordering::SeqCst);
        let before = data.len();
        match over_socket::send(socket, &mut Context::from_waker(&waker), data) {
            Poll::Pending if told && data.len() == before => Poll::Ready(Err(
                WriteError::Transport(PlainError::Os(rustix::io::Errno::AGAIN)),
            )),
            other => other,
        }
    }
}

/// A vectored write is one system call after the other, and whoever is woken comes in between (V4).
#[derive(Default)]
struct SplitsAtIovMax(Parts);

impl FlowFault for SplitsAtIovMax {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        self.0.write(1024, inside, cx, op)
    }
}

/// A buffer of which a part was sent is counted as sent (V3).
#[derive(Default)]
struct AdvancesByBuffers;

impl WireFault for AdvancesByBuffers {
    fn poll_send(
        &self,
        wire: &Wire,
        tx: &mut Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> DonePoll {
        let (before, first) = (data.len(), data.first().len());
        let result = wire.poll_send(tx, cx, data);
        let sent = before - data.len();
        // Of several buffers, the first.
        if sent > 0 && sent < first && !data.is_single() {
            data.advance(first - sent);
        }
        result
    }
}

/// Where a short write ends on the boundary of two buffers, the count is one too far (V3).
#[derive(Default)]
struct SkipsAtTheBoundary;

impl WireFault for SkipsAtTheBoundary {
    fn poll_send(
        &self,
        wire: &Wire,
        tx: &mut Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> DonePoll {
        let (before, first) = (data.len(), data.first().len());
        let result = wire.poll_send(tx, cx, data);
        if first > 1 && before - data.len() == first && result.is_pending() {
            let next = data.first().len();
            data.advance(next);
        }
        result
    }
}

/// Many small buffers are copied into one of 16 KiB, and the first that does not fit loses a byte (V3).
#[derive(Default)]
struct StageOverflows;

impl WireFault for StageOverflows {
    fn poll_send(
        &self,
        wire: &Wire,
        tx: &mut Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> DonePoll {
        let before = data.len();
        let small = data.slices().take(16).map(<[u8]>::len).sum::<usize>() < 16 * 256;
        let result = wire.poll_send(tx, cx, data);
        if small && before > 16 * 1024 && (1..before).contains(&data.len()) {
            data.advance(1);
        }
        result
    }
}

/// A count of no bytes is the end, once an end is to be expected (W7).
#[derive(Default)]
struct EmptyIsTheEndOnceEnded;

impl FlowFault for EmptyIsTheEndOnceEnded {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if inside.spy.ended() && op.chunks().is_empty() && !op.is_taken() {
            return CLOSED;
        }
        inside.flow.poll_write(cx, op)
    }
}

/// While it is closing, an empty write is not looked at (H12).
#[derive(Default)]
struct EmptyIsOkOnceClosing {
    closing: Cell<bool>,
}

impl FlowFault for EmptyIsOkOnceClosing {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if self.closing.get() && op.chunks().is_empty() && !op.is_taken() {
            return DONE;
        }
        inside.flow.poll_write(cx, op)
    }

    fn poll_close(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut flow_core::CloseOp,
    ) -> DonePoll {
        self.closing.set(true);
        inside.flow.poll_close(cx, op)
    }
}

/// A failure that tells `EPIPE` as it came.
const RAW: DonePoll = Poll::Ready(Err(WriteError::Transport(MemoryError::Torn)));

/// The errors of `writev` are told as they came (X1).
#[derive(Default)]
struct RawErrorForMany;

impl FlowFault for RawErrorForMany {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let many = op.chunks().slices().count() > 1;
        match inside.flow.poll_write(cx, op) {
            Poll::Ready(Err(_)) if many => RAW,
            other => other,
        }
    }
}

/// The errors that wake a write are told as they came (X1).
#[derive(Default)]
struct RawErrorForParked;

impl FlowFault for RawErrorForParked {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let waited = op.place().is_held();
        match inside.flow.poll_write(cx, op) {
            Poll::Ready(Err(_)) if waited && inside.spy.gone() => RAW,
            other => other,
        }
    }
}

/// That the peer has gone is told to the write that is being sent, and not to those in line (B4).
#[derive(Default)]
struct SecondWriterSleepsOn;

impl FlowFault for SecondWriterSleepsOn {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if op.is_taken() {
            return inside.flow.poll_write(cx, op);
        }
        let waker = inside.deaf_unless(cx, |spy| !spy.gone());
        inside.flow.poll_write(&mut Context::from_waker(&waker), op)
    }
}

/// Once the peer has half-closed, nothing more is expected of it (X5).
#[derive(Default)]
struct DeafOnceEnded;

impl FlowFault for DeafOnceEnded {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let waker = inside.deaf_unless(cx, |spy| !(spy.gone() && spy.half_closed()));
        inside.flow.poll_write(&mut Context::from_waker(&waker), op)
    }
}

/// A vectored write after the end of writing is thrown away (H12).
#[derive(Default)]
struct OkAfterCloseForMany;

impl FlowFault for OkAfterCloseForMany {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let many = op.chunks().slices().count() > 1;
        match inside.flow.poll_write(cx, op) {
            Poll::Ready(Err(_)) if many => DONE,
            other => other,
        }
    }
}

/// A write that failed is told once, and what comes after it goes nowhere (W6, X4).
#[derive(Default)]
struct SecondFailureIsOk {
    failed: Cell<bool>,
}

impl FlowFault for SecondFailureIsOk {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        match inside.flow.poll_write(cx, op) {
            Poll::Ready(Err(_)) if self.failed.replace(true) => DONE,
            other => other,
        }
    }
}

/// There is nothing to flush after a failure, so shutting down is done (X4, W6).
#[derive(Default)]
struct ShutdownAfterAFailureIsOk;

impl FlowFault for ShutdownAfterAFailureIsOk {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        match inside.flow.poll_shutdown(cx, op) {
            Poll::Ready(Err(_)) => DONE,
            other => other,
        }
    }
}

/// A hang-up in an event means that a write that waited has failed (H4).
#[derive(Default)]
struct WaitingFailsOnceEnded;

impl FlowFault for WaitingFailsOnceEnded {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if op.place().is_held() && inside.spy.ended() {
            return CLOSED;
        }
        inside.flow.poll_write(cx, op)
    }
}

/// What has been flushed once needs no flush.
#[derive(Default)]
struct OneFlushIsEnough {
    flushed: Cell<bool>,
}

impl FlowFault for OneFlushIsEnough {
    fn poll_flush(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        if self.flushed.get() {
            return DONE;
        }
        let was_waiting = op.until().is_some();
        let flushed = inside.flow.poll_flush(cx, op);
        self.flushed.set(was_waiting && flushed.is_ready());
        flushed
    }
}

/// A flow that is shut for writing has no write side to flush (H12).
#[derive(Default)]
struct NoFlushOnceShut;

impl FlowFault for NoFlushOnceShut {
    fn poll_flush(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        if inside.shut.get() {
            return CLOSED;
        }
        inside.flow.poll_flush(cx, op)
    }
}
