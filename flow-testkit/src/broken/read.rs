//! Flows that read wrongly.

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::task::{Context, Poll};

use flow_core::memory::MemoryError;
use flow_core::{Bytes, Flow, ReadOp, WriteError, WriteOp};

use super::Broken;
use super::over_memory::{CLOSED, DonePoll, FlowFault, Inside, ReadPoll, flow};
use super::over_socket::{self, SocketFault};
use crate::plain::{PlainError, Socket};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<CutsLongChunks>("read_in_order_once", "bytes lost"),
        flow::<HandsOutStaleBytes>("read_in_order_once", "the reader got"),
        flow::<EmptyChunkForNothing>("read_chunk_not_empty", "an empty chunk"),
        flow::<ReusesItsBuffer>("read_chunk_never_changes", "changed while it was kept"),
        flow::<FillsItsBuffer>("read_does_not_wait_for_more", "a read is asleep"),
        over_socket::unix::<BelievesReadiness>("read_ignores_false_readiness", "should still wait"),
        flow::<FailureFirst>("read_data_before_failure", "met the end at 0"),
        flow::<HangUpFirst>("read_end_after_last_byte", "the end came after"),
        flow::<ForgetsTheEnd>(
            "read_end_is_final",
            "read 1 after the end came gave Pending",
        ),
        flow::<EndWakesNobody>("read_end_wakes_parked_read", "a parked read is asleep"),
        flow::<EndClosesBoth>(
            "read_end_leaves_writing",
            "a write after the peer's end failed",
        ),
        flow::<ErrorOnlyOnce>("read_error_is_final", "read 1 after an error gave None"),
        over_socket::tcp::<ResetIsTheEnd>("read_reset_is_reported", "a reset was read as Ok(None)"),
        over_socket::tcp::<WriteEatsTheError>(
            "read_reset_eaten_by_write",
            "a reset that a write had met was read as None",
        ),
        flow::<LeaveIsAReset>(
            "read_clean_reset_is_end",
            "a leave that lost nothing was read as Err",
        ),
        flow::<PinsItsBlock>("read_retention_bounded", "bytes of heap"),
    ]
}

/// A chunk longer than its unit loses its tail.
#[derive(Default)]
struct CutsLongChunks;

impl FlowFault for CutsLongChunks {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        inside
            .flow
            .poll_read(cx, op)
            .map_ok(|chunk| chunk.map(|c| c.slice(..c.len().min(4096))))
    }
}

/// The whole buffer is handed out, and not only what was received into it.
#[derive(Default)]
struct HandsOutStaleBytes {
    buffer: RefCell<Vec<u8>>,
}

impl FlowFault for HandsOutStaleBytes {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        inside.flow.poll_read(cx, op).map_ok(|chunk| {
            let chunk = chunk?;
            let mut buffer = self.buffer.borrow_mut();
            let len = buffer.len().max(chunk.len());
            buffer.resize(len, 0);
            buffer[..chunk.len()].copy_from_slice(&chunk);
            Some(Bytes::copy_from_slice(&buffer))
        })
    }
}

/// `EAGAIN` becomes a read of no bytes.
#[derive(Default)]
struct EmptyChunkForNothing;

impl FlowFault for EmptyChunkForNothing {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        match inside.flow.poll_read(cx, op) {
            Poll::Pending => Poll::Ready(Ok(Some(Bytes::new()))),
            ready => ready,
        }
    }
}

/// A buffer is received into again while a chunk of it is still kept.
struct ReusesItsBuffer {
    /// As the kernel writes into a buffer that it was given, past the compiler.
    memory: File,
    /// The buffer stays its own: whoever keeps the chunk sees it change, and nobody else's memory is written.
    last: Cell<Option<Bytes>>,
}

impl Default for ReusesItsBuffer {
    fn default() -> Self {
        let memory = OpenOptions::new()
            .write(true)
            .open("/proc/self/mem")
            .expect("/proc/self/mem");
        Self {
            memory,
            last: Cell::new(None),
        }
    }
}

impl FlowFault for ReusesItsBuffer {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        inside.flow.poll_read(cx, op).map_ok(|chunk| {
            let chunk = Bytes::from(chunk?.to_vec());
            if let Some(last) = self.last.replace(Some(chunk.clone())) {
                let again = &chunk[..last.len().min(chunk.len())];
                let address = last.as_ptr().addr() as u64;
                self.memory
                    .write_all_at(again, address)
                    .expect("writing our own memory");
            }
            Some(chunk)
        })
    }
}

/// What has arrived is kept until there is a bufferful.
#[derive(Default)]
struct FillsItsBuffer {
    buffer: RefCell<Vec<u8>>,
}

