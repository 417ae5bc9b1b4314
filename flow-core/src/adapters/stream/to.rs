//! A flow as `Stream` and `Sink`.

use core::fmt;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::vec::Vec;

use bytes::Bytes;
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;

use crate::{Flow, FlushOp, ReadOp, Shutdown, ShutdownOp, WriteError, WriteOp};

/// How many items, and how many bytes, are held back to be written together.
const ITEMS: usize = 64;
const BYTES: usize = 64 * 1024;

/// A flow as [`Stream`] and [`Sink`] of [`Bytes`], for code that is written against those: an HTTP body, a web socket, `forward`.
///
/// The stream's items are the chunks as they are read, of any length but 0: where messages begin is for whoever knows the protocol. It ends at the
/// end, or after an error. Nothing is copied in either direction.
///
/// What is [fed](Sink::start_send) is held back until it is flushed or until it is 64 items or 64 KiB, and then written as one unit.
/// [Closing](Sink::poll_close) is `shutdown(Write)`, after all that was fed: it does not wait for the peer, and reading goes on. A flow behind
/// `&F`, `Arc` or `Box` is a flow too, so each direction may have one of these.
///
/// # Errors
///
/// The stream's are the flow's, the sink's its [`WriteError`]. Both are final.
///
/// # Cancel safety
///
/// Waiting for the next item, for room, or for a flush may be given up at any point. Dropping this drops what was fed and not flushed, unless
/// the flow has taken it.
///
/// # Panics
///
/// [`start_send`](Sink::start_send) without a `poll_ready` that was ready before it, as [`Sink`] has it.
///
/// # Examples
///
/// ```
/// use flow_core::{ByteStream, Bytes, FlowExt, WriteError, memory};
/// use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
///
/// # futures_lite::future::block_on(async {
/// let (flow, peer) = memory::pair(1024);
/// let mut items = ByteStream::new(flow);
/// items.send(Bytes::from("to be, ")).await?;
/// let rest = stream::iter(["or ", "not"]).map(|item| Ok(Bytes::from(item)));
/// rest.forward(&mut items).await?; // closes: writing is over
///
/// let told: Vec<Bytes> = ByteStream::new(&peer).try_collect().await?;
/// assert_eq!(told.concat(), b"to be, or not");
///
/// peer.write("that is").await?;
/// assert_eq!(items.next().await, Some(Ok(Bytes::from("that is"))));
///
/// // The failing case: writing is over.
/// let error = items.send(Bytes::from("!")).await.unwrap_err();
/// assert_eq!(error, WriteError::Closed);
/// # Ok::<_, WriteError<_>>(())
/// # }).unwrap();
/// ```
#[must_use = "a flow that is dropped is gone, for the peer too"]
pub struct ByteStream<F: Flow> {
    flow: F,
    read: ReadOp,
    ended: bool,
    /// Fed, and no write yet.
    fed: Vec<Bytes>,
    fed_len: usize,
    write: Option<WriteOp>,
    flush: FlushOp,
    shutdown: ShutdownOp,
}

impl<F: Flow> ByteStream<F> {
    /// `flow` as a stream and sink of bytes.
    pub const fn new(flow: F) -> Self {
        Self {
            flow,
            read: ReadOp::new(),
            ended: false,
            fed: Vec::new(),
            fed_len: 0,
            write: None,
            flush: FlushOp::new(),
            shutdown: ShutdownOp::new(Shutdown::Write),
        }
    }

    /// The flow.
    pub const fn inner(&self) -> &F {
        &self.flow
    }

    /// The flow.
    pub const fn inner_mut(&mut self) -> &mut F {
        &mut self.flow
    }

    /// The flow. What was fed and not flushed is dropped, unless the flow has taken it.
    pub fn into_inner(self) -> F {
        self.flow
    }

    /// Whether what was fed has to be written before more is.
    fn is_full(&self) -> bool {
        self.fed.len() >= ITEMS || self.fed_len >= BYTES
    }

    /// Ready when no write is under way.
    fn poll_under_way(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError<F::Error>>> {
        let Some(op) = &mut self.write else {
            return Poll::Ready(Ok(()));
        };
        let written = ready!(self.flow.poll_write(cx, op));
        self.write = None;
        if written.is_err() {
            // Nothing will be written any more.
            self.fed = Vec::new();
            self.fed_len = 0;
        }
        Poll::Ready(written)
    }

    /// Writes what was fed. Ready when nothing of it is left.
    fn poll_fed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError<F::Error>>> {
        loop {
            ready!(self.poll_under_way(cx))?;
            if self.fed.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.begin();
        }
    }

    /// What was fed becomes the write that is under way.
    fn begin(&mut self) {
        self.fed_len = 0;
        self.write = Some(WriteOp::new(mem::take(&mut self.fed).into()));
    }
}

impl<F: Flow> Stream for ByteStream<F> {
    type Item = Result<Bytes, F::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let item = ready!(this.flow.poll_read(cx, &mut this.read)).transpose();
        this.ended = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.ended.then_some(0))
    }
}

impl<F: Flow> FusedStream for ByteStream<F> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<F: Flow> Sink<Bytes> for ByteStream<F> {
    type Error = WriteError<F::Error>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        if this.is_full() {
            ready!(this.poll_under_way(cx))?;
            this.begin();
            // Whether it is done at once or not, there is room behind it.
            if let Poll::Ready(written) = this.poll_under_way(cx) {
                written?;
            }
        } else if this.fed.is_empty() && this.write.is_none() {
            // Waits for nothing, and says whether writing is over.
            ready!(this.flow.poll_write(cx, &mut WriteOp::default()))?;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, item: Bytes) -> Result<(), Self::Error> {
        let this = self.get_mut();
        assert!(
            !this.is_full(),
            "`start_send` before `poll_ready` was ready"
        );
        if !item.is_empty() {
            this.fed_len = this.fed_len.saturating_add(item.len());
            this.fed.push(item);
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        ready!(this.poll_fed(cx))?;
        let flushed = ready!(this.flow.poll_flush(cx, &mut this.flush));
        this.flush = FlushOp::new();
        Poll::Ready(flushed)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        ready!(this.poll_fed(cx))?;
        let ended = ready!(this.flow.poll_shutdown(cx, &mut this.shutdown));
        this.shutdown = ShutdownOp::new(Shutdown::Write);
        Poll::Ready(ended)
    }
}

/// The flow is never pinned.
impl<F: Flow> Unpin for ByteStream<F> {}

impl<F: Flow + fmt::Debug> fmt::Debug for ByteStream<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream")
            .field("flow", &self.flow)
            .field("fed", &self.fed_len)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
