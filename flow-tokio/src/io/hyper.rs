//! A flow as hyper's `Read` and `Write`: the adapter of flow-core is both.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use flow_core::Flow;
use hyper::rt::{Read, ReadBufCursor, Write};

use super::TokioIo;

impl<F: Flow> Read for TokioIo<F> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.futures_io().poll_read(cx, buf)
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
        self.futures_io().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.futures_io().poll_write_vectored(cx, bufs)
    }
}
