//! A flow as `AsyncRead`, `AsyncBufRead` and `AsyncWrite` of tokio.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flow_core::{Flow, FuturesIo};
use futures_io::{AsyncBufRead as _, AsyncWrite as _};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

/// A flow, on whatever runtime, as `AsyncRead`, `AsyncBufRead` and `AsyncWrite` of tokio, for code that is written against those.
///
/// With the feature `hyper` it is hyper's `Read` and `Write` too. It is [`FuturesIo`] in tokio's words, and says the same: a write is reported as soon
/// as the flow has taken it, so that nothing of a `Pending` one is sent; `poll_shutdown` is `shutdown(Write)`, which does not wait for the
/// peer; flush or shut down before dropping. Reading copies out of the chunk; `fill_buf` copies nothing. Vectored writes are one write of the flow.
///
/// # Errors
///
/// As [`FuturesIo`]: a flow that is closed for writing is `BrokenPipe`, an abort on this side `ConnectionAborted`.
///
/// # Examples
///
/// ```
/// use flow_tokio::TokioIo;
/// use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (here, there) = flow_tokio::socketpair().map_err(std::io::Error::from)?;
/// let (mut here, mut there) = (TokioIo::new(here), TokioIo::new(there));
/// here.write_all(b"first\nsecond\n").await?;
/// here.shutdown().await?;
///
/// let mut line = String::new();
/// there.read_line(&mut line).await?;
/// assert_eq!(line, "first\n");
/// // The rest is there, and after it the end; writing back still works.
/// there.write_all(b"thanks").await?;
/// # Ok(())
/// # }
/// ```
pub struct TokioIo<F: Flow>(pub(super) FuturesIo<F>);

impl<F: Flow> TokioIo<F> {
    /// `flow` as a stream of tokio.
    pub fn new(flow: F) -> Self {
        Self(FuturesIo::new(flow))
    }

    /// The same, with a conversion of the flow's own errors.
    pub const fn with_errors(flow: F, convert: fn(F::Error) -> io::Error) -> Self {
        Self(FuturesIo::with_errors(flow, convert))
    }

    /// The flow.
    pub const fn inner(&self) -> &F {
        self.0.inner()
    }

    /// The flow. What is in [`buffer`](Self::buffer) has been read from it already.
    pub const fn inner_mut(&mut self) -> &mut F {
        self.0.inner_mut()
    }

    /// The flow, without what is in [`buffer`](Self::buffer). What was written is still sent, driven by later calls on the flow.
    pub fn into_inner(self) -> F {
        self.0.into_inner()
    }

    /// What has been read from the flow and not handed out: a part of one chunk.
    pub fn buffer(&self) -> &[u8] {
        self.0.buffer()
    }

    pub(super) fn futures_io(self: Pin<&mut Self>) -> Pin<&mut FuturesIo<F>> {
        Pin::new(&mut self.get_mut().0)
    }
}

impl<F: Flow> AsyncRead for TokioIo<F> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut io = self.futures_io();
        let there = ready!(io.as_mut().poll_fill_buf(cx))?;
        let count = there.len().min(buf.remaining());
        buf.put_slice(&there[..count]);
        io.consume(count);
        Poll::Ready(Ok(()))
    }
}

impl<F: Flow> AsyncBufRead for TokioIo<F> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.futures_io().poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.futures_io().consume(amount);
    }
}

impl<F: Flow> AsyncWrite for TokioIo<F> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.futures_io().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.futures_io().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.futures_io().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.futures_io().poll_close(cx)
    }
}

impl<F: Flow> fmt::Debug for TokioIo<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokioIo").finish_non_exhaustive()
    }
}
