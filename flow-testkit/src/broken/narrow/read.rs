//! Reading that goes wrong only now and then.

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::task::{Context, Poll};

use flow_core::memory::MemoryError;
use flow_core::{Bytes, Chunks, Flow, ReadOp, WriteError};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::broken::Broken;
use crate::broken::over_memory::{FlowFault, Inside, ReadPoll, Waiting, flow};
use crate::broken::over_socket::{self, SocketFault, tcp, unix};
use crate::plain::{PlainError, Socket, Which};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<PinsALongBuffer>("read_retention_bounded", "bytes of heap")
            .narrower_than("PinsItsBlock"),
        flow::<LosesTheTailAtTheEnd>("read_end_after_last_byte", "the end came after")
            .narrower_than("CutsLongChunks"),
        flow::<WrapsItsRing>("read_in_order_once", "bytes lost at offset 65536")
            .narrower_than("CutsLongChunks"),
        flow::<WaitsBehindAFullBuffer>("read_does_not_wait_for_more", "a read is asleep")
            .narrower_than("FillsItsBuffer"),
        flow::<ZeroesItsBufferAtLast>("read_chunk_never_changes", "changed while it was kept")
            .narrower_than("ReusesItsBuffer"),
        flow::<HangUpReachesAParkedReadFirst>(
            "read_end_after_last_byte",
            "came to a parked read before the last byte",
        )
        .narrower_than("HangUpFirst"),
        flow::<EndBehindBytesIsSilent>("read_end_after_last_byte", "a read is asleep")
            .narrower_than("EndWakesNobody"),
        flow::<EndIsSilentOnceShut>("read_end_wakes_parked_read", "a parked read is asleep")
            .narrower_than("EndWakesNobody"),
        flow::<SecondReaderMissesTheEnd>(
            "tasks_each_byte_to_one_reader",
            "one of several readers is asleep",
        )
        .narrower_than("EndWakesNobody"),
        flow::<ForgetsTheEndOnceShut>(
            "read_end_is_final",
            "read 1 after the end and a shutdown gave Pending",
        )
        .narrower_than("ForgetsTheEnd"),
        flow::<EndIsAnErrorOnceShut>(
            "shutdown_write_spares_reading",
            "the end was reported as an error",
        )
        .narrower_than("LeaveIsAReset"),
        flow::<ErrorTwice>("read_error_is_final", "read 2 after an error gave None")
            .narrower_than("ErrorOnlyOnce"),
        unix::<ClearsOnSuccess>("read_end_after_last_byte", "a read is asleep")
            .narrower_than("ShortReadIsDrained"),
        unix::<BrokenPipeIsNews>(
            "read_clean_reset_is_end",
            "a leave that lost nothing was read as Err",
        )
        .narrower_than("LeaveIsAReset"),
        unix::<FullReadIsDrained>("read_does_not_wait_for_more", "a read is asleep")
            .narrower_than("ClearsOnSuccess"),
        unix::<ShortReadOfALargeBufferIsDrained>(
            "fd_passed_descriptors_do_not_stall",
            "a read is asleep",
        )
        .narrower_than("ShortReadIsDrained"),
        tcp::<ResetIsTheEndOfAParkedRead>("read_reset_is_reported", "a reset was read as Ok(None)")
            .narrower_than("ResetIsTheEnd"),
        flow::<EmptyChunkAfterACancel>("cancel_read_loses_nothing", "an empty chunk")
            .narrower_than("EmptyChunkForNothing"),
    ]
}

/// The last byte of what is received together with the end is taken for a part of it (R3).
#[derive(Default)]
struct LosesTheTailAtTheEnd;

impl FlowFault for LosesTheTailAtTheEnd {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let ended = inside.spy.ended();
        inside.flow.poll_read(cx, op).map_ok(|chunk| {
            let chunk = chunk?;
            let len = chunk.len() - usize::from(ended && chunk.len() > 1);
            Some(chunk.slice(..len))
        })
    }
}

/// The byte at which a ring of 64 KiB begins again is skipped (R3).
#[derive(Default)]
struct WrapsItsRing {
    at: Cell<usize>,
}

impl FlowFault for WrapsItsRing {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        const RING: usize = 64 * 1024;
        inside.flow.poll_read(cx, op).map_ok(|chunk| {
            let chunk = chunk?;
            let before = self.at.replace(self.at.get() + chunk.len());
            if before > RING || before + chunk.len() <= RING {
                return Some(chunk);
            }
            let (front, back) = chunk.split_at(RING - before);
            Some([front, &back[1..]].concat().into())
        })
    }
}

