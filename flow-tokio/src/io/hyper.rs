//! A flow as hyper's `Read` and `Write`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use flow_core::Flow;
use futures_io::AsyncWrite as _;
use hyper::rt::{Read, ReadBufCursor, Write};

use super::TokioIo;

impl<F: Flow> Read for TokioIo<F> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_read_into(cx, buf.remaining(), |bytes| buf.put_slice(bytes))
    }
}

impl<F: Flow> Write for TokioIo<F> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.futures_io().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.futures_io().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.futures_io().poll_close(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.futures_io().poll_write_vectored(cx, bufs)
    }
}
