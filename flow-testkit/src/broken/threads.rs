//! Flows that are right on one thread, and wrong where two meet.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use flow_core::memory::MemoryFlow;
use flow_core::{Aborted, Bytes, CloseOp, Flow, FlushOp, ReadOp, ShutdownOp, WriteError, WriteOp};

use super::Broken;
use super::over_memory::{CLOSED, DonePoll, ReadPoll};
use super::over_threads::{ThreadFault, flow, look_then_park, meanwhile};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<ParksAfterLooking>("threads_lose_no_wake", "a read on another thread is asleep"),
        flow::<WriteParksAfterLooking>(
            "threads_lose_no_wake",
            "a write on another thread is asleep",
        )
        .narrower_than("ParksAfterLooking"),
        flow::<FlushParksAfterLooking>(
            "threads_lose_no_wake",
            "a flush on another thread is asleep",
        )
        .narrower_than("ParksAfterLooking"),
        flow::<BusyIsPending>(
            "threads_readers_are_all_served",
            "one of two readers is asleep",
        ),
        flow::<SharesTheAnswer>("threads_readers_are_all_served", "the reader got"),
        flow::<SecondParksAfterLooking>(
            "threads_dropped_calls_hand_on",
            "a read behind a dropped one is asleep",
        )
        .narrower_than("ParksAfterLooking"),
        flow::<ParksAfterLookingOnceTaken>(
            "threads_dropped_calls_hand_on",
            "dropped write is asleep",
        )
        .narrower_than("ParksAfterLooking"),
        flow::<DiscarderParksAfterLooking>(
            "threads_discarding_goes_on",
            "room for input that is to be discarded is asleep",
        )
        .narrower_than("WriteParksAfterLooking"),
        flow::<DiscardingCloseParksAfterLooking>(
            "threads_discarding_goes_on",
            "a close on another thread is asleep",
        )
        .narrower_than("CloseParksAfterLooking"),
        flow::<AbortMissesWhoParks>(
            "threads_abort_ends_every_call",
            "a read beside an abort is asleep",
        ),
        flow::<WriterForgetsTheAbort>(
            "threads_abort_ends_every_call",
            "the end that the peer should see is asleep",
        ),
        flow::<CloseTellsTheAbort>(
            "threads_abort_ends_every_call",
            "a close beside an abort gave Err(Transport(",
        ),
        flow::<RefusedTooLateIsOk>(
            "threads_shutdown_meets_writing",
            "neither sent whole nor refused",
        ),
        flow::<ShutdownMissesWhoParks>(
            "threads_shutdown_meets_reading",
            "a read beside shutdown(Read) is asleep",
        )
        .narrower_than("ParksAfterLooking"),
        flow::<TakesWhatIsGone>(
            "threads_shutdown_meets_reading",
            "bytes came where the end should be",
        ),
        flow::<CloseParksAfterLooking>(
            "threads_close_meets_reading",
            "a close on another thread is asleep",
        ),
        flow::<CloseKeepsReadersOut>(
            "threads_close_meets_reading",
            "a read beside a close is asleep",
        ),
    ]
}

const NEVER: fn() -> bool = || false;

/// A read looks for input, and its waker is kept afterwards.
#[derive(Default)]
struct ParksAfterLooking;

impl ThreadFault for ParksAfterLooking {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        look_then_park(cx, |cx| flow.poll_read(cx, op), NEVER)
    }
}

/// The same of a write alone.
#[derive(Default)]
struct WriteParksAfterLooking;

impl ThreadFault for WriteParksAfterLooking {
    fn poll_write(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        look_then_park(cx, |cx| flow.poll_write(cx, op), NEVER)
    }
}

/// The same of a flush alone.
#[derive(Default)]
struct FlushParksAfterLooking;

impl ThreadFault for FlushParksAfterLooking {
    fn poll_flush(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        look_then_park(cx, |cx| flow.poll_flush(cx, op), NEVER)
    }
}

/// Where the lock is taken by another reader there is nothing to read, for now.
#[derive(Default)]
struct BusyIsPending {
    asking: AtomicBool,
}

impl ThreadFault for BusyIsPending {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.asking.swap(true, Ordering::SeqCst) {
            return Poll::Pending;
        }
        let result = flow.poll_read(cx, op);
        meanwhile(NEVER);
        self.asking.store(false, Ordering::SeqCst);
        result
    }
}

