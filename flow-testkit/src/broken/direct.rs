//! Flows whose direct reads are wrong, or what they do with the bytes of one: a fault round a good flow that hands its chunks out unseen.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use flow_core::memory::MemoryFlow;
use flow_core::{
    Aborted, Bytes, Chunks, CloseOp, Delivered, Direct, Flow, FlushOp, Outside, ReadOp, ShutdownOp,
    WriteOp,
};

use super::Broken;
use super::over_memory::{
    DONE, DonePoll, NO_ALLOCATED, NO_DESCRIPTORS, NO_FAILING, NO_RESET, NO_RUNTIME, NO_SWITCH,
    NO_THREADS, ReadPoll,
};
use crate::harness::{Harness, Link, Need, Room};
use crate::memory::Memory;

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<SkipsWhatIsHeld>("direct_reads_in_order_once", "bytes lost at offset"),
        flow::<SkipsWhatIsHeldInClosing>("direct_reads_in_order_once", "bytes lost at offset")
            .narrower_than("SkipsWhatIsHeld"),
        flow::<GivesTwice>("direct_reads_in_order_once", "bytes repeated at offset"),
        flow::<NothingIsSomething>(
            "direct_reads_in_order_once",
            "a direct read gave a chunk of no bytes",
        ),
        flow::<TellsMoreThanItHas>(
            "direct_reads_in_order_once",
            "the bytes of a direct read cannot be had, or are other than as many as it said",
        ),
        flow::<JumpsTheLine>(
            "direct_read_takes_its_turn",
            "bytes that a read waited for that came first",
        ),
        flow::<LosesItsPlace>(
            "direct_read_takes_its_turn",
            "a read lost its place in line to the next",
        ),
        flow::<GoesOnAfterShutdown>("direct_read_leaves_the_end", "bytes after shutdown(Read)"),
        flow::<GoesOnAfterAbort>("direct_read_leaves_the_end", "bytes after an abort"),
        flow::<TakesTheEnd>("direct_read_leaves_the_end", "a read is asleep"),
        flow::<WritesAPart>(
            "direct_bytes_are_written_whole",
            "bytes that should arrive is asleep",
        ),
        flow::<WritesInPieces>(
            "direct_bytes_are_written_whole",
            "is not whole after it was taken and dropped",
        ),
        flow::<KeepsWhatWaits>(
            "direct_bytes_are_written_whole",
            "other bytes than those that were read directly were given back",
        ),
        flow::<OneBufferForAll>(
            "direct_chunk_never_changes",
            "a chunk of a direct read changed while it was kept",
        ),
        flow::<GoneWithTheFlow>(
            "direct_chunk_never_changes",
            "the bytes of a direct read cannot be had",
        )
        .narrower_than("OneBufferForAll"),
    ]
}

/// Bytes that nobody looks at.
#[derive(Debug)]
pub(super) struct Held(Bytes);

impl Held {
    pub(super) fn chunks(bytes: Bytes) -> Chunks {
        Chunks::outside(Self(bytes))
    }
}

impl Outside for Held {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn bring_in(&mut self) -> Option<Bytes> {
        Some(std::mem::take(&mut self.0))
    }
}

