//! Flows that are wrong once they have failed half-way: a fault over a transport that can be told where to fail.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::task::{Context, Poll};

use flow_core::memory::{self, Memory as Wire, MemoryError};
use flow_core::{
    Bytes, Chunks, CloseOp, Delivered, Direct, Engine, Flow, FlushOp, PeerEnd, ReadOp, ShutdownOp,
    Transport, WriteError, WriteOp,
};

use super::Broken;
use super::over_memory::{
    NO_ALLOCATED, NO_DESCRIPTORS, NO_FAILING, NO_RESET, NO_RUNTIME, NO_SWITCH, NO_THREADS,
};
use crate::fragile::{Break, Fragile, FragileError};
use crate::harness::{Harness, Link, Need, Room};
use crate::memory::Memory;

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<ReadFailureEndsBoth>("read_failure_spares_writing", "write failed: Err(Closed)"),
        flow::<GivesBackTheRest>(
            "write_failed_gives_all_back_or_none",
            "bytes of a write are given back, of which 1 were sent",
        ),
        flow::<KeepsWhatIsRefused>(
            "write_failed_gives_all_back_or_none",
            "a write that was not sent is not given back",
        ),
        flow::<LosesWhatIsAskedFor>(
            "write_failed_keeps_the_unsent",
            "a write that failed lost what it was asked to keep",
        ),
        flow::<LosesWhatAnotherMet>(
            "write_failed_keeps_the_unsent",
            "a write that failed lost what it was asked to keep",
        )
        .narrower_than("LosesWhatIsAskedFor"),
        flow::<KeepsUnasked>(
            "write_failed_keeps_the_unsent",
            "bytes that nobody asked for",
        ),
        flow::<HoldsTheBuffers>(
            "write_failed_keeps_the_unsent",
            "the buffer of a write that failed, to be let go of is asleep",
        ),
        flow::<AnyErrorIsTheEnd>(
            "close_tells_failed_reading",
            "a close after reading had failed gave Ok",
        ),
        flow::<FailureIsNoTear>(
            "abort_tells_a_failed_write",
            "the end of a flow of which a write had failed",
        ),
        flow::<FailureIsATear>(
            "abort_tells_a_failed_write",
            "the end of a flow of which a write had failed",
        ),
    ]
}

type Error = FragileError<MemoryError>;
type ReadPoll = Poll<Result<Option<Bytes>, Error>>;
type DonePoll = Poll<Result<(), WriteError<Error>>>;

/// One fault: the methods that it does not have are the good flow's.
pub(super) trait BreakFault: Default + 'static {
    /// Any error is taken to say that the peer is gone.
    const ANY_ERROR_CLOSES: bool = false;

    fn poll_read(&self, flow: &Inner<Self>, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        flow.poll_read(cx, op)
    }

    fn poll_write(&self, flow: &Inner<Self>, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        flow.poll_write(cx, op)
    }

    /// What the transport is told by an abort: by default whether a write was cut off.
    fn is_torn(torn: bool, failed: bool) -> bool {
        let _ = failed;
        torn
    }
}

type Inner<X> = Engine<Told<X>>;

/// The transport, which knows whether a write has failed.
pub(super) struct Told<X> {
    fragile: Fragile<Wire>,
    failed: Cell<bool>,
    fault: PhantomData<X>,
}

impl<X: BreakFault> Transport for Told<X> {
    type Error = Error;
    type Rx = (memory::Rx, usize);
    type Tx = (memory::Tx, usize);

    fn poll_recv(&self, rx: &mut Self::Rx, cx: &mut Context<'_>) -> ReadPoll {
        self.fragile.poll_recv(rx, cx)
    }

    fn poll_send(&self, tx: &mut Self::Tx, cx: &mut Context<'_>, data: &mut Chunks) -> DonePoll {
        let sent = self.fragile.poll_send(tx, cx, data);
        if let Poll::Ready(Err(_)) = sent {
            self.failed.set(true);
        }
        sent
    }

    fn poll_finish(&self, tx: &mut Self::Tx, cx: &mut Context<'_>) -> DonePoll {
        self.fragile.poll_finish(tx, cx)
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        self.fragile.poll_peer_end(cx)
    }

    fn delivered(&self) -> Delivered {
        self.fragile.delivered()
    }

    fn abort(&self, torn: bool) {
        self.fragile.abort(X::is_torn(torn, self.failed.get()));
    }

    fn is_closed(error: &Error) -> bool {
        X::ANY_ERROR_CLOSES || Fragile::<Wire>::is_closed(error)
    }
}

/// A flow with a fault that shows once it has failed.
pub(super) struct Broke<X: BreakFault> {
    flow: Inner<X>,
    fault: X,
}

impl<X: BreakFault> Broke<X> {
    fn new(flow: memory::MemoryFlow, at: Option<Break>) -> Self {
        let parts = flow.into_parts().expect("a new flow comes apart");
        let told = Told {
            fragile: Fragile::new(parts.transport, at),
            failed: Cell::new(false),
            fault: PhantomData,
        };
        Self {
            flow: Engine::new(told, (parts.rx, 0), (parts.tx, 0)),
            fault: X::default(),
        }
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<X: BreakFault> Flow for Broke<X> {
    type Error = Error;

    fn poll_read(&self, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        self.fault.poll_read(&self.flow, cx, op)
    }

    fn poll_write(&self, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        self.fault.poll_write(&self.flow, cx, op)
    }

    fn poll_flush(&self, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        self.flow.poll_flush(cx, op)
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>, op: &mut ShutdownOp) -> DonePoll {
        self.flow.poll_shutdown(cx, op)
    }

    fn poll_close(&self, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.flow.poll_close(cx, op)
    }

    fn abort(&self) {
        self.flow.abort();
    }

    fn delivered(&self) -> Delivered {
        self.flow.delivered()
    }

    fn direct(&self) -> Option<&dyn Direct> {
        self.flow.direct()
    }
}

/// Makes flows with the fault `X`.
pub(super) struct OverFragile<X>(PhantomData<X>);

impl<X> Default for OverFragile<X> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<X: BreakFault> Harness for OverFragile<X> {
    type Flow = Broke<X>;

    const LACKS: &'static [(Need, &'static str)] = &[
        NO_RESET,
        NO_DESCRIPTORS,
        NO_FAILING,
        NO_RUNTIME,
        NO_SWITCH,
        NO_THREADS,
        NO_ALLOCATED,
    ];

