//! Concurrency that goes wrong only now and then.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use flow_core::{Bytes, CloseOp, Flow, ReadOp, ShutdownOp, WriteOp};

use crate::broken::Broken;
use crate::broken::over_memory::{DONE, DonePoll, FlowFault, Inside, ReadPoll, flow};
use crate::broken::tasks::Board;

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<OneSlotForBoth>("tasks_each_event_wakes_its_own", "a parked read is asleep")
            .narrower_than("OneSlot"),
        flow::<ReadDisplacesANewWrite>("tasks_each_event_wakes_its_own", "a large write is asleep")
            .narrower_than("OneSlotForBoth"),
        flow::<ParkedWriteStopsReading>("tasks_full_duplex", "a parked read is asleep")
            .narrower_than("OneLock"),
        flow::<ReadsFirst>(
            "tasks_neither_direction_starves",
            "writes were ready in 1000 rounds",
        ),
        flow::<OneSlotPerProcess>("tasks_flows_are_apart", "a parked read is asleep")
            .narrower_than("OneSlot"),
        flow::<OneBufferPerProcess>("tasks_flows_are_apart", "foreign bytes")
            .narrower_than("ReusesItsBuffer"),
        flow::<OneSlotForWrites>("tasks_all_waiters_are_served", "a large write is asleep")
            .narrower_than("OneSlot"),
        flow::<FirstWakerOfAWrite>("tasks_latest_waker_counts", "a large write is asleep")
            .narrower_than("KeepsTheFirstWaker"),
        flow::<FirstWakerOfAClose>(
            "tasks_latest_waker_counts",
            "a close polled by a later task is asleep",
        )
        .narrower_than("KeepsTheFirstWaker"),
        flow::<PolledCloseIsDone>(
            "tasks_spurious_polls_are_harmless",
            "a close was done by being polled",
        )
        .narrower_than("PolledIsReady"),
        flow::<LatecomersGoFirst>(
            "tasks_served_in_order",
            "a read that came late was served before reader",
        )
        .narrower_than("NoPlaceInLine"),
        flow::<TurnsEndWithTheClose>(
            "tasks_served_in_order",
            "was served before the first, beside a close",
        )
        .narrower_than("NoPlaceInLine"),
        flow::<EndIsNotHandedOn>(
            "tasks_end_is_for_everybody",
            "a read of another task is asleep",
        ),
        flow::<BorrowedAtTheEnd>("tasks_wake_may_reenter", "already borrowed")
            .narrower_than("BorrowedWhileWaking"),
        flow::<BorrowedWhileFailing>("tasks_drop_may_reenter", "already borrowed")
            .narrower_than("BorrowedWhileDropping"),
        flow::<BorrowedWhileDiscarding>("tasks_drop_may_reenter", "already mutably borrowed")
            .narrower_than("BorrowedWhileDropping"),
    ]
}

/// One slot for the waker of both directions: the latest (K1).
#[derive(Default)]
struct OneSlotForBoth {
    slot: Arc<Board>,
}

impl OneSlotForBoth {
    fn waker(&self, cx: &Context<'_>) -> Waker {
        self.slot.keep(cx.waker());
        Waker::from(Arc::clone(&self.slot))
    }
}

impl FlowFault for OneSlotForBoth {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let waker = self.waker(cx);
        inside.flow.poll_read(&mut Context::from_waker(&waker), op)
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let waker = self.waker(cx);
        inside.flow.poll_write(&mut Context::from_waker(&waker), op)
    }
}

/// A read that parks takes the place of a write that has parked once and not been polled since (rust-yamux#232).
#[derive(Default)]
struct ReadDisplacesANewWrite {
    polls: Cell<usize>,
    displaced: Arc<AtomicBool>,
}

impl FlowFault for ReadDisplacesANewWrite {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        if result.is_pending() && self.polls.get() == 1 {
            self.displaced.store(true, Ordering::SeqCst);
        }
        result
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let waker = Waker::from(Arc::new(Displaced {
            waker: cx.waker().clone(),
            displaced: Arc::clone(&self.displaced),
        }));
        let result = inside.flow.poll_write(&mut Context::from_waker(&waker), op);
        self.displaced.store(false, Ordering::SeqCst);
        self.polls.set(if result.is_ready() {
            0
        } else {
            self.polls.get() + 1
        });
        result
    }
}

struct Displaced {
    waker: Waker,
    displaced: Arc<AtomicBool>,
}

impl Wake for Displaced {
    fn wake(self: Arc<Self>) {
        if !self.displaced.load(Ordering::SeqCst) {
            self.waker.wake_by_ref();
        }
    }
}

/// One loop writes to the end, and then reads (B2).
#[derive(Default)]
struct ParkedWriteStopsReading {
    writing: Cell<bool>,
    reader: Cell<Option<Waker>>,
}

impl FlowFault for ParkedWriteStopsReading {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.writing.get() {
            self.reader.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        inside.flow.poll_read(cx, op)
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let result = inside.flow.poll_write(cx, op);
        self.writing.set(result.is_pending());
        if result.is_ready() {
            self.reader.take().into_iter().for_each(Waker::wake);
        }
        result
    }
}

/// What is there to be read is read before anything is written (Y2).
#[derive(Default)]
struct ReadsFirst {
    read: Cell<usize>,
}

impl FlowFault for ReadsFirst {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        if let Poll::Ready(Ok(Some(chunk))) = &result {
            self.read.set(self.read.get() + chunk.len());
        }
        result
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if inside.spy.sent() > self.read.get() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        inside.flow.poll_write(cx, op)
    }
}