/// What there is, for a direct read.
pub(super) fn take(flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> Option<Bytes> {
    match flow.poll_read(cx, op) {
        Poll::Ready(Ok(chunk)) => chunk,
        _ => None,
    }
}

/// One fault: the methods that it does not have are the good flow's.
pub(super) trait DirectFault: Default + 'static {
    /// Whether the task is given back once, after many direct reads too.
    const YIELDS: bool = true;

    fn read_direct(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Option<Chunks> {
        take(flow, cx, op).map(Held::chunks)
    }

    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        flow.poll_read(cx, op)
    }

    /// Whether these bytes are written from where they are.
    fn takes(data: &Chunks) -> bool {
        data.outside_ref::<Held>().is_some()
    }

    /// A write of bytes that nobody has looked at.
    fn poll_write_unseen(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> DonePoll {
        flow.poll_write(cx, op)
    }

    fn poll_shutdown(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        flow.poll_shutdown(cx, op)
    }

    fn poll_close(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        flow.poll_close(cx, op)
    }

    fn abort(&self, flow: &MemoryFlow) {
        flow.abort();
    }
}

/// A flow in memory that can be read directly, with a fault.
pub(super) struct Unseen<X> {
    flow: MemoryFlow,
    fault: X,
    /// Reads that were ready, one after the other.
    in_a_row: Cell<u32>,
}

/// After so many reads that were ready the task is given back once.
const READY_IN_A_ROW: u32 = 100;

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<X: DirectFault> Flow for Unseen<X> {
    type Error = <MemoryFlow as Flow>::Error;

    fn poll_read(&self, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if X::YIELDS && self.in_a_row.get() >= READY_IN_A_ROW {
            self.in_a_row.set(0);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let result = self.fault.poll_read(&self.flow, cx, op);
        let before = self.in_a_row.get();
        self.in_a_row
            .set(if result.is_ready() { before + 1 } else { 0 });
        result
    }

    fn poll_write(&self, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if op.chunks().is_outside() {
            self.fault.poll_write_unseen(&self.flow, cx, op)
        } else {
            self.flow.poll_write(cx, op)
        }
    }

    fn poll_flush(&self, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        self.flow.poll_flush(cx, op)
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>, op: &mut ShutdownOp) -> DonePoll {
        self.fault.poll_shutdown(&self.flow, cx, op)
    }

    fn poll_close(&self, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.fault.poll_close(&self.flow, cx, op)
    }

    fn abort(&self) {
        self.fault.abort(&self.flow);
    }

    fn delivered(&self) -> Delivered {
        self.flow.delivered()
    }

    fn direct(&self) -> Option<&dyn Direct> {
        Some(self)
    }
}

impl<X: DirectFault> Direct for Unseen<X> {
    fn read_direct(&self, cx: &mut Context<'_>, op: &mut ReadOp) -> Option<Chunks> {
        if X::YIELDS && self.in_a_row.get() >= READY_IN_A_ROW {
            return None;
        }
        let chunks = self.fault.read_direct(&self.flow, cx, op)?;
        self.in_a_row.set(self.in_a_row.get() + 1);
        Some(chunks)
    }

    fn takes(&self, data: &Chunks) -> bool {
        X::takes(data)
    }
}

fn unseen<X: DirectFault>(flow: MemoryFlow) -> Unseen<X> {
    Unseen {
        flow,
        fault: X::default(),
        in_a_row: Cell::new(0),
    }
}

/// Makes flows with the fault `X`.
pub(super) struct OverUnseen<X>(PhantomData<X>);

impl<X> Default for OverUnseen<X> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<X: DirectFault> Harness for OverUnseen<X> {
    type Flow = Unseen<X>;

    const LACKS: &'static [(Need, &'static str)] = &[
        NO_RESET,
        NO_DESCRIPTORS,
        NO_FAILING,
        NO_RUNTIME,
        NO_SWITCH,
        NO_THREADS,
        NO_ALLOCATED,
    ];

    const OFFERS: &'static [Need] = &[Need::Direct];

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = Memory.pair();
        (unseen(a), unseen(b))
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        Memory.link(room).map(unseen)
    }
}

pub(super) fn flow<X: DirectFault>(law: &'static str, words: &'static str) -> Broken {
    Broken::new::<X, OverUnseen<X>>(law, words)
}

/// Ordinary reads keep what a caller shall have later, and direct ones do not know of it.
#[derive(Default)]
struct SkipsWhatIsHeld {
    held: RefCell<Bytes>,
}

impl SkipsWhatIsHeld {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let mut held = self.held.borrow_mut();
        if held.is_empty() {
            match flow.poll_read(cx, op) {
                Poll::Ready(Ok(Some(chunk))) => *held = chunk,
                other => return other,
            }
        } else {
            op.place().leave();
        }
        let len = held.len().min(1000);
        Poll::Ready(Ok(Some(held.split_to(len))))
    }
}

impl DirectFault for SkipsWhatIsHeld {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        self.poll_read(flow, cx, op)
    }
}

/// The same, of reads beside a close.
#[derive(Default)]
struct SkipsWhatIsHeldInClosing {
    reads: SkipsWhatIsHeld,
    closing: Cell<bool>,
}

impl DirectFault for SkipsWhatIsHeldInClosing {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.closing.get() {
            self.reads.poll_read(flow, cx, op)
        } else {
            flow.poll_read(cx, op)
        }
    }

    fn poll_close(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.closing.set(true);
        flow.poll_close(cx, op)
    }
}

