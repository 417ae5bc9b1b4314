//! A flow from any `AsyncRead` and `AsyncWrite`.

use core::fmt;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use ::futures_io::{AsyncRead, AsyncWrite};
use bytes::{Bytes, BytesMut};

use crate::adapters::is_gone;
use crate::sync::{Mutex, lock};
use crate::{Chunks, Engine, SharedError, Transport, WriteError};

/// The sizes of read blocks: they grow while reads fill them, and shrink while reads leave them empty.
const LEAST: usize = 1024;
const MOST: usize = 64 * 1024;

/// A block that a chunk keeps alive is at most this many times its size; smaller chunks are copied out.
const PINNED: usize = 16;

/// How many buffers are passed to one `poll_write_vectored`.
const VECTORED: usize = 16;

/// Makes a flow of any stream of `futures-io`: a TLS session, a connection of another library.
///
/// Reading and writing go on at the same time, under a lock that is held for one call at a time. Every write is followed by a flush of the
/// stream, so that what was accepted moves without further calls. `shutdown(Write)` is `poll_close` of the stream. The
/// stream is dropped on abort, and with the flow.
///
/// A stream that is not `Unpin` goes in as `Box::pin(stream)`.
///
/// # What depends on the stream
///
/// The flow keeps the whole contract towards its callers. These things towards the peer are the stream's own business:
///
/// - Whether `poll_close` ends one direction, both, or none, and whether the peer sees it before the stream is dropped. Sockets of
///   `async-io`, for one, only flush: use flows over descriptors for those.
/// - Whether what the stream has accepted arrives when it is dropped, and whether the peer can tell an abort from an end.
/// - Whether a clean end is one: an end of reading is believed.
///
/// The peer's end cannot be seen past unread input, so [`close`](crate::FlowExt::close) reads ahead.
///
/// # Errors
///
/// The flow's errors are the stream's [`io::Error`]s, shared: `downcast_ref::<io::Error>()` has them. `BrokenPipe` is
/// [`WriteError::Closed`]; so are `ConnectionReset`, `ConnectionAborted` and `NotConnected`, which reading reports too.
///
/// # Examples
///
/// ```
/// use flow_core::memory::{self, Received};
/// use flow_core::{FlowExt, FuturesIo, Shutdown, from_futures_io};
///
/// # futures_lite::future::block_on(async {
/// let (end, mut peer) = memory::with_wire(1024);
/// let stream = FuturesIo::new(end); // or whatever else is AsyncRead and AsyncWrite
/// let flow = from_futures_io(stream);
///
/// flow.write("ping").await?;
/// flow.shutdown(Shutdown::Write).await?;
/// let mut received = [0; 8];
/// assert_eq!(peer.recv(&mut received), Received::Data(4));
/// assert_eq!(peer.recv(&mut received), Received::End);
///
/// // The failing case: the peer leaves in the middle of a message.
/// peer.send(b"half a mess");
/// peer.tear();
/// assert_eq!(flow.read().await?.as_deref(), Some(&b"half a mess"[..]));
/// let error = flow.read().await.unwrap_err();
/// assert_eq!(error.to_string(), "the peer left in the middle of a write");
/// assert!(error.downcast_ref::<std::io::Error>().is_some());
/// # Ok::<_, flow_core::WriteError<_>>(())
/// # }).unwrap();
/// ```
pub fn from_futures_io<S>(stream: S) -> Engine<FuturesIoTransport<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stream = Arc::new(Mutex::new(stream));
    let rx = Receiving {
        stream: stream.clone(),
        block: BytesMut::new(),
        whole: 0,
        size: 4 * LEAST,
    };
    let tx = Sending { stream };
    Engine::new(FuturesIoTransport(PhantomData), rx, tx)
}

/// The transport behind [`from_futures_io`].
///
/// The stream is in the states of both directions, and nowhere else: it is dropped with the last of them.
pub struct FuturesIoTransport<S>(PhantomData<fn() -> S>);

/// The state of receiving.
pub struct Receiving<S> {
    stream: Arc<Mutex<S>>,
    /// Where the next read goes: zeroed once, written many times. Empty while nothing arrives.
    block: BytesMut,
    /// How long the block was at first, with what has been cut off its front.
    whole: usize,
    /// How long the next block will be.
    size: usize,
}

