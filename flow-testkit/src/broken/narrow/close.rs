//! Closing that goes wrong only now and then.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use flow_core::{CloseOp, Flow, ReadOp, Shutdown, ShutdownOp};

use crate::broken::Broken;
use crate::broken::close::TakesAllInput;
use crate::broken::over_memory::{CLOSED, DONE, DonePoll, FlowFault, Inside, ReadPoll, flow};
use crate::broken::tasks::Board;

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<DoneAtTheFirstByte>(
            "close_waits_for_the_peer",
            "should still wait while the peer sends",
        )
        .narrower_than("IsShutdown"),
        flow::<NeedsAReaderFrom64K>(
            "close_sees_end_past_unread_input",
            "a close with unread input is asleep",
        )
        .narrower_than("NeedsAReader"),
        flow::<CountsWhatWasRead>(
            "close_sees_end_past_unread_input",
            "a close behind a slow reader is asleep",
        )
        .narrower_than("NeedsAReaderFrom64K"),
        flow::<TakesMoreWithEachRead>(
            "close_back_pressure",
            "bytes were taken in while nobody reads",
        )
        .narrower_than("TakesAllInput"),
        flow::<EatsInputOnceParked>(
            "close_sees_end_past_unread_input",
            "the reader met the end at 0",
        )
        .narrower_than("EatsInput"),
        flow::<EndsReadsThatComeLater>(
            "close_spares_reading",
            "while close waits a read gave Ok(None)",
        )
        .narrower_than("EndsReading"),
        flow::<LatestCloseOnly>("close_twice_is_ok", "one of several closes is asleep")
            .narrower_than("OnlyOnce"),
        flow::<LateCloseFails>(
            "close_twice_is_ok",
            "a close after close and the peer's leaving gave Err",
        )
        .narrower_than("OnlyOnce"),
        flow::<GoneWhileParkedIsAFailure>(
            "close_completed_by_reset",
            "when the peer went and nothing was owed",
        )
        .narrower_than("GoneIsAFailure"),
    ]
}

/// The first readable event is taken for the peer's end (H6).
#[derive(Default)]
struct DoneAtTheFirstByte;

impl FlowFault for DoneAtTheFirstByte {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let result = inside.flow.poll_close(cx, op);
        if inside.spy.sent() > 0 {
            op.place().leave();
            return DONE;
        }
        result
    }
}

/// What close reads ahead has one byte too little room, and the end is behind it (H8).
#[derive(Default)]
struct NeedsAReaderFrom64K {
    read: Cell<bool>,
}

impl FlowFault for NeedsAReaderFrom64K {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        self.read.set(true);
        inside.flow.poll_read(cx, op)
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        if inside.spy.sent() >= 64 * 1024 && !self.read.get() {
            return Poll::Pending;
        }
        inside.flow.poll_close(cx, op)
    }
}

/// What close has come past counts as what it holds, also once it has been read.
#[derive(Default)]
struct CountsWhatWasRead {
    read: Cell<usize>,
}

impl FlowFault for CountsWhatWasRead {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        if let Poll::Ready(Ok(Some(chunk))) = &result {
            self.read.set(self.read.get() + chunk.len());
        }
        result
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let sent = inside.spy.sent();
        if sent > 64 * 1024 && sent > self.read.get() {
            return Poll::Pending;
        }
        inside.flow.poll_close(cx, op)
    }
}

/// Every read, however short, makes room for as much as close may hold.
#[derive(Default)]
struct TakesMoreWithEachRead {
    all: TakesAllInput,
    reads: Cell<usize>,
    closing: Cell<Option<Waker>>,
}

impl FlowFault for TakesMoreWithEachRead {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        self.reads.set(self.reads.get() + 1);
        self.closing.take().into_iter().for_each(Waker::wake);
        self.all.poll_read(inside, cx, op)
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.closing.set(Some(cx.waker().clone()));
        if inside.spy.sent() < (1 + self.reads.get()) * 64 * 1024 {
            return self.all.poll_close(inside, cx, op);
        }
        inside.flow.poll_close(cx, op)
    }
}

/// A close that was woken reads what woke it, and throws it away (H8).
#[derive(Default)]
struct EatsInputOnceParked;

impl FlowFault for EatsInputOnceParked {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        if op.place().is_held() {
            let _ = inside
                .flow
                .poll_shutdown(cx, &mut ShutdownOp::new(Shutdown::Read));
        }
        inside.flow.poll_close(cx, op)
    }
}

/// Reads that wait are left alone by a close, and later ones are refused (H13).
#[derive(Default)]
struct EndsReadsThatComeLater {
    closing: Cell<bool>,
}

impl FlowFault for EndsReadsThatComeLater {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.closing.get() && !op.place().is_held() {
            return Poll::Ready(Ok(None));
        }
        inside.flow.poll_read(cx, op)
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.closing.set(true);
        inside.flow.poll_close(cx, op)
    }
}

/// There is one slot for the waker of a close: the latest (K3).
#[derive(Default)]
struct LatestCloseOnly {
    slot: Arc<Board>,
}

impl FlowFault for LatestCloseOnly {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.slot.keep(cx.waker());
        let waker = Waker::from(Arc::clone(&self.slot));
        inside.flow.poll_close(&mut Context::from_waker(&waker), op)
    }
}

/// What was closed is looked at again, when the peer has gone (H10).
#[derive(Default)]
struct LateCloseFails {
    closed: Cell<bool>,
}

impl FlowFault for LateCloseFails {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        if self.closed.get() && inside.spy.gone() {
            return CLOSED;
        }
        let result = inside.flow.poll_close(cx, op);
        self.closed.set(result.is_ready());
        result
    }
}

/// A peer that goes while close waits for it makes close fail (H10).
#[derive(Default)]
struct GoneWhileParkedIsAFailure;

impl FlowFault for GoneWhileParkedIsAFailure {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        if op.place().is_held() && inside.spy.gone() {
            return CLOSED;
        }
        inside.flow.poll_close(cx, op)
    }
}
