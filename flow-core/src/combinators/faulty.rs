//! A flow that behaves badly on purpose, the same way each time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use thiserror::Error;

use super::below::{Below, Sender};
use super::forward::forward;
use crate::section;
use crate::sync::{Mutex, lock};
use crate::{
    Aborted, Bytes, Chunks, Delivered, Engine, Flow, PeerEnd, ReadOp, Transport, WriteError,
};

/// Which faults a [`Faulty`] flow has. Without any it is as good as the flow inside.
///
/// All but the last two are within the contract: a program that keeps to it never notices them. What is left to chance comes of the seed, for each
/// direction apart, so the same seed and the same calls give the same faults; `Debug` shows all of it.
///
/// # Examples
///
/// A test of a program against a flow at its worst:
///
/// ```
/// use flow_core::combinators::{FaultyError, Faults};
/// use flow_core::{FlowExt as _, memory};
///
/// # futures_lite::future::block_on(async {
/// let (flow, mut peer) = memory::with_wire(1024);
/// peer.send(b"hello, world");
/// let faults = Faults::new(42).byte_by_byte().pending(30).delayed_wakes(3);
/// let flow = faults.reset_after_read(5).wrap(flow);
///
/// let mut hello = Vec::new();
/// let error = loop {
///     match flow.read().await {
///         Ok(Some(chunk)) => hello.extend_from_slice(&chunk),
///         Ok(None) => panic!("a reset is no end"),
///         Err(e) => break e,
///     }
/// };
/// assert_eq!((&hello[..], error), (&b"hello"[..], FaultyError::Reset));
/// assert!(flow.write("more").await.unwrap_err().is_closed());
/// assert!(format!("{flow:?}").contains("seed: 42")); // what to replay it with
/// # })
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it does nothing before it wraps a flow"]
pub struct Faults {
    seed: u64,
    at_most: usize,
    pending: u8,
    delayed_wakes: u32,
    end_after: Option<u64>,
    reset_after_read: Option<u64>,
    reset_after_written: Option<u64>,
}

impl Faults {
    /// None yet, with this seed for what is left to chance.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            at_most: usize::MAX,
            pending: 0,
            delayed_wakes: 0,
            end_after: None,
            reset_after_read: None,
            reset_after_written: None,
        }
    }

    /// Chunks of one byte, and writes that are accepted one byte at a time.
    pub const fn byte_by_byte(self) -> Self {
        self.at_most(1)
    }

    /// Chunks, and what is accepted at a time, of at most so many bytes (at least one).
    pub const fn at_most(mut self, bytes: usize) -> Self {
        self.at_most = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Answers pending so often, in percent (90 at most), although it might go on, and wakes at once.
    pub const fn pending(mut self, percent: u8) -> Self {
        self.pending = if percent > 90 { 90 } else { percent };
        self
    }

    /// After it had to wait it looks again only at the poll after so many more, for which it wakes.
    pub const fn delayed_wakes(mut self, polls: u32) -> Self {
        self.delayed_wakes = polls;
        self
    }

    /// Reading ends after so many bytes, whatever the peer sends. Writing goes on.
    pub const fn end_after(mut self, bytes: u64) -> Self {
        self.end_after = Some(bytes);
        self
    }

    /// The connection is reset once so many bytes were read and more is asked for: reading and writing fail, and the flow inside is aborted.
    pub const fn reset_after_read(mut self, bytes: u64) -> Self {
        self.reset_after_read = Some(bytes);
        self
    }

    /// The connection is reset once so many bytes were written and more is to be.
    pub const fn reset_after_written(mut self, bytes: u64) -> Self {
        self.reset_after_written = Some(bytes);
        self
    }

    /// `flow`, with these faults.
    pub fn wrap<F: Flow<Error: Clone>>(self, flow: F) -> Faulty<F> {
        Faulty::new(flow, self)
    }
}

/// A flow with [`Faults`], to test programs with.
///
/// The flow inside gets a write in pieces where these are asked for, so an abort between two of them looks like an orderly end to the peer.
///
/// # Errors
///
/// [`FaultyError`]: the reset that was asked for, or the flow's own.
#[must_use = "a flow that is dropped is gone, for the peer too"]
pub struct Faulty<F: Flow<Error: Clone>> {
    engine: Engine<FaultyTransport<F>>,
}