/// The state of sending.
pub struct Sending<S> {
    stream: Arc<Mutex<S>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport for FuturesIoTransport<S> {
    type Error = SharedError;
    type Rx = Receiving<S>;
    type Tx = Sending<S>;

    fn poll_recv(
        &self,
        rx: &mut Receiving<S>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, SharedError>> {
        if rx.block.is_empty() {
            rx.block = BytesMut::zeroed(rx.size);
            rx.whole = rx.size;
        }
        let read = Pin::new(&mut *lock(&rx.stream)).poll_read(cx, &mut rx.block);
        match retried(read, cx) {
            Poll::Ready(Ok(count)) if count > 0 => Poll::Ready(Ok(Some(rx.cut(count)))),
            none => {
                // An idle flow holds no block.
                rx.block = BytesMut::new();
                none.map(|end| Ok(end.map(|_| None)?))
            }
        }
    }

    fn poll_send(
        &self,
        tx: &mut Sending<S>,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        if !data.is_empty() {
            let mut stream = lock(&tx.stream);
            let stream = Pin::new(&mut *stream);
            let written = if data.is_single() {
                stream.poll_write(cx, data.first())
            } else {
                let mut slices = [IoSlice::new(&[]); VECTORED];
                let mut count = 0;
                for (slot, slice) in slices.iter_mut().zip(data.slices()) {
                    *slot = IoSlice::new(slice);
                    count += 1;
                }
                stream.poll_write_vectored(cx, &slices[..count])
            };
            match ready!(retried(written, cx)).map_err(write_error)? {
                0 => return Poll::Ready(Err(write_error(ErrorKind::WriteZero.into()))),
                count => data.advance(count),
            }
        }
        if !data.is_empty() {
            return Poll::Ready(Ok(()));
        }
        // Also when called again with nothing: then this is what it waited for.
        let flushed = Pin::new(&mut *lock(&tx.stream)).poll_flush(cx);
        retried(flushed, cx).map_err(write_error)
    }

    fn poll_finish(
        &self,
        tx: &mut Sending<S>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        // All was sent, and with that flushed.
        let closed = Pin::new(&mut *lock(&tx.stream)).poll_close(cx);
        match ready!(retried(closed, cx)).map_err(write_error) {
            // There is nobody left to tell, and nothing is owed to them.
            Err(WriteError::Closed) => Poll::Ready(Ok(())),
            Err(WriteError::Transport(e)) if is_gone(&e) => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }

    fn is_closed(error: &SharedError) -> bool {
        is_gone(error)
    }
}

impl<S> Receiving<S> {
    /// The first `count` bytes of the block, which have just been received.
    fn cut(&mut self, count: usize) -> Bytes {
        let count = count.min(self.block.len());
        if count == self.block.len() {
            self.size = (self.size * 2).min(MOST);
        } else if count < self.size / 4 {
            self.size = (self.size / 2).max(LEAST);
        }
        if count.saturating_mul(PINNED) < self.whole {
            return Bytes::copy_from_slice(&self.block[..count]);
        }
        let chunk = self.block.split_to(count).freeze();
        if self.block.len() < self.whole / 2 {
            // Too short a rest makes for short reads.
            self.block = BytesMut::new();
        }
        chunk
    }
}

/// `Interrupted` is to be tried again, and is no news for anybody.
fn retried<T>(result: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
    match result {
        Poll::Ready(Err(e)) if e.kind() == ErrorKind::Interrupted => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        result => result,
    }
}

/// `BrokenPipe` follows an end that reading reports by itself.
fn write_error(error: io::Error) -> WriteError<SharedError> {
    match error.kind() {
        ErrorKind::BrokenPipe => WriteError::Closed,
        _ => WriteError::Transport(error.into()),
    }
}

macro_rules! debug {
    ($($name:ident)*) => {$(
        impl<S> fmt::Debug for $name<S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

debug! { FuturesIoTransport Receiving Sending }

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A direction with a block of the largest size.
    fn receiving<S>(stream: S) -> Receiving<S> {
        Receiving {
            stream: Arc::new(Mutex::new(stream)),
            block: BytesMut::zeroed(MOST),
            whole: MOST,
            size: MOST,
        }
    }

    #[test]
    fn a_small_chunk_pins_no_block_and_a_big_one_is_not_copied() {
        for (count, copied) in [(1, true), (4095, true), (4096, false), (MOST, false)] {
            let mut rx = receiving(());
            let block = rx.block.as_ptr_range();
            let chunk = rx.cut(count);
            assert_eq!(chunk.len(), count);
            assert_eq!(!block.contains(&chunk.as_ptr()), copied, "{count} bytes");
        }
    }

    #[test]
    fn cutting_a_block_up_stops_before_reads_get_short() {
        let mut rx = receiving(());
        for left in [3, 2, 0] {
            rx.cut(MOST / 4);
            assert_eq!(rx.block.len(), left * (MOST / 4));
        }
    }

    #[test]
    fn an_idle_flow_holds_no_block() {
        let (end, mut peer) = crate::memory::with_wire(64);
        let mut rx = receiving(crate::FuturesIo::new(end));
        let transport = FuturesIoTransport(PhantomData);
        let mut cx = Context::from_waker(core::task::Waker::noop());
        peer.send(b"x");
        assert!(transport.poll_recv(&mut rx, &mut cx).is_ready());
        assert!(rx.block.capacity() > 0);
        assert!(transport.poll_recv(&mut rx, &mut cx).is_pending());
        assert_eq!(rx.block.capacity(), 0);
    }
}
