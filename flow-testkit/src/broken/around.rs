//! A fault that is in how a flow is held, and not in what it answers: every call is the good flow's.

use std::task::Context;

use flow_core::memory::{MemoryError, MemoryFlow};
use flow_core::{CloseOp, Flow, FlushOp, ReadOp, ShutdownOp, WriteOp};

use super::over_memory::{DonePoll, ReadPoll};

/// How the flow is held.
pub(super) trait Holds: 'static {
    /// The flow that answers.
    fn flow(&self) -> &MemoryFlow;

    /// A close is about to be polled.
    fn closing(&self) {}

    /// It is about to be aborted.
    fn aborting(&self) {}
}

/// The flow that is held so.
pub(super) struct Around<X>(pub(super) X);

impl<X: Holds> Flow for Around<X> {
    type Error = MemoryError;

    fn poll_read(&self, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        self.0.flow().poll_read(cx, op)
    }

    fn poll_write(&self, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        self.0.flow().poll_write(cx, op)
    }

    fn poll_flush(&self, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        self.0.flow().poll_flush(cx, op)
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>, op: &mut ShutdownOp) -> DonePoll {
        self.0.flow().poll_shutdown(cx, op)
    }

    fn poll_close(&self, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.0.closing();
        self.0.flow().poll_close(cx, op)
    }

    fn abort(&self) {
        self.0.aborting();
        self.0.flow().abort();
    }
}
