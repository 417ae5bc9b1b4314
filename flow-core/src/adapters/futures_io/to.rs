//! A flow as `AsyncRead`, `AsyncBufRead` and `AsyncWrite`. hyper's words for the same are in a file of their own.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice, IoSliceMut};

use ::futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use bytes::{Buf, Bytes, BytesMut};

use super::{to_io, write_error};
use crate::{Flow, FlushOp, ReadOp, Shutdown, ShutdownOp, WriteOp};

/// How much one `poll_write` copies at most.
const COPIED: usize = 64 * 1024;

/// A flow as [`AsyncRead`], [`AsyncBufRead`] and [`AsyncWrite`] of `futures-io`, for code that is written against those.
///
/// With the feature `hyper` it is `hyper::rt::Read` and `hyper::rt::Write` too, on whatever runtime the flow is.
///
/// Reading hands out of one chunk at a time, and `fill_buf` copies nothing. Writing copies what is passed, up to 64 KiB, into one buffer.
/// Closing is `shutdown(Write)`: it does not wait for the peer, and reading goes on. Dropping it is dropping the
/// flow. A flow behind `&F`, `Arc` or `Box` is a flow too, so one flow may have several of these.
///
/// # What `Ok` says
///
/// A write is reported as soon as the flow has taken it: all of it will be sent, driven by any later call, a read included.
/// The transport may not have accepted all of it yet, so `flush` or `close` before dropping, as with any
/// `AsyncWrite` that may buffer. Until then `Pending` means that nothing of it is sent, and the next write may pass other data.
///
/// # Errors
///
/// A flow that is closed for writing is [`BrokenPipe`](io::ErrorKind::BrokenPipe), an abort on this side
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted). Other errors have the kind of the first [`io::Error`] among them and their sources,
/// else [`Other`](io::ErrorKind::Other), and are inside the error; [`with_errors`](Self::with_errors) is for those that know better.
///
/// # Examples
///
/// ```
/// use flow_core::{FlowExt, FuturesIo, memory};
/// use futures_lite::{AsyncBufReadExt, AsyncWriteExt, StreamExt};
///
/// # futures_lite::future::block_on(async {
/// let (flow, peer) = memory::pair(1024);
/// let mut io = FuturesIo::new(flow);
/// io.write_all(b"HELO\r\n").await?;
/// io.flush().await?;
/// assert_eq!(peer.read().await.unwrap().as_deref(), Some(&b"HELO\r\n"[..]));
///
/// peer.write("220 ready\r\n221 bye\r\n").await.unwrap();
/// peer.shutdown(flow_core::Shutdown::Both).await.unwrap();
/// let lines: Vec<_> = (&mut io).lines().try_collect().await?;
/// assert_eq!(lines, ["220 ready", "221 bye"]);
///
/// // The failing case: the peer reads no more.
/// drop(peer);
/// let error = io.write_all(b"QUIT\r\n").await.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
/// # Ok::<_, std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Common issues
///
/// - *What was written last never arrives:* it was neither flushed nor closed before the drop.
/// - *Other writers of the same flow wait:* a write here was pending and then given up, which this type cannot see. It keeps its
///   place in the flow's line until the next call to write, or until this is dropped.
pub struct FuturesIo<F: Flow> {
    flow: F,
    /// What has been read and not handed out.
    chunk: Bytes,
    read: ReadOp,
    /// A write in flight. Once it is taken it has been reported, and nothing follows it before it is done.
    write: Option<WriteOp>,
    flush: FlushOp,
    shutdown: ShutdownOp,
    convert: fn(F::Error) -> io::Error,
}

impl<F: Flow> FuturesIo<F> {
    /// `flow` as a stream of `futures-io`.
    pub fn new(flow: F) -> Self {
        Self::with_errors(flow, to_io)
    }

    /// The same, with a conversion of the flow's own errors.
    ///
    /// ```
    /// # use flow_core::{Flow, FuturesIo};
    /// # use std::io;
    /// fn adapt<F: Flow<Error: Into<io::Error>>>(flow: F) -> FuturesIo<F> {
    ///     FuturesIo::with_errors(flow, Into::into)
    /// }
    /// ```
    pub const fn with_errors(flow: F, convert: fn(F::Error) -> io::Error) -> Self {
        Self {
            flow,
            chunk: Bytes::new(),
            read: ReadOp::new(),
            write: None,
            flush: FlushOp::new(),
            shutdown: ShutdownOp::new(Shutdown::Write),
            convert,
        }
    }

    /// The flow.
    pub const fn inner(&self) -> &F {
        &self.flow
    }

    /// The flow. What is in [`buffer`](Self::buffer) has been read from it already.
    pub const fn inner_mut(&mut self) -> &mut F {
        &mut self.flow
    }

