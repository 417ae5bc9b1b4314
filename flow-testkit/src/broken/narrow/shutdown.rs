//! Shutdowns that go wrong only now and then.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use flow_core::memory::MemoryError;
use flow_core::{Flow, ReadOp, Shutdown, ShutdownOp, WriteError, WriteOp};

use crate::broken::Broken;
use crate::broken::over_memory::{
    CLOSED, DONE, DonePoll, FlowFault, Inside, ReadPoll, Spy, Waiting, flow,
};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<ShutOnlyIfThePeerIsOpen>(
            "shutdown_write_is_seen",
            "the end that the peer should see is asleep",
        )
        .narrower_than("SaysItIsShut"),
        flow::<BothIsRead>(
            "shutdown_write_is_seen",
            "the end that the peer should see is asleep",
        )
        .narrower_than("SaysItIsShut"),
        flow::<ShutsAParkedReadToo>(
            "shutdown_write_spares_reading",
            "should still wait after shutdown(Write)",
        )
        .narrower_than("ShutsBoth"),
        flow::<SecondWriterIsNotTold>(
            "shutdown_write_wakes_parked_writes",
            "a write that waits to be taken is asleep",
        )
        .narrower_than("WritersSleepOn"),
        flow::<QueuedInputSurvives>(
            "shutdown_read_ends_reading",
            "a read after shutdown(Read) gave Ready(Ok(Some",
        )
        .narrower_than("IgnoresShutdownRead"),
        flow::<ParkedWritesHearOfRoomOnly>(
            "shutdown_read_spares_writing",
            "a write that waits after shutdown(Read) is asleep",
        )
        .narrower_than("NeverDiscards"),
        flow::<NextInLineDoesNotDiscard>(
            "shutdown_read_spares_writing",
            "a write in line after shutdown(Read) is asleep",
        )
        .narrower_than("NeverDiscards"),
        flow::<WriteAfterReadFails>(
            "shutdown_twice_is_ok",
            "shutdown(Write) after shutdown(Read) gave Err",
        )
        .narrower_than("SecondShutdownFails"),
        flow::<GoneIsNotConnected>(
            "shutdown_peer_gone_is_ok",
            "shutdown(Write) 1 with a peer that has gone gave Err",
        ),
        flow::<GoneIsNotConnectedAnyMore>(
            "shutdown_peer_gone_is_ok",
            "shutdown(Write) 2 with a peer that has gone gave Err",
        )
        .narrower_than("GoneIsNotConnected"),
        flow::<OwedBytesAreRaw>(
            "shutdown_owed_bytes",
            "a shutdown that owed bytes to a peer that has gone gave Err(Transport",
        )
        .narrower_than("OkWithBytesOwed"),
        flow::<ShutdownTakesTheSlot>("shutdown_write_flushes_first", "a large write is asleep")
            .narrower_than("WritersSleepOn"),
    ]
}

/// Where the peer has ended there is nobody to tell (H1).
#[derive(Default)]
struct ShutOnlyIfThePeerIsOpen;

impl FlowFault for ShutOnlyIfThePeerIsOpen {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if inside.spy.ended() {
            return DONE;
        }
        inside.flow.poll_shutdown(cx, op)
    }
}

/// The arm for both directions ends one (H1, H14).
#[derive(Default)]
struct BothIsRead;

impl FlowFault for BothIsRead {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if op.how() == Shutdown::Both {
            return inside
                .flow
                .poll_shutdown(cx, &mut ShutdownOp::new(Shutdown::Read));
        }
        inside.flow.poll_shutdown(cx, op)
    }
}

/// Shutting down one direction ends whatever waits in either (H3).
#[derive(Default)]
struct ShutsAParkedReadToo {
    shut: Cell<bool>,
}

impl FlowFault for ShutsAParkedReadToo {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if op.place().is_held() && self.shut.get() {
            return Poll::Ready(Ok(None));
        }
        inside.flow.poll_read(cx, op)
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        self.shut.set(true);
        inside.flow.poll_shutdown(cx, op)
    }
}

/// One write that waits is told that writing is over (H13, K3).
#[derive(Default)]
struct SecondWriterIsNotTold {
    waiting: Waiting,
}

