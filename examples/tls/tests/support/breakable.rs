//! A flow in memory whose writes can be made to fail for a reason that is not the peer's.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use flow_core::memory::{MemoryError, MemoryFlow};
use flow_core::{
    Aborted, Bytes, Chunks, CloseOp, Delivered, Engine, Flow, PeerEnd, ReadOp, Shutdown,
    ShutdownOp, Transport, WriteError, WriteOp,
};

/// What it fails with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Full,
    Memory(MemoryError),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the disk is full"),
            Self::Memory(e) => e.fmt(f),
        }
    }
}

impl Error for Broken {}

impl From<Aborted> for Broken {
    fn from(e: Aborted) -> Self {
        Self::Memory(e.into())
    }
}

pub(crate) type Breakable = Engine<Over>;

pub(crate) struct Over {
    flow: MemoryFlow,
    full: AtomicBool,
}

pub(crate) fn breakable(flow: MemoryFlow) -> Breakable {
    let full = AtomicBool::new(false);
    let tx = (WriteOp::default(), ShutdownOp::new(Shutdown::Write));
    Engine::new(Over { flow, full }, ReadOp::new(), tx)
}

impl Over {
    /// From here on nothing can be written.
    pub(crate) fn fill(&self) {
        self.full.store(true, Ordering::Release);
    }
}

impl Transport for Over {
    type Error = Broken;
    type Rx = ReadOp;
    type Tx = (WriteOp, ShutdownOp);

    fn poll_recv(
        &self,
        op: &mut ReadOp,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Broken>> {
        self.flow.poll_read(cx, op).map_err(Broken::Memory)
    }

    fn poll_send(
        &self,
        (op, _): &mut Self::Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Broken>>> {
        if self.full.load(Ordering::Acquire) {
            return Poll::Ready(Err(WriteError::Transport(Broken::Full)));
        }
        if !op.is_taken() {
            if data.is_empty() {
                return Poll::Ready(Ok(()));
            }
            std::mem::swap(op.chunks(), data);
        }
        let sent = self.flow.poll_write(cx, op);
        if !op.is_taken() && !matches!(sent, Poll::Ready(Ok(()))) {
            std::mem::swap(op.chunks(), data);
        }
        if sent.is_ready() {
            *op = WriteOp::default();
        }
        sent.map_err(|e| e.map(Broken::Memory))
    }

    fn poll_finish(
        &self,
        (_, op): &mut Self::Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Broken>>> {
        let ended = self.flow.poll_shutdown(cx, op);
        ended.map_err(|e| e.map(Broken::Memory))
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        let mut op = CloseOp::new();
        match self.flow.poll_close(cx, &mut op) {
            Poll::Ready(Ok(())) => Poll::Ready(PeerEnd::Ended),
            _ => Poll::Ready(PeerEnd::Unknown),
        }
    }

    fn delivered(&self) -> Delivered {
        self.flow.delivered()
    }

    fn abort(&self, _: bool) {
        self.flow.abort();
    }
}
