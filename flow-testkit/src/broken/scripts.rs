//! Flows that are right in each call, and wrong in one order of calls: what laws about one clause at a time do not try.

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};

use flow_core::{Bytes, CloseOp, Flow, FlushOp, ReadOp, Shutdown, ShutdownOp, WriteOp};

use super::Broken;
use super::over_memory::{CLOSED, DONE, DonePoll, FlowFault, Inside, ReadPoll, flow};

const RANDOM: &str = "random_calls_follow_the_model";
const EVERY: &str = "every_call_in_every_state";

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<FlushKeepsAPlace>(RANDOM, "a read goes on waiting, and was not woken"),
        flow::<CutsVectorsBesideReads>(RANDOM, "bytes do not arrive"),
        flow::<ByteMoreAfterBothEnded>(RANDOM, "the peer got wrong bytes"),
        flow::<FlushAfterClose>(EVERY, "a flush gave Closed"),
        flow::<FailedWriteKeepsReading>(EVERY, "shutdown(Read) gave Closed"),
        flow::<UnreadComesBack>(EVERY, "a read after shutdown(Read) gave a chunk"),
        flow::<NothingAfterAll>(EVERY, "an empty write gave Ok after an abort"),
    ]
}

/// After `shutdown(Write)` a flush looks whether the peer has answered, by a read that it keeps: nobody behind that is served.
#[derive(Default)]
struct FlushKeepsAPlace {
    shut: Cell<bool>,
    look: RefCell<ReadOp>,
}

impl FlowFault for FlushKeepsAPlace {
    fn poll_flush(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        if self.shut.get() && inside.spy.sent() == 0 && !inside.spy.ended() {
            let cx = &mut Context::from_waker(Waker::noop());
            let _ = inside.flow.poll_read(cx, &mut self.look.borrow_mut());
        }
        inside.flow.poll_flush(cx, op)
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if op.how() == Shutdown::Write {
            self.shut.set(true);
        }
        inside.flow.poll_shutdown(cx, op)
    }
}

/// Three buffers or more, written while a read waits: the last is left out.
#[derive(Default)]
struct CutsVectorsBesideReads {
    reading: Cell<bool>,
}

impl FlowFault for CutsVectorsBesideReads {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let polled = inside.flow.poll_read(cx, op);
        self.reading.set(polled.is_pending());
        polled
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let buffers = op.chunks().slices().count();
        if self.reading.get() && !op.place().is_held() && buffers > 2 {
            let kept: Vec<_> = op
                .chunks()
                .slices()
                .take(buffers - 1)
                .map(Bytes::copy_from_slice)
                .collect();
            *op.chunks() = kept.into();
        }
        inside.flow.poll_write(cx, op)
    }
}

/// Once this side has ended reading and the peer its sending, a write sends a byte too many.
#[derive(Default)]
struct ByteMoreAfterBothEnded {
    shut: Cell<bool>,
}

impl FlowFault for ByteMoreAfterBothEnded {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let first = !op.place().is_held() && !op.chunks().is_empty();
        let ended = inside.spy.ended() && !inside.spy.gone();
        if ended && self.shut.get() && first {
            let whole: Vec<u8> = op.chunks().slices().flatten().copied().collect();
            *op.chunks() = vec![Bytes::from_static(b"."), Bytes::from(whole)].into();
        }
        inside.flow.poll_write(cx, op)
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if op.how().is_read() {
            self.shut.set(true);
        }
        inside.flow.poll_shutdown(cx, op)
    }
}

/// While it closes, there is nothing to flush any more.
#[derive(Default)]
struct FlushAfterClose {
    closing: Cell<bool>,
}

impl FlowFault for FlushAfterClose {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.closing.set(true);
        inside.flow.poll_close(cx, op)
    }

    fn poll_flush(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        if self.closing.get() && !inside.spy.ended() {
            return CLOSED;
        }
        inside.flow.poll_flush(cx, op)
    }
}

/// After a failed write, reading cannot be ended.
#[derive(Default)]
struct FailedWriteKeepsReading {
    failed: Cell<bool>,
}

impl FlowFault for FailedWriteKeepsReading {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let polled = inside.flow.poll_write(cx, op);
        if inside.spy.gone() && polled == CLOSED {
            self.failed.set(true);
        }
        polled
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if op.how() == Shutdown::Read && self.failed.get() {
            return CLOSED;
        }
        inside.flow.poll_shutdown(cx, op)
    }
}

/// When the peer has ended, ending reading does nothing more: what is unread can still be read.
#[derive(Default)]
struct UnreadComesBack;

impl FlowFault for UnreadComesBack {
    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if op.how() == Shutdown::Read && inside.spy.ended() {
            return DONE;
        }
        inside.flow.poll_shutdown(cx, op)
    }
}

/// After an abort nothing can be written, but nothing can be.
#[derive(Default)]
struct NothingAfterAll {
    aborted: Cell<bool>,
}

impl FlowFault for NothingAfterAll {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if self.aborted.get() && inside.spy.sent() > 0 && op.chunks().is_empty() {
            return DONE;
        }
        inside.flow.poll_write(cx, op)
    }

    fn abort(&self, inside: &Inside) {
        self.aborted.set(true);
        inside.flow.abort();
    }
}
