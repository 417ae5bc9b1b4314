//! A fault wrapped round a good flow in memory.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use flow_core::memory::{MemoryError, MemoryFlow};
use flow_core::{
    Bytes, CloseOp, Delivered, Direct, Flow, FlushOp, Place, ReadOp, ShutdownOp, WriteError,
    WriteOp,
};

use super::Broken;
use crate::harness::{Harness, Link, Need, Room};
use crate::memory::Memory;
use crate::peer::{Peer, Recv};

pub(super) type ReadPoll = Poll<Result<Option<Bytes>, MemoryError>>;
pub(super) type DonePoll = Poll<Result<(), WriteError<MemoryError>>>;

/// The answer of a flow closed for writing.
pub(super) const CLOSED: DonePoll = Poll::Ready(Err(WriteError::Closed));
/// The answer of a call that is done.
pub(super) const DONE: DonePoll = Poll::Ready(Ok(()));

/// What no flow in memory has.
pub(super) const NO_RESET: (Need, &str) = (
    Need::Reset,
    "bytes in memory are not lost when the peer leaves",
);
pub(super) const NO_DESCRIPTORS: (Need, &str) = (Need::Descriptors, "there is no descriptor");
pub(super) const NO_FAILING: (Need, &str) =
    (Need::Failing, "there is nothing below that could fail");
pub(super) const NO_RUNTIME: (Need, &str) = (Need::Runtime, "there is no runtime");
/// What most faults are not asked about.
pub(super) const NO_SWITCH: (Need, &str) = (Need::Switch, "the fault is not in a switch");
pub(super) const NO_THREADS: (Need, &str) = (Need::Threads, "the fault stays on one thread");
pub(super) const NO_ALLOCATED: (Need, &str) = (Need::Allocated, "the fault is not in the heap");

/// What a fault in memory lacks that is in a switch.
pub(super) const LACKS_BUT_SWITCH: &[(Need, &str)] = &[
    NO_RESET,
    NO_DESCRIPTORS,
    NO_FAILING,
    NO_RUNTIME,
    NO_THREADS,
    NO_ALLOCATED,
];

/// What the fault knows of the peer by a side path, as a flow over descriptors knows of a hang-up before it has read so far.
#[derive(Debug, Default)]
pub(super) struct Spy {
    ended: AtomicBool,
    gone: AtomicBool,
    sent: AtomicUsize,
    asked: AtomicUsize,
    received: AtomicUsize,
    moving: AtomicBool,
}

impl Spy {
    /// The peer has ended its sending, or is gone.
    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst) || self.gone()
    }

    /// The peer has ended its sending before it went, if it went.
    pub(super) fn half_closed(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// The peer is gone.
    pub(super) fn gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    /// How many bytes the peer has sent.
    pub(super) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    /// How many bytes the peer asked for when it last received.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How many bytes the peer has received.
    pub(super) fn received(&self) -> usize {
        self.received.load(Ordering::SeqCst)
    }

    /// Whether the peer is doing something just now.
    pub(super) fn moving(&self) -> bool {
        self.moving.load(Ordering::SeqCst)
    }
}

/// The good flow inside, and what is known of its peer.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) flow: MemoryFlow,
    pub(super) spy: Arc<Spy>,
    /// This side has been told to end writing.
    pub(super) shut: Cell<bool>,
}

impl Inside {
    /// A waker that passes a wake on only if `passes`.
    pub(super) fn deaf_unless(&self, cx: &Context<'_>, passes: fn(&Spy) -> bool) -> Waker {
        Waker::from(Arc::new(Deaf {
            waker: cx.waker().clone(),
            spy: Arc::clone(&self.spy),
            passes,
        }))
    }
}

/// How many calls of a kind wait: for faults that need more than one.
#[derive(Debug, Default)]
pub(super) struct Waiting(Cell<usize>);

impl Waiting {
    /// How many wait beside this one.
    pub(super) fn others(&self, place: &Place) -> usize {
        self.0.get().saturating_sub(usize::from(place.is_held()))
    }

    /// Counts a call that was in line or not before it was polled, with this result.
    pub(super) fn note<R>(&self, was_in_line: bool, result: &Poll<R>) {
        let waiting = self.0.get();
        match (was_in_line, result.is_pending()) {
            (false, true) => self.0.set(waiting + 1),
            (true, false) => self.0.set(waiting.saturating_sub(1)),
            _ => {}
        }
    }
}

struct Deaf {
    waker: Waker,
    spy: Arc<Spy>,
    passes: fn(&Spy) -> bool,
}

impl Wake for Deaf {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if (self.passes)(&self.spy) {
            self.waker.wake_by_ref();
        }
    }
}

