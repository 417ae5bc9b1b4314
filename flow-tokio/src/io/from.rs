//! A flow from any `AsyncRead` and `AsyncWrite` of tokio.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use flow_core::{Engine, FuturesIoTransport, from_futures_io};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The transport behind [`from_tokio_io`].
pub type TokioIoTransport<S> = FuturesIoTransport<InFuturesIo<S>>;

/// Makes a flow of any stream of tokio: a TLS session, a named pipe, a connection of another library.
///
/// What [`from_futures_io`] says holds here: the flow keeps the whole contract towards its callers, and what the stream does when it is shut down
/// and when it is dropped is the stream's own business. `shutdown(Write)` is `poll_shutdown`, which for tokio's sockets, `DuplexStream` and TLS
/// sessions ends one direction. For sockets use [`connect`](crate::connect) and the conversions, which know more.
///
/// # Examples
///
/// ```
/// use flow_core::{FlowExt as _, Shutdown};
/// use flow_tokio::from_tokio_io;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (here, there) = tokio::io::duplex(64);
/// let (here, there) = (from_tokio_io(here), from_tokio_io(there));
/// here.write("ping").await?;
/// here.shutdown(Shutdown::Write).await?;
/// assert_eq!(there.read().await?.as_deref(), Some(&b"ping"[..]));
/// assert_eq!(there.read().await?, None);
/// # Ok(())
/// # }
/// ```
pub fn from_tokio_io<S>(stream: S) -> Engine<TokioIoTransport<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    from_futures_io(InFuturesIo(stream))
}

/// A stream of tokio in the words of `futures-io`.
pub struct InFuturesIo<S>(S);

impl<S: AsyncRead + Unpin> futures_io::AsyncRead for InFuturesIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        Pin::new(&mut self.0)
            .poll_read(cx, &mut buf)
            .map_ok(|()| buf.filled().len())
    }
}

impl<S: AsyncWrite + Unpin> futures_io::AsyncWrite for InFuturesIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<S> fmt::Debug for InFuturesIo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InFuturesIo").finish_non_exhaustive()
    }
}
