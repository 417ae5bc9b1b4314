//! Flows in memory: two ends of a pair, for tests, for tasks of one process, and as the plainest transport.
//!
//! Chunks are handed over by ownership, copied only where one has to be cut because the other side's room ends inside it. So
//! a chunk that is kept keeps what its writer made it of: all of a large buffer, if it is a slice of one.

mod pipe;
mod wire;

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use thiserror::Error;

use self::pipe::{Pipe, Reader, Writer};
use crate::{Aborted, Chunks, Delivered, Engine, PeerEnd, Transport, WriteError};

pub use self::wire::{Received, Wire};

/// One end of a [`pair`], or of a flow [`with_wire`].
pub type MemoryFlow = Engine<Memory>;

/// Why reading from a flow in memory failed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryError {
    /// This side aborted.
    #[error("reading from memory failed")]
    Aborted(#[from] Aborted),
    /// The peer went away in the middle of a write: what was read is not the whole.
    #[error("the peer left in the middle of a write")]
    Torn,
}

/// Two connected flows. Each direction holds at most `capacity` bytes (at least one) that the other side has not read.
///
/// # Examples
///
/// ```
/// use flow_core::{FlowExt, WriteError, memory};
///
/// futures_lite::future::block_on(async {
///     let (here, there) = memory::pair(64);
///     here.write("hello").await?;
///     assert_eq!(there.read().await?.as_deref(), Some(&b"hello"[..]));
///
///     // Closing waits for the other side, so both close.
///     let (closed, also) = futures_lite::future::zip(here.close(), there.close()).await;
///     closed.and(also)
/// })
/// .unwrap();
/// ```
#[must_use]
pub fn pair(capacity: usize) -> (MemoryFlow, MemoryFlow) {
    let (ours, theirs) = (Pipe::new(capacity), Pipe::new(capacity));
    (
        Memory::flow(Arc::clone(&ours), Arc::clone(&theirs)),
        Memory::flow(theirs, ours),
    )
}

/// A flow and the bare far end of it, moved by hand and without waiting: the peer of a test.
///
/// # Examples
///
/// ```
/// use flow_core::{FlowExt, memory};
///
/// let (flow, mut wire) = memory::with_wire(64);
/// assert_eq!(wire.send(b"greeting"), 8);
/// wire.end();
/// let chunk = futures_lite::future::block_on(flow.read()).unwrap();
/// assert_eq!(chunk.as_deref(), Some(&b"greeting"[..]));
/// assert_eq!(futures_lite::future::block_on(flow.read()).unwrap(), None);
/// ```
#[must_use]
pub fn with_wire(capacity: usize) -> (MemoryFlow, Wire) {
    let (ours, theirs) = (Pipe::new(capacity), Pipe::new(capacity));
    (
        Memory::flow(Arc::clone(&ours), Arc::clone(&theirs)),
        Wire::new(Reader::new(ours), Writer::new(theirs)),
    )
}

/// The transport of flows in memory.
#[derive(Debug)]
pub struct Memory {
    /// What we send through, and what we receive from.
    output: Arc<Pipe>,
    input: Arc<Pipe>,
}

/// The receiving state of a flow in memory: dropping it tells the peer.
#[derive(Debug)]
pub struct Rx(Reader);

/// The sending state of a flow in memory: dropping it is the end.
#[derive(Debug)]
pub struct Tx(Writer);

impl Memory {
    fn flow(output: Arc<Pipe>, input: Arc<Pipe>) -> MemoryFlow {
        let (rx, tx) = (
            Rx(Reader::new(Arc::clone(&input))),
            Tx(Writer::new(Arc::clone(&output))),
        );
        Engine::new(Self { output, input }, rx, tx)
    }
}

impl Transport for Memory {
    type Error = MemoryError;
    type Rx = Rx;
    type Tx = Tx;

    fn poll_recv(
        &self,
        rx: &mut Rx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, MemoryError>> {
        rx.0.poll_read(cx)
    }

    fn poll_send(
        &self,
        tx: &mut Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<MemoryError>>> {
        tx.0.poll_write(cx, data)
    }

    fn poll_finish(
        &self,
        tx: &mut Tx,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<MemoryError>>> {
        tx.0.end();
        Poll::Ready(Ok(()))
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        self.input.poll_ended(cx)
    }

    fn delivered(&self) -> Delivered {
        self.output.delivered()
    }

    fn abort(&self, torn: bool) {
        self.output.end(torn);
        self.input.refuse();
    }

    fn is_closed(error: &MemoryError) -> bool {
        matches!(error, MemoryError::Torn)
    }
}
