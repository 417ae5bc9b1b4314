//! Closing against a peer that goes on talking.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use thiserror::Error;

use crate::{CloseOp, Flow, ReadOp, WriteError};

/// Closes `flow` while reading and discarding what the peer still sends, at most `limit` bytes. Answers how many that were.
///
/// [`close`](crate::FlowExt::close) waits for the peer's end, and a peer that sends more than the stream holds ends only if somebody reads. This reads, and
/// gives up on a peer that does not stop. Silence is not bounded: put a timeout around it. What is unread when the close is done has been
/// discarded up to the limit as well. Whether the peer has read what was written is told by
/// [`delivered`](Flow::delivered).
///
/// # Errors
///
/// [`CloseDiscardingError::TooMuch`] once more than `limit` bytes have come; the flow is closed for writing then, and the rest of the decision the caller's:
/// go on, or [`abort`](Flow::abort). [`CloseDiscardingError::Close`] if closing fails.
///
/// # Cancel safety
///
/// As [`close`](crate::FlowExt::close): may be dropped and called again, and then counts anew. The future may also be gone on with, as `&mut`.
///
/// # Panics
///
/// Polled again after it was ready.
///
/// # Examples
///
/// ```
/// use flow_core::combinators::{CloseDiscardingError, close_discarding};
/// use flow_core::{Flow as _, memory};
///
/// # futures_lite::future::block_on(async {
/// let (flow, mut peer) = memory::with_wire(1024);
/// peer.send(b"and another thing");
/// peer.end();
/// assert_eq!(close_discarding(&flow, 64).await?, 17);
///
/// // The failing case: it does not stop.
/// let (flow, mut peer) = memory::with_wire(1024);
/// peer.send(&[0; 100]);
/// let error = close_discarding(&flow, 64).await.unwrap_err();
/// assert_eq!(error, CloseDiscardingError::TooMuch { limit: 64 });
/// flow.abort();
/// # Ok::<_, CloseDiscardingError<memory::MemoryError>>(())
/// # }).unwrap();
/// ```
pub fn close_discarding<F: Flow + ?Sized>(flow: &F, limit: u64) -> CloseDiscarding<'_, F> {
    CloseDiscarding {
        flow,
        limit,
        discarded: 0,
        read: Some(ReadOp::new()),
        close: Some(CloseOp::new()),
    }
}

/// Why [`close_discarding`] failed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseDiscardingError<E> {
    /// The peer has sent more than that, and has not ended.
    #[error("the peer sent more than {limit} bytes to a flow that is closing")]
    TooMuch {
        /// How many bytes were to be discarded at most.
        limit: u64,
    },
    /// Closing failed.
    #[error("closing failed")]
    Close(#[source] WriteError<E>),
}

/// A [`close_discarding`] under way.
#[must_use = "futures do nothing unless polled"]
pub struct CloseDiscarding<'a, F: ?Sized> {
    flow: &'a F,
    limit: u64,
    discarded: u64,
    /// `None` once there is nothing more to read.
    read: Option<ReadOp>,
    /// `None` once ready.
    close: Option<CloseOp>,
}

impl<F: Flow + ?Sized> CloseDiscarding<'_, F> {
    /// How many bytes have been discarded so far.
    pub const fn discarded(&self) -> u64 {
        self.discarded
    }

    /// Reads what there is, and says whether it was too much.
    fn discard(&mut self, cx: &mut Context<'_>) -> bool {
        while let Some(op) = &mut self.read {
            match self.flow.poll_read(cx, op) {
                Poll::Ready(Ok(Some(chunk))) => {
                    self.discarded = self.discarded.saturating_add(chunk.len() as u64);
                    if self.discarded > self.limit {
                        return true;
                    }
                }
                // Close knows what an error means for it.
                Poll::Ready(Ok(None) | Err(_)) => self.read = None,
                Poll::Pending => break,
            }
        }
        false
    }
}

impl<F: Flow + ?Sized> Future for CloseDiscarding<'_, F> {
    type Output = Result<u64, CloseDiscardingError<F::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(op) = &mut this.close else {
            panic!("CloseDiscarding polled after it was ready");
        };
        // First, so that writing is over whatever comes.
        let mut closed = this.flow.poll_close(cx, op);
        if this.discard(cx) {
            (this.read, this.close) = (None, None);
            let limit = this.limit;
            return Poll::Ready(Err(CloseDiscardingError::TooMuch { limit }));
        }
        // What was read may be what it waited for: it is asked again rather than trusted to wake this very task.
        if let (Poll::Pending, None, Some(op)) = (&closed, &this.read, &mut this.close) {
            closed = this.flow.poll_close(cx, op);
        }
        if closed.is_ready() {
            (this.read, this.close) = (None, None);
        }
        closed.map(|result| match result {
            Ok(..) => Ok(this.discarded),
            Err(e) => Err(CloseDiscardingError::Close(e)),
        })
    }
}

impl<F: ?Sized> fmt::Debug for CloseDiscarding<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseDiscarding")
            .field("limit", &self.limit)
            .field("discarded", &self.discarded)
            .finish_non_exhaustive()
    }
}
