//! Flows that close wrongly.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

use flow_core::{
    Bytes, CloseOp, Flow, Leave, PeerEnd, ReadOp, Shutdown, ShutdownOp, Transport, WriteOp,
};

use super::Broken;
use super::over_memory::{CLOSED, DONE, DonePoll, FlowFault, Inside, ReadPoll, flow};
use super::over_socket::{self, SocketFault};
use crate::plain::Socket;

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<ClosesLater>(
            "close_refuses_later_writes",
            "a write after the first poll of close gave Ok",
        ),
        flow::<ForgetsWhatWasTaken>("close_finishes_taken_writes", "a close should have to wait"),
        flow::<IsShutdown>(
            "close_waits_for_the_peer",
            "should still wait while the peer is silent",
        ),
        flow::<NeedsAReader>(
            "close_sees_end_past_unread_input",
            "a close with unread input is asleep",
        ),
        flow::<EatsInput>(
            "close_sees_end_past_unread_input",
            "the reader met the end at 0",
        ),
        flow::<EndsReading>(
            "close_spares_reading",
            "a read parked before close gave Ok(None)",
        ),
        flow::<TakesAllInput>(
            "close_back_pressure",
            "bytes were taken in while nobody reads",
        ),
        flow::<TakesAllInput>(
            "tasks_always_ready_yields",
            "129 reads in a row of what a close took in",
        ),
        flow::<ReadersTellNobody>(
            "close_woken_by_reader",
            "the close that a reader completes is asleep",
        ),
        flow::<OnlyOnce>("close_twice_is_ok", "one of several closes gave Err"),
        flow::<AfterYou>("close_from_both_sides", "our close is asleep"),
        flow::<GoneIsAFailure>(
            "close_completed_by_reset",
            "when the peer went and nothing was owed",
        ),
        flow::<DroppedIsUndone>(
            "close_dropped_is_still_closing",
            "a write after a dropped close gave Ok",
        ),
        over_socket::tcp::<LeavesInput>("close_done_stays_done", "torn stream"),
    ]
}

/// The first poll does nothing yet.
#[derive(Default)]
struct ClosesLater {
    asked: Cell<bool>,
}

impl FlowFault for ClosesLater {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        if !self.asked.replace(true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        inside.flow.poll_close(cx, op)
    }
}

/// Closing throws away what is not sent.
#[derive(Default)]
struct ForgetsWhatWasTaken;

impl FlowFault for ForgetsWhatWasTaken {
    fn poll_close(&self, inside: &Inside, _: &mut Context<'_>, _: &mut CloseOp) -> DonePoll {
        inside.flow.abort();
        DONE
    }
}

/// Close is done when its own end is sent.
#[derive(Default)]
struct IsShutdown;

impl FlowFault for IsShutdown {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, _: &mut CloseOp) -> DonePoll {
        inside
            .flow
            .poll_shutdown(cx, &mut ShutdownOp::new(Shutdown::Write))
    }
}

/// Close waits for a reader to meet the end.
#[derive(Default)]
struct NeedsAReader {
    met: Cell<bool>,
    waiting: Cell<Option<Waker>>,
}

impl FlowFault for NeedsAReader {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        if matches!(result, Poll::Ready(Ok(None))) {
            self.met.set(true);
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
        result
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        if inside.flow.poll_close(cx, op).is_ready() && self.met.get() {
            return DONE;
        }
        self.waiting.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

/// Close reads up to the peer's end, and throws away what it reads.
#[derive(Default)]
struct EatsInput;

impl FlowFault for EatsInput {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let _ = inside
            .flow
            .poll_shutdown(cx, &mut ShutdownOp::new(Shutdown::Read));
        inside.flow.poll_close(cx, op)
    }
}

/// Whoever closes is taken not to want to read any more.
#[derive(Default)]
struct EndsReading {
    closing: Cell<bool>,
}

impl FlowFault for EndsReading {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.closing.get() {
            Poll::Ready(Ok(None))
        } else {
            inside.flow.poll_read(cx, op)
        }
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.closing.set(true);
        inside.flow.poll_close(cx, op)
    }
}

/// Close looks for the peer's end by reading, and keeps whatever comes before it.
#[derive(Default)]
pub(super) struct TakesAllInput {
    read: RefCell<ReadOp>,
    taken: RefCell<VecDeque<Bytes>>,
}

impl FlowFault for TakesAllInput {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        match self.taken.borrow_mut().pop_front() {
            Some(chunk) => Poll::Ready(Ok(Some(chunk))),
            None => inside.flow.poll_read(cx, op),
        }
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let closed = inside.flow.poll_close(cx, op);
        let mut read = self.read.borrow_mut();
        while let Poll::Ready(Ok(Some(chunk))) = inside.flow.poll_read(cx, &mut read) {
            self.taken.borrow_mut().push_back(chunk);
        }
        if closed.is_ready() {
            *read = ReadOp::new();
        }
        closed
    }
}

/// A reader meets the end and keeps it to itself.
#[derive(Default)]
struct ReadersTellNobody {
    met: Cell<bool>,
}

impl FlowFault for ReadersTellNobody {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        self.met.set(matches!(result, Poll::Ready(Ok(None))));
        result
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let waker = inside.deaf_unless(cx, |_| false);
        ready!(inside.flow.poll_close(&mut Context::from_waker(&waker), op))?;
        if self.met.get() { DONE } else { Poll::Pending }
    }
}

/// The flow is closed already, says the second close.
#[derive(Default)]
struct OnlyOnce {
    closed: Cell<bool>,
}

impl FlowFault for OnlyOnce {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        if self.closed.get() {
            return CLOSED;
        }
        let result = inside.flow.poll_close(cx, op);
        self.closed.set(result.is_ready());
        result
    }
}

/// The peer's end is waited for before our own is sent.
#[derive(Default)]
struct AfterYou;

impl FlowFault for AfterYou {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let _: PeerEnd = ready!(inside.flow.transport().poll_peer_end(cx));
        inside.flow.poll_close(cx, op)
    }
}

/// A peer that has gone cannot be waited for, so close fails.
#[derive(Default)]
struct GoneIsAFailure;

impl FlowFault for GoneIsAFailure {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        let result = inside.flow.poll_close(cx, op);
        if inside.spy.gone() { CLOSED } else { result }
    }
}

/// Writing is refused for as long as somebody is closing.
#[derive(Default)]
struct DroppedIsUndone {
    closing: Arc<Closing>,
}

#[derive(Default)]
struct Closing(AtomicBool);

impl Leave for Closing {
    fn leave(&self, _: u64) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl FlowFault for DroppedIsUndone {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if self.closing.0.load(Ordering::SeqCst) {
            CLOSED
        } else {
            inside.flow.poll_write(cx, op)
        }
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        op.place().hold(Arc::<Closing>::clone(&self.closing), 0);
        self.closing.0.store(true, Ordering::SeqCst);
        let _: PeerEnd = ready!(inside.flow.transport().poll_peer_end(cx));
        inside.flow.poll_close(cx, op)
    }
}

/// A closed socket is released with input in it, which the kernel answers with a reset.
#[derive(Default)]
struct LeavesInput;

impl SocketFault for LeavesInput {
    fn make(&self, fd: OwnedFd) -> Socket {
        Socket::new(fd)
    }

    fn release(&self, socket: &Socket) {
        socket.release_at_once();
    }
}