    const OFFERS: &'static [Need] = &[Need::Breaking];

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = Memory.pair();
        (Broke::new(a, None), Broke::new(b, None))
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        Memory.link(room).map(|flow| Broke::new(flow, None))
    }

    fn breaking(&self, room: Room, at: Break) -> Option<Link<Self::Flow>> {
        Some(Memory.link(room).map(|flow| Broke::new(flow, Some(at))))
    }
}

fn flow<X: BreakFault>(law: &'static str, words: &'static str) -> Broken {
    Broken::new::<X, OverFragile<X>>(law, words)
}

/// An error of either direction is the flow's.
#[derive(Default)]
struct ReadFailureEndsBoth {
    failed: Cell<bool>,
}

impl BreakFault for ReadFailureEndsBoth {
    fn poll_read(&self, flow: &Inner<Self>, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let read = flow.poll_read(cx, op);
        if let Poll::Ready(Err(FragileError::Broken)) = read {
            self.failed.set(true);
        }
        read
    }

    fn poll_write(&self, flow: &Inner<Self>, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if self.failed.get() {
            return Poll::Ready(Err(WriteError::Closed));
        }
        flow.poll_write(cx, op)
    }
}

/// What the transport has left in the list when it fails is not sent, and so its owner's again.
#[derive(Default)]
struct GivesBackTheRest;

impl BreakFault for GivesBackTheRest {
    fn poll_write(&self, flow: &Inner<Self>, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        *op = std::mem::take(op).keeping_unsent();
        let written = flow.poll_write(cx, op);
        if let Poll::Ready(Err(_)) = written {
            *op = WriteOp::new(std::mem::take(op.chunks()));
        }
        written
    }
}

/// A write that was offered to the transport is its own from then on, also if it refuses.
#[derive(Default)]
struct KeepsWhatIsRefused;

impl BreakFault for KeepsWhatIsRefused {
    fn poll_write(&self, flow: &Inner<Self>, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let written = flow.poll_write(cx, op);
        if let Poll::Ready(Err(_)) = written {
            op.set_taken(1);
        }
        written
    }
}

/// A write that was taken and failed, without what is left of it.
fn without_the_rest(op: &mut WriteOp, written: DonePoll) -> DonePoll {
    if op.is_taken() && matches!(written, Poll::Ready(Err(_))) {
        drop(std::mem::take(op.chunks()));
    }
    written
}

/// What is left of a write that failed is of no use.
#[derive(Default)]
struct LosesWhatIsAskedFor;

impl BreakFault for LosesWhatIsAskedFor {
    fn poll_write(&self, flow: &Inner<Self>, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let written = flow.poll_write(cx, op);
        without_the_rest(op, written)
    }
}

/// The same, where the failure was another call's.
#[derive(Default)]
struct LosesWhatAnotherMet;

impl BreakFault for LosesWhatAnotherMet {
    fn poll_write(&self, flow: &Inner<Self>, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let had_failed = flow.transport().failed.get();
        let written = flow.poll_write(cx, op);
        if had_failed {
            without_the_rest(op, written)
        } else {
            written
        }
    }
}

/// What is left of a write that failed is kept for whoever may want it.
#[derive(Default)]
struct KeepsUnasked;

impl BreakFault for KeepsUnasked {
    fn poll_write(&self, flow: &Inner<Self>, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        *op = std::mem::take(op).keeping_unsent();
        flow.poll_write(cx, op)
    }
}

/// The buffers of a write are held until the flow goes.
#[derive(Default)]
struct HoldsTheBuffers {
    held: RefCell<Vec<Bytes>>,
}

impl BreakFault for HoldsTheBuffers {
    fn poll_write(&self, flow: &Inner<Self>, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if !op.is_taken() {
            let buffers: Vec<Bytes> = std::mem::take(op.chunks()).into_iter().collect();
            self.held.borrow_mut().extend(buffers.clone());
            *op.chunks() = buffers.into();
        }
        flow.poll_write(cx, op)
    }
}

/// Whatever reading fails with, there is nothing to wait for any more.
#[derive(Default)]
struct AnyErrorIsTheEnd;

impl BreakFault for AnyErrorIsTheEnd {
    const ANY_ERROR_CLOSES: bool = true;
}

/// A write that failed is over, and nothing is under way that could be cut off.
#[derive(Default)]
struct FailureIsNoTear;

impl BreakFault for FailureIsNoTear {
    fn is_torn(torn: bool, failed: bool) -> bool {
        torn && !failed
    }
}

/// After any failure the stream is broken, also where nothing of it was sent.
#[derive(Default)]
struct FailureIsATear;

impl BreakFault for FailureIsATear {
    fn is_torn(torn: bool, failed: bool) -> bool {
        torn || failed
    }
}
