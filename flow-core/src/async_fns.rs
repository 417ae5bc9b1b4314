//! A flow from async functions, for what has no poll form.

use core::error::Error;
use core::fmt;
use core::marker::PhantomData;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::{Aborted, Chunks, Engine, Transport, WriteError};

/// Makes a flow of three async functions: receive a chunk, send a chunk, say that no more will be sent.
///
/// For things that can only be awaited: channels, message streams, clients of other protocols. The rules of cancellation are kept all
/// the same, because the flow, not the caller, has the future that is under way: a dropped read leaves its future
/// for the next read, and a chunk once handed to `send` is sent to the end, before anything later.
///
/// - `recv` answers one chunk, or `None` when the peer has ended. Its error, and `None`, are final. An empty chunk is skipped.
/// - `send` gets the buffers of a write one at a time, in order, none of them empty, and is ready when the chunk is
///   accepted. [`WriteError::Closed`] says that the peer is gone, any other error goes through `?` as it is. Both are final.
/// - `finish` is called after the last chunk, once at most: by `shutdown(Write)` or `close`. Where the end is to be seen by dropping
///   something, drop it there.
///
/// Each makes a future that owns what it needs. A direction has one future at a time, in one allocation that is used again; receiving
/// and sending go on at the same time. The functions and their futures are dropped on abort, and with the flow. The flow
/// is `Send` if the functions and their futures are.
///
/// The futures run under a lock of the flow: they must not use the very flow that they make. They cannot see the peer's end
/// past unread chunks, so [`close`](crate::FlowExt::close) reads ahead.
///
/// # Examples
///
/// A flow over another flow, which turns every chunk around:
///
/// ```
/// use std::sync::Arc;
///
/// use flow_core::{Bytes, FlowExt, Shutdown, WriteError, from_async_fns, memory};
///
/// fn reversed(mut chunk: Vec<u8>) -> Bytes {
///     chunk.reverse();
///     chunk.into()
/// }
///
/// # futures_lite::future::block_on(async {
/// let (inner, peer) = memory::pair(1024);
/// let inner = Arc::new(inner);
/// let (receives, sends, ends) = (inner.clone(), inner.clone(), inner);
/// let flow = from_async_fns(
///     move || {
///         let inner = receives.clone();
///         async move { Ok(inner.read().await?.map(|chunk| reversed(chunk.to_vec()))) }
///     },
///     move |chunk: Bytes| {
///         let inner = sends.clone();
///         async move { inner.write(reversed(chunk.to_vec())).await }
///     },
///     async move || ends.shutdown(Shutdown::Write).await,
/// );
///
/// flow.write("stressed").await?;
/// flow.shutdown(Shutdown::Write).await?;
/// assert_eq!(peer.read().await?.as_deref(), Some(&b"desserts"[..]));
/// assert_eq!(peer.read().await?, None);
///
/// // The failing case: the peer leaves, and the writer of the other side is told.
/// drop(peer);
/// assert!(flow.write("more").await.is_err_and(|e| e.is_closed()));
/// # Ok::<_, WriteError<_>>(())
/// # }).unwrap();
/// ```
pub fn from_async_fns<E, R, RFut, S, SFut, F, FFut>(
    recv: R,
    send: S,
    finish: F,
) -> Engine<AsyncFns<R, RFut, S, SFut, F, FFut>>
where
    E: Error + Clone + From<Aborted> + Send + Sync + 'static,
    R: FnMut() -> RFut,
    RFut: Future<Output = Result<Option<Bytes>, E>>,
    S: FnMut(Bytes) -> SFut,
    SFut: Future<Output = Result<(), WriteError<E>>>,
    F: FnOnce() -> FFut,
    FFut: Future<Output = Result<(), WriteError<E>>>,
{
    let rx = Receiving {
        recv,
        under_way: Box::pin(None),
    };
    let tx = Sending {
        send,
        under_way: Box::pin(None),
        finish: Finish::Open(finish),
    };
    Engine::new(
        AsyncFns {
            states: PhantomData,
        },
        rx,
        tx,
    )
}

/// The transport behind [`from_async_fns`]. It has nothing in common for both directions.
pub struct AsyncFns<R, RFut, S, SFut, F, FFut> {
    states: PhantomData<States<R, RFut, S, SFut, F, FFut>>,
}

/// As a function's output, so that they do not decide whether the transport, which has none of them, is `Send`.
type States<R, RFut, S, SFut, F, FFut> = fn() -> (Receiving<R, RFut>, Sending<S, SFut, F, FFut>);

/// The state of receiving.
pub struct Receiving<R, Fut> {
    recv: R,
    /// The future that goes on whoever waits for it, in a place that is allocated once.
    under_way: Pin<Box<Option<Fut>>>,
}

/// The state of sending.
pub struct Sending<S, Fut, F, FFut> {
    send: S,
    under_way: Pin<Box<Option<Fut>>>,
    finish: Finish<F, FFut>,
}

enum Finish<F, Fut> {
    Open(F),
    UnderWay(Pin<Box<Fut>>),
    Done,
}

impl<E, R, RFut, S, SFut, F, FFut> Transport for AsyncFns<R, RFut, S, SFut, F, FFut>
where
    E: Error + Clone + From<Aborted> + Send + Sync + 'static,
    R: FnMut() -> RFut,
    RFut: Future<Output = Result<Option<Bytes>, E>>,
    S: FnMut(Bytes) -> SFut,
    SFut: Future<Output = Result<(), WriteError<E>>>,
    F: FnOnce() -> FFut,
    FFut: Future<Output = Result<(), WriteError<E>>>,
{
    type Error = E;
    type Rx = Receiving<R, RFut>;
    type Tx = Sending<S, SFut, F, FFut>;

    fn poll_recv(&self, rx: &mut Self::Rx, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, E>> {
        let mut under_way = rx.under_way.as_mut();
        if under_way.is_none() {
            under_way.set(Some((rx.recv)()));
        }
        poll_in_place(under_way, cx)
    }

    fn poll_send(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<E>>> {
        let mut under_way = tx.under_way.as_mut();
        if under_way.is_none() {
            // From here on the chunk is sent, whoever waits: a write is taken with its first chunk.
            let Some(chunk) = data.take_first() else {
                return Poll::Ready(Ok(()));
            };
            under_way.set(Some((tx.send)(chunk)));
        }
        poll_in_place(under_way, cx)
    }

    fn poll_finish(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<E>>> {
        let mut under_way = match mem::replace(&mut tx.finish, Finish::Done) {
            Finish::Open(finish) => Box::pin(finish()),
            Finish::UnderWay(under_way) => under_way,
            Finish::Done => return Poll::Ready(Ok(())),
        };
        let result = under_way.as_mut().poll(cx);
        if result.is_pending() {
            tx.finish = Finish::UnderWay(under_way);
        }
        result
    }
}

/// Polls the future that is there, and takes it out once it is ready.
fn poll_in_place<Fut: Future>(
    mut under_way: Pin<&mut Option<Fut>>,
    cx: &mut Context<'_>,
) -> Poll<Fut::Output> {
    let Some(future) = under_way.as_mut().as_pin_mut() else {
        unreachable!("both callers have just made sure that there is one");
    };
    let output = ready!(future.poll(cx));
    under_way.set(None);
    Poll::Ready(output)
}

macro_rules! debug {
    ($($name:ident<$($type:ident),*>)*) => {$(
        impl<$($type),*> fmt::Debug for $name<$($type),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

debug! {
    AsyncFns<R, RFut, S, SFut, F, FFut>
    Receiving<R, Fut>
    Sending<S, Fut, F, FFut>
}