/// A buffer that was just filled must have more behind it (R8).
#[derive(Default)]
struct WaitsBehindAFullBuffer {
    full: RefCell<Vec<u8>>,
}

impl FlowFault for WaitsBehindAFullBuffer {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let mut full = self.full.borrow_mut();
        loop {
            match inside.flow.poll_read(cx, op) {
                Poll::Ready(Ok(Some(chunk))) => {
                    full.extend_from_slice(&chunk);
                    if !full.len().is_multiple_of(4096) {
                        return Poll::Ready(Ok(Some(std::mem::take(&mut *full).into())));
                    }
                }
                Poll::Ready(_) if !full.is_empty() => {
                    return Poll::Ready(Ok(Some(std::mem::take(&mut *full).into())));
                }
                other => return other,
            }
        }
    }
}

/// What the flow received into is wiped when the flow goes, under those who keep chunks (R2).
struct ZeroesItsBufferAtLast {
    /// As the kernel writes into a buffer that it was given, past the compiler.
    memory: File,
    last: Cell<Option<Bytes>>,
}

impl Default for ZeroesItsBufferAtLast {
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

impl FlowFault for ZeroesItsBufferAtLast {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        inside.flow.poll_read(cx, op).map_ok(|chunk| {
            let chunk = Bytes::from(chunk?.to_vec());
            self.last.set(Some(chunk.clone()));
            Some(chunk)
        })
    }

    fn release(&self, inside: Inside) {
        drop(inside);
        if let Some(last) = self.last.take() {
            let address = last.as_ptr().addr() as u64;
            self.memory
                .write_all_at(&vec![0; last.len()], address)
                .expect("writing our own memory");
        }
    }
}

/// A hang-up is the end at once for the read that it wakes (E3).
#[derive(Default)]
struct HangUpReachesAParkedReadFirst;

impl FlowFault for HangUpReachesAParkedReadFirst {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if op.place().is_held() && inside.spy.ended() {
            return Poll::Ready(Ok(None));
        }
        inside.flow.poll_read(cx, op)
    }
}

/// One event tells of bytes and of the end, and the bytes use it up (E2).
#[derive(Default)]
struct EndBehindBytesIsSilent {
    used_up: Cell<bool>,
}

impl FlowFault for EndBehindBytesIsSilent {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, op);
        match &result {
            Poll::Ready(Ok(None)) if self.used_up.get() => Poll::Pending,
            Poll::Ready(Ok(Some(_))) => {
                self.used_up.set(inside.spy.ended());
                result
            }
            _ => result,
        }
    }
}

/// Once it has shut its own side down, it does not listen for the end of the other (E6).
#[derive(Default)]
struct EndIsSilentOnceShut;

impl FlowFault for EndIsSilentOnceShut {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if !inside.shut.get() {
            return inside.flow.poll_read(cx, op);
        }
        let waker = inside.deaf_unless(cx, |spy| !spy.ended());
        inside.flow.poll_read(&mut Context::from_waker(&waker), op)
    }
}

/// The end is told to one of those who wait (K3, E1).
#[derive(Default)]
struct SecondReaderMissesTheEnd {
    waiting: Waiting,
}

impl FlowFault for SecondReaderMissesTheEnd {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let in_line = op.place().is_held();
        let result = if self.waiting.others(op.place()) == 0 {
            inside.flow.poll_read(cx, op)
        } else {
            let waker = inside.deaf_unless(cx, |spy| !spy.ended());
            inside.flow.poll_read(&mut Context::from_waker(&waker), op)
        };
        self.waiting.note(in_line, &result);
        result
    }
}

/// That the peer has ended is forgotten when this side ends too (E4).
#[derive(Default)]
struct ForgetsTheEndOnceShut;

impl FlowFault for ForgetsTheEndOnceShut {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        match inside.flow.poll_read(cx, op) {
            Poll::Ready(Ok(None)) if inside.shut.get() => Poll::Pending,
            other => other,
        }
    }
}

/// A socket that both sides have shut down is not connected, says the system, and so does the flow (E5).
#[derive(Default)]
struct EndIsAnErrorOnceShut;

impl FlowFault for EndIsAnErrorOnceShut {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        match inside.flow.poll_read(cx, op) {
            Poll::Ready(Ok(None)) if inside.shut.get() => Poll::Ready(Err(MemoryError::Torn)),
            other => other,
        }
    }
}

/// An error is told by the call that met it and by the next, and then taken for an end (X4).
#[derive(Default)]
struct ErrorTwice {
    told: Cell<usize>,
}

impl FlowFault for ErrorTwice {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        match inside.flow.poll_read(cx, op) {
            Poll::Ready(Err(_)) if self.told.replace(self.told.get() + 1) >= 2 => {
                Poll::Ready(Ok(None))
            }
            other => other,
        }
    }
}

