//! From one flow to another, up to the end.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::pump::Pump;
use super::{CopyError, LiveStats, Stats};
use crate::{Chunks, Flow};

/// Copies everything that `src` reads to `dst`, up to the end of `src`. The destination is not ended: `shutdown` it afterwards, or copy
/// something else to it.
///
/// Both may be references, `Arc`s, boxes, or the flows themselves. What is read is handed on by ownership: nothing is copied in memory, and no
/// more than one chunk is held.
///
/// # Without passing through memory
///
/// Where both flows have a [direct](Flow::direct) way, and long chunks come, bytes are moved on without being brought into memory;
/// [`Stats::direct_bytes`] counts them. On Linux flows over Unix and TCP sockets whose `O_NONBLOCK` is set have one, and so have FIFOs, though not from
/// FIFO to FIFO: splice(2) through a pipe. References, boxes, [`Named`](super::Named), [`Counted`](super::Counted), [`MapErr`](super::MapErr),
/// [`boxed`](super::boxed) flows and a [`Peekable`](super::Peekable) that holds nothing keep it. [`Inspect`](super::Inspect),
/// [`Faulty`](super::Faulty) and [`idle_timeout`](super::idle_timeout) have every byte in memory, and so has whatever else is a transport of its
/// own. Nothing but the speed differs; [`through_memory`](Copying::through_memory) is without.
///
/// # Errors
///
/// [`CopyError`]: which side failed, its error, and how much had been copied.
///
/// # Cancel safety
///
/// The future that this returns owns the chunk on its way. So pass it to `select` by `&mut`, and go on with it later: then nothing is lost, whenever
/// that happens. Dropped itself, it loses what was read and not taken by the destination, unless
/// [`into_parts`](Copying::into_parts) is asked for it first.
///
/// # Panics
///
/// Polled again after it was ready.
///
/// # Examples
///
/// ```
/// use flow_core::combinators::{CopyError, copy};
/// use flow_core::memory::{self, Received};
/// use flow_core::{Shutdown, FlowExt as _, WriteError};
///
/// # futures_lite::future::block_on(async {
/// let (src, mut from) = memory::with_wire(1024);
/// let (dst, mut to) = memory::with_wire(1024);
/// from.send(b"all of it");
/// from.end();
///
/// let stats = copy(&src, &dst).await?;
/// assert_eq!((stats.read_bytes, stats.written_bytes, stats.read_ops), (9, 9, 1));
/// let mut received = [0; 16];
/// assert_eq!(to.recv(&mut received), Received::Data(9));
/// assert_eq!(to.recv(&mut received), Received::Nothing); // and no end
///
/// // The failing case: nobody is there to receive.
/// let (src, mut from) = memory::with_wire(1024);
/// from.send(b"too late");
/// drop(to);
/// let error = copy(&src, &dst).await.unwrap_err();
/// assert_eq!(error.to_string(), "writing to the destination failed");
/// assert!(matches!(error, CopyError::Write { cause: WriteError::Closed, .. }));
/// assert_eq!(error.stats().read_bytes, 8);
/// # Ok::<_, CopyError<_, memory::MemoryError>>(())
/// # }).unwrap();
/// ```
///
/// A copy with a timeout that goes on where it stopped, and is looked at meanwhile:
///
/// ```
/// use std::future::poll_fn;
/// use std::task::Poll;
///
/// use flow_core::combinators::copy;
/// use flow_core::memory;
/// use futures_lite::future::{FutureExt as _, block_on};
///
/// # block_on(async {
/// let (src, mut from) = memory::with_wire(1024);
/// let (dst, mut to) = memory::with_wire(4);
/// from.send(b"more than fits");
///
/// let mut copying = copy(src, dst);
/// let progress = copying.live();
/// let too_long = async {}; // a timer, with a real runtime
/// let result = async { Some((&mut copying).await) }.or(async { too_long.await; None }).await;
/// assert!(result.is_none());
/// assert_eq!(progress.now().read_bytes, 14);
///
/// from.end();
/// let mut received = Vec::new();
/// let receive = poll_fn(|cx| {
///     let mut part = [0; 4];
///     if let memory::Received::Data(count) = to.recv(&mut part) {
///         received.extend_from_slice(&part[..count]);
///     }
///     cx.waker().wake_by_ref();
///     Poll::<Result<_, _>>::Pending
/// });
/// let stats = (&mut copying).or(receive).await?;
/// assert_eq!(stats.written_bytes, 14);
/// let mut rest = [0; 4];
/// if let memory::Received::Data(count) = to.recv(&mut rest) {
///     received.extend_from_slice(&rest[..count]);
/// }
/// assert_eq!(received, b"more than fits");
/// # Ok::<_, flow_core::combinators::CopyError<_, memory::MemoryError>>(())
/// # }).unwrap();
/// ```
pub fn copy<S: Flow, D: Flow>(src: S, dst: D) -> Copying<S, D> {
    Copying {
        src,
        dst,
        pump: Pump::new(),
    }
}

/// A [`copy`] under way: a future that can be left and gone on with, as `&mut`.
#[must_use = "futures do nothing unless polled"]
pub struct Copying<S, D> {
    src: S,
    dst: D,
    pump: Pump,
}

impl<S, D> Copying<S, D> {
    /// Writes `first` before anything is read: what [`into_parts`](Self::into_parts) of another gave back. It counts as written, and not
    /// as read. To be called before the first poll; what was to be written first until then is dropped.
    pub fn with_first(mut self, first: impl Into<Chunks>) -> Self {
        self.pump.write_first(first.into());
        self
    }

    /// Brings every byte into memory, also where it could be moved on without: to compare, say.
    pub const fn through_memory(mut self) -> Self {
        self.pump.through_memory();
        self
    }

    /// What was copied so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.pump.live().now()
    }

    /// The same, to be kept and looked at from elsewhere while this is polled.
    #[must_use]
    pub fn live(&self) -> LiveStats {
        self.pump.live().clone()
    }

    /// Whether it is over, and must not be polled again.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        self.pump.is_over()
    }

    /// The source and the destination.
    #[must_use]
    pub const fn inner(&self) -> (&S, &D) {
        (&self.src, &self.dst)
    }

    /// The source, the destination, and what was read and is not the destination's yet: nothing of that has been sent.
    ///
    /// A chunk that the destination has taken is sent by whatever call comes next on it. A chunk of which a part went out before
    /// the destination failed comes back without that part: what a transport of its own below the destination held is lost, and so is what
    /// an [`abort`](Flow::abort) cuts off. What was outside of memory is brought in.
    #[must_use]
    pub fn into_parts(self) -> (S, D, Option<Chunks>) {
        (self.src, self.dst, self.pump.into_unsent())
    }
}

// Flows are polled by `&self`: nothing here is pinned.
impl<S, D> Unpin for Copying<S, D> {}

impl<S: Flow, D: Flow> Future for Copying<S, D> {
    type Output = Result<Stats, CopyError<S::Error, D::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        assert!(!this.pump.is_over(), "Copying polled after it was ready");
        this.pump.poll(cx, &this.src, &this.dst)
    }
}

impl<S, D> fmt::Debug for Copying<S, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copying")
            .field("pump", &self.pump)
            .finish_non_exhaustive()
    }
}
