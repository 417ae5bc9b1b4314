//! The two directions of a flow, for two owners.

use std::fmt;

use crate::future::{Close, Flush, Read, Shutdown as ShutdownFuture, Write};
use crate::{Chunks, Flow, FlowExt, Payload, Shutdown, ShutdownOp};

/// The two directions of a flow, for two owners that shall not touch each other's: no lock, no box.
///
/// Every call of a flow takes `&self`, so this is needed for nothing but order. `flow` is a reference or an `Arc` (or `Rc`); of a flow that is
/// owned, pass `Arc::new(flow)`.
///
/// # What dropping a half does
///
/// Nothing to the stream: what a pointer does that is dropped. The flow lives as long as anybody has it, and its peer sees neither end. So
/// the writing half says [`shutdown`](WriteHalf::shutdown) when it is done; or it is told to do so by itself when it is dropped:
/// [`ends_when_dropped`](WriteHalf::ends_when_dropped). With the last half of an `Arc` that nobody else has, the flow is dropped, which ends both.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use flow_core::combinators::split;
/// use flow_core::{FlowExt as _, memory};
/// use futures_lite::future::{block_on, zip};
///
/// # block_on(async {
/// let (flow, peer) = memory::pair(1024);
/// let (reader, writer) = split(Arc::new(flow));
/// let write = async move {
///     writer.write("question").await?;
///     writer.shutdown().await
/// };
/// let read = async move { reader.read().await };
/// peer.write("answer").await?;
/// let (written, answer) = zip(write, read).await;
/// written?;
/// assert_eq!(answer?.as_deref(), Some(&b"answer"[..]));
///
/// // The failing case: both halves are gone, and so is the flow.
/// assert!(peer.write("more").await.unwrap_err().is_closed());
/// # Ok::<_, flow_core::WriteError<memory::MemoryError>>(())
/// # }).unwrap();
/// ```
pub fn split<P: Flow + Clone>(flow: P) -> (ReadHalf<P>, WriteHalf<P>) {
    let half = ReadHalf { flow: flow.clone() };
    (half, WriteHalf::new(flow))
}

/// What reads: see [`split`].
pub struct ReadHalf<P> {
    flow: P,
}

impl<P: Flow> ReadHalf<P> {
    /// See [`FlowExt::read`].
    pub fn read(&self) -> Read<'_, P> {
        self.flow.read()
    }

    /// Ends reading: input is discarded from now on. See [`FlowExt::shutdown`].
    pub fn shutdown(&self) -> ShutdownFuture<'_, P> {
        self.flow.shutdown(Shutdown::Read)
    }

    /// The whole flow.
    pub const fn inner(&self) -> &P {
        &self.flow
    }

    /// The pointer to the flow.
    pub fn into_inner(self) -> P {
        self.flow
    }
}

/// What writes: see [`split`].
pub struct WriteHalf<P: Flow> {
    flow: P,
    ends_when_dropped: bool,
}

impl<P: Flow> WriteHalf<P> {
    const fn new(flow: P) -> Self {
        Self {
            flow,
            ends_when_dropped: false,
        }
    }

    /// From here on, dropping this half is `shutdown(Write)`, also by a panic or when its task is cancelled.
    ///
    /// The peer sees the end once everything taken is sent; later calls on the flow, a read included, see to that. So an unfinished message ends as
    /// a finished one would: this is for protocols that can tell.
    pub const fn ends_when_dropped(mut self) -> Self {
        self.ends_when_dropped = true;
        self
    }

    /// See [`FlowExt::write`].
    pub fn write(&self, data: impl Payload) -> Write<'_, P> {
        self.flow.write(data)
    }

    /// See [`FlowExt::write_copy`].
    pub fn write_copy(&self, data: &[u8]) -> Write<'_, P> {
        self.flow.write_copy(data)
    }

    /// See [`FlowExt::writev`].
    pub fn writev<I>(&self, buffers: I) -> Write<'_, P>
    where
        I: IntoIterator,
        I::Item: Payload,
    {
        self.flow.writev(buffers)
    }

    /// See [`FlowExt::write_chunks`].
    pub fn write_chunks(&self, chunks: impl Into<Chunks>) -> Write<'_, P> {
        self.flow.write_chunks(chunks)
    }

    /// See [`FlowExt::flush`].
    pub fn flush(&self) -> Flush<'_, P> {
        self.flow.flush()
    }

    /// Ends writing. See [`FlowExt::shutdown`].
    pub fn shutdown(&self) -> ShutdownFuture<'_, P> {
        self.flow.shutdown(Shutdown::Write)
    }

    /// Ends writing and waits for the peer's end; the reading half goes on meanwhile. See [`FlowExt::close`].
    pub fn close(&self) -> Close<'_, P> {
        self.flow.close()
    }

    /// The whole flow.
    pub const fn inner(&self) -> &P {
        &self.flow
    }

    /// A pointer to the flow. This half ends nothing.
    pub fn into_inner(mut self) -> P
    where
        P: Clone,
    {
        self.ends_when_dropped = false;
        self.flow.clone()
    }
}

impl<P: Flow> Drop for WriteHalf<P> {
    fn drop(&mut self) {
        if self.ends_when_dropped {
            // The first poll ends writing, and whoever calls next goes on with what is left.
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            let mut op = ShutdownOp::new(Shutdown::Write);
            let _ = self.flow.poll_shutdown(&mut cx, &mut op);
        }
    }
}

impl<P> fmt::Debug for ReadHalf<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").finish_non_exhaustive()
    }
}

impl<P: Flow> fmt::Debug for WriteHalf<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf")
            .field("ends_when_dropped", &self.ends_when_dropped)
            .finish_non_exhaustive()
    }
}
