//! A flow that counts.

use std::fmt;
use std::task::{Context, Poll};

use super::forward::{forward, inner};
use super::{LiveStats, Stats};
use crate::{Bytes, Chunks, Direct, Flow, ReadOp, WriteError, WriteOp};

/// A flow that counts bytes and operations each way, from when it is made.
///
/// A read counts when its chunk is handed out. A write counts, whole, when the flow takes it, so one that is dropped afterwards counts and one that
/// is dropped before does not; one without bytes is none.
///
/// # Errors
///
/// Those of the flow inside.
///
/// # Examples
///
/// ```
/// use flow_core::combinators::Counted;
/// use flow_core::{FlowExt as _, memory};
///
/// # futures_lite::future::block_on(async {
/// let (flow, mut peer) = memory::with_wire(1024);
/// let flow = Counted::new(flow);
/// let progress = flow.live(); // for another task
/// flow.writev(["GET /", "\r\n"]).await?;
/// peer.send(b"200");
/// flow.read().await?;
///
/// let stats = progress.now();
/// assert_eq!((stats.written_bytes, stats.write_ops), (7, 1));
/// assert_eq!((stats.read_bytes, stats.read_ops), (3, 1));
///
/// // The failing case: what is not taken is not counted.
/// drop(peer);
/// assert!(flow.write("anybody there?").await.is_err());
/// assert_eq!(flow.stats().write_ops, 1);
/// # Ok::<_, flow_core::WriteError<_>>(())
/// # }).unwrap();
/// ```
#[must_use = "a flow that is dropped is gone, for the peer too"]
pub struct Counted<F> {
    flow: F,
    live: LiveStats,
}

impl<F> Counted<F> {
    /// `flow`, counted from now on.
    pub fn new(flow: F) -> Self {
        let live = LiveStats::default();
        live.start();
        Self { flow, live }
    }

    /// What has passed so far, and how long ago this was made.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.live.now()
    }

    /// The same, to be kept and looked at from elsewhere.
    #[must_use]
    pub fn live(&self) -> LiveStats {
        self.live.clone()
    }

    inner!(flow: F);

    /// The flow inside.
    pub fn into_inner(self) -> F {
        self.flow
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<F: Flow> Flow for Counted<F> {
    type Error = F::Error;

    #[inline]
    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, F::Error>> {
        let polled = self.flow.poll_read(cx, op);
        if let Poll::Ready(Ok(Some(chunk))) = &polled {
            self.live.add_read(chunk.len());
        }
        polled
    }

    #[inline]
    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> Poll<Result<(), WriteError<F::Error>>> {
        // None once it is taken.
        let len = op.chunks().len();
        let polled = self.flow.poll_write(cx, op);
        let is_taken = op.is_taken() || matches!(polled, Poll::Ready(Ok(())));
        if is_taken && len > 0 {
            self.live.add_write(len);
        }
        polled
    }

    fn direct(&self) -> Option<&dyn Direct> {
        self.flow.direct().map(|_| self as &dyn Direct)
    }

    forward!(flow: poll_flush poll_shutdown poll_close abort rest);
}

/// What is moved directly counts as well.
impl<F: Flow> Direct for Counted<F> {
    fn read_direct(&self, cx: &mut Context<'_>, op: &mut ReadOp) -> Option<Chunks> {
        let chunks = self.flow.direct()?.read_direct(cx, op)?;
        self.live.add_direct_read(chunks.len());
        Some(chunks)
    }

    /// It is counted by the write.
    fn takes(&self, data: &Chunks) -> bool {
        self.flow.direct().is_some_and(|flow| flow.takes(data))
    }
}

impl<F: fmt::Debug> fmt::Debug for Counted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted")
            .field("flow", &self.flow)
            .field("stats", &self.stats())
            .finish()
    }
}
