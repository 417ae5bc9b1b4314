//! A flow of one's own: a transport over two channels, and the engine makes it a flow with the whole contract.
//!
//! Copy this folder. Replace the channels by what you have, keep `tests/conformance.rs`, and let the laws tell what is missing.

use std::task::{Context, Poll, ready};

use flow_core::{Bytes, Chunks, Engine, SharedError, Transport, WriteError};
use futures_channel::mpsc::{Receiver, Sender, channel};
use futures_core::Stream;

/// One end of a [`pair`].
pub type MyFlow = Engine<Channels>;

/// The transport. What belongs to one direction alone is in its states, so nothing is left here.
#[derive(Debug)]
pub struct Channels;

impl Transport for Channels {
    type Error = SharedError;
    type Rx = Receiver<Bytes>;
    type Tx = Sender<Bytes>;

    fn poll_recv(
        &self,
        rx: &mut Self::Rx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, SharedError>> {
        std::pin::Pin::new(rx).poll_next(cx).map(Ok)
    }

    fn poll_send(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        while !data.is_empty() {
            ready!(tx.poll_ready(cx)).map_err(|_| WriteError::Closed)?;
            if let Some(chunk) = data.take_first() {
                tx.start_send(chunk).map_err(|_| WriteError::Closed)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_finish(
        &self,
        tx: &mut Self::Tx,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        tx.disconnect();
        Poll::Ready(Ok(()))
    }
}

/// Two connected flows.
#[must_use]
pub fn pair() -> (MyFlow, MyFlow) {
    let ((to_there, from_here), (to_here, from_there)) = (channel(1), channel(1));
    (
        Engine::new(Channels, from_there, to_there),
        Engine::new(Channels, from_here, to_here),
    )
}
