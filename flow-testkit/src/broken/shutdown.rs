//! Flows that end a direction wrongly.

use std::cell::Cell;
use std::task::{Context, Poll};

use flow_core::{CloseOp, Flow, ReadOp, Shutdown, ShutdownOp, WriteOp};

use super::Broken;
use super::naive::{self, EndOvertakes};
use super::over_memory::{CLOSED, DONE, DonePoll, FlowFault, Inside, ReadPoll, flow};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<SaysItIsShut>(
            "shutdown_write_is_seen",
            "the end that the peer should see is asleep",
        ),
        naive::flow::<EndOvertakes>("shutdown_write_flushes_first", "the peer met the end after"),
        flow::<ShutsBoth>(
            "shutdown_write_spares_reading",
            "should still wait after shutdown(Write)",
        ),
        flow::<WritersSleepOn>(
            "shutdown_write_wakes_parked_writes",
            "a write that waits to be taken is asleep",
        ),
        flow::<IgnoresShutdownRead>("shutdown_read_ends_reading", "a parked read is asleep"),
        flow::<NeverDiscards>("shutdown_read_spares_writing", "the peer could send only"),
        flow::<NeverDiscards>(
            "close_discards_after_shutdown_read",
            "a close that discards input is asleep",
        ),
        flow::<SecondShutdownFails>(
            "shutdown_twice_is_ok",
            "shutdown(Read) after shutdown(Read) gave Err",
        ),
        flow::<OkWithBytesOwed>("shutdown_owed_bytes", "a shutdown that owed bytes"),
    ]
}

/// Shutdown answers `Ok` and does nothing.
#[derive(Default)]
struct SaysItIsShut;

impl FlowFault for SaysItIsShut {
    fn poll_shutdown(&self, _: &Inside, _: &mut Context<'_>, _: &mut ShutdownOp) -> DonePoll {
        DONE
    }
}

/// Ending one direction ends both.
#[derive(Default)]
struct ShutsBoth;

impl FlowFault for ShutsBoth {
    fn poll_shutdown(&self, inside: &Inside, cx: &mut Context<'_>, _: &mut ShutdownOp) -> DonePoll {
        inside
            .flow
            .poll_shutdown(cx, &mut ShutdownOp::new(Shutdown::Both))
    }
}

/// A write that waits hears of room, and not of the end of writing.
#[derive(Default)]
struct WritersSleepOn;

impl FlowFault for WritersSleepOn {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let waker = inside.deaf_unless(cx, |spy| spy.moving());
        inside.flow.poll_write(&mut Context::from_waker(&waker), op)
    }
}

/// `shutdown(Read)` is taken for a hint.
#[derive(Default)]
struct IgnoresShutdownRead;

impl FlowFault for IgnoresShutdownRead {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if op.how().is_write() {
            return inside
                .flow
                .poll_shutdown(cx, &mut ShutdownOp::new(Shutdown::Write));
        }
        DONE
    }
}

/// `shutdown(Read)` is a flag for readers, and input piles up behind it.
#[derive(Default)]
struct NeverDiscards {
    shut: Cell<bool>,
}

impl FlowFault for NeverDiscards {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.shut.get() {
            Poll::Ready(Ok(None))
        } else {
            inside.flow.poll_read(cx, op)
        }
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        self.shut.set(op.how().is_read());
        if op.how() == Shutdown::Read {
            DONE
        } else {
            inside.flow.poll_shutdown(cx, op)
        }
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        inside.flow.poll_close(cx, op)
    }
}

/// The system says `ENOTCONN` the second time, and so does the flow.
#[derive(Default)]
struct SecondShutdownFails {
    shut: Cell<bool>,
}

impl FlowFault for SecondShutdownFails {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if self.shut.get() {
            return CLOSED;
        }
        let result = inside.flow.poll_shutdown(cx, op);
        self.shut.set(result.is_ready());
        result
    }
}

/// Shutting down a flow whose peer has gone always succeeds.
#[derive(Default)]
struct OkWithBytesOwed;

impl FlowFault for OkWithBytesOwed {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        match inside.flow.poll_shutdown(cx, op) {
            Poll::Ready(Err(_)) if inside.spy.gone() => DONE,
            other => other,
        }
    }
}