/// What was read directly is still there for the next ordinary read.
#[derive(Default)]
struct GivesTwice {
    again: RefCell<Option<Bytes>>,
}

impl DirectFault for GivesTwice {
    fn read_direct(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Option<Chunks> {
        let chunk = take(flow, cx, op)?;
        *self.again.borrow_mut() = Some(chunk.clone());
        Some(Held::chunks(chunk))
    }

    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        match self.again.take() {
            Some(chunk) => {
                op.place().leave();
                Poll::Ready(Ok(Some(chunk)))
            }
            None => flow.poll_read(cx, op),
        }
    }
}

/// Where there is nothing, that is a chunk too.
#[derive(Default)]
struct NothingIsSomething;

impl DirectFault for NothingIsSomething {
    fn read_direct(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Option<Chunks> {
        let chunk = take(flow, cx, op).unwrap_or_default();
        Some(Held::chunks(chunk))
    }
}

/// A chunk that counts wrongly.
#[derive(Debug)]
struct Lies(Bytes);

impl Outside for Lies {
    fn len(&self) -> usize {
        self.0.len() + 1
    }

    fn bring_in(&mut self) -> Option<Bytes> {
        Some(std::mem::take(&mut self.0))
    }
}

/// The length of a chunk is a guess.
#[derive(Default)]
struct TellsMoreThanItHas;

impl DirectFault for TellsMoreThanItHas {
    fn read_direct(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Option<Chunks> {
        let chunk = take(flow, cx, op)?;
        Some(Chunks::outside(Lies(chunk)))
    }
}

/// Whoever reads directly reads at once.
#[derive(Default)]
struct JumpsTheLine {
    waits: RefCell<Option<Waker>>,
}

impl DirectFault for JumpsTheLine {
    fn read_direct(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Option<Chunks> {
        // In the name of the one whose turn it is.
        let first = self.waits.borrow().clone();
        let waker = first.as_ref().unwrap_or(cx.waker());
        take(flow, &mut Context::from_waker(waker), op).map(Held::chunks)
    }

    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let read = flow.poll_read(cx, op);
        let waits = read.is_pending().then(|| cx.waker().clone());
        *self.waits.borrow_mut() = waits;
        read
    }
}

/// A direct read that gives nothing is over, and whoever made it comes in line anew.
#[derive(Default)]
struct LosesItsPlace;

impl DirectFault for LosesItsPlace {
    fn read_direct(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Option<Chunks> {
        let chunk = take(flow, cx, op);
        if chunk.is_none() {
            op.place().leave();
        }
        chunk.map(Held::chunks)
    }
}

/// Only ordinary reads know that reading has been ended.
#[derive(Default)]
struct GoesOnAfterShutdown {
    shut: Cell<bool>,
}

impl DirectFault for GoesOnAfterShutdown {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.shut.get() {
            op.place().leave();
            return Poll::Ready(Ok(None));
        }
        flow.poll_read(cx, op)
    }

    fn poll_shutdown(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> DonePoll {
        if op.how().is_read() {
            self.shut.set(true);
        }
        if op.how().is_write() {
            return flow.poll_shutdown(cx, op);
        }
        DONE
    }
}

/// Only ordinary calls know of an abort.
#[derive(Default)]
struct GoesOnAfterAbort {
    aborted: Cell<bool>,
}

impl DirectFault for GoesOnAfterAbort {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.aborted.get() {
            op.place().leave();
            return Poll::Ready(Err(Aborted.into()));
        }
        flow.poll_read(cx, op)
    }