    /// The flow, without what is in [`buffer`](Self::buffer). What was written is still sent, driven by later calls on the flow.
    pub fn into_inner(self) -> F {
        self.flow
    }

    /// What has been read from the flow and not handed out: a part of one chunk.
    pub fn buffer(&self) -> &[u8] {
        &self.chunk
    }

    /// Ready when there are bytes in `chunk`, or at the end, when there are none.
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.chunk.is_empty() {
            let read = ready!(self.flow.poll_read(cx, &mut self.read));
            self.chunk = read.map_err(self.convert)?.unwrap_or_default();
        }
        Poll::Ready(Ok(()))
    }

    /// Moves what there is into `buf`.
    fn hand_out(&mut self, buf: &mut [u8]) -> usize {
        let count = buf.len().min(self.chunk.len());
        buf[..count].copy_from_slice(&self.chunk[..count]);
        self.pass(count);
        count
    }

    pub(super) fn pass(&mut self, count: usize) {
        if count < self.chunk.len() {
            self.chunk.advance(count);
        } else {
            // Nothing is kept alive by an empty rest.
            self.chunk = Bytes::new();
        }
    }

    /// Ready when no write that has been reported is in flight any more.
    fn poll_reported(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(op) = &mut self.write
            && op.is_taken()
        {
            let result = ready!(self.flow.poll_write(cx, op));
            self.write = None;
            result.map_err(|e| write_error(e, self.convert))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_copy(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let len = bufs
            .iter()
            .fold(0, |sum: usize, b| sum.saturating_add(b.len()));
        let len = len.min(COPIED);
        if len == 0 {
            // Waits for nothing, and says whether writing is over.
            let nothing = ready!(self.flow.poll_write(cx, &mut WriteOp::default()));
            return Poll::Ready(
                nothing
                    .map(|()| 0)
                    .map_err(|e| write_error(e, self.convert)),
            );
        }
        ready!(self.poll_reported(cx))?;
        let op = self.write.get_or_insert_default();
        // A write that was pending keeps its place, and takes the data of this call: in most cases the same.
        if !holds(op.chunks().first(), bufs, len) {
            *op.chunks() = copy(bufs, len).into();
        }
        let result = match self.flow.poll_write(cx, op) {
            Poll::Ready(result) => {
                self.write = None;
                result
            }
            Poll::Pending if op.is_taken() => Ok(()),
            Poll::Pending => return Poll::Pending,
        };
        Poll::Ready(
            result
                .map(|()| len)
                .map_err(|e| write_error(e, self.convert)),
        )
    }
}

/// Whether `held` is the first `len` bytes of `bufs`.
fn holds(mut held: &[u8], bufs: &[IoSlice<'_>], len: usize) -> bool {
    held.len() == len
        && bufs.iter().all(|buf| {
            let (here, rest) = held.split_at(held.len().min(buf.len()));
            held = rest;
            buf.starts_with(here)
        })
}

/// The first `len` bytes of `bufs`, which have as many, in one buffer.
fn copy(bufs: &[IoSlice<'_>], len: usize) -> Bytes {
    let mut copied = BytesMut::with_capacity(len);
    for buf in bufs {
        let room = len - copied.len();
        copied.extend_from_slice(&buf[..room.min(buf.len())]);
    }
    copied.freeze()
}

impl<F: Flow> AsyncRead for FuturesIo<F> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(this.poll_chunk(cx))?;
        Poll::Ready(Ok(this.hand_out(buf)))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if bufs.iter().all(|b| b.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        ready!(this.poll_chunk(cx))?;
        Poll::Ready(Ok(bufs.iter_mut().map(|b| this.hand_out(b)).sum()))
    }
}

impl<F: Flow> AsyncBufRead for FuturesIo<F> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_chunk(cx))?;
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().pass(amount);
    }
}

impl<F: Flow> AsyncWrite for FuturesIo<F> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_copy(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_copy(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // One that has not been taken has not been reported either: it is none of a flush's business.
        ready!(this.poll_reported(cx))?;
        let result = ready!(this.flow.poll_flush(cx, &mut this.flush));
        this.flush = FlushOp::new();
        Poll::Ready(result.map_err(|e| write_error(e, this.convert)))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = ready!(this.flow.poll_shutdown(cx, &mut this.shutdown));
        this.shutdown = ShutdownOp::new(Shutdown::Write);
        Poll::Ready(result.map_err(|e| write_error(e, this.convert)))
    }
}

/// The flow is never pinned.
impl<F: Flow> Unpin for FuturesIo<F> {}

impl<F: Flow + fmt::Debug> fmt::Debug for FuturesIo<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FuturesIo")
            .field("flow", &self.flow)
            .field("unread", &self.chunk.len())
            .finish_non_exhaustive()
    }
}
