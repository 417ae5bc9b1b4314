//! A flow of one's own: a transport over two pipes in memory, and the engine makes it a flow with the whole contract.
//!
//! Copy this folder. Replace the pipes by what you have, keep `tests/conformance.rs`, and let the laws tell what is missing.

use std::task::{Context, Poll, ready};

use flow_core::{Bytes, Chunks, Engine, SharedError, Transport, WriteError};
use piper::{Reader, Writer};

/// One end of a [`pair`].
pub type MyFlow = Engine<Pipes>;

/// The transport. What belongs to one direction alone is in its states, so nothing is left here.
#[derive(Debug)]
pub struct Pipes;

impl Transport for Pipes {
    type Error = SharedError;
    type Rx = Reader;
    type Tx = Option<Writer>;

    fn poll_recv(
        &self,
        rx: &mut Reader,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, SharedError>> {
        if !ready!(rx.poll(cx)) {
            return Poll::Ready(Ok(None));
        }
        let chunk = Bytes::copy_from_slice(rx.peek_buf());
        rx.consume(chunk.len());
        Poll::Ready(Ok(Some(chunk)))
    }

    fn poll_send(
        &self,
        tx: &mut Option<Writer>,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        let pipe = tx.as_mut().ok_or(WriteError::Closed)?;
        while !data.is_empty() {
            match ready!(pipe.poll_fill_bytes(cx, data.first())) {
                0 => return Poll::Ready(Err(WriteError::Closed)),
                sent => data.advance(sent),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_finish(
        &self,
        tx: &mut Option<Writer>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        *tx = None;
        Poll::Ready(Ok(()))
    }
}

/// Two connected flows. Each direction holds at most `capacity` bytes.
#[must_use]
pub fn pair(capacity: usize) -> (MyFlow, MyFlow) {
    let (from_there, to_here) = piper::pipe(capacity);
    let (from_here, to_there) = piper::pipe(capacity);
    let here = Engine::new(Pipes, from_there, Some(to_there));
    let there = Engine::new(Pipes, from_here, Some(to_here));
    (here, there)
}