impl FlowFault for SecondWriterIsNotTold {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let in_line = op.place().is_held();
        // Beside the one that is being sent, and one more.
        let result = if self.waiting.others(op.place()) < 2 {
            inside.flow.poll_write(cx, op)
        } else {
            let waker = inside.deaf_unless(cx, |spy| spy.moving());
            inside.flow.poll_write(&mut Context::from_waker(&waker), op)
        };
        self.waiting.note(in_line, &result);
        result
    }
}

/// What had arrived is still handed out after `shutdown(Read)` (H14).
#[derive(Default)]
struct QueuedInputSurvives {
    shut: Cell<bool>,
}

impl FlowFault for QueuedInputSurvives {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        match inside.flow.poll_read(cx, op) {
            Poll::Pending if self.shut.get() => Poll::Ready(Ok(None)),
            other => other,
        }
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if op.how() == Shutdown::Read && inside.spy.sent() > 0 {
            self.shut.set(true);
            return DONE;
        }
        inside.flow.poll_shutdown(cx, op)
    }
}

/// The second shutdown fails where the first was for the other direction (H10).
#[derive(Default)]
struct WriteAfterReadFails {
    shut: Cell<bool>,
}

impl FlowFault for WriteAfterReadFails {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if self.shut.get() && op.how() == Shutdown::Write {
            return CLOSED;
        }
        self.shut.set(op.how() == Shutdown::Read);
        inside.flow.poll_shutdown(cx, op)
    }
}

/// Shutting down a socket whose peer has gone fails with `ENOTCONN`, and so does the flow (H10).
#[derive(Default)]
struct GoneIsNotConnected;

impl FlowFault for GoneIsNotConnected {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if inside.spy.gone() {
            return CLOSED;
        }
        inside.flow.poll_shutdown(cx, op)
    }
}

/// The same, from the second shutdown on (H10).
#[derive(Default)]
struct GoneIsNotConnectedAnyMore {
    shut: Cell<bool>,
}

impl FlowFault for GoneIsNotConnectedAnyMore {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if inside.spy.gone() && self.shut.replace(true) {
            return CLOSED;
        }
        inside.flow.poll_shutdown(cx, op)
    }
}

/// A shutdown that cannot send what is owed tells `EPIPE` as it came (X1).
#[derive(Default)]
struct OwedBytesAreRaw;

impl FlowFault for OwedBytesAreRaw {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        inside
            .flow
            .poll_shutdown(cx, op)
            .map_err(|_| WriteError::Transport(MemoryError::Torn))
    }
}

/// Passes a wake on until it is told not to.
struct Displaced {
    waker: Waker,
    displaced: Arc<AtomicBool>,
}

impl Wake for Displaced {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.displaced.load(Ordering::SeqCst) {
            self.waker.wake_by_ref();
        }
    }
}

/// A shutdown waits in the one slot that there is for the write side, and the write that was there is not told (K10).
#[derive(Default)]
struct ShutdownTakesTheSlot {
    shutting: Arc<AtomicBool>,
}

impl FlowFault for ShutdownTakesTheSlot {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let waker = Waker::from(Arc::new(Displaced {
            waker: cx.waker().clone(),
            displaced: Arc::clone(&self.shutting),
        }));
        inside.flow.poll_write(&mut Context::from_waker(&waker), op)
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        self.shutting.store(true, Ordering::SeqCst);
        inside.flow.poll_shutdown(cx, op)
    }
}

/// A write that waits is not told of input that is to be discarded.
#[derive(Default)]
struct ParkedWritesHearOfRoomOnly;

impl FlowFault for ParkedWritesHearOfRoomOnly {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let waker = inside.deaf_unless(cx, |spy| spy.asked() > 0);
        inside.flow.poll_write(&mut Context::from_waker(&waker), op)
    }
}

/// Of the writes that wait, the first discards input; with it gone, nobody does (C2).
#[derive(Default)]
struct NextInLineDoesNotDiscard {
    waiting: Waiting,
    discarding: Cell<bool>,
}

impl FlowFault for NextInLineDoesNotDiscard {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let was_in_line = op.place().is_held();
        let waker = if self.discarding.get() && self.waiting.others(op.place()) > 0 {
            inside.deaf_unless(cx, Spy::moving)
        } else {
            cx.waker().clone()
        };
        let result = inside.flow.poll_write(&mut Context::from_waker(&waker), op);
        self.waiting.note(was_in_line, &result);
        result
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        self.discarding.set(op.how().is_read());
        inside.flow.poll_shutdown(cx, op)
    }
}