impl FlowFault for FillsItsBuffer {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let mut buffer = self.buffer.borrow_mut();
        while buffer.len() < 4096 {
            match inside.flow.poll_read(cx, op) {
                Poll::Ready(Ok(Some(chunk))) => buffer.extend_from_slice(&chunk),
                Poll::Ready(_) if !buffer.is_empty() => break,
                other => return other,
            }
        }
        Poll::Ready(Ok(Some(std::mem::take(&mut *buffer).into())))
    }
}

/// Once told that the socket is readable, it takes `EAGAIN` for a failure.
#[derive(Default)]
struct BelievesReadiness {
    waited: Cell<bool>,
}

impl SocketFault for BelievesReadiness {
    fn poll_recv(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        match over_socket::recv(socket, cx) {
            Poll::Pending if self.waited.replace(true) => {
                Poll::Ready(Err(PlainError::Os(rustix::io::Errno::AGAIN)))
            }
            Poll::Pending => Poll::Pending,
            ready => {
                self.waited.set(false);
                ready
            }
        }
    }
}

/// A failure of the connection is looked for before what was received.
#[derive(Default)]
struct FailureFirst;

impl FlowFault for FailureFirst {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if inside.spy.gone() {
            Poll::Ready(Ok(None))
        } else {
            inside.flow.poll_read(cx, op)
        }
    }
}

/// A hang-up is the end at once.
#[derive(Default)]
struct HangUpFirst;

impl FlowFault for HangUpFirst {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if inside.spy.ended() {
            Poll::Ready(Ok(None))
        } else {
            inside.flow.poll_read(cx, op)
        }
    }
}

/// After the end it asks again, and waits.
#[derive(Default)]
struct ForgetsTheEnd {
    ended: Cell<bool>,
}

impl FlowFault for ForgetsTheEnd {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.ended.get() {
            return Poll::Pending;
        }
        let result = inside.flow.poll_read(cx, op);
        self.ended.set(matches!(result, Poll::Ready(Ok(None))));
        result
    }
}

/// The end of a drained pipe is an event that it does not listen for.
#[derive(Default)]
struct EndWakesNobody;

impl FlowFault for EndWakesNobody {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let waker = inside.deaf_unless(cx, |spy| !spy.ended());
        inside.flow.poll_read(&mut Context::from_waker(&waker), op)
    }
}

/// The peer's half-close is taken for its leaving.
#[derive(Default)]
struct EndClosesBoth {
    ended: Cell<bool>,
}

impl FlowFault for EndClosesBoth {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        self.ended.set(matches!(result, Poll::Ready(Ok(None))));
        result
    }

    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if self.ended.get() {
            CLOSED
        } else {
            inside.flow.poll_write(cx, op)
        }
    }
}

/// An error is taken out when it is told.
#[derive(Default)]
struct ErrorOnlyOnce {
    told: Cell<bool>,
}

impl FlowFault for ErrorOnlyOnce {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        match inside.flow.poll_read(cx, op) {
            Poll::Ready(Err(_)) if self.told.replace(true) => Poll::Ready(Ok(None)),
            other => other,
        }
    }
}

/// Every way in which a socket stops is an end.
#[derive(Default)]
struct ResetIsTheEnd;

impl SocketFault for ResetIsTheEnd {
    fn poll_recv(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        match over_socket::recv(socket, cx) {
            Poll::Ready(Err(PlainError::Os(_))) => Poll::Ready(Ok(None)),
            other => other,
        }
    }
}

/// The error that a write met is forgotten, and the kernel does not say it twice.
#[derive(Default)]
struct WriteEatsTheError;

impl SocketFault for WriteEatsTheError {
    fn poll_send(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
        data: &mut flow_core::Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        over_socket::send(socket, cx, data).map_err(|_| WriteError::Closed)
    }
}

/// `ECONNRESET` is an error on every kind of socket.
#[derive(Default)]
struct LeaveIsAReset;

impl FlowFault for LeaveIsAReset {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        match inside.flow.poll_read(cx, op) {
            Poll::Ready(Ok(None)) if inside.spy.gone() => Poll::Ready(Err(MemoryError::Torn)),
            other => other,
        }
    }
}

/// Each chunk is a slice of a block of 64 KiB.
#[derive(Default)]
struct PinsItsBlock;

impl FlowFault for PinsItsBlock {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        inside.flow.poll_read(cx, op).map_ok(|chunk| {
            let chunk = chunk?;
            let mut block = Vec::with_capacity(64 * 1024);
            block.extend_from_slice(&chunk);
            Some(block.into())
        })
    }
}
