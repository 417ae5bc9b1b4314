//! The calls people make: named futures over the polls of a flow.

use bytes::Bytes;

use crate::future::{Close, Flush, Read, Shutdown as ShutdownFuture, Write};
use crate::{Chunks, CloseOp, Flow, FlushOp, Payload, ReadOp, Shutdown, ShutdownOp, WriteOp};

/// The methods that people call on a [`Flow`]; there for every flow, boxed and borrowed ones included.
///
/// Each returns a named future that is `Unpin`, starts nothing before its first poll, and may be dropped at any time (see
/// each method of [`Flow`] for what that means). Polled again after it was ready it panics.
///
/// # Examples
///
/// Reads and writes mix under `?`, because [`WriteError`](crate::WriteError) is made from the flow's own error:
///
/// ```
/// use flow_core::{Flow, FlowExt, Shutdown, WriteError};
///
/// async fn shout<F: Flow>(flow: &F) -> Result<(), WriteError<F::Error>> {
///     while let Some(chunk) = flow.read().await? {
///         flow.write(chunk.to_ascii_uppercase()).await?;
///     }
///     flow.shutdown(Shutdown::Write).await
/// }
///
/// # #[cfg(feature = "std")]
/// futures_lite::future::block_on(async {
///     let (ours, theirs) = flow_core::memory::pair(1024);
///     let client = async {
///         theirs.write("hello").await?;
///         theirs.shutdown(Shutdown::Write).await?;
///         assert_eq!(theirs.read().await?.as_deref(), Some(&b"HELLO"[..]));
///         assert_eq!(theirs.read().await?, None);
///         // This side has ended its writing, and says so.
///         assert!(theirs.write("more").await.is_err_and(|e| e.is_closed()));
///         Ok::<_, WriteError<_>>(())
///     };
///     let (served, asked) = futures_lite::future::zip(shout(&ours), client).await;
///     served.unwrap();
///     asked.unwrap();
/// });
/// ```
pub trait FlowExt: Flow {
    /// Reads what has arrived, or `None` at the end: see [`Flow::poll_read`].
    fn read(&self) -> Read<'_, Self> {
        Read::new(self, ReadOp::new())
    }

    /// Writes all of `data`: see [`Flow::poll_write`]. [`write_copy`](Self::write_copy) takes borrowed data.
    fn write(&self, data: impl Payload) -> Write<'_, Self> {
        Write::new(self, data.into())
    }

    /// Writes a copy of `data`.
    fn write_copy(&self, data: &[u8]) -> Write<'_, Self> {
        self.write(Bytes::copy_from_slice(data))
    }

    /// Writes all of `buffers`, in order, as one unit that no other write comes between; any number of them, of any length.
    ///
    /// Short buffers that follow each other are copied together first, which is cheaper than to carry each along.
    /// [`write_chunks`](Self::write_chunks) leaves them as they are.
    fn writev<I>(&self, buffers: I) -> Write<'_, Self>
    where
        I: IntoIterator,
        I::Item: Payload,
    {
        Write::new(self, WriteOp::from_iter(buffers))
    }

    /// Writes all of `chunks` as one unit, each buffer as it is.
    ///
    /// ```
    /// use flow_core::{Bytes, FlowExt as _, memory};
    ///
    /// # futures_lite::future::block_on(async {
    /// let (flow, peer) = memory::pair(1024);
    /// flow.write_chunks(vec![Bytes::from("as "), Bytes::from("they are")]).await?;
    /// // In memory they are handed over by ownership.
    /// assert_eq!(peer.read().await?.as_deref(), Some(&b"as "[..]));
    /// # Ok::<_, flow_core::WriteError<_>>(())
    /// # }).unwrap();
    /// ```
    fn write_chunks(&self, chunks: impl Into<Chunks>) -> Write<'_, Self> {
        Write::new(self, WriteOp::new(chunks.into()))
    }

    /// Waits until what was taken has been accepted by the transport: see [`Flow::poll_flush`].
    fn flush(&self) -> Flush<'_, Self> {
        Flush::new(self, FlushOp::new())
    }

    /// Ends one direction, or both: see [`Flow::poll_shutdown`].
    fn shutdown(&self, how: Shutdown) -> ShutdownFuture<'_, Self> {
        ShutdownFuture::new(self, ShutdownOp::new(how))
    }

    /// Ends writing and waits until the peer has ended too: see [`Flow::poll_close`]. Then it answers whether the peer has read
    /// everything that was written: see [`Flow::delivered`].
    ///
    /// # Errors
    ///
    /// [`WriteError::Closed`](crate::WriteError::Closed) if not all that was taken could be sent, or after an abort;
    /// [`WriteError::Transport`](crate::WriteError::Transport) for anything below.
    ///
    /// # Cancel safety
    ///
    /// The first poll is the point of no return for writing. May be dropped and called again, by anyone.
    ///
    /// # Examples
    ///
    /// ```
    /// use flow_core::{Delivered, FlowExt as _, memory};
    ///
    /// # futures_lite::future::block_on(async {
    /// let (flow, mut peer) = memory::with_wire(64);
    /// flow.write("hello").await?;
    /// peer.recv(&mut [0; 64]);
    /// drop(peer);
    /// assert_eq!(flow.close().await?, Delivered::Yes);
    ///
    /// let (flow, peer) = memory::with_wire(64);
    /// flow.write("hello").await?;
    /// drop(peer);
    /// assert_eq!(flow.close().await?, Delivered::No);
    /// # Ok::<_, flow_core::WriteError<memory::MemoryError>>(())
    /// # }).unwrap();
    /// ```
    fn close(&self) -> Close<'_, Self> {
        Close::new(self, CloseOp::new())
    }
}

impl<F: Flow + ?Sized> FlowExt for F {}
