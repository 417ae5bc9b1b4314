//! A transport over streams whose calls own their buffers: what is under way is kept, whoever waits for it.

use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flow_core::{Bytes, Chunks, Engine, SharedError, Transport, WriteError};

/// The halves of a stream. Each call takes its half and gives it back, as it does with the buffer.
pub(crate) trait Halves: 'static {
    type Reading: 'static;
    type Writing: 'static;

    fn read(
        half: Self::Reading,
    ) -> impl Future<Output = (Self::Reading, io::Result<Vec<u8>>)> + 'static;

    fn write_all(
        half: Self::Writing,
        chunk: Bytes,
    ) -> impl Future<Output = (Self::Writing, io::Result<()>)> + 'static;

    fn end(half: Self::Writing) -> impl Future<Output = (Self::Writing, io::Result<()>)> + 'static;
}

/// A flow over these two halves.
pub(crate) fn flow<H: Halves>(reading: H::Reading, writing: H::Writing) -> Engine<Completion<H>> {
    let (rx, tx) = (Half::new(reading), Half::new(writing));
    Engine::new(Completion(PhantomData), rx, tx)
}

/// The transport. All that it has is in the two directions.
pub(crate) struct Completion<H>(PhantomData<fn() -> H>);

impl<H> fmt::Debug for Completion<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").finish_non_exhaustive()
    }
}

type Call<S, T> = Pin<Box<dyn Future<Output = (S, io::Result<T>)>>>;

/// One direction: a half, or the call that has it.
pub(crate) enum Half<S, T> {
    Idle(Option<S>),
    Call(Call<S, T>),
}

impl<S, T> Half<S, T> {
    pub(crate) const fn new(half: S) -> Self {
        Self::Idle(Some(half))
    }

    /// Goes on with the call that is under way, or with a new one.
    pub(crate) fn poll<F>(
        &mut self,
        cx: &mut Context<'_>,
        begin: impl FnOnce(S) -> F,
    ) -> Poll<io::Result<T>>
    where
        F: Future<Output = (S, io::Result<T>)> + 'static,
    {
        if let Self::Idle(half) = self {
            *self = Self::Call(Box::pin(begin(half.take().expect("a half"))));
        }
        let Self::Call(call) = self else {
            unreachable!("it has just been made");
        };
        let (half, result) = ready!(call.as_mut().poll(cx));
        *self = Self::Idle(Some(half));
        Poll::Ready(result)
    }
}

impl<H: Halves> Transport for Completion<H> {
    type Error = SharedError;
    type Rx = Half<H::Reading, Vec<u8>>;
    type Tx = Half<H::Writing, ()>;

    fn poll_recv(
        &self,
        rx: &mut Self::Rx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, SharedError>> {
        let read = ready!(rx.poll(cx, H::read))?;
        Poll::Ready(Ok((!read.is_empty()).then(|| read.into())))
    }

    fn poll_send(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        if matches!(tx, Half::Idle(_)) && data.is_empty() {
            return Poll::Ready(Ok(()));
        }
        // From here on the chunk is sent, whoever waits: a write is taken with its first chunk.
        let sent = tx.poll(cx, |half| {
            // A copy: the runtime drops its buffer inside a poll, under the flow's lock, and the writer's may use the flow when it is dropped.
            let chunk = Bytes::copy_from_slice(data.first());
            data.advance(chunk.len());
            H::write_all(half, chunk)
        });
        sent.map_err(write_error)
    }

    fn poll_finish(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        tx.poll(cx, H::end).map_err(write_error)
    }

    fn is_closed(error: &SharedError) -> bool {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|e| e.kind() == ErrorKind::ConnectionReset)
    }
}

fn write_error(error: io::Error) -> WriteError<SharedError> {
    match error.kind() {
        ErrorKind::BrokenPipe => WriteError::Closed,
        _ => WriteError::Transport(error.into()),
    }
}