    fn abort(&self, _: &MemoryFlow) {
        self.aborted.set(true);
    }
}

/// A direct read that meets the end has had it.
#[derive(Default)]
struct TakesTheEnd {
    taken: Cell<bool>,
}

impl DirectFault for TakesTheEnd {
    fn read_direct(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Option<Chunks> {
        match flow.poll_read(cx, op) {
            Poll::Ready(Ok(Some(chunk))) => Some(Held::chunks(chunk)),
            Poll::Ready(Ok(None)) => {
                self.taken.set(true);
                None
            }
            _ => None,
        }
    }

    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.taken.get() {
            return Poll::Pending;
        }
        flow.poll_read(cx, op)
    }
}

/// What the first call moves is all there is, as with a call of the system that may move a part.
#[derive(Default)]
struct WritesAPart;

impl DirectFault for WritesAPart {
    fn poll_write_unseen(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> DonePoll {
        op.chunks().bring_in();
        if let Some(bytes) = op.chunks().take_first() {
            let part = bytes.slice(..bytes.len().min(4096));
            *op.chunks() = part.into();
        }
        flow.poll_write(cx, op)
    }
}

/// The rest of what was read directly is with the call, and not with the flow.
#[derive(Default)]
struct WritesInPieces {
    piece: RefCell<Option<Piece>>,
}

struct Piece {
    op: WriteOp,
    len: usize,
    sent: bool,
}

impl Piece {
    /// The front of these bytes, which they keep until it is sent.
    fn of(chunks: &Chunks) -> Self {
        let held = chunks.outside_ref::<Held>();
        let bytes = held.map_or_else(Bytes::new, |held| held.0.slice(..held.0.len().min(100)));
        Self {
            len: bytes.len(),
            op: WriteOp::from(bytes),
            sent: false,
        }
    }
}

impl DirectFault for WritesInPieces {
    fn poll_write_unseen(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> DonePoll {
        loop {
            let mut under_way = self.piece.borrow_mut();
            if under_way.is_none() && op.chunks().is_empty() {
                return DONE;
            }
            let piece = under_way.get_or_insert_with(|| Piece::of(op.chunks()));
            let written = flow.poll_write(cx, &mut piece.op);
            if !piece.sent && (written.is_ready() || piece.op.is_taken()) {
                piece.sent = true;
                if let Some(held) = op.chunks().outside_mut::<Held>() {
                    held.0 = held.0.slice(piece.len..);
                }
                op.chunks().advance(piece.len);
                op.set_taken(1);
            }
            if written.is_ready() {
                *under_way = None;
            }
            if !matches!(written, Poll::Ready(Ok(()))) {
                return written;
            }
        }
    }
}

/// A write in line is the flow's, which lets go of it when it is dropped.
#[derive(Default)]
struct KeepsWhatWaits {
    kept: RefCell<Option<Chunks>>,
}

impl DirectFault for KeepsWhatWaits {
    fn poll_write_unseen(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> DonePoll {
        let written = flow.poll_write(cx, op);
        if written.is_pending() && !op.is_taken() {
            *self.kept.borrow_mut() = Some(std::mem::take(op.chunks()));
            return Poll::Pending;
        }
        written
    }
}

/// A chunk in a buffer that is used again.
#[derive(Debug)]
struct InBuffer {
    buffer: Arc<Mutex<Bytes>>,
    len: usize,
}

impl Outside for InBuffer {
    fn len(&self) -> usize {
        self.len
    }

    fn bring_in(&mut self) -> Option<Bytes> {
        self.len = 0;
        let buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        Some(buffer.clone())
    }
}

/// All chunks are in the same place.
#[derive(Default)]
struct OneBufferForAll {
    buffer: Arc<Mutex<Bytes>>,
}

impl DirectFault for OneBufferForAll {
    fn read_direct(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Option<Chunks> {
        let chunk = take(flow, cx, op)?;
        let len = chunk.len();
        *self.buffer.lock().unwrap_or_else(PoisonError::into_inner) = chunk;
        let buffer = Arc::clone(&self.buffer);
        Some(Chunks::outside(InBuffer { buffer, len }))
    }
}

/// A chunk that its flow holds.
#[derive(Debug)]
struct WithTheFlow {
    chunk: Weak<Bytes>,
    len: usize,
}

impl Outside for WithTheFlow {
    fn len(&self) -> usize {
        self.len
    }

    fn bring_in(&mut self) -> Option<Bytes> {
        let chunk = self.chunk.upgrade()?;
        self.len = 0;
        Some((*chunk).clone())
    }
}

/// What was read directly is had as long as the flow lives.
#[derive(Default)]
struct GoneWithTheFlow {
    chunks: RefCell<Vec<Arc<Bytes>>>,
}

impl DirectFault for GoneWithTheFlow {
    fn read_direct(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Option<Chunks> {
        let chunk = Arc::new(take(flow, cx, op)?);
        let (weak, len) = (Arc::downgrade(&chunk), chunk.len());
        self.chunks.borrow_mut().push(chunk);
        Some(Chunks::outside(WithTheFlow { chunk: weak, len }))
    }
}
