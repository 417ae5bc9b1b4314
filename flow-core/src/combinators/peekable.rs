//! A flow of which one can see the next bytes before they are read.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::forward::{forward, inner};
use crate::sync::{Mutex, get_mut, lock};
use crate::{Bytes, Direct, Flow, ReadOp, ShutdownOp, WriteError};

/// A flow of which one can see the next bytes before they are read: to tell which protocol is spoken, say.
///
/// What was looked at is read afterwards as if nothing had happened. Looking takes `&mut self`, so it never competes with a read; everything
/// else is the flow inside, from several tasks if one likes.
///
/// What was looked at is held here, at most what was asked for and the rest of one chunk. `shutdown(Read)` and `abort` of this flow discard it; an
/// abort that this one does not see, of the flow inside or by its switch, is told after it.
///
/// # Errors
///
/// Those of the flow inside.
///
/// # Examples
///
/// ```
/// use flow_core::combinators::Peekable;
/// use flow_core::{FlowExt as _, memory};
///
/// # futures_lite::future::block_on(async {
/// let (flow, mut peer) = memory::with_wire(1024);
/// let mut flow = Peekable::new(flow);
/// peer.send(b"PRI * HTTP/2.0\r\n");
/// let is_http2 = flow.peek(3).await?.starts_with(b"PRI");
/// assert!(is_http2);
/// assert_eq!(flow.read().await?.as_deref(), Some(&b"PRI * HTTP/2.0\r\n"[..]));
///
/// // The failing case: the peer leaves before there is enough. What there is is shown, and read, and then the error is.
/// peer.send(b"PR");
/// peer.tear();
/// assert_eq!(flow.peek(3).await?, b"PR"[..]);
/// assert_eq!(flow.read().await?.as_deref(), Some(&b"PR"[..]));
/// assert!(flow.peek(3).await.is_err());
/// # Ok::<_, memory::MemoryError>(())
/// # }).unwrap();
/// ```
#[must_use = "a flow that is dropped is gone, for the peer too"]
pub struct Peekable<F> {
    flow: F,
    /// Read from the flow and not handed out.
    ahead: Mutex<VecDeque<Bytes>>,
}

impl<F: Flow> Peekable<F> {
    /// `flow`, to be looked at.
    pub fn new(flow: F) -> Self {
        Self {
            flow,
            ahead: Mutex::default(),
        }
    }

    /// Waits for at least `least` bytes, or one, and shows what there is, without consuming it. Fewer only if the end or an error comes after them; none
    /// at the end. An error is answered once nothing is before it.
    ///
    /// What lies in several chunks is put together, which copies it once.
    ///
    /// # Cancel safety
    ///
    /// May be dropped: what has been received is kept for the next look or read.
    pub fn peek(&mut self, least: usize) -> Peek<'_, F> {
        Peek {
            peekable: self,
            least,
            op: Some(ReadOp::new()),
        }
    }

    inner!(flow: F);

    /// The flow inside, and what has been read from it and not handed out.
    pub fn into_parts(self) -> (F, Vec<Bytes>) {
        let Self { flow, mut ahead } = self;
        (flow, mem::take(get_mut(&mut ahead)).into())
    }
}

impl<F> Peekable<F> {
    fn forget_ahead(&self) {
        // Dropped after unlocking: a buffer's owner may come back here.
        let ahead = mem::take(&mut *lock(&self.ahead));
        drop(ahead);
    }
}

/// A [`peek`](Peekable::peek) under way.
#[must_use = "futures do nothing unless polled"]
pub struct Peek<'a, F> {
    peekable: &'a mut Peekable<F>,
    least: usize,
    /// `None` once ready.
    op: Option<ReadOp>,
}

impl<F> Unpin for Peek<'_, F> {}

impl<F: Flow> Future for Peek<'_, F> {
    type Output = Result<Bytes, F::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(op) = &mut this.op else {
            panic!("Peek polled after it was ready");
        };
        let ahead = get_mut(&mut this.peekable.ahead);
        loop {
            let len: usize = ahead.iter().map(Bytes::len).sum();
            if len >= this.least.max(1) {
                break;
            }
            match ready!(this.peekable.flow.poll_read(cx, op)) {
                Ok(Some(chunk)) => ahead.push_back(chunk),
                // It is final: whoever reads later meets it again.
                Ok(None) => break,
                Err(_) if !ahead.is_empty() => break,
                Err(e) => {
                    this.op = None;
                    return Poll::Ready(Err(e));
                }
            }
        }
        this.op = None;
        if ahead.len() > 1 {
            let whole = ahead.drain(..).collect::<Vec<_>>().concat();
            ahead.push_back(whole.into());
        }
        Poll::Ready(Ok(ahead.front().cloned().unwrap_or_default()))
    }
}

impl<F> fmt::Debug for Peek<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peek")
            .field("least", &self.least)
            .finish_non_exhaustive()
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<F: Flow> Flow for Peekable<F> {
    type Error = F::Error;

    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, F::Error>> {
        let next = lock(&self.ahead).pop_front();
        match next {
            Some(chunk) => {
                // It may have waited inside, and waits no longer.
                op.place().leave();
                Poll::Ready(Ok(Some(chunk)))
            }
            None => self.flow.poll_read(cx, op),
        }
    }

    fn poll_shutdown(
        &self,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> Poll<Result<(), WriteError<F::Error>>> {
        let polled = self.flow.poll_shutdown(cx, op);
        if op.how().is_read() {
            self.forget_ahead();
        }
        polled
    }

    fn abort(&self) {
        self.flow.abort();
        self.forget_ahead();
    }

    /// What was looked at comes first. More is looked at by `&mut` only, so not meanwhile.
    fn direct(&self) -> Option<&dyn Direct> {
        if lock(&self.ahead).is_empty() {
            self.flow.direct()
        } else {
            None
        }
    }

    forward!(flow: poll_write poll_flush poll_close rest);
}

impl<F: fmt::Debug> fmt::Debug for Peekable<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ahead: usize = lock(&self.ahead).iter().map(Bytes::len).sum();
        f.debug_struct("Peekable")
            .field("flow", &self.flow)
            .field("ahead", &ahead)
            .finish()
    }
}
