//! The flow that a transport lies over, for combinators that change what goes through.

use std::mem;
use std::task::{Context, Poll, ready};

use crate::section;
use crate::sync::{Mutex, lock};
use crate::{
    Bytes, Chunks, CloseOp, Delivered, Flow, PeerEnd, ReadOp, Shutdown, ShutdownOp, WriteError,
    WriteOp,
};

/// The flow below, by the calls of a transport.
pub(super) struct Below<F> {
    flow: F,
    /// Waits for the peer's end.
    close: Mutex<CloseOp>,
}

/// The sending state: operations of the transport's own on the flow below.
pub(super) struct Sender {
    write: WriteOp,
    shutdown: ShutdownOp,
}

impl Sender {
    pub(super) const fn new() -> Self {
        Self {
            write: WriteOp::new(Chunks::new()),
            shutdown: ShutdownOp::new(Shutdown::Write),
        }
    }

    /// Whether the flow below has taken a write and is not done with it.
    pub(super) const fn is_sending(&self) -> bool {
        self.write.is_taken()
    }
}

impl<F> Below<F> {
    pub(super) fn new(flow: F) -> Self {
        Self {
            flow,
            close: Mutex::new(CloseOp::new()),
        }
    }

    pub(super) const fn flow(&self) -> &F {
        &self.flow
    }
}

impl<F: Flow> Below<F> {
    pub(super) fn poll_recv(
        &self,
        op: &mut ReadOp,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, F::Error>> {
        self.flow.poll_read(cx, op)
    }

    /// Sends all of `data` in one write. What the flow below has taken is out of `data`, and what it has not is still there.
    pub(super) fn poll_send(
        &self,
        tx: &mut Sender,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<F::Error>>> {
        let op = &mut tx.write;
        if !op.is_taken() {
            if data.is_empty() {
                return Poll::Ready(Ok(()));
            }
            mem::swap(op.chunks(), data);
        }
        let sent = self.flow.poll_write(cx, op);
        // Also when it failed: a write that was not taken is not torn.
        if !op.is_taken() && !matches!(sent, Poll::Ready(Ok(()))) {
            mem::swap(op.chunks(), data);
        }
        if sent.is_ready() {
            section::discard(mem::take(op.chunks()));
            *op = WriteOp::default();
        }
        sent
    }

    pub(super) fn poll_finish(
        &self,
        tx: &mut Sender,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<F::Error>>> {
        self.flow.poll_shutdown(cx, &mut tx.shutdown)
    }

    /// Asked by a close only, after the end was signalled, so the flow below may close as well: it knows how to see its peer's end.
    pub(super) fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        match ready!(self.flow.poll_close(cx, &mut lock(&self.close))) {
            Ok(()) => Poll::Ready(PeerEnd::Ended),
            // Receiving will tell.
            Err(_) => Poll::Ready(PeerEnd::Unknown),
        }
    }

    /// True of the transport too: what this side holds, the engine knows of.
    pub(super) fn delivered(&self) -> Delivered {
        self.flow.delivered()
    }

    pub(super) fn abort(&self) {
        self.flow.abort();
    }
}
