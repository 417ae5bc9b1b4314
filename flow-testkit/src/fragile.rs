//! A transport that fails at a given byte: what no real one can be made to do where a test wants it.

use std::error::Error;
use std::fmt;
use std::task::{Context, Poll, ready};

use flow_core::{Aborted, Bytes, Chunks, Delivered, PeerEnd, Transport, WriteError};

/// Where it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Break {
    /// Sending, once more than so many bytes are to be sent in all. These are accepted, in the very call that fails where they are the front of a
    /// longer write.
    Sending(usize),
    /// Receiving, once so many bytes have been received in all.
    Receiving(usize),
}

/// A transport that fails at a given byte, for a reason that is not the peer's. What it fails at is not known to the transport inside.
///
/// For [`Harness::breaking`](crate::Harness::breaking): wrapped in it, a transport is asked what it makes of a flow that failed half-way.
///
/// # Examples
///
/// ```
/// use std::task::{Context, Poll, Waker};
///
/// use flow_core::memory::{self, Received};
/// use flow_core::{Engine, Flow as _, WriteError, WriteOp};
/// use flow_testkit::{Break, Fragile, FragileError};
///
/// let (flow, mut peer) = memory::with_wire(100);
/// let parts = flow.into_parts().expect("a fresh flow comes apart");
/// let fragile = Fragile::new(parts.transport, Some(Break::Sending(4)));
/// let flow = Engine::new(fragile, (parts.rx, 0), (parts.tx, 0));
///
/// let mut cx = Context::from_waker(Waker::noop());
/// let failed = flow.poll_write(&mut cx, &mut WriteOp::from("half a message"));
/// assert!(matches!(failed, Poll::Ready(Err(WriteError::Transport(FragileError::Broken)))));
/// drop(flow);
/// assert_eq!(peer.recv(&mut [0; 100]), Received::Data(4));
/// assert_eq!(peer.recv(&mut [0; 100]), Received::Torn);
/// ```
#[derive(Debug)]
pub struct Fragile<T> {
    inside: T,
    at: Option<Break>,
}

impl<T> Fragile<T> {
    /// This transport, failing there, or as good as it is.
    pub const fn new(inside: T, at: Option<Break>) -> Self {
        Self { inside, at }
    }
}

/// Why a flow over a [`Fragile`] transport failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FragileError<E> {
    /// It came to the byte at which it fails.
    Broken,
    /// This side aborted.
    Aborted,
    /// The transport inside failed.
    Inside(E),
}

impl<E> fmt::Display for FragileError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "it failed where it was told to",
            Self::Aborted => "the flow was aborted on this side",
            Self::Inside(_) => "the transport failed",
        })
    }
}

impl<E: Error + 'static> Error for FragileError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Inside(e) => Some(e),
            Self::Broken | Self::Aborted => None,
        }
    }
}

impl<E> From<Aborted> for FragileError<E> {
    fn from(_: Aborted) -> Self {
        Self::Aborted
    }
}

/// The front of `data`, copied.
fn front(data: &Chunks, len: usize) -> Chunks {
    let mut front = Vec::with_capacity(len);
    for slice in data.slices() {
        let part = slice.len().min(len - front.len());
        front.extend_from_slice(&slice[..part]);
    }
    Bytes::from(front).into()
}

/// The numbers in its states count the bytes that have passed.
#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<T: Transport> Transport for Fragile<T> {
    type Error = FragileError<T::Error>;
    type Rx = (T::Rx, usize);
    type Tx = (T::Tx, usize);

    fn poll_recv(
        &self,
        (rx, count): &mut Self::Rx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Self::Error>> {
        let left = match self.at {
            Some(Break::Receiving(at)) => at.saturating_sub(*count),
            _ => usize::MAX,
        };
        if left == 0 {
            return Poll::Ready(Err(FragileError::Broken));
        }
        let received = ready!(self.inside.poll_recv(rx, cx)).map_err(FragileError::Inside)?;
        Poll::Ready(Ok(received.map(|mut chunk| {
            chunk.truncate(left);
            *count += chunk.len();
            chunk
        })))
    }

    fn poll_send(
        &self,
        (tx, count): &mut Self::Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        let inside = |e: WriteError<T::Error>| e.map(FragileError::Inside);
        loop {
            let left = match self.at {
                Some(Break::Sending(at)) => at.saturating_sub(*count),
                _ => usize::MAX,
            };
            if data.len() <= left {
                let before = data.len();
                let sent = self.inside.poll_send(tx, cx, data);
                *count += before - data.len();
                return sent.map_err(inside);
            }
            if left == 0 {
                return Poll::Ready(Err(WriteError::Transport(FragileError::Broken)));
            }
            let mut part = front(data, left);
            let sent = self.inside.poll_send(tx, cx, &mut part);
            let moved = left - part.len();
            *count += moved;
            data.advance(moved);
            ready!(sent).map_err(inside)?;
        }
    }

    fn poll_finish(
        &self,
        (tx, _): &mut Self::Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        let finished = self.inside.poll_finish(tx, cx);
        finished.map_err(|e| e.map(FragileError::Inside))
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        self.inside.poll_peer_end(cx)
    }

    fn take_in(&self, (rx, _): &mut Self::Rx) {
        self.inside.take_in(rx);
    }

    fn owes(&self) -> bool {
        self.inside.owes()
    }

    fn delivered(&self) -> Delivered {
        self.inside.delivered()
    }

    /// Bytes that nobody has seen cannot be cut where it fails.
    fn recv_direct(&self, (rx, count): &mut Self::Rx) -> Option<Chunks> {
        if let Some(Break::Receiving(_)) = self.at {
            return None;
        }
        let received = self.inside.recv_direct(rx)?;
        *count += received.len();
        Some(received)
    }

    fn takes(&self, data: &Chunks) -> bool {
        !matches!(self.at, Some(Break::Sending(_))) && self.inside.takes(data)
    }

    fn half_close(&self) -> Result<(), Self::Error> {
        self.inside.half_close().map_err(FragileError::Inside)
    }

    fn abort(&self, torn: bool) {
        self.inside.abort(torn);
    }

    fn is_closed(error: &Self::Error) -> bool {
        match error {
            FragileError::Inside(e) => T::is_closed(e),
            FragileError::Broken | FragileError::Aborted => false,
        }
    }
}
