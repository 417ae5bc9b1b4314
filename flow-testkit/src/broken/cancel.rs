//! Flows that lose something when a call is dropped.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use flow_core::{Bytes, Flow, Leave, ReadOp, ShutdownOp, WriteOp};

use super::Broken;
use super::naive::{self, ForgetsTheRest};
use super::over_memory::{DONE, DonePoll, FlowFault, Inside, ReadPoll, flow};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<CompletesIntoTheCall>("cancel_read_loses_nothing", "bytes lost"),
        flow::<TakesAtTheFirstPoll>(
            "cancel_untaken_write_sends_nothing",
            "other bytes came back",
        ),
        naive::flow::<ForgetsTheRest>("cancel_taken_write_is_whole", "bytes lost"),
        flow::<ReadersHearOfInputOnly>(
            "cancel_taken_write_driven_by_read",
            "a read that drives a dropped write is asleep",
        ),
        flow::<WakeDiesWithTheCall>(
            "cancel_taken_write_driven_by_read",
            "a read that drives a dropped write is asleep",
        ),
        flow::<WakeDiesWithTheCall>(
            "cancel_hands_the_wake_on",
            "the read behind a dropped one is asleep",
        ),
        flow::<ShutOnceAsked>(
            "cancel_flush_shutdown_close",
            "bytes that should arrive is asleep",
        ),
        flow::<KeepsEveryWaker>("cancel_leaves_no_residue", "are still held"),
        flow::<KeepsEveryPlace>(
            "cancel_gives_memory_back",
            "bytes of heap are held for 3000",
        ),
    ]
}

/// What was received belongs to the call that asked first, and goes with it.
#[derive(Default)]
struct CompletesIntoTheCall {
    chunk: Arc<Completed>,
}

#[derive(Default)]
struct Completed(Mutex<Option<Bytes>>);

impl Leave for Completed {
    fn leave(&self, _: u64) {
        *self.0.lock().expect("not poisoned") = None;
    }
}

impl FlowFault for CompletesIntoTheCall {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if op.place().key_in(&self.chunk).is_some() {
            let chunk = self.chunk.0.lock().expect("not poisoned").take();
            op.place().leave();
            return Poll::Ready(Ok(chunk));
        }
        match inside.flow.poll_read(cx, op) {
            Poll::Ready(Ok(Some(chunk))) => {
                *self.chunk.0.lock().expect("not poisoned") = Some(chunk);
                op.place().hold(Arc::<Completed>::clone(&self.chunk), 0);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            other => other,
        }
    }
}

/// A write is the flow's as soon as it is asked, full or not.
#[derive(Default)]
struct TakesAtTheFirstPoll {
    queue: RefCell<Vec<WriteOp>>,
}

impl FlowFault for TakesAtTheFirstPoll {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if op.is_taken() {
            return inside.flow.poll_write(cx, op);
        }
        let mut queue = self.queue.borrow_mut();
        let first = queue.is_empty();
        let result = if first {
            inside.flow.poll_write(cx, op)
        } else {
            Poll::Pending
        };
        if result.is_pending() && !op.is_taken() {
            queue.push(WriteOp::new(std::mem::take(op.chunks())));
        }
        result
    }
}

/// Parked reads are woken by input, and by nothing that a writer left to them.
#[derive(Default)]
struct ReadersHearOfInputOnly;

impl FlowFault for ReadersHearOfInputOnly {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let waker = inside.deaf_unless(cx, |spy| spy.sent() > 0 || spy.ended());
        inside.flow.poll_read(&mut Context::from_waker(&waker), op)
    }
}

/// One is woken for each event, and if that one is dropped, nobody.
#[derive(Default)]
struct WakeDiesWithTheCall;

impl FlowFault for WakeDiesWithTheCall {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let waker = inside.deaf_unless(cx, |spy| spy.moving());
        inside.flow.poll_read(&mut Context::from_waker(&waker), op)
    }
}

/// The flag that says "shut" is set before the work is done.
#[derive(Default)]
struct ShutOnceAsked {
    shut: Cell<bool>,
}

impl FlowFault for ShutOnceAsked {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if self.shut.replace(true) && !op.place().is_held() {
            return DONE;
        }
        inside.flow.poll_shutdown(cx, op)
    }
}

/// Who waits has a place in a list, without its waker, that stays when it is gone.
#[derive(Default)]
struct KeepsEveryPlace {
    places: RefCell<Vec<[usize; 3]>>,
}

impl FlowFault for KeepsEveryPlace {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if !op.place().is_held() {
            self.places.borrow_mut().push([0; 3]);
        }
        inside.flow.poll_read(cx, op)
    }
}

/// Every waker is pushed on a list for the next event.
#[derive(Default)]
struct KeepsEveryWaker {
    wakers: RefCell<Vec<Waker>>,
}

impl FlowFault for KeepsEveryWaker {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        if result.is_pending() {
            self.wakers.borrow_mut().push(cx.waker().clone());
        }
        result
    }
}
