//! Answers to what became of a write that are wrong only now and then.

use std::cell::Cell;
use std::task::{Context, Poll};

use flow_core::{CloseOp, Delivered, Flow, ReadOp, WriteOp};

use crate::broken::Broken;
use crate::broken::over_memory::{DonePoll, FlowFault, Inside, ReadPoll, flow};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<EndedIsRead>("delivered_is_true", "Yes after shutdown(Write)")
            .narrower_than("AcceptedIsRead"),
        flow::<OnlyTheLastWrite>("delivered_is_true", "delivered is Yes before the last byte")
            .narrower_than("AcceptedIsRead"),
        flow::<OneByteIsNone>("delivered_is_true", "delivered is Yes after a write")
            .narrower_than("AcceptedIsRead"),
        flow::<TheEndIsAByte>(
            "delivered_is_true",
            "another answer than No when all and the end was read is asleep",
        )
        .narrower_than("NoForEver"),
        flow::<BlindAfterItsEnd>(
            "delivered_is_known",
            "delivered is Unknown instead of No after shutdown(Write)",
        )
        .narrower_than("NeverKnows"),
        flow::<BlindAfterThePeersEnd>(
            "delivered_is_known",
            "delivered is Unknown instead of No after a write",
        )
        .narrower_than("NeverKnows"),
        flow::<BlindOnceThePeerLeft>(
            "delivered_is_known",
            "delivered is Unknown when the peer left after all was read",
        )
        .narrower_than("NeverKnows"),
        flow::<ReadersTakeTheNews>(
            "delivered_loss_is_remembered",
            "delivered is Yes instead of No after a read",
        )
        .narrower_than("SaidOnce"),
        flow::<WritersTakeTheNews>(
            "delivered_loss_is_remembered",
            "delivered is Yes instead of No after a write",
        )
        .narrower_than("SaidOnce"),
        flow::<RefusedIsLost>(
            "delivered_loss_is_remembered",
            "delivered is No instead of Yes after a write",
        )
        .narrower_than("NoForEver"),
        flow::<AsClosingBegan>(
            "close_reports_delivery",
            "close gave Ok(No) instead of Yes: the peer had read 1 of 1 bytes",
        )
        .narrower_than("ClosedIsRead"),
        flow::<CloseAnswersOnce>(
            "close_reports_delivery",
            "another close gave Ok(No) when all was read",
        )
        .narrower_than("ClosedIsRead"),
    ]
}

/// The answer of a flow that does not look at its transport when `known` says what it believes.
fn or(inside: &Inside, known: bool, believed: Delivered) -> Delivered {
    if known {
        believed
    } else {
        inside.flow.delivered()
    }
}

/// The end is sent behind the last byte, and so that has gone as well.
#[derive(Default)]
struct EndedIsRead;

impl FlowFault for EndedIsRead {
    fn delivered(&self, inside: &Inside) -> Delivered {
        or(inside, inside.shut.get(), Delivered::Yes)
    }
}

/// As many bytes as the last write had were read since: those of the writes before it.
#[derive(Default)]
struct OnlyTheLastWrite {
    last: Cell<usize>,
    read_before: Cell<usize>,
}

impl FlowFault for OnlyTheLastWrite {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if !op.is_taken() {
            self.last.set(op.chunks().len());
            self.read_before.set(inside.spy.received());
        }
        inside.flow.poll_write(cx, op)
    }

    fn delivered(&self, inside: &Inside) -> Delivered {
        let read = inside.spy.received() - self.read_before.get();
        or(inside, read >= self.last.get().max(1), Delivered::Yes)
    }
}

/// The count of what is under way is one too low.
#[derive(Default)]
struct OneByteIsNone {
    written: Cell<usize>,
}

impl FlowFault for OneByteIsNone {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let len = op.chunks().len();
        let result = inside.flow.poll_write(cx, op);
        self.written
            .set(self.written.get() + len - op.chunks().len());
        result
    }

    fn delivered(&self, inside: &Inside) -> Delivered {
        let one_is_left = self.written.get() == inside.spy.received() + 1;
        or(inside, one_is_left && !inside.spy.gone(), Delivered::Yes)
    }
}