/// Every read that succeeds waits for the next event, whatever is left in the socket (K5).
#[derive(Default)]
struct ClearsOnSuccess;

impl SocketFault for ClearsOnSuccess {
    fn poll_recv(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        let result = over_socket::recv(socket, cx);
        if matches!(result, Poll::Ready(Ok(Some(_)))) {
            socket.clear_read();
        }
        result
    }
}

/// That nobody is there to write to is kept as a failure, for the reader too, who meets the end of what came.
#[derive(Default)]
struct BrokenPipeIsNews;

impl SocketFault for BrokenPipeIsNews {
    fn poll_send(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        over_socket::send(socket, cx, data).map_err(|e| match e {
            WriteError::Closed => WriteError::Transport(PlainError::Os(Errno::PIPE)),
            other => other,
        })
    }
}

/// Receives into a buffer that grows once it was filled, as good flows do. How many bytes came, and how many had room.
fn recv_growing(
    room: &Cell<usize>,
    socket: &Socket,
    cx: &Context<'_>,
) -> Poll<Result<(Bytes, usize), PlainError>> {
    let had = room.get();
    let mut buffer = vec![0; had];
    let call = |fd: BorrowedFd<'_>| recv(fd, &mut buffer, RecvFlags::DONTWAIT);
    let (_, count) = std::task::ready!(socket.poll_io(Which::Read, cx, call))?;
    if count == had {
        room.set(LARGE);
    }
    buffer.truncate(count);
    Poll::Ready(Ok((buffer.into(), had)))
}

/// How large a buffer is at first, and how large it becomes.
const SMALL: usize = 16 * 1024;
const LARGE: usize = 64 * 1024;

/// A read that fills its buffer, once that has become large, has emptied the socket.
struct FullReadIsDrained {
    room: Cell<usize>,
}

impl Default for FullReadIsDrained {
    fn default() -> Self {
        let room = Cell::new(SMALL);
        Self { room }
    }
}

impl SocketFault for FullReadIsDrained {
    fn poll_recv(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        recv_growing(&self.room, socket, cx).map_ok(|(chunk, had)| {
            if chunk.len() == had && had == LARGE {
                socket.clear_read();
            }
            (!chunk.is_empty()).then_some(chunk)
        })
    }
}

/// A read that does not fill its buffer has emptied the socket, once the buffer has become large.
struct ShortReadOfALargeBufferIsDrained {
    room: Cell<usize>,
}

impl Default for ShortReadOfALargeBufferIsDrained {
    fn default() -> Self {
        let room = Cell::new(SMALL);
        Self { room }
    }
}

impl SocketFault for ShortReadOfALargeBufferIsDrained {
    fn poll_recv(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        recv_growing(&self.room, socket, cx).map_ok(|(chunk, had)| {
            if !chunk.is_empty() && chunk.len() < had && had == LARGE {
                socket.clear_read();
            }
            (!chunk.is_empty()).then_some(chunk)
        })
    }
}

/// An event with a hang-up in it is an end, whatever the next system call would say (X5).
#[derive(Default)]
struct ResetIsTheEndOfAParkedRead {
    waited: Cell<bool>,
}

impl SocketFault for ResetIsTheEndOfAParkedRead {
    fn poll_recv(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        match over_socket::recv(socket, cx) {
            Poll::Ready(Err(PlainError::Os(_))) if self.waited.get() => Poll::Ready(Ok(None)),
            other => {
                self.waited.set(other.is_pending());
                other
            }
        }
    }
}

/// What was prepared for a read that was dropped is handed to the next, empty (R4).
#[derive(Default)]
struct EmptyChunkAfterACancel {
    waiting: Cell<bool>,
}

impl FlowFault for EmptyChunkAfterACancel {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.waiting.take() && !op.place().is_held() {
            return Poll::Ready(Ok(Some(Bytes::new())));
        }
        let result = inside.flow.poll_read(cx, op);
        self.waiting.set(result.is_pending());
        result
    }
}

/// The buffer is as large as the latest long message, and goes with a short one.
#[derive(Default)]
struct PinsALongBuffer {
    longest: Cell<usize>,
}

impl FlowFault for PinsALongBuffer {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        inside.flow.poll_read(cx, op).map_ok(|chunk| {
            let chunk = chunk?;
            if chunk.len() >= 16 * 1024 {
                self.longest.set(chunk.len());
            }
            let mut buffer = Vec::with_capacity(self.longest.get().max(chunk.len()));
            buffer.extend_from_slice(&chunk);
            Some(buffer.into())
        })
    }
}
