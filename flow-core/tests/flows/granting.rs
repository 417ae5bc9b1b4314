//! A transport that takes every liberty that transports have: it moves little at a time, hands out unseen what it has, has to grant the peer
//! leave for what it received before it receives more, lets others have their turn meanwhile, wakes twice for one event, cannot tell the peer's end
//! in advance, and can be told where to fail.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};

use flow_core::memory::{self, Memory, MemoryError, MemoryFlow};
use flow_core::{Bytes, Chunks, Engine, Outside, Parts, Transport, WriteError};
use flow_testkit::{Break, Fragile};

/// How many bytes are moved when asked once.
const PART: usize = 61;

/// One in so many chunks has to be granted.
const CHUNKS: u32 = 4;

/// How often sending is asked until a grant has gone out.
const ASKS: u32 = 5;

/// The state of receiving.
pub(super) struct Rx {
    inner: memory::Rx,
    /// What is left of the latest chunk.
    rest: Bytes,
    chunks: u32,
}

/// The state of sending.
pub(super) struct Tx {
    inner: memory::Tx,
    /// How often sending is still to be asked for a grant that it has taken over: from then on it is not owed, but not out either.
    buffered: u32,
    grants: u32,
}

/// Bytes that are handed out unseen.
#[derive(Debug)]
struct Unseen(Bytes);

impl Outside for Unseen {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn bring_in(&mut self) -> Option<Bytes> {
        Some(std::mem::take(&mut self.0))
    }
}

/// Wakes twice.
struct Twice(Waker);

impl Twice {
    fn of(cx: &Context<'_>) -> Waker {
        Waker::from(Arc::new(Self(cx.waker().clone())))
    }
}

impl Wake for Twice {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_by_ref();
        self.0.wake_by_ref();
    }
}

/// Over the transport of flows in memory.
pub(super) struct Granting {
    inner: Memory,
    /// How often sending is still to be asked for the grant that is owed.
    owed: AtomicU32,
    /// A grant is not out yet, whoever has it.
    awaited: AtomicBool,
    /// Sending has ended: nothing is granted any more, and nothing waits for it.
    over: AtomicBool,
    /// Waits for the grant to go out.
    receiver: Mutex<Option<Waker>>,
}

pub(super) fn flow(inner: MemoryFlow, at: Option<Break>) -> Engine<Fragile<Granting>> {
    let parts = inner.into_parts();
    let Parts { transport, rx, tx } = parts.expect("a fresh flow can be taken apart");
    let granting = Granting {
        inner: transport,
        owed: AtomicU32::new(0),
        awaited: AtomicBool::new(false),
        over: AtomicBool::new(false),
        receiver: Mutex::new(None),
    };
    let rx = Rx {
        inner: rx,
        rest: Bytes::new(),
        chunks: 0,
    };
    let tx = Tx {
        inner: tx,
        buffered: 0,
        grants: 0,
    };
    Engine::new(Fragile::new(granting, at), (rx, 0), (tx, 0))
}

impl Granting {
    fn wake_receiver(&self) {
        let waiting = self.receiver.lock().expect("no panic").take();
        waiting.into_iter().for_each(Waker::wake);
    }

    fn end_sending(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.wake_receiver();
    }

    /// Sends the grant, if there is one. Every other is taken over at once, and then is the business of sending alone.
    fn poll_grant(&self, tx: &mut Tx, cx: &mut Context<'_>) -> Poll<()> {
        if self.owes() && self.owed.load(Ordering::SeqCst) == ASKS {
            tx.grants += 1;
            if tx.grants.is_multiple_of(2) {
                tx.buffered = self.owed.swap(0, Ordering::SeqCst);
            }
        }
        let left = if tx.buffered > 0 {
            tx.buffered -= 1;
            tx.buffered
        } else if self.owes() {
            self.owed.fetch_sub(1, Ordering::SeqCst) - 1
        } else {
            return Poll::Ready(());
        };
        if left > 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.awaited.store(false, Ordering::SeqCst);
        self.wake_receiver();
        Poll::Ready(())
    }

    /// Receiving waits for a grant to go out.
    fn is_waiting(&self) -> bool {
        self.awaited.load(Ordering::SeqCst) && !self.over.load(Ordering::SeqCst)
    }
}

impl Transport for Granting {
    type Error = MemoryError;
    type Rx = Rx;
    type Tx = Tx;

    fn poll_recv(
        &self,
        rx: &mut Rx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, MemoryError>> {
        if rx.rest.is_empty() {
            *self.receiver.lock().expect("no panic") = Some(cx.waker().clone());
            if self.is_waiting() {
                return Poll::Pending;
            }
            let twice = Twice::of(cx);
            match ready!(
                self.inner
                    .poll_recv(&mut rx.inner, &mut Context::from_waker(&twice))
            ) {
                Ok(Some(chunk)) => rx.rest = chunk,
                end => return Poll::Ready(end),
            }
            if rx.chunks.is_multiple_of(CHUNKS) {
                self.awaited.store(true, Ordering::SeqCst);
                self.owed.store(ASKS, Ordering::SeqCst);
            }
            rx.chunks = rx.chunks.wrapping_add(1);
        }
        let part = rx.rest.split_to(rx.rest.len().min(PART));
        Poll::Ready(Ok(Some(part)))
    }

    fn poll_send(
        &self,
        tx: &mut Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<MemoryError>>> {
        ready!(self.poll_grant(tx, cx));
        let first = data.first();
        let mut part = Chunks::from(Bytes::copy_from_slice(&first[..first.len().min(PART)]));
        let whole = part.len();
        let twice = Twice::of(cx);
        let mut cx = Context::from_waker(&twice);
        let sent = self.inner.poll_send(&mut tx.inner, &mut cx, &mut part);
        data.advance(whole - part.len());
        if let Poll::Ready(Err(_)) = sent {
            self.end_sending();
        }
        sent
    }

    fn poll_finish(
        &self,
        tx: &mut Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<MemoryError>>> {
        self.end_sending();
        self.inner.poll_finish(&mut tx.inner, cx)
    }

    fn recv_direct(&self, rx: &mut Rx) -> Option<Chunks> {
        let part = rx.rest.split_to(rx.rest.len().min(2 * PART));
        (!part.is_empty()).then(|| Chunks::outside(Unseen(part)))
    }

    fn owes(&self) -> bool {
        self.owed.load(Ordering::SeqCst) > 0 && !self.over.load(Ordering::SeqCst)
    }

    fn abort(&self, torn: bool) {
        self.inner.abort(torn);
    }

    fn is_closed(error: &MemoryError) -> bool {
        Memory::is_closed(error)
    }
}
