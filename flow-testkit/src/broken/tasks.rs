//! Flows that are right for one task, and wrong for several.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use flow_core::{Bytes, CloseOp, Flow, FlushOp, ReadOp, WriteOp};

use super::Broken;
use super::over_memory::{DONE, DonePoll, FlowFault, Inside, ReadPoll, flow};
use crate::step::Counter;

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<OneLock>(
            "tasks_full_duplex",
            "a write beside a parked read is asleep",
        ),
        flow::<TellsEveryReader>("tasks_each_byte_to_one_reader", "bytes repeated"),
        flow::<NoPlaceInLine>("tasks_served_in_order", "was served before reader 0"),
        flow::<KeepsTheFirstWaker>(
            "tasks_latest_waker_counts",
            "the latest waker of a read is asleep",
        ),
        flow::<OneSlot>("tasks_all_waiters_are_served", "a parked read is asleep"),
        flow::<EveryCallIsATask>(
            "tasks_kept_call_is_passed",
            "a later read of the same task is asleep",
        ),
        flow::<WakesEverybody>("tasks_parked_are_quiet", "woke 9 parked reads"),
        flow::<PolledIsReady>(
            "tasks_spurious_polls_are_harmless",
            "was done by being polled",
        ),
        flow::<BorrowedWhileWaking>("tasks_wake_may_reenter", "already borrowed"),
        flow::<LockedWhileWaking>("tasks_wake_may_reenter", "").hanging(),
        flow::<BorrowedWhileDropping>("tasks_drop_may_reenter", "already borrowed"),
        flow::<NeverYields>("tasks_always_ready_yields", "129 reads in a row were ready"),
        flow::<SpinsAfterTheEnd>("tasks_idle_is_idle", "with nothing to do"),
    ]
}

/// A parked read keeps the lock that a write needs.
#[derive(Default)]
struct OneLock {
    reading: Cell<bool>,
    waiting: Cell<Option<Waker>>,
}

impl FlowFault for OneLock {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        self.reading.set(result.is_pending());
        if result.is_ready() {
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
        result
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if self.reading.get() {
            self.waiting.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        inside.flow.poll_write(cx, op)
    }
}

/// What comes is told to two readers.
#[derive(Default)]
struct TellsEveryReader {
    told: RefCell<Option<Bytes>>,
}

impl FlowFault for TellsEveryReader {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if let Some(chunk) = self.told.take() {
            return Poll::Ready(Ok(Some(chunk)));
        }
        inside.flow.poll_read(cx, op).map_ok(|chunk| {
            self.told.replace(chunk.clone());
            chunk
        })
    }
}

/// A new operation for each poll: whoever asks is first.
#[derive(Default)]
struct NoPlaceInLine;

impl FlowFault for NoPlaceInLine {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, _: &mut ReadOp) -> ReadPoll {
        inside.flow.poll_read(cx, &mut ReadOp::new())
    }
}

/// The waker of the first poll is kept until the read is done.
#[derive(Default)]
struct KeepsTheFirstWaker {
    first: RefCell<Option<Waker>>,
}

impl FlowFault for KeepsTheFirstWaker {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let mut first = self.first.borrow_mut();
        let waker = first.get_or_insert_with(|| cx.waker().clone());
        let result = inside.flow.poll_read(&mut Context::from_waker(waker), op);
        if result.is_ready() {
            *first = None;
        }
        result
    }
}

/// Wakers to whom a wake is passed on.
#[derive(Default)]
pub(super) struct Board(Mutex<Vec<Waker>>);

impl Board {
    /// One more.
    pub(super) fn post(&self, waker: &Waker) {
        self.0.lock().expect("not poisoned").push(waker.clone());
    }

    /// This one alone.
    pub(super) fn keep(&self, waker: &Waker) {
        *self.0.lock().expect("not poisoned") = vec![waker.clone()];
    }
}

impl Board {
    /// All who are there, and stay there.
    pub(super) fn wake_all(&self) {
        let wakers = self.0.lock().expect("not poisoned").clone();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Board {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}

/// There is one slot for the waker of a reader: the latest.
#[derive(Default)]
struct OneSlot {
    slot: Arc<Board>,
}

impl FlowFault for OneSlot {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        self.slot.keep(cx.waker());
        let waker = Waker::from(Arc::clone(&self.slot));
        inside.flow.poll_read(&mut Context::from_waker(&waker), op)
    }
}

/// Every event wakes every reader that ever waited.
#[derive(Default)]
struct WakesEverybody {
    board: Arc<Board>,
}

impl FlowFault for WakesEverybody {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        self.board.post(cx.waker());
        let waker = Waker::from(Arc::clone(&self.board));
        inside.flow.poll_read(&mut Context::from_waker(&waker), op)
    }
}

/// A call that is polled again must have been woken, so it is done.
#[derive(Default)]
struct PolledIsReady;

impl FlowFault for PolledIsReady {
    fn poll_flush(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        if op.place().is_held() {
            DONE
        } else {
            inside.flow.poll_flush(cx, op)
        }
    }
}

/// Wakers run while the state is borrowed.
#[derive(Default)]
struct BorrowedWhileWaking {
    state: RefCell<()>,
}

impl FlowFault for BorrowedWhileWaking {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let _state = self.state.borrow_mut();
        inside.flow.poll_read(cx, op)
    }

    fn abort(&self, inside: &Inside) {
        let _state = self.state.borrow_mut();
        inside.flow.abort();
    }
}

/// The waker of before is dropped where it was kept, while that is borrowed.
#[derive(Default)]
struct BorrowedWhileDropping {
    latest: RefCell<Option<Waker>>,
}

impl FlowFault for BorrowedWhileDropping {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        *self.latest.borrow_mut() = Some(cx.waker().clone());
        result
    }
}

/// Wakers run under a lock.
#[derive(Default)]
struct LockedWhileWaking {
    state: Mutex<()>,
}

impl FlowFault for LockedWhileWaking {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let _state = self.state.lock();
        inside.flow.poll_read(cx, op)
    }

    fn abort(&self, inside: &Inside) {
        let _state = self.state.lock();
        inside.flow.abort();
    }
}

/// A pending that woke itself is polled again on the spot.
#[derive(Default)]
struct NeverYields;

impl FlowFault for NeverYields {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let (counter, waker) = Counter::new();
        match inside.flow.poll_read(&mut Context::from_waker(&waker), op) {
            Poll::Pending if counter.wakes() > 0 => inside.flow.poll_read(cx, op),
            Poll::Pending => inside.flow.poll_read(cx, op),
            ready => ready,
        }
    }
}

/// The hang-up is an event that never ends.
#[derive(Default)]
struct SpinsAfterTheEnd;

impl FlowFault for SpinsAfterTheEnd {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let result = inside.flow.poll_write(cx, op);
        if result.is_pending() && inside.spy.ended() {
            cx.waker().wake_by_ref();
        }
        result
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        inside.flow.poll_close(cx, op)
    }
}

/// A waker of its own for each poll, and so the flow cannot tell whose it is.
#[derive(Default)]
struct EveryCallIsATask {
    /// Kept, so that none is taken for one that is gone.
    wakers: RefCell<Vec<Waker>>,
}

impl FlowFault for EveryCallIsATask {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let waker = inside.deaf_unless(cx, |_| true);
        let read = inside.flow.poll_read(&mut Context::from_waker(&waker), op);
        self.wakers.borrow_mut().push(waker);
        read
    }
}