/// Who asks while another asks gets the same answer.
#[derive(Default)]
struct SharesTheAnswer {
    asking: AtomicBool,
    answer: Mutex<Option<Bytes>>,
}

impl ThreadFault for SharesTheAnswer {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.asking.swap(true, Ordering::SeqCst) {
            let answer = self.answer.lock().expect("not poisoned").take();
            return match answer {
                Some(chunk) => {
                    op.place().leave();
                    Poll::Ready(Ok(Some(chunk)))
                }
                None => flow.poll_read(cx, op),
            };
        }
        let result = flow.poll_read(cx, op);
        if let Poll::Ready(Ok(Some(chunk))) = &result {
            *self.answer.lock().expect("not poisoned") = Some(chunk.clone());
            meanwhile(|| self.answer.lock().expect("not poisoned").is_none());
            *self.answer.lock().expect("not poisoned") = None;
        }
        self.asking.store(false, Ordering::SeqCst);
        result
    }
}

/// Only where a read has waited before, what comes before the waker is kept is missed: the line is looked at when it is empty.
#[derive(Default)]
struct SecondParksAfterLooking {
    waited: AtomicBool,
}

impl ThreadFault for SecondParksAfterLooking {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let is_first = op.place().is_held() || !self.waited.load(Ordering::SeqCst);
        let result = look_then_park(cx, |cx| flow.poll_read(cx, op), || is_first);
        self.waited.fetch_or(result.is_pending(), Ordering::SeqCst);
        result
    }
}

/// A read that has to go on with a write is not told of it before its waker is kept.
#[derive(Default)]
struct ParksAfterLookingOnceTaken {
    taken: AtomicBool,
}

impl ThreadFault for ParksAfterLookingOnceTaken {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let looks_again = || !self.taken.load(Ordering::SeqCst);
        look_then_park(cx, |cx| flow.poll_read(cx, op), looks_again)
    }

    fn poll_write(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let result = flow.poll_write(cx, op);
        let taken = result.is_pending() && op.is_taken();
        self.taken.store(taken, Ordering::SeqCst);
        result
    }
}

/// A write that has input to discard is not told of it before its waker is kept.
#[derive(Default)]
struct DiscarderParksAfterLooking {
    shut: AtomicBool,
}

impl ThreadFault for DiscarderParksAfterLooking {
    fn poll_write(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let looks_again = || !self.shut.load(Ordering::SeqCst);
        look_then_park(cx, |cx| flow.poll_write(cx, op), looks_again)
    }

    fn shutting(&self, op: &ShutdownOp) {
        self.shut.fetch_or(op.how().is_read(), Ordering::SeqCst);
    }
}

/// The same of a close.
#[derive(Default)]
struct DiscardingCloseParksAfterLooking {
    shut: AtomicBool,
}

impl ThreadFault for DiscardingCloseParksAfterLooking {
    fn poll_close(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let looks_again = || !self.shut.load(Ordering::SeqCst);
        look_then_park(cx, |cx| flow.poll_close(cx, op), looks_again)
    }

    fn shutting(&self, op: &ShutdownOp) {
        self.shut.fetch_or(op.how().is_read(), Ordering::SeqCst);
    }
}

/// Abort wakes those that wait, and who is about to wait does not look for it.
#[derive(Default)]
struct AbortMissesWhoParks {
    aborted: AtomicBool,
}

impl ThreadFault for AbortMissesWhoParks {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let looks_again = || !self.aborted.load(Ordering::SeqCst);
        look_then_park(cx, |cx| flow.poll_read(cx, op), looks_again)
    }

    fn abort(&self, flow: &MemoryFlow) {
        self.aborted.store(true, Ordering::SeqCst);
        flow.abort();
    }
}

/// The same of `shutdown(Read)`.
#[derive(Default)]
struct ShutdownMissesWhoParks {
    shut: AtomicBool,
}

impl ThreadFault for ShutdownMissesWhoParks {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let looks_again = || !self.shut.load(Ordering::SeqCst);
        look_then_park(cx, |cx| flow.poll_read(cx, op), looks_again)
    }

    fn shutting(&self, op: &ShutdownOp) {
        self.shut.fetch_or(op.how().is_read(), Ordering::SeqCst);
    }
}

