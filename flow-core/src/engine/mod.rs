//! The contract, once for all flows: who waits, in which order, who is woken, what a dropped operation leaves behind, and
//! what ends when.
//!
//! The files: `queue` is who waits, `line` one line of them, `lines` the three of a flow and its flags, `read`, `write` and `close` the operations, `end`
//! abort and release, `delivered` what became of it all.
//!
//! # Rules that hold throughout
//!
//! - One lock per direction, `rx` and `tx`, held while the transport of that direction runs. Whoever needs both takes `rx` first.
//!   Lines have locks of their own, taken last and for a moment.
//! - Every operation opens a [`Section`](crate::section::Section) before it locks. Wakers and buffers that are dropped go through it.
//! - The transport is asked after `arm` of its line, and the line is parked in, or passed on, after unlocking. An abort that finds a lock taken
//!   leaves its work to the holder, which sees the flag because both take the line's lock, and the holder looks at the flags after that.
//! - Whoever leaves a line disarmed, because the transport was ready or because they stopped asking, wakes somebody who will ask:
//!   the next in that line, whoever in another line depends on it, or themselves.
//! - Flags that make a parked operation ready are set before the line is woken, and looked at again after parking.

mod close;
mod delivered;
mod end;
mod line;
mod lines;
mod queue;
mod read;
mod write;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

pub use self::end::Parts;
use self::lines::{Lines, Wakers, flag};
use self::read::Receiving;
use self::write::Sending;
use crate::sync::Mutex;
use crate::{
    Chunks, CloseOp, Delivered, Direct, Flow, FlushOp, ReadOp, ShutdownOp, Transport, WriteError,
    WriteOp,
};

/// How many results in a row a flow that is always ready gives before it yields once.
pub(crate) const READY_IN_A_ROW: u32 = 128;

/// How often the transport is asked in one poll before the task is given back. Under the model checker so few that models get there.
const ASKS_PER_POLL: u32 = if cfg!(loom) { 2 } else { 128 };

/// A [`Flow`] over a [`Transport`]: the contract, kept once for all.
///
/// Everything that is common to flows is here: the lines of waiting operations, the rest of a write that was dropped, ends and
/// errors that stay, shutdown, close, abort, fairness. A call that finds nobody waiting and nothing queued takes one lock, asks the
/// transport and allocates nothing. `Send` and `Sync` are those of the transport and its states.
///
/// Dropping it [aborts](Flow::abort), unless a [`close`](crate::FlowExt::close) has completed.
///
/// # Examples
///
/// A whole flow over two channels. The states of the two directions are the two ends of the channels, so dropping them,
/// which the engine does on abort, is what ends the stream.
///
/// ```
/// use std::collections::VecDeque;
/// use std::sync::{Arc, Mutex};
/// use std::task::{Context, Poll, Waker};
///
/// use flow_core::{Bytes, Chunks, Engine, FlowExt, SharedError, Shutdown, Transport, WriteError};
///
/// /// Bytes in one direction, never full.
/// #[derive(Default)]
/// struct Lane {
///     chunks: VecDeque<Bytes>,
///     ended: bool,
///     reader: Option<Waker>,
/// }
///
/// struct Lanes;
///
/// impl Transport for Lanes {
///     type Error = SharedError;
///     type Rx = Arc<Mutex<Lane>>;
///     type Tx = Arc<Mutex<Lane>>;
///
///     fn poll_recv(
///         &self,
///         rx: &mut Self::Rx,
///         cx: &mut Context<'_>,
///     ) -> Poll<Result<Option<Bytes>, SharedError>> {
///         let mut lane = rx.lock().unwrap();
///         match lane.chunks.pop_front() {
///             Some(chunk) => Poll::Ready(Ok(Some(chunk))),
///             None if lane.ended => Poll::Ready(Ok(None)),
///             None => {
///                 lane.reader = Some(cx.waker().clone());
///                 Poll::Pending
///             }
///         }
///     }
///
///     fn poll_send(
///         &self,
///         tx: &mut Self::Tx,
///         _: &mut Context<'_>,
///         data: &mut Chunks,
///     ) -> Poll<Result<(), WriteError<SharedError>>> {
///         let mut lane = tx.lock().unwrap();
///         while let Some(chunk) = data.take_first() {
///             lane.chunks.push_back(chunk);
///         }
///         let reader = lane.reader.take();
///         drop(lane);
///         reader.into_iter().for_each(Waker::wake);
///         Poll::Ready(Ok(()))
///     }
///
///     fn poll_finish(
///         &self,
///         tx: &mut Self::Tx,
///         _: &mut Context<'_>,
///     ) -> Poll<Result<(), WriteError<SharedError>>> {
///         let mut lane = tx.lock().unwrap();
///         lane.ended = true;
///         let reader = lane.reader.take();
///         drop(lane);
///         reader.into_iter().for_each(Waker::wake);
///         Poll::Ready(Ok(()))
///     }
/// }
///
/// let (a, b) = (Arc::<Mutex<Lane>>::default(), Arc::<Mutex<Lane>>::default());
/// let here = Engine::new(Lanes, a.clone(), b.clone());
/// let there = Engine::new(Lanes, b, a);
/// futures_lite::future::block_on(async {
///     here.write("ping").await?;
///     here.shutdown(Shutdown::Write).await?;
///     assert_eq!(there.read().await?.as_deref(), Some(&b"ping"[..]));
///     assert_eq!(there.read().await?, None);
///     Ok::<_, WriteError<SharedError>>(())
/// })
/// .unwrap();
/// ```
pub struct Engine<T: Transport> {
    inner: Arc<Inner<T>>,
}

