//! Dropped calls that leave something behind only now and then.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use flow_core::{Bytes, CloseOp, Flow, FlushOp, Leave, ReadOp, ShutdownOp, WriteOp};

use crate::broken::Broken;
use crate::broken::naive::{self, ForgetsTheRest};
use crate::broken::over_memory::{DONE, DonePoll, FlowFault, Inside, ReadPoll, flow};
use crate::broken::tasks::Board;
use crate::step::Counter;

pub(super) fn all() -> Vec<Broken> {
    vec![
        naive::flow::<ForgetsTheRest>("cancel_at_every_poll", "bytes lost"),
        flow::<CompletesIntoTheCallLate>("cancel_at_every_poll", "bytes lost")
            .narrower_than("CompletesIntoTheCall"),
        flow::<ShutOnceAskedThrice>("cancel_at_every_poll", "bytes that should arrive is asleep")
            .narrower_than("ShutOnceAsked"),
        flow::<LosesWhatWasNoticed>("cancel_read_loses_nothing", "bytes lost")
            .narrower_than("CompletesIntoTheCall"),
        flow::<WakeDiesWithAWrite>(
            "cancel_hands_the_wake_on",
            "the write behind a dropped one is asleep",
        )
        .narrower_than("WakeDiesWithTheCall"),
        flow::<ClosedOnceAsked>(
            "cancel_flush_shutdown_close",
            "bytes that should arrive is asleep",
        )
        .narrower_than("ShutOnceAsked"),
        flow::<KeepsEveryFlusher>("cancel_leaves_no_residue", "are still held")
            .narrower_than("KeepsEveryWaker"),
    ]
}

/// What was received belongs to a call that has waited for long, and goes with it (C1).
#[derive(Default)]
struct CompletesIntoTheCallLate {
    polls: Cell<usize>,
    chunk: Arc<Completed>,
}

#[derive(Default)]
struct Completed(Mutex<Option<Bytes>>);

impl Leave for Completed {
    fn leave(&self, _: u64) {
        *self.0.lock().expect("not poisoned") = None;
    }
}

impl FlowFault for CompletesIntoTheCallLate {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if op.place().key_in(&self.chunk).is_some() {
            let chunk = self.chunk.0.lock().expect("not poisoned").take();
            op.place().leave();
            return Poll::Ready(Ok(chunk));
        }
        let polls = if op.place().is_held() {
            self.polls.get() + 1
        } else {
            1
        };
        self.polls.set(polls);
        match inside.flow.poll_read(cx, op) {
            Poll::Ready(Ok(Some(chunk))) if polls > 3 => {
                *self.chunk.0.lock().expect("not poisoned") = Some(chunk);
                op.place().hold(Arc::<Completed>::clone(&self.chunk), 0);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            other => other,
        }
    }
}

/// A shutdown that was asked three times is as good as done (C7).
#[derive(Default)]
struct ShutOnceAskedThrice {
    polls: Cell<usize>,
}

impl FlowFault for ShutOnceAskedThrice {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if !op.place().is_held() && self.polls.replace(0) >= 3 {
            return DONE;
        }
        self.polls.set(self.polls.get() + 1);
        inside.flow.poll_shutdown(cx, op)
    }
}

/// A read that was woken has what came, and if it is dropped before it is asked, nobody has it (C4).
#[derive(Default)]
struct LosesWhatWasNoticed {
    waiting: Cell<Option<Arc<Counter>>>,
}

impl FlowFault for LosesWhatWasNoticed {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let woken = self.waiting.take().is_some_and(|last| last.wakes() > 0);
        if woken && !op.place().is_held() {
            // The one that it was for has gone.
            let _ = inside.flow.poll_read(cx, &mut ReadOp::new());
        }
        let (counter, noticing) = Counter::new();
        let both = Arc::<Board>::default();
        both.post(cx.waker());
        both.post(&noticing);
        let waker = Waker::from(both);
        let result = inside.flow.poll_read(&mut Context::from_waker(&waker), op);
        self.waiting.set(result.is_pending().then_some(counter));
        result
    }
}

/// One write is woken for each event, and if that one is dropped, nobody (C5).
#[derive(Default)]
struct WakeDiesWithAWrite;

impl FlowFault for WakeDiesWithAWrite {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let waker = inside.deaf_unless(cx, |spy| spy.moving());
        inside.flow.poll_write(&mut Context::from_waker(&waker), op)
    }
}

/// The flag that says "closed" is set before the work is done (C7).
#[derive(Default)]
struct ClosedOnceAsked {
    closed: Cell<bool>,
}

impl FlowFault for ClosedOnceAsked {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        if self.closed.replace(true) && !op.place().is_held() {
            return DONE;
        }
        inside.flow.poll_close(cx, op)
    }
}

/// Everybody who waits for the last byte is on a list, until it is sent (C3, L5).
#[derive(Default)]
struct KeepsEveryFlusher {
    wakers: RefCell<Vec<Waker>>,
}

impl FlowFault for KeepsEveryFlusher {
    fn poll_flush(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        let result = inside.flow.poll_flush(cx, op);
        if result.is_pending() {
            self.wakers.borrow_mut().push(cx.waker().clone());
        }
        result
    }
}