thread_local! {
    /// As a `static` is for a whole process, and laws have threads of their own.
    static SLOT: Arc<Board> = Arc::default();
    static BUFFER: RefCell<Option<Bytes>> = const { RefCell::new(None) };
}

/// The slot for the waker of a reader is a `static`, and the second flow has it too (K3).
#[derive(Default)]
struct OneSlotPerProcess;

impl FlowFault for OneSlotPerProcess {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let slot = SLOT.with(Arc::clone);
        slot.keep(cx.waker());
        let waker = Waker::from(slot);
        inside.flow.poll_read(&mut Context::from_waker(&waker), op)
    }
}

/// What the buffer of all flows holds is handed to whoever reads the same length next (R2).
#[derive(Default)]
struct OneBufferPerProcess {
    had: Cell<bool>,
}

impl FlowFault for OneBufferPerProcess {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        inside.flow.poll_read(cx, op).map_ok(|chunk| {
            let chunk = chunk?;
            let mut buffer = BUFFER.take();
            if self.had.replace(true) {
                buffer = None;
            }
            let stale = buffer.filter(|stale| stale.len() >= chunk.len());
            let handed = stale.map_or_else(|| chunk.clone(), |s| s.slice(..chunk.len()));
            BUFFER.replace(Some(chunk));
            Some(handed)
        })
    }
}

/// One slot for the wakers of all writes: the latest (K3).
#[derive(Default)]
struct OneSlotForWrites {
    slot: Arc<Board>,
}

impl FlowFault for OneSlotForWrites {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        self.slot.keep(cx.waker());
        let waker = Waker::from(Arc::clone(&self.slot));
        inside.flow.poll_write(&mut Context::from_waker(&waker), op)
    }
}

/// The waker of a write's first poll is kept until it is done (K2).
#[derive(Default)]
struct FirstWakerOfAWrite {
    first: RefCell<Option<Waker>>,
}

impl FlowFault for FirstWakerOfAWrite {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let mut first = self.first.borrow_mut();
        let waker = first.get_or_insert_with(|| cx.waker().clone());
        let result = inside.flow.poll_write(&mut Context::from_waker(waker), op);
        if result.is_ready() {
            *first = None;
        }
        result
    }
}

/// The waker of a close's first poll is kept (K2).
#[derive(Default)]
struct FirstWakerOfAClose {
    first: RefCell<Option<Waker>>,
}

impl FlowFault for FirstWakerOfAClose {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let mut first = self.first.borrow_mut();
        let waker = first.get_or_insert_with(|| cx.waker().clone());
        inside.flow.poll_close(&mut Context::from_waker(waker), op)
    }
}

/// A close that is polled again must have been woken by the peer's end (K6).
#[derive(Default)]
struct PolledCloseIsDone;

impl FlowFault for PolledCloseIsDone {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        if op.place().is_held() {
            op.place().leave();
            return DONE;
        }
        inside.flow.poll_close(cx, op)
    }
}

/// Whoever asks for the first time is taken for the one that was woken.
#[derive(Default)]
struct LatecomersGoFirst {
    woken: RefCell<Option<Waker>>,
}

impl FlowFault for LatecomersGoFirst {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let mut woken = self.woken.borrow_mut();
        if op.place().is_held() {
            let result = inside.flow.poll_read(cx, op);
            if result.is_pending() {
                *woken = Some(cx.waker().clone());
            }
            return result;
        }
        let waker = woken.as_ref().unwrap_or(cx.waker());
        inside.flow.poll_read(&mut Context::from_waker(waker), op)
    }
}

/// Once a close has seen the peer's end, whoever asks is served as if they were the first in line.
#[derive(Default)]
struct TurnsEndWithTheClose {
    first: RefCell<Option<Waker>>,
    closed: Cell<bool>,
}

impl FlowFault for TurnsEndWithTheClose {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let mut first = self.first.borrow_mut();
        let waker = first.get_or_insert_with(|| cx.waker().clone());
        if self.closed.get() {
            return inside.flow.poll_read(&mut Context::from_waker(waker), op);
        }
        inside.flow.poll_read(cx, op)
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let closed = inside.flow.poll_close(cx, op);
        self.closed.set(closed.is_ready());
        closed
    }
}

/// Of a stream without a byte the end is known beforehand: who comes then has it, and tells nobody.
#[derive(Default)]
struct EndIsNotHandedOn;

impl FlowFault for EndIsNotHandedOn {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let over = inside.spy.half_closed() && inside.spy.sent() == 0;
        if over && !op.place().is_held() {
            return Poll::Ready(Ok(None));
        }
        inside.flow.poll_read(cx, op)
    }
}

/// Wakers run while the state is borrowed, if the peer has ended (K7).
#[derive(Default)]
struct BorrowedAtTheEnd {
    state: RefCell<()>,
}

impl FlowFault for BorrowedAtTheEnd {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let _state = inside.spy.ended().then(|| self.state.borrow_mut());
        inside.flow.poll_read(cx, op)
    }
}

/// The rest of a write that fails is dropped while the state is borrowed (K7).
#[derive(Default)]
struct BorrowedWhileFailing {
    state: RefCell<()>,
}

impl FlowFault for BorrowedWhileFailing {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let _state = inside.spy.gone().then(|| self.state.borrow_mut());
        inside.flow.poll_write(cx, op)
    }
}

/// Input that nobody will read is dropped while the state is borrowed (K7).
#[derive(Default)]
struct BorrowedWhileDiscarding {
    state: RefCell<()>,
}

impl FlowFault for BorrowedWhileDiscarding {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let _state = self.state.borrow();
        inside.flow.poll_write(cx, op)
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        let _state = op.how().is_read().then(|| self.state.borrow_mut());
        inside.flow.poll_shutdown(cx, op)
    }
}