/// One fault: the methods that it does not have are the good flow's.
pub(super) trait FlowFault: Default + 'static {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        inside.flow.poll_read(cx, op)
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        inside.flow.poll_write(cx, op)
    }

    fn poll_flush(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        inside.flow.poll_flush(cx, op)
    }

    fn poll_shutdown(
        &self,
        inside: &Inside,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        inside.flow.poll_shutdown(cx, op)
    }

    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        inside.flow.poll_close(cx, op)
    }

    fn abort(&self, inside: &Inside) {
        inside.flow.abort();
    }

    fn delivered(&self, inside: &Inside) -> Delivered {
        inside.flow.delivered()
    }

    fn release(&self, inside: Inside) {
        drop(inside);
    }
}

/// A flow in memory with a fault.
pub(super) struct Faulty<X: FlowFault> {
    /// `None` while it is dropped.
    inside: Option<Inside>,
    fault: X,
}

impl<X: FlowFault> Faulty<X> {
    pub(super) fn new(flow: MemoryFlow, spy: Arc<Spy>) -> Self {
        Self {
            inside: Some(Inside {
                flow,
                spy,
                shut: Cell::new(false),
            }),
            fault: X::default(),
        }
    }

    fn inside(&self) -> &Inside {
        self.inside
            .as_ref()
            .expect("it is there until it is dropped")
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<X: FlowFault> Flow for Faulty<X> {
    type Error = MemoryError;

    fn poll_read(&self, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        self.fault.poll_read(self.inside(), cx, op)
    }

    fn poll_write(&self, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        self.fault.poll_write(self.inside(), cx, op)
    }

    fn poll_flush(&self, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        self.fault.poll_flush(self.inside(), cx, op)
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>, op: &mut ShutdownOp) -> DonePoll {
        let inside = self.inside();
        if op.how().is_write() {
            inside.shut.set(true);
        }
        self.fault.poll_shutdown(inside, cx, op)
    }

    fn poll_close(&self, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.fault.poll_close(self.inside(), cx, op)
    }

    fn abort(&self) {
        self.fault.abort(self.inside());
    }

    fn delivered(&self) -> Delivered {
        self.fault.delivered(self.inside())
    }

    /// A fault is in the other calls.
    fn direct(&self) -> Option<&dyn Direct> {
        None
    }
}

impl<X: FlowFault> Drop for Faulty<X> {
    fn drop(&mut self) {
        if let Some(inside) = self.inside.take() {
            self.fault.release(inside);
        }
    }
}

/// A far end that tells the fault what it does, before it does it.
pub(super) struct SpyPeer {
    peer: Box<dyn Peer>,
    spy: Arc<Spy>,
}

impl SpyPeer {
    fn tell<R>(&mut self, act: impl FnOnce(&mut dyn Peer) -> R) -> R {
        self.spy.moving.store(true, Ordering::SeqCst);
        let result = act(&mut self.peer);
        self.spy.moving.store(false, Ordering::SeqCst);
        result
    }
}

impl Peer for SpyPeer {
    fn send(&mut self, data: &[u8]) -> usize {
        // Before, because whom it wakes may look at once.
        self.spy.sent.fetch_add(data.len(), Ordering::SeqCst);
        let sent = self.tell(|peer| peer.send(data));
        let left = data.len() - sent;
        self.spy.sent.fetch_sub(left, Ordering::SeqCst);
        sent
    }

    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        self.spy.asked.store(buf.len(), Ordering::SeqCst);
        let met = self.tell(|peer| peer.recv(buf));
        if let Recv::Data(count) = met {
            self.spy.received.fetch_add(count, Ordering::SeqCst);
        }
        met
    }

    fn queued(&mut self) -> usize {
        self.peer.queued()
    }

    fn held(&self) -> usize {
        self.peer.held()
    }

    fn end(&mut self) {
        self.spy.ended.store(true, Ordering::SeqCst);
        self.tell(|peer| peer.end());
    }

    fn vanish(&mut self) {
        self.spy.gone.store(true, Ordering::SeqCst);
        self.tell(|peer| peer.vanish());
    }
}

/// Makes flows with the fault `X`.
pub(super) struct OverMemory<X>(PhantomData<X>);

impl<X> Default for OverMemory<X> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<X: FlowFault> Harness for OverMemory<X> {
    type Flow = Faulty<X>;

    const LACKS: &'static [(Need, &'static str)] = &[
        NO_RESET,
        NO_DESCRIPTORS,
        NO_FAILING,
        NO_RUNTIME,
        NO_SWITCH,
        NO_THREADS,
    ];

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = Memory.pair();
        (
            Faulty::new(a, Arc::default()),
            Faulty::new(b, Arc::default()),
        )
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        let Link { flow, peer } = Memory.link(room);
        let spy = Arc::<Spy>::default();
        Link::new(Faulty::new(flow, Arc::clone(&spy)), SpyPeer { peer, spy })
    }

    fn allocated(&self) -> Option<usize> {
        super::allocated()
    }
}

/// An entry of the table.
pub(super) fn flow<X: FlowFault>(law: &'static str, words: &'static str) -> Broken {
    Broken::new::<X, OverMemory<X>>(law, words)
}