/// A read that `shutdown(Read)` overtakes keeps what it has received for the next one.
#[derive(Default)]
struct TakesWhatIsGone {
    shut: AtomicBool,
    late: Mutex<Option<Bytes>>,
}

impl ThreadFault for TakesWhatIsGone {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if let Some(chunk) = self.late.lock().expect("not poisoned").take() {
            return Poll::Ready(Ok(Some(chunk)));
        }
        let was_shut = self.shut.load(Ordering::SeqCst);
        let result = flow.poll_read(cx, op);
        meanwhile(|| self.shut.load(Ordering::SeqCst));
        match result {
            Poll::Ready(Ok(Some(chunk))) if !was_shut && self.shut.load(Ordering::SeqCst) => {
                *self.late.lock().expect("not poisoned") = Some(chunk);
                Poll::Ready(Ok(None))
            }
            result => result,
        }
    }

    fn shutting(&self, op: &ShutdownOp) {
        self.shut.fetch_or(op.how().is_read(), Ordering::SeqCst);
    }
}

/// Abort leaves what a write has in hand to that write, which does not look for it afterwards.
#[derive(Default)]
struct WriterForgetsTheAbort {
    writing: AtomicBool,
    aborted: AtomicBool,
}

impl ThreadFault for WriterForgetsTheAbort {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.aborted.load(Ordering::SeqCst) {
            return Poll::Ready(Err(Aborted.into()));
        }
        flow.poll_read(cx, op)
    }

    fn poll_write(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if self.aborted.load(Ordering::SeqCst) {
            return CLOSED;
        }
        self.writing.store(true, Ordering::SeqCst);
        let result = flow.poll_write(cx, op);
        meanwhile(|| self.aborted.load(Ordering::SeqCst));
        self.writing.store(false, Ordering::SeqCst);
        if result.is_pending() && self.aborted.load(Ordering::SeqCst) {
            return CLOSED;
        }
        result
    }

    fn abort(&self, flow: &MemoryFlow) {
        if self.writing.load(Ordering::SeqCst) {
            self.aborted.store(true, Ordering::SeqCst);
        } else {
            flow.abort();
        }
    }
}

/// Whether writing is over is asked first, and a refusal that comes later is not looked at.
#[derive(Default)]
struct RefusedTooLateIsOk {
    shut: AtomicBool,
}

impl ThreadFault for RefusedTooLateIsOk {
    fn poll_write(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let is_shut = || self.shut.load(Ordering::SeqCst);
        if is_shut() || op.is_taken() {
            return flow.poll_write(cx, op);
        }
        meanwhile(is_shut);
        match flow.poll_write(cx, op) {
            Poll::Ready(Err(WriteError::Closed)) if is_shut() => Poll::Ready(Ok(())),
            other => other,
        }
    }

    fn shutting(&self, op: &ShutdownOp) {
        self.shut.fetch_or(op.how().is_write(), Ordering::SeqCst);
    }
}

/// A close looks for the peer's end, and its waker is kept afterwards.
#[derive(Default)]
struct CloseParksAfterLooking;

impl ThreadFault for CloseParksAfterLooking {
    fn poll_close(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        look_then_park(cx, |cx| flow.poll_close(cx, op), NEVER)
    }
}

/// A close that an abort comes into fails, as reading does.
#[derive(Default)]
struct CloseTellsTheAbort;

impl ThreadFault for CloseTellsTheAbort {
    fn poll_close(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let result = flow.poll_close(cx, op);
        if result.is_ready() {
            return result;
        }
        meanwhile(NEVER);
        match flow.poll_close(cx, op) {
            Poll::Ready(Err(WriteError::Closed)) => {
                Poll::Ready(Err(WriteError::Transport(Aborted.into())))
            }
            result => result,
        }
    }
}

/// While a close looks for the peer's end, there is nothing to read for others.
#[derive(Default)]
struct CloseKeepsReadersOut {
    closing: AtomicBool,
}

impl ThreadFault for CloseKeepsReadersOut {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.closing.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        flow.poll_read(cx, op)
    }

    fn poll_close(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.closing.store(true, Ordering::SeqCst);
        let result = flow.poll_close(cx, op);
        meanwhile(NEVER);
        self.closing.store(false, Ordering::SeqCst);
        result
    }
}
