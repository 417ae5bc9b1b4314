//! A flow from any `Stream` and `Sink` of bytes.

use core::fmt;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, ErrorKind};

use bytes::Bytes;
use futures_core::TryStream;
use futures_sink::Sink;

use crate::adapters::is_gone;
use crate::{Chunks, Engine, SharedError, Transport, WriteError};

/// Makes a flow of a stream of buffers and a sink for them: a web socket, a channel, the two bodies of an HTTP request.
///
/// Every write is followed by a flush of the sink, so that what was accepted moves without further calls. `shutdown(Write)` is
/// [`poll_close`](Sink::poll_close) of the sink. Both are dropped on abort, and with the flow. What is both a stream and a sink goes in as
/// its two halves, by `StreamExt::split` of `futures-util`; what is not `Unpin` goes in as `Box::pin(stream)`.
///
/// # What depends on the stream
///
/// The flow keeps the whole contract towards its callers. These things towards the peer are the stream's own business:
///
/// - Whether what the sink was given arrives when it is dropped, and whether the peer can tell an abort from an end.
/// - Whether closing the sink ends one direction or both.
/// - Whether a clean end is one: an end of the stream is believed.
///
/// The peer's end cannot be seen past unread input, so [`close`](crate::FlowExt::close) reads ahead. An item that the sink was given is
/// not cut: dropping the write that it is of leaves it to the sink, whole.
///
/// # Errors
///
/// The flow's errors are those of the stream and the sink, shared. Those that are an [`io::Error`] inside are told apart: `BrokenPipe` is
/// [`WriteError::Closed`]; so are `ConnectionReset`, `ConnectionAborted` and `NotConnected`, which reading reports too. For
/// all others that tell a writer no more than that the peer is gone, use [`from_byte_stream_with`].
///
/// # Examples
///
/// ```
/// use flow_core::{Bytes, FlowExt, Shutdown, WriteError, from_byte_stream};
/// use futures_util::sink::{self, SinkExt};
/// use futures_util::stream::{self, StreamExt};
/// use std::cell::RefCell;
/// use std::io;
///
/// # futures_lite::future::block_on(async {
/// let received = stream::iter(["from ", "there"]).map(Ok::<_, io::Error>);
/// let sent = RefCell::new(Vec::new());
/// let sink = sink::unfold((), |(), item: Bytes| {
///     sent.borrow_mut().push(item);
///     std::future::ready(Ok::<_, io::Error>(()))
/// });
/// let flow = from_byte_stream(received, Box::pin(sink));
///
/// flow.write("to there").await?;
/// flow.shutdown(Shutdown::Write).await?;
/// assert_eq!(flow.read().await?.as_deref(), Some(&b"from "[..]));
/// assert_eq!(*sent.borrow(), ["to there"]);
///
/// // The failing case: the connection was cut.
/// let cut = stream::once(async { Err::<Bytes, io::Error>(io::ErrorKind::ConnectionReset.into()) });
/// let flow = from_byte_stream(Box::pin(cut), sink::drain().sink_map_err(io::Error::other));
/// let error = flow.read().await.unwrap_err();
/// assert!(error.downcast_ref::<io::Error>().is_some());
/// # Ok::<_, WriteError<_>>(())
/// # }).unwrap();
/// ```
pub fn from_byte_stream<S, K>(stream: S, sink: K) -> Engine<ByteStreamTransport<S, K>>
where
    S: TryStream<Ok: Into<Bytes>, Error: Into<SharedError>> + Unpin,
    K: Sink<Bytes, Error: Into<SharedError>> + Unpin,
{
    from_byte_stream_with(stream, sink, Into::into, |e| write_error(e.into()))
}

/// The same, with conversions of the errors of the stream and of the sink.
///
/// ```
/// use flow_core::{ByteStream, FlowExt, SharedError, WriteError, from_byte_stream_with, memory};
///
/// let (a, b) = memory::pair(64);
/// let a = std::sync::Arc::new(a);
/// let (stream, sink) = (ByteStream::new(a.clone()), ByteStream::new(a));
/// // What a flow says to a writer is to be said on.
/// let flow = from_byte_stream_with(stream, sink, SharedError::new, |e| e.map(SharedError::new));
///
/// drop(b);
/// let refused = futures_lite::future::block_on(flow.write("anybody?")).unwrap_err();
/// assert!(matches!(refused, WriteError::Closed));
/// ```
pub fn from_byte_stream_with<S, K>(
    stream: S,
    sink: K,
    read_error: fn(S::Error) -> SharedError,
    write_error: fn(K::Error) -> WriteError<SharedError>,
) -> Engine<ByteStreamTransport<S, K>>
where
    S: TryStream<Ok: Into<Bytes>> + Unpin,
    K: Sink<Bytes> + Unpin,
{
    let rx = Receiving { stream, read_error };
    let tx = Sending { sink, write_error };
    Engine::new(ByteStreamTransport(PhantomData), rx, tx)
}

/// The transport behind [`from_byte_stream`].
pub struct ByteStreamTransport<S, K>(PhantomData<fn() -> (S, K)>);

/// The state of receiving.
pub struct Receiving<S: TryStream> {
    stream: S,
    read_error: fn(S::Error) -> SharedError,
}

/// The state of sending.
pub struct Sending<K: Sink<Bytes>> {
    sink: K,
    write_error: fn(K::Error) -> WriteError<SharedError>,
}

impl<S, K> Transport for ByteStreamTransport<S, K>
where
    S: TryStream<Ok: Into<Bytes>> + Unpin,
    K: Sink<Bytes> + Unpin,
{
    type Error = SharedError;
    type Rx = Receiving<S>;
    type Tx = Sending<K>;

    fn poll_recv(
        &self,
        rx: &mut Receiving<S>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, SharedError>> {
        let item = ready!(Pin::new(&mut rx.stream).try_poll_next(cx));
        Poll::Ready(match item.transpose() {
            Ok(item) => Ok(item.map(Into::into)),
            Err(e) => Err((rx.read_error)(e)),
        })
    }

    fn poll_send(
        &self,
        tx: &mut Sending<K>,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        let mut sink = Pin::new(&mut tx.sink);
        while !data.is_empty() {
            ready!(sink.as_mut().poll_ready(cx)).map_err(tx.write_error)?;
            // The sink may drop it at once, in here, where the flow's lock is held: the writer's own goes when that is over.
            let item = data.first_chunk();
            data.advance(item.len());
            sink.as_mut().start_send(item).map_err(tx.write_error)?;
        }
        // Also when called again with nothing: then this is what it waited for.
        sink.poll_flush(cx).map_err(tx.write_error)
    }

    fn poll_finish(
        &self,
        tx: &mut Sending<K>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        // All was sent, and with that flushed.
        let closed = Pin::new(&mut tx.sink).poll_close(cx);
        match ready!(closed).map_err(tx.write_error) {
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

/// `BrokenPipe` follows an end that reading reports by itself.
fn write_error(error: SharedError) -> WriteError<SharedError> {
    match error.downcast_ref::<io::Error>() {
        Some(e) if e.kind() == ErrorKind::BrokenPipe => WriteError::Closed,
        _ => WriteError::Transport(error),
    }
}

impl<S, K> fmt::Debug for ByteStreamTransport<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStreamTransport")
            .finish_non_exhaustive()
    }
}

impl<S: TryStream> fmt::Debug for Receiving<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving").finish_non_exhaustive()
    }
}

impl<K: Sink<Bytes>> fmt::Debug for Sending<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
