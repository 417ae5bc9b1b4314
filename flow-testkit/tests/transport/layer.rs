//! A layer over another flow that passes its bytes on in small parts, with a fault if one is asked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use flow_core::{
    Bytes, Chunks, Engine, Flow, ReadOp, SharedError, Shutdown, ShutdownOp, Transport, WriteError,
    WriteOp,
};

/// What is wrong with a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Once the peer's end was received, what does not fit at once is lost.
    LosesTheTail,
    /// After a part it waits, and has asked nobody to be woken.
    ForgetsToWake,
    /// Where the end comes together with bytes, they are lost.
    EndOvertakes,
    /// A stream that was cut seems to have ended.
    CutIsAnEnd,
    /// A part of no bytes is handed out before each chunk.
    EmptyChunks,
}

/// The layer.
pub struct Layer<F> {
    inner: F,
    fault: Fault,
    ended: AtomicBool,
}

/// What is being received.
#[derive(Default)]
pub struct Rx {
    op: ReadOp,
    next: Option<Bytes>,
}

/// What is being sent.
#[derive(Default)]
pub struct Tx {
    part: Option<WriteOp>,
    end: Option<ShutdownOp>,
}

/// How many bytes are passed on at a time.
const PART: usize = 2;

/// A flow through the layer.
pub fn flow<F: Flow>(inner: F, fault: Fault) -> Engine<Layer<F>> {
    let layer = Layer {
        inner,
        fault,
        ended: AtomicBool::new(false),
    };
    Engine::new(layer, Rx::default(), Tx::default())
}

fn shared<E: std::error::Error + Send + Sync + 'static>(
    error: WriteError<E>,
) -> WriteError<SharedError> {
    error.map(SharedError::new)
}

impl<F: Flow> Transport for Layer<F> {
    type Error = SharedError;
    type Rx = Rx;
    type Tx = Tx;

    fn poll_recv(
        &self,
        rx: &mut Rx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, SharedError>> {
        if let Some(chunk) = rx.next.take() {
            return Poll::Ready(Ok(Some(chunk)));
        }
        let chunk = match ready!(self.inner.poll_read(cx, &mut rx.op)) {
            Err(_) if self.fault == Fault::CutIsAnEnd => None,
            chunk => chunk.map_err(SharedError::new)?,
        };
        if chunk.is_none() {
            self.ended.store(true, Ordering::SeqCst);
        }
        if self.fault == Fault::EndOvertakes
            && let Poll::Ready(Ok(next)) = self.inner.poll_read(cx, &mut rx.op)
        {
            rx.next = next;
            if rx.next.is_none() {
                return Poll::Ready(Ok(None));
            }
        }
        if self.fault == Fault::EmptyChunks {
            rx.next = chunk;
            return Poll::Ready(Ok(rx.next.is_some().then(Bytes::new)));
        }
        Poll::Ready(Ok(chunk))
    }

    fn poll_send(
        &self,
        tx: &mut Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        loop {
            if let Some(part) = &mut tx.part {
                let sent = self.inner.poll_write(cx, part);
                if sent.is_pending()
                    && self.fault == Fault::LosesTheTail
                    && self.ended.load(Ordering::SeqCst)
                {
                    data.advance(data.len());
                }
                ready!(sent).map_err(shared)?;
                tx.part = None;
                if self.fault == Fault::ForgetsToWake && !data.is_empty() {
                    return Poll::Pending;
                }
            }
            match data.take_at_most(PART) {
                Some(part) => tx.part = Some(WriteOp::from(part)),
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_finish(
        &self,
        tx: &mut Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        let end = tx
            .end
            .get_or_insert_with(|| ShutdownOp::new(Shutdown::Write));
        self.inner.poll_shutdown(cx, end).map_err(shared)
    }

    fn abort(&self, _: bool) {
        self.inner.abort();
    }

    /// What fails below is the stream.
    fn is_closed(error: &SharedError) -> bool {
        !error.is_aborted()
    }
}
