//! The transport over a descriptor: what the engine asks, answered by system calls.

mod ends;
mod receiving;
mod sending;

use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use flow_core::{
    Chunks, Delivered, Engine, Flow as _, PeerEnd, Shutdown, ShutdownOp, Transport, WriteError,
};

use self::ends::Ends;
pub use self::receiving::Rx;
pub use self::sending::Tx;
use crate::delivered;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::hang_up::HangUp;
use crate::kind::{Access, Kind};
use crate::passing::Passing;
use crate::source::Source;
use crate::{Error, Readiness, splice};

/// A [`Transport`] over a descriptor, or over one for each direction, on any runtime that has [`Readiness`].
///
/// For authors of backends; everybody else uses the flows of `flow-tokio` or `flow-async-std`, which are
/// [`Engine`]s over this.
// In the order of this text: the engine has what is used most right behind it.
#[repr(C)]
pub struct FdTransport<R: Readiness> {
    runtime: R::Runtime,
    /// The states of the directions hold them too; empty once aborted, so that the last of them releases it.
    ends: Mutex<Ends<R>>,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    hang_up: HangUp<R>,
    /// Bytes outside of memory could not be sent from there, once, so there are to be no more.
    sends_from_memory: AtomicBool,
    passing: Passing,
}

/// A flow over a descriptor, on any runtime: what backends wrap.
pub type FdEngine<R> = Engine<FdTransport<R>>;

impl<R: Readiness> FdTransport<R> {
    /// A flow over a socket.
    pub(crate) fn of_socket(runtime: R::Runtime, source: Source<R>) -> Engine<Self> {
        Self::of_one(runtime, source, Access::BOTH)
    }

    /// A flow over one descriptor, in those directions.
    pub(crate) fn of_one(
        runtime: R::Runtime,
        source: Source<R>,
        Access { read, write }: Access,
    ) -> Engine<Self> {
        prepare(source.fd());
        let source = Arc::new(source);
        Self::engine(
            runtime,
            Ends {
                read: read.then(|| Arc::clone(&source)),
                write: write.then_some(source),
                written: Delivered::Unknown,
            },
        )
    }

    /// A flow that reads one descriptor and writes another.
    pub(crate) fn of_two(runtime: R::Runtime, read: Source<R>, write: Source<R>) -> Engine<Self> {
        prepare(write.fd());
        Self::engine(
            runtime,
            Ends {
                read: Some(Arc::new(read)),
                write: Some(Arc::new(write)),
                written: Delivered::Unknown,
            },
        )
    }

    fn engine(runtime: R::Runtime, ends: Ends<R>) -> Engine<Self> {
        let (rx, tx) = (Rx::new(ends.read.clone()), Tx::new(ends.write.clone()));
        let writable = ends.write.is_some();
        let transport = Self {
            runtime,
            ends: Mutex::new(ends),
            passing: Passing::default(),
            sends_from_memory: AtomicBool::new(false),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            hang_up: HangUp::new(),
        };
        let flow = Engine::new(transport, rx, tx);
        if !writable {
            // What cannot be written to is closed for writing from the beginning, which is no failure.
            let mut cx = Context::from_waker(Waker::noop());
            let _ = flow.poll_shutdown(&mut cx, &mut ShutdownOp::new(Shutdown::Write));
        }
        flow
    }

    /// Lends the descriptor out, that which is read where there are two; `None` once the flow was aborted, or the end of a pipe that it
    /// wrote was closed.
    ///
    /// While `work` runs, the descriptor stays open. `SO_ERROR` is not to be read there: that takes the error away which reading would
    /// report, and a reset then looks like a clean end.
    pub fn with_fd<T>(&self, work: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        let ends = self.ends();
        let source = ends.read.clone().or_else(|| ends.write.clone());
        drop(ends);
        Some(source?.lend(work))
    }

    /// The kind, if the flow is over one descriptor.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.ends().only().map(|source| source.kind())
    }

    /// Whether the flow is over as many descriptors, and nothing was read that would be lost. (What is being written the engine knows.)
    pub(crate) fn is_over(&self, count: usize) -> bool {
        let ends = self.ends();
        let over = match (ends.are_two(), ends.only()) {
            (true, _) => 2,
            (false, Some(_)) => 1,
            (false, None) => 0,
        };
        over == count && !ends.read.as_ref().is_some_and(|source| source.is_busy())
    }

    /// The kind of what is written.
    pub(crate) fn write_kind(&self) -> Option<Kind> {
        self.ends().write.as_ref().map(|source| source.kind())
    }

    /// Has `fds` go with the first byte of `data`.
    pub(crate) fn pass(&self, data: &Bytes, fds: Vec<OwnedFd>) {
        if let Some(source) = &self.ends().write {
            source.end_privacy();
        }
        self.passing.add(data, fds);
    }

    pub(crate) fn passing(&self) -> &Passing {
        &self.passing
    }

    fn ends(&self) -> MutexGuard<'_, Ends<R>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_end(&self) -> Option<Arc<Source<R>>> {
        self.ends().read.clone()
    }
}

