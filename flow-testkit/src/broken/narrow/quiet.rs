//! Wakes for nothing, and turns not given away, that come only now and then.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use flow_core::{CloseOp, Flow, Leave, ReadOp, Shutdown, ShutdownOp, WriteOp};

use crate::broken::Broken;
use crate::broken::over_memory::{DonePoll, FlowFault, Inside, ReadPoll, flow};
use crate::broken::tasks::Board;
use crate::step::Counter;

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<RoomWakesEveryWriter>("tasks_parked_are_quiet", "room for one write woke the 9")
            .narrower_than("WakesEverybody"),
        flow::<InputWakesWriters>("tasks_parked_are_quiet", "messages woke a write")
            .narrower_than("WakesEverybody"),
        flow::<WhoGoesWakesReaders>("tasks_parked_are_quiet", "calls that were dropped woke")
            .narrower_than("WakesEverybody"),
        flow::<WritersWakeEachOther>("write_whole_under_concurrency", "wake each other for ever")
            .narrower_than("WakesEverybody"),
        flow::<NeverYieldsWriting>("tasks_always_ready_yields", "129 writes in a row")
            .narrower_than("NeverYields"),
        flow::<SpinsAfterACancel>("tasks_idle_is_idle", "after a cancelled read woke")
            .narrower_than("SpinsAfterTheEnd"),
        flow::<SpinsHalfClosed>("tasks_idle_is_idle", "half closed by us woke")
            .narrower_than("SpinsAfterTheEnd"),
        flow::<SpinsWithReadingShut>(
            "tasks_idle_is_idle",
            "with reading shut and input unread woke",
        )
        .narrower_than("SpinsAfterTheEnd"),
        flow::<SpinsClosing>("tasks_idle_is_idle", "closing woke")
            .narrower_than("SpinsAfterTheEnd"),
        flow::<SpinsDiscarding>("tasks_idle_is_idle", "closing with reading shut woke")
            .narrower_than("SpinsClosing"),
        flow::<SpinsAfterACancelledClose>("tasks_idle_is_idle", "after a cancelled close woke")
            .narrower_than("SpinsClosing"),
    ]
}

/// Room wakes all who wait to write (K9).
#[derive(Default)]
struct RoomWakesEveryWriter {
    board: Arc<Board>,
}

impl FlowFault for RoomWakesEveryWriter {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        self.board.post(cx.waker());
        let waker = Waker::from(Arc::clone(&self.board));
        inside.flow.poll_write(&mut Context::from_waker(&waker), op)
    }
}

/// One event for both directions: input wakes whoever waits to write (K9).
#[derive(Default)]
struct InputWakesWriters {
    board: Arc<Board>,
}

impl FlowFault for InputWakesWriters {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        self.board.post(cx.waker());
        let waker = Waker::from(Arc::clone(&self.board));
        inside.flow.poll_read(&mut Context::from_waker(&waker), op)
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        self.board.keep(cx.waker());
        inside.flow.poll_write(cx, op)
    }
}

/// A write that is dropped wakes all who read, for whatever it may have left to do (K9).
#[derive(Default)]
struct WhoGoesWakesReaders {
    readers: Arc<Gone>,
}

#[derive(Default)]
struct Gone(Board);

impl Leave for Gone {
    fn leave(&self, _: u64) {
        self.0.wake_all();
    }
}

impl FlowFault for WhoGoesWakesReaders {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        if result.is_pending() {
            self.readers.0.post(cx.waker());
        }
        result
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let result = inside.flow.poll_write(cx, op);
        if result.is_pending() && !op.is_taken() {
            // Its place is here now, and the good flow has forgotten it.
            op.place().hold(Arc::<Gone>::clone(&self.readers), 0);
        }
        result
    }
}

/// A write that has to wait has all others look whether it is their turn (K9).
#[derive(Default)]
struct WritersWakeEachOther {
    others: Board,
}

impl FlowFault for WritersWakeEachOther {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let result = inside.flow.poll_write(cx, op);
        if result.is_pending() {
            self.others.wake_all();
            self.others.keep(cx.waker());
        }
        result
    }
}

/// A write that is told to yield is polled again on the spot (Y1).
#[derive(Default)]
struct NeverYieldsWriting;

impl FlowFault for NeverYieldsWriting {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let (_, waker) = Counter::new();
        match inside.flow.poll_write(&mut Context::from_waker(&waker), op) {
            Poll::Pending => inside.flow.poll_write(cx, op),
            ready => ready,
        }
    }
}

/// Interest in input stays when the read is dropped, and what nobody reads is an event that never ends (L3).
#[derive(Default)]
struct SpinsAfterACancel {
    waited: Cell<bool>,
}

impl FlowFault for SpinsAfterACancel {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        self.waited.set(result.is_pending());
        result
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let result = inside.flow.poll_write(cx, op);
        if result.is_pending() && self.waited.get() && inside.spy.sent() > 0 {
            cx.waker().wake_by_ref();
        }
        result
    }
}

/// A socket that is shut down for writing can always be written, says the system, which is an event that never ends (L3).
#[derive(Default)]
struct SpinsHalfClosed {
    shut: Cell<bool>,
}

impl FlowFault for SpinsHalfClosed {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        if result.is_pending() && self.shut.get() {
            cx.waker().wake_by_ref();
        }
        result
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        self.shut.set(op.how() == Shutdown::Write);
        inside.flow.poll_shutdown(cx, op)
    }
}

/// Input that will never be read is an event that never ends (L3).
#[derive(Default)]
struct SpinsWithReadingShut {
    shut: Cell<bool>,
}

impl FlowFault for SpinsWithReadingShut {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let result = inside.flow.poll_write(cx, op);
        if result.is_pending() && self.shut.get() && inside.spy.sent() > 0 {
            cx.waker().wake_by_ref();
        }
        result
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        self.shut.set(op.how() == Shutdown::Read);
        inside.flow.poll_shutdown(cx, op)
    }
}

/// A close that waits for the peer asks again and again (L3).
#[derive(Default)]
struct SpinsClosing;

impl FlowFault for SpinsClosing {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let result = inside.flow.poll_close(cx, op);
        if result.is_pending() && inside.spy.sent() == 0 {
            cx.waker().wake_by_ref();
        }
        result
    }
}

/// A close that throws input away asks for more of it again and again (L3).
#[derive(Default)]
struct SpinsDiscarding {
    shut: Cell<bool>,
}

impl FlowFault for SpinsDiscarding {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        self.shut.set(op.how() == Shutdown::Read);
        inside.flow.poll_shutdown(cx, op)
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let result = inside.flow.poll_close(cx, op);
        if result.is_pending() && self.shut.get() {
            cx.waker().wake_by_ref();
        }
        result
    }
}

/// Interest in the peer's end stays when the close is dropped, and wakes whoever reads (L3).
#[derive(Default)]
struct SpinsAfterACancelledClose {
    closed: Cell<bool>,
}

impl FlowFault for SpinsAfterACancelledClose {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        if result.is_pending() && self.closed.get() {
            cx.waker().wake_by_ref();
        }
        result
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.closed.set(true);
        inside.flow.poll_close(cx, op)
    }
}