impl<F: Flow<Error: Clone>> Faulty<F> {
    /// `flow`, with these faults.
    pub fn new(flow: F, faults: Faults) -> Self {
        let rx = Receiving {
            op: ReadOp::new(),
            left: Bytes::new(),
            count: 0,
            whims: Whims::new(&faults, 1),
        };
        let tx = Sending {
            sender: Sender::new(),
            piece: Chunks::new(),
            count: 0,
            whims: Whims::new(&faults, 2),
        };
        let transport = FaultyTransport {
            below: Below::new(flow),
            faults,
            ended: AtomicBool::new(false),
            reset: AtomicBool::new(false),
        };
        Self {
            engine: Engine::new(transport, rx, tx),
        }
    }

    /// What was asked for.
    pub fn faults(&self) -> &Faults {
        &self.engine.transport().faults
    }

    /// The flow inside.
    pub fn inner(&self) -> &F {
        self.engine.transport().below.flow()
    }

    /// The engine around it, which can be attached to a switch.
    pub const fn engine(&self) -> &Engine<FaultyTransport<F>> {
        &self.engine
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<F: Flow<Error: Clone>> Flow for Faulty<F> {
    type Error = FaultyError<F::Error>;

    forward!(engine: poll_read poll_write poll_flush poll_shutdown poll_close abort direct rest);
}

impl<F: Flow<Error: Clone>> fmt::Debug for Faulty<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty")
            .field("faults", self.faults())
            .finish_non_exhaustive()
    }
}

/// Why a [`Faulty`] flow failed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultyError<E> {
    /// The reset that was asked for.
    #[error("the connection was reset on purpose")]
    Reset,
    /// This side aborted.
    #[error("the flow was given up")]
    Aborted(#[from] Aborted),
    /// The flow inside failed.
    #[error(transparent)]
    Flow(E),
}

/// The transport of a [`Faulty`] flow.
pub struct FaultyTransport<F> {
    below: Below<F>,
    faults: Faults,
    /// Reading was ended early.
    ended: AtomicBool,
    reset: AtomicBool,
}

/// The state of receiving.
pub struct Receiving {
    op: ReadOp,
    /// Received and not handed out.
    left: Bytes,
    count: u64,
    whims: Whims,
}

/// The state of sending.
pub struct Sending {
    sender: Sender,
    /// Accepted, and not by the flow inside yet: it has taken it, and goes on with it.
    piece: Chunks,
    count: u64,
    whims: Whims,
}

/// What one direction leaves to chance.
struct Whims {
    /// The state of a splitmix64 generator.
    state: u64,
    pending: u8,
    delayed_wakes: u32,
    /// Polls to be answered pending before it looks again.
    delay: u32,
    /// The flow inside had to wait, and nothing is left to chance before it wakes: an idle flow is idle.
    waiting: bool,
    alarm: Arc<Alarm>,
}

/// The waker of the flow inside: it remembers that it was used.
#[derive(Default)]
struct Alarm {
    rang: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        let waker = lock(&self.waker).clone();
        waker.into_iter().for_each(section::wake);
    }
}

impl Whims {
    fn new(faults: &Faults, direction: u64) -> Self {
        let mut whims = Self {
            state: faults.seed,
            pending: faults.pending,
            delayed_wakes: faults.delayed_wakes,
            delay: 0,
            waiting: false,
            alarm: Arc::default(),
        };
        // So that directions, and neighbouring seeds, have nothing in common.
        whims.state = whims.next() ^ direction;
        whims
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Pending for no reason, with a wake that is under way.
    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.waiting {
            if !self.alarm.rang.swap(false, Ordering::AcqRel) {
                return Poll::Ready(());
            }
            self.waiting = false;
            self.delay = self.delayed_wakes;
        }
        let waits = if self.delay > 0 {
            self.delay -= 1;
            true
        } else {
            self.pending > 0 && self.next() % 100 < u64::from(self.pending)
        };
        if waits {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Polls the flow inside.
    fn poll_inside<R>(
        &mut self,
        cx: &Context<'_>,
        inside: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let old = lock(&self.alarm.waker).replace(cx.waker().clone());
        section::forget(old);
        let waker = Waker::from(Arc::clone(&self.alarm));
        let polled = inside(&mut Context::from_waker(&waker));
        self.waiting = polled.is_pending();
        polled
    }
}

impl<F: Flow> FaultyTransport<F> {
    /// From here on everything fails; whoever is parked inside is woken.
    fn reset(&self) {
        self.reset.store(true, Ordering::Release);
        self.below.abort();
    }

    fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }

    /// How many bytes may pass now.
    fn room(&self, limit: Option<u64>, count: u64) -> usize {
        let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(count));
        usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(self.faults.at_most)
    }
}