/// Few flows have any.
type Attachments = Vec<crate::switch::Attachment>;

/// Shared with switches, which hold it weakly.
///
/// In the order of this text, because with thousands of flows what costs is memory that is not in the processor's caches: what an
/// ordinary read needs stands together, then what a write needs. A transport has the state of its directions in `rx` and `tx`.
#[repr(C)]
struct Inner<T: Transport> {
    transport: T,
    lines: Arc<Lines>,
    rx: Mutex<Receiving<T>>,
    wakers: Wakers,
    tx: Mutex<Sending<T>>,
    /// Of the first close.
    peer_waker: OnceLock<Waker>,
    attachments: Mutex<Option<Box<Attachments>>>,
}

impl<T: Transport> Engine<T> {
    /// A flow over `transport`, with the states of its two directions.
    pub fn new(transport: T, rx: T::Rx, tx: T::Tx) -> Self {
        let lines = Lines::new();
        let wakers = Wakers::new(&lines);
        let (rx, tx) = (Mutex::new(Receiving::new(rx)), Mutex::new(Sending::new(tx)));
        let attachments = Mutex::new(None);
        Self {
            inner: Arc::new(Inner {
                transport,
                lines,
                rx,
                wakers,
                tx,
                peer_waker: OnceLock::new(),
                attachments,
            }),
        }
    }

    /// The transport.
    pub fn transport(&self) -> &T {
        &self.inner.transport
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<T: Transport> Flow for Engine<T> {
    type Error = T::Error;

    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, T::Error>> {
        self.inner.poll_read(cx, op)
    }

    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        self.inner.poll_write(cx, op)
    }

    fn poll_flush(
        &self,
        cx: &mut Context<'_>,
        op: &mut FlushOp,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        self.inner.poll_flush(cx, op)
    }

    fn poll_shutdown(
        &self,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        self.inner.poll_shutdown(cx, op)
    }

    fn poll_close(
        &self,
        cx: &mut Context<'_>,
        op: &mut CloseOp,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        self.inner.poll_close(cx, op)
    }

    fn abort(&self) {
        self.inner.abort();
    }

    fn delivered(&self) -> Delivered {
        self.inner.delivered()
    }

    fn direct(&self) -> Option<&dyn Direct> {
        Some(self)
    }
}

/// Of use where the transport has a way.
impl<T: Transport> Direct for Engine<T> {
    fn read_direct(&self, cx: &mut Context<'_>, op: &mut ReadOp) -> Option<Chunks> {
        self.inner.read_direct(cx, op)
    }

    fn takes(&self, data: &Chunks) -> bool {
        self.inner.transport.takes(data)
    }
}

impl<T: Transport> Drop for Engine<T> {
    fn drop(&mut self) {
        self.inner.leave();
    }
}

impl<T: Transport> fmt::Debug for Engine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = &self.inner.lines;
        f.debug_struct("Engine")
            .field("aborted", &lines.has(flag::ABORTED))
            .field("writing_ended", &lines.has(flag::WRITE_SHUT))
            .field("reading_ended", &lines.has(flag::READ_SHUT))
            .finish_non_exhaustive()
    }
}