/// The end that was sent counts among the bytes that are under way, and is never taken off again.
#[derive(Default)]
struct TheEndIsAByte {
    closing: Cell<bool>,
}

impl FlowFault for TheEndIsAByte {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.closing.set(true);
        inside.flow.poll_close(cx, op)
    }

    fn delivered(&self, inside: &Inside) -> Delivered {
        let ended = self.closing.get() || inside.shut.get();
        or(inside, ended, Delivered::No)
    }
}

/// What would tell is let go of with the sending direction.
#[derive(Default)]
struct BlindAfterItsEnd;

impl FlowFault for BlindAfterItsEnd {
    fn delivered(&self, inside: &Inside) -> Delivered {
        or(inside, inside.shut.get(), Delivered::Unknown)
    }
}

/// A peer that has ended its sending is taken to be gone.
#[derive(Default)]
struct BlindAfterThePeersEnd;

impl FlowFault for BlindAfterThePeersEnd {
    fn delivered(&self, inside: &Inside) -> Delivered {
        or(inside, inside.spy.half_closed(), Delivered::Unknown)
    }
}

/// Who has left cannot be asked, although the last answer was a Yes.
#[derive(Default)]
struct BlindOnceThePeerLeft;

impl FlowFault for BlindOnceThePeerLeft {
    fn delivered(&self, inside: &Inside) -> Delivered {
        or(inside, inside.spy.gone(), Delivered::Unknown)
    }
}

/// The kernel tells once that the peer threw bytes away, and a read was told.
#[derive(Default)]
struct ReadersTakeTheNews {
    taken: Cell<bool>,
}

impl FlowFault for ReadersTakeTheNews {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        if inside.spy.gone() && matches!(result, Poll::Ready(Ok(None))) {
            self.taken.set(true);
        }
        result
    }

    fn delivered(&self, inside: &Inside) -> Delivered {
        or(inside, self.taken.get(), Delivered::Yes)
    }
}

/// The same, and a write was told.
#[derive(Default)]
struct WritersTakeTheNews {
    taken: Cell<bool>,
}

impl FlowFault for WritersTakeTheNews {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let result = inside.flow.poll_write(cx, op);
        if inside.spy.gone() && matches!(result, Poll::Ready(Err(_))) {
            self.taken.set(true);
        }
        result
    }

    fn delivered(&self, inside: &Inside) -> Delivered {
        or(inside, self.taken.get(), Delivered::Yes)
    }
}

/// A write that is refused because the peer has left is taken for a loss of what was read before.
#[derive(Default)]
struct RefusedIsLost {
    refused: Cell<bool>,
}

impl FlowFault for RefusedIsLost {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let result = inside.flow.poll_write(cx, op);
        if matches!(result, Poll::Ready(Err(_))) {
            self.refused.set(true);
        }
        result
    }

    fn delivered(&self, inside: &Inside) -> Delivered {
        or(inside, self.refused.get(), Delivered::No)
    }
}

/// Close answers what was so when it began to wait.
#[derive(Default)]
struct AsClosingBegan {
    began: Cell<Option<Delivered>>,
}

impl FlowFault for AsClosingBegan {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let began = self.began.get();
        self.began
            .set(began.or_else(|| Some(inside.flow.delivered())));
        inside.flow.poll_close(cx, op)
    }

    fn delivered(&self, inside: &Inside) -> Delivered {
        let began = self.began.get();
        began.unwrap_or_else(|| inside.flow.delivered())
    }
}

/// What close has answered is the answer from then on.
#[derive(Default)]
struct CloseAnswersOnce {
    closed: Cell<Option<Delivered>>,
}

impl FlowFault for CloseAnswersOnce {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let result = inside.flow.poll_close(cx, op);
        if self.closed.get().is_none() && matches!(result, Poll::Ready(Ok(()))) {
            self.closed.set(Some(inside.flow.delivered()));
        }
        result
    }

    fn delivered(&self, inside: &Inside) -> Delivered {
        let closed = self.closed.get();
        closed.unwrap_or_else(|| inside.flow.delivered())
    }
}
