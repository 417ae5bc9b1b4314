//! A flow that does not wait for ever.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use thiserror::Error;

use super::below::{Below, Sender};
use crate::{
    Aborted, Bytes, Chunks, Delivered, Engine, Flow, PeerEnd, ReadOp, Transport, WriteError,
};

/// A flow over `flow` that fails a direction with [`IdleError::TimedOut`] once nothing has moved in it for as long as the caller's timer runs,
/// while somebody waited.
///
/// `timer` makes a future that is ready when it has been too long: a runtime's `sleep`, say. A new one is made when a direction first has to
/// wait after bytes have moved in it, and it is polled by whoever waits; an idle direction that nobody waits for makes none. Reading and writing
/// are timed apart, so a side that only listens is not cut off for writing nothing.
///
/// As any failure, this one is final: later calls fail the same way, and the peer is not told before the flow is closed,
/// aborted or dropped. A deadline for one call, which is over with that call, needs no wrapper: drop the call. No byte is lost by a timeout: what
/// arrives later can still be read from the flow inside ([`Idle::inner`], by [`Engine::transport`]), what had not been taken was not sent, and what had been
/// taken is sent by the flow inside. Close waits for the peer without a time limit: what it waits for is not bytes.
///
/// The timer's futures are polled and dropped under a lock of this flow: they must not use it.
///
/// # Errors
///
/// [`IdleError`]: too long, or the flow's own.
///
/// # Examples
///
/// ```
/// use std::future::{pending, ready};
///
/// use flow_core::combinators::{IdleError, idle_timeout};
/// use flow_core::{FlowExt as _, memory};
///
/// # futures_lite::future::block_on(async {
/// let (flow, mut peer) = memory::with_wire(1024);
/// let flow = idle_timeout(flow, || pending::<()>()); // such as `|| tokio::time::sleep(LIMIT)`
/// peer.send(b"hello");
/// assert_eq!(flow.read().await?.as_deref(), Some(&b"hello"[..]));
///
/// // The failing case: no time at all.
/// let (flow, mut peer) = memory::with_wire(1024);
/// let flow = idle_timeout(flow, || ready(()));
/// assert!(matches!(flow.read().await, Err(IdleError::TimedOut)));
/// flow.write("still there?").await?; // the other direction is as it was
/// // Nothing is lost.
/// peer.send(b"late");
/// let inner = flow.transport().inner();
/// assert_eq!(inner.read().await.unwrap().as_deref(), Some(&b"late"[..]));
/// # Ok::<_, flow_core::WriteError<IdleError<memory::MemoryError>>>(())
/// # }).unwrap();
/// ```
pub fn idle_timeout<F, T, Fut>(flow: F, timer: T) -> Engine<Idle<F, T>>
where
    F: Flow<Error: Clone>,
    T: Timer<Future = Fut>,
    Fut: Future,
{
    let rx = Receiving {
        op: ReadOp::new(),
        clock: Clock::new(),
    };
    let tx = Sending {
        sender: Sender::new(),
        left: 0,
        clock: Clock::new(),
    };
    Engine::new(
        Idle {
            below: Below::new(flow),
            timer,
        },
        rx,
        tx,
    )
}

/// What makes the timers of [`idle_timeout`]: any function without arguments whose result is a future.
pub trait Timer {
    /// Ready when it has been too long.
    type Future: Future;

    /// A timer that starts now.
    fn start(&self) -> Self::Future;
}

impl<T: Fn() -> Fut, Fut: Future> Timer for T {
    type Future = Fut;

    fn start(&self) -> Fut {
        self()
    }
}

/// Why a flow with an [`idle_timeout`] failed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdleError<E> {
    /// Nothing moved for too long.
    #[error("nothing moved for too long")]
    TimedOut,
    /// This side aborted.
    #[error("the flow was given up")]
    Aborted(#[from] Aborted),
    /// The flow inside failed.
    #[error(transparent)]
    Flow(E),
}

/// The transport behind [`idle_timeout`].
pub struct Idle<F, T> {
    below: Below<F>,
    timer: T,
}

impl<F, T> Idle<F, T> {
    /// The flow inside.
    #[must_use]
    pub const fn inner(&self) -> &F {
        self.below.flow()
    }
}

/// The state of receiving.
pub struct Receiving<Fut> {
    op: ReadOp,
    clock: Clock<Fut>,
}

/// The state of sending.
pub struct Sending<Fut> {
    sender: Sender,
    /// How much was left at the last poll. The flow below takes a write as a whole, and a new one is as good as progress.
    left: usize,
    clock: Clock<Fut>,
}

/// A timer in a place that is allocated once.
struct Clock<Fut>(Pin<Box<Option<Fut>>>);

impl<Fut: Future> Clock<Fut> {
    fn new() -> Self {
        Self(Box::pin(None))
    }

    fn stop(&mut self) {
        self.0.set(None);
    }

    /// Whether it has been too long since it was last stopped and then first asked.
    fn is_over(&mut self, timer: &impl Timer<Future = Fut>, cx: &mut Context<'_>) -> bool {
        if self.0.is_none() {
            self.0.set(Some(timer.start()));
        }
        let over = match self.0.as_mut().as_pin_mut() {
            Some(running) => running.poll(cx).is_ready(),
            None => false,
        };
        if over {
            self.stop();
        }
        over
    }
}

impl<F, T> Transport for Idle<F, T>
where
    F: Flow<Error: Clone>,
    T: Timer,
{
    type Error = IdleError<F::Error>;
    type Rx = Receiving<T::Future>;
    type Tx = Sending<T::Future>;

    fn poll_recv(
        &self,
        rx: &mut Self::Rx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Self::Error>> {
        // The flow first: what has arrived is not late.
        let received = self.below.poll_recv(&mut rx.op, cx);
        if received.is_ready() {
            rx.clock.stop();
        } else if rx.clock.is_over(&self.timer, cx) {
            // Out of the line of the flow inside, where others may read on.
            rx.op = ReadOp::new();
            return Poll::Ready(Err(IdleError::TimedOut));
        }
        received.map_err(IdleError::Flow)
    }

    fn poll_send(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        let sent = self.below.poll_send(&mut tx.sender, cx, data);
        if sent.is_ready() || data.len() != tx.left {
            tx.clock.stop();
            tx.left = data.len();
        }
        if sent.is_pending() && tx.clock.is_over(&self.timer, cx) {
            tx.sender = Sender::new();
            return Poll::Ready(Err(WriteError::Transport(IdleError::TimedOut)));
        }
        sent.map_err(|e| e.map(IdleError::Flow))
    }

    fn poll_finish(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        let finished = self.below.poll_finish(&mut tx.sender, cx);
        finished.map_err(|e| e.map(IdleError::Flow))
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        self.below.poll_peer_end(cx)
    }

    fn delivered(&self) -> Delivered {
        self.below.delivered()
    }

    fn abort(&self, _torn: bool) {
        self.below.abort();
    }
}

macro_rules! debug {
    ($($name:ident<$($type:ident),*>)*) => {$(
        impl<$($type),*> fmt::Debug for $name<$($type),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

debug! { Idle<F, T> Receiving<Fut> Sending<Fut> }