impl<F: Flow<Error: Clone>> Transport for FaultyTransport<F> {
    type Error = FaultyError<F::Error>;
    type Rx = Receiving;
    type Tx = Sending;

    fn poll_recv(
        &self,
        rx: &mut Receiving,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Self::Error>> {
        let faults = &self.faults;
        if self.is_reset() {
            return Poll::Ready(Err(FaultyError::Reset));
        }
        if faults.end_after.is_some_and(|limit| rx.count >= limit) {
            self.ended.store(true, Ordering::Release);
            return Poll::Ready(Ok(None));
        }
        if faults
            .reset_after_read
            .is_some_and(|limit| rx.count >= limit)
        {
            self.reset();
            return Poll::Ready(Err(FaultyError::Reset));
        }
        ready!(rx.whims.poll(cx));
        if rx.left.is_empty() {
            let Receiving { op, whims, .. } = rx;
            match whims.poll_inside(cx, |cx| self.below.poll_recv(op, cx)) {
                Poll::Ready(Ok(Some(chunk))) => rx.left = chunk,
                Poll::Ready(_) if self.is_reset() => return Poll::Ready(Err(FaultyError::Reset)),
                Poll::Ready(end) => return Poll::Ready(end.map_err(FaultyError::Flow)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let limits = [faults.end_after, faults.reset_after_read];
        let most = limits
            .map(|limit| self.room(limit, rx.count))
            .into_iter()
            .fold(usize::MAX, usize::min);
        let chunk = if rx.left.len() <= most {
            std::mem::take(&mut rx.left)
        } else {
            // A copy, so that a byte that is kept does not keep the whole chunk.
            Bytes::copy_from_slice(&rx.left.split_to(most))
        };
        rx.count += chunk.len() as u64;
        Poll::Ready(Ok(Some(chunk)))
    }

    fn poll_send(
        &self,
        tx: &mut Sending,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        loop {
            if self.is_reset() {
                return Poll::Ready(Err(WriteError::Closed));
            }
            if tx.piece.is_empty() && !tx.sender.is_sending() {
                if data.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                let most = self.room(self.faults.reset_after_written, tx.count);
                if most == 0 {
                    self.reset();
                    return Poll::Ready(Err(WriteError::Transport(FaultyError::Reset)));
                }
                ready!(tx.whims.poll(cx));
                let first = data.first();
                let piece = &first[..first.len().min(most)];
                tx.piece = Bytes::copy_from_slice(piece).into();
            }
            let len = tx.piece.len();
            let Sending {
                sender,
                piece,
                whims,
                ..
            } = tx;
            let sent = whims.poll_inside(cx, |cx| self.below.poll_send(sender, cx, piece));
            match sent {
                Poll::Pending if tx.piece.len() == len && len > 0 => {
                    // Not accepted, so it is not taken, and the next call may pass other data.
                    tx.piece = Chunks::new();
                    return Poll::Pending;
                }
                Poll::Ready(Err(_)) if self.is_reset() => {
                    return Poll::Ready(Err(WriteError::Closed));
                }
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e.map(FaultyError::Flow))),
                _ => {}
            }
            data.advance(len);
            tx.count += len as u64;
            ready!(sent.map(drop));
        }
    }

    fn poll_finish(
        &self,
        tx: &mut Sending,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        if self.is_reset() {
            // There is nobody left to tell.
            return Poll::Ready(Ok(()));
        }
        ready!(tx.whims.poll(cx));
        let Sending { sender, whims, .. } = tx;
        let finished = whims.poll_inside(cx, |cx| self.below.poll_finish(sender, cx));
        finished.map_err(|e| e.map(FaultyError::Flow))
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        if self.ended.load(Ordering::Acquire) || self.is_reset() {
            return Poll::Ready(PeerEnd::Ended);
        }
        self.below.poll_peer_end(cx)
    }

    fn delivered(&self) -> Delivered {
        self.below.delivered()
    }

    fn abort(&self, _torn: bool) {
        self.below.abort();
    }

    fn is_closed(error: &Self::Error) -> bool {
        matches!(error, FaultyError::Reset)
    }
}

macro_rules! debug {
    ($($name:ident$(<$type:ident>)?)*) => {$(
        impl$(<$type>)? fmt::Debug for $name$(<$type>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

debug! { FaultyTransport<F> Receiving Sending }