/// What a socket needs before its first byte: these systems have no flag in the call that keeps SIGPIPE away.
#[cfg(target_vendor = "apple")]
fn prepare(fd: BorrowedFd<'_>) {
    _ = rustix::net::sockopt::set_socket_nosigpipe(fd, true);
}

#[cfg(not(target_vendor = "apple"))]
fn prepare(_: BorrowedFd<'_>) {}

/// The descriptors of a flow that is taken apart, which are not to be ended when it is dropped.
pub(crate) fn keep<R: Readiness>(rx: &Rx<R>, tx: &Tx<R>) -> [Option<Arc<OwnedFd>>; 2] {
    [rx.source(), tx.source()].map(|source| source.map(|source| source.keep()))
}

impl<R: Readiness> Transport for FdTransport<R> {
    type Error = Error;
    type Rx = Rx<R>;
    type Tx = Tx<R>;

    #[inline(always)]
    fn poll_recv(
        &self,
        rx: &mut Rx<R>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        rx.receive(cx, &self.runtime, &self.passing)
    }

    #[inline(always)]
    fn poll_send(
        &self,
        tx: &mut Tx<R>,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Error>>> {
        let from_memory = &self.sends_from_memory;
        tx.send(cx, &self.runtime, &self.passing, from_memory, data)
    }

    fn poll_finish(
        &self,
        tx: &mut Tx<R>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Error>>> {
        Poll::Ready(tx.finish(|known| {
            let mut ends = self.ends();
            if known {
                ends.written = Delivered::Yes;
            }
            ends.write.take()
        }))
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        match self.read_end() {
            Some(source) if source.kind().has_peer() => self.wait_for_hang_up(&source, cx),
            // Nobody is there of whom an end could be expected.
            _ => Poll::Ready(PeerEnd::Ended),
        }
    }

    /// The kernel answers input that nobody reads with a reset when the socket is closed, also where that is because the process exits.
    fn take_in(&self, rx: &mut Rx<R>) {
        rx.take_in(&self.passing);
    }

    fn recv_direct(&self, rx: &mut Rx<R>) -> Option<Chunks> {
        rx.receive_direct(&self.passing)
    }

    fn takes(&self, data: &Chunks) -> bool {
        let ends = self.ends();
        let source = ends.write.as_ref();
        !self.sends_from_memory.load(Ordering::Relaxed)
            && source.is_some_and(|source| splice::takes(source.kind(), source.way(), data))
    }

    fn half_close(&self) -> Result<(), Error> {
        match &self.ends().write {
            Some(source) if !source.kind().half_closes() => {
                Err(Error::no_half_close(source.kind()))
            }
            _ => Ok(()),
        }
    }

    fn delivered(&self) -> Delivered {
        let ends = self.ends();
        let (write, written) = (ends.write.clone(), ends.written);
        drop(ends);
        match write {
            Some(source) if source.kind() == Kind::Pipe => delivered::of_pipe(source.fd()),
            Some(source) => source.receipts().of(source.fd(), source.kind()),
            None => written,
        }
    }

    fn abort(&self, torn: bool) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        self.hang_up.release();
        let mut ends = self.ends();
        let (read, write) = (ends.read.take(), ends.write.take());
        drop(ends);
        match (&read, &write) {
            (Some(read), Some(write)) if !Arc::ptr_eq(read, write) => read.end(false),
            (Some(read), None) => read.end(torn),
            _ => {}
        }
        if let Some(write) = &write {
            write.end(torn);
        }
    }

    fn is_closed(error: &Error) -> bool {
        error.is_closed()
    }
}

impl<R: Readiness> FdTransport<R> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn wait_for_hang_up(&self, source: &Source<R>, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        self.hang_up.poll(&self.runtime, source.fd(), cx)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn wait_for_hang_up(&self, _: &Source<R>, _: &mut Context<'_>) -> Poll<PeerEnd> {
        Poll::Ready(PeerEnd::Unknown)
    }
}

impl<R: Readiness> fmt::Debug for FdTransport<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdTransport").finish_non_exhaustive()
    }
}
