//! Flows that are wrong about what became of what was written.

use std::cell::Cell;
use std::task::{Context, Poll};

use flow_core::{CloseOp, Delivered, Flow, Transport as _};

use super::Broken;
use super::over_memory::{DonePoll, FlowFault, Inside, flow};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<AcceptedIsRead>("delivered_is_true", "delivered is Yes after a write"),
        flow::<AcceptedHasArrived>(
            "delivered_is_true",
            "delivered is Arrived with a write half taken",
        ),
        flow::<WhatIsHeldIsNotCounted>(
            "delivered_is_true",
            "delivered is Yes with a write half taken",
        ),
        flow::<GoneIsDone>("delivered_is_true", "Yes after the peer's leaving"),
        flow::<NoForEver>(
            "delivered_is_true",
            "another answer than No when all was read is asleep",
        ),
        flow::<NeverKnows>(
            "delivered_is_known",
            "delivered is Unknown instead of Yes on a new flow",
        ),
        flow::<SaidOnce>(
            "delivered_loss_is_remembered",
            "delivered is Yes instead of No after a read",
        ),
        flow::<ClosedIsRead>(
            "close_reports_delivery",
            "close gave Ok(Yes) instead of No: the peer had read 0 of 1 bytes",
        ),
    ]
}

/// A write was accepted, so it was delivered.
#[derive(Default)]
struct AcceptedIsRead;

impl FlowFault for AcceptedIsRead {
    fn delivered(&self, _: &Inside) -> Delivered {
        Delivered::Yes
    }
}

/// What is not read has arrived at least.
#[derive(Default)]
struct AcceptedHasArrived;

impl FlowFault for AcceptedHasArrived {
    fn delivered(&self, inside: &Inside) -> Delivered {
        match inside.flow.delivered() {
            Delivered::No => Delivered::Arrived,
            other => other,
        }
    }
}

/// The transport is asked, which does not know of the rest of a write that is still here.
#[derive(Default)]
struct WhatIsHeldIsNotCounted;

impl FlowFault for WhatIsHeldIsNotCounted {
    fn delivered(&self, inside: &Inside) -> Delivered {
        inside.flow.transport().delivered()
    }
}

/// When the peer goes, its queue goes too, and an empty queue is taken for one that was read.
#[derive(Default)]
struct GoneIsDone;

impl FlowFault for GoneIsDone {
    fn delivered(&self, inside: &Inside) -> Delivered {
        if inside.spy.gone() {
            Delivered::Yes
        } else {
            inside.flow.delivered()
        }
    }
}

/// What was unread once stays so.
#[derive(Default)]
struct NoForEver {
    said: Cell<bool>,
}

impl FlowFault for NoForEver {
    fn delivered(&self, inside: &Inside) -> Delivered {
        if self.said.get() || inside.flow.delivered().is_no() {
            self.said.set(true);
            return Delivered::No;
        }
        inside.flow.delivered()
    }
}

/// Nobody has ever asked the transport.
#[derive(Default)]
struct NeverKnows;

impl FlowFault for NeverKnows {
    fn delivered(&self, _: &Inside) -> Delivered {
        Delivered::Unknown
    }
}

/// The news of a loss is passed on to whoever asks first.
#[derive(Default)]
struct SaidOnce {
    said: Cell<bool>,
}

impl FlowFault for SaidOnce {
    fn delivered(&self, inside: &Inside) -> Delivered {
        if inside.spy.gone() && self.said.replace(true) {
            return Delivered::Yes;
        }
        inside.flow.delivered()
    }
}

/// The handshake is over, so everything was read.
#[derive(Default)]
struct ClosedIsRead {
    closed: Cell<bool>,
}

impl FlowFault for ClosedIsRead {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let result = inside.flow.poll_close(cx, op);
        self.closed.set(matches!(result, Poll::Ready(Ok(()))));
        result
    }

    fn delivered(&self, inside: &Inside) -> Delivered {
        if self.closed.get() {
            Delivered::Yes
        } else {
            inside.flow.delivered()
        }
    }
}
