//! The transport over a descriptor: what the engine asks, answered by system calls.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use flow_core::{
    Chunks, Delivered, Engine, Flow as _, PeerEnd, Shutdown, ShutdownOp, Transport, WriteError,
};
use rustix::event::PollFlags;
use rustix::io::Errno;

use crate::delivered;
use crate::error::Doing;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::hang_up::HangUp;
use crate::kind::{Access, Kind};
use crate::passing::Passing;
use crate::pool::{self, Job, Read, Written};
use crate::recv::{Estimate, Got};
use crate::send::Put;
use crate::source::Source;
use crate::{Attempt, Direction, Error, Readiness, send, splice, way};

/// A [`Transport`] over a descriptor, or over one for each direction, on any runtime that has [`Readiness`].
///
/// For authors of backends; everybody else uses the flows of `flow-tokio` or `flow-async-std`, which are
/// [`Engine`]s over this.
///
/// In the order of this text: the engine has what is used most right behind it.
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

/// What is read and what is written: mostly the same, and either may be missing.
struct Ends<R> {
    read: Option<Arc<Source<R>>>,
    write: Option<Arc<Source<R>>>,
    /// What was known of the writing end when it was closed: of a pipe, nothing can be asked afterwards.
    written: Delivered,
}

/// A flow over a descriptor, on any runtime: what backends wrap.
pub type FdEngine<R> = Engine<FdTransport<R>>;

/// The state of receiving of an [`FdTransport`].
pub struct Rx<R: Readiness> {
    /// None if there is nothing to read from: that is the end.
    source: Option<Arc<Source<R>>>,
    fresh: bool,
    estimate: Estimate,
    /// In a box, because few flows have any of it.
    aside: Option<Box<Aside>>,
}

/// What receives have to do beside receiving.
#[derive(Default)]
struct Aside {
    /// What the pool reads, and for how much it was asked.
    job: Option<(Job<Result<Read, Errno>>, usize)>,
    direct: splice::Receiver,
    /// What a close has taken in, or an error that a direct receive has met.
    taken_in: VecDeque<Result<Option<Bytes>, Error>>,
}

/// The state of sending of an [`FdTransport`].
pub struct Tx<R: Readiness> {
    /// None if there is nothing to write to, or no longer.
    source: Option<Arc<Source<R>>>,
    /// How many attempts in a row found room for all, up to [`ROOMY`].
    roomy: u8,
    /// In a box, because few flows have any of it.
    pooled: Option<Box<Pooled>>,
}

/// What is written by the pool.
#[derive(Default)]
struct Pooled {
    job: Option<Job<Written>>,
    /// What the pool found no room for.
    rest: Bytes,
}

/// After so many attempts that found room, the next one is made before the runtime is asked: where writers do not fill the buffer, asking is in vain
/// every time. Where they do, the runtime's event is to be taken before an attempt, so that it can be cleared when there is no room.
const ROOMY: u8 = 8;

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
        let rx = Rx {
            source: ends.read.clone(),
            fresh: true,
            estimate: Estimate::default(),
            aside: None,
        };
        let tx = Tx {
            source: ends.write.clone(),
            roomy: ROOMY,
            pooled: None,
        };
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

impl<R> Ends<R> {
    /// Whether one descriptor is read and another is written.
    fn are_two(&self) -> bool {
        matches!((&self.read, &self.write), (Some(read), Some(write)) if !Arc::ptr_eq(read, write))
    }

    /// The one descriptor that there is.
    fn only(&self) -> Option<&Arc<Source<R>>> {
        let any = self.read.as_ref().or(self.write.as_ref());
        any.filter(|_| !self.are_two())
    }
}

/// What a socket needs before its first byte.
fn prepare(fd: BorrowedFd<'_>) {
    // These systems have no flag for it in the call.
    #[cfg(target_vendor = "apple")]
    {
        _ = rustix::net::sockopt::set_socket_nosigpipe(fd, true);
    }
    #[cfg(not(target_vendor = "apple"))]
    let _ = fd;
}

impl<R: Readiness> Rx<R> {
    /// What receiving has shown of what became of the bytes that were sent.
    #[inline]
    fn note_receipts(&self, error: Option<&Error>) {
        if let Some(source) = &self.source {
            if self.estimate.met_a_cut() {
                source.receipts().note_cut();
            }
            if let Some(e) = error {
                source.receipts().note_error(e, source.kind());
            }
        }
    }
}

/// The descriptors of a flow that is taken apart, which are not to be ended when it is dropped.
pub(crate) fn keep<R: Readiness>(rx: &Rx<R>, tx: &Tx<R>) -> [Option<Arc<OwnedFd>>; 2] {
    [&rx.source, &tx.source].map(|source| source.as_ref().map(|source| source.keep()))
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
        let received = self.receive(rx, cx);
        if let Poll::Ready(Err(e)) = &received {
            rx.note_receipts(Some(e));
        } else if rx.estimate.met_a_cut() {
            rx.note_receipts(None);
        }
        received
    }

    #[inline(always)]
    fn poll_send(
        &self,
        tx: &mut Tx<R>,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Error>>> {
        let Tx {
            source,
            roomy,
            pooled,
        } = tx;
        let Some(source) = source else {
            return Poll::Ready(if data.is_empty() {
                Ok(())
            } else {
                Err(WriteError::Closed)
            });
        };
        let failed = |e| {
            source.receipts().note_error(&e, source.kind());
            write_error(e, source.kind())
        };
        loop {
            if let Some(Pooled { job, rest }) = pooled.as_deref_mut()
                && let Some(under_way) = job
            {
                let answer = ready!(under_way.poll(cx));
                *job = None;
                *rest = answer
                    .and_then(|written| written.map_err(|errno| Error::os(Doing::Send, errno)))
                    .map_err(failed)?;
            }
            if pooled
                .as_ref()
                .is_some_and(|pooled| !pooled.rest.is_empty())
            {
                ready!(source.poll_io(Direction::Write, true, cx, || has_room(source)))
                    .map_err(failed)?;
            } else if data.is_empty() {
                return Poll::Ready(Ok(()));
            } else {
                let mut found_room = false;
                let first = *roomy == ROOMY;
                let put = source.poll_io(Direction::Write, first, cx, || {
                    let attempted = match source.kind() {
                        kind if kind.takes_bytes_for_nobody(source.fd()) => {
                            Attempt::Maybe(Err(Error::os(Doing::Send, Errno::IO)))
                        }
                        kind => {
                            let outside = data.is_outside();
                            let (fd, way) = (source.fd(), source.way());
                            let attempted = send::attempt(fd, kind, way, data, &self.passing);
                            if outside && !data.is_outside() {
                                self.sends_from_memory.store(true, Ordering::Relaxed);
                            }
                            attempted
                        }
                    };
                    found_room = matches!(attempted, Attempt::Maybe(_));
                    attempted
                });
                *roomy = if found_room { ROOMY.min(*roomy + 1) } else { 0 };
                match ready!(put).map_err(failed)? {
                    Put::Sent => return Poll::Ready(Ok(())),
                    Put::Blocks => pooled.get_or_insert_default().rest = send::take(data),
                }
            }
            let pooled = pooled.get_or_insert_default();
            let rest = std::mem::take(&mut pooled.rest);
            pooled.job = Some(pool::write_to(&self.runtime, source, rest));
        }
    }

    fn poll_finish(
        &self,
        tx: &mut Tx<R>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Error>>> {
        let Some(source) = &tx.source else {
            return Poll::Ready(Ok(()));
        };
        Poll::Ready(match source.kind() {
            kind if kind.is_socket() => {
                match rustix::net::shutdown(source.fd(), rustix::net::Shutdown::Write) {
                    Ok(()) => {
                        source.receipts().note_end();
                        source.let_go_of_standard();
                        Ok(())
                    }
                    // The connection is gone: was anything under way?
                    Err(Errno::NOTCONN) if owes(source.fd(), kind) => Err(WriteError::Closed),
                    Err(Errno::NOTCONN) => Ok(()),
                    Err(errno) => Err(WriteError::Transport(Error::os(Doing::End, errno))),
                }
            }
            // A reader sees the end when the last writer closes.
            Kind::Pipe => {
                // What is unread now may be read later, and nobody will know.
                let known = delivered::of_pipe(source.fd()).is_yes();
                let ours = tx.source.take();
                let mut ends = self.ends();
                let theirs = ends.write.take();
                if known {
                    ends.written = Delivered::Yes;
                }
                drop(ends);
                drop((ours, theirs));
                Ok(())
            }
            _ => Ok(()),
        })
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
        let Some(source) = rx.source.clone() else {
            return;
        };
        if !source.kind().is_socket() {
            return;
        }
        loop {
            let (fd, kind, way) = (source.fd(), source.kind(), source.way());
            let next = match rx.estimate.attempt(fd, kind, way, &self.passing) {
                Attempt::Maybe(Ok(Got::Chunk(next))) | Attempt::Drained(Ok(Got::Chunk(next))) => {
                    Ok(next)
                }
                Attempt::Maybe(Err(e)) | Attempt::Drained(Err(e)) => Err(e),
                // Sockets are never for the pool.
                Attempt::WouldBlock | Attempt::Maybe(_) | Attempt::Drained(_) => return,
            };
            rx.note_receipts(next.as_ref().err());
            let over = !matches!(next, Ok(Some(_)));
            source.set_busy(true);
            rx.aside.get_or_insert_default().taken_in.push_back(next);
            if over {
                return;
            }
        }
    }

    fn recv_direct(&self, rx: &mut Rx<R>) -> Option<Chunks> {
        let source = rx.source.as_ref()?;
        // Descriptors that somebody wants to have come by ordinary receives only. The kernel closes them here, as it does there for those who do not.
        let aside = rx.aside.get_or_insert_default();
        if !aside.taken_in.is_empty() || aside.job.is_some() || self.passing.limit() > 0 {
            return None;
        }
        match aside
            .direct
            .receive(source.fd(), source.kind(), source.way())
        {
            Ok(received) => received,
            // What a Unix socket tells once, and not by an error of receiving: see `Estimate::attempt`.
            Err(Errno::CONNRESET) if source.kind() == Kind::Unix => {
                source.receipts().note_cut();
                None
            }
            // The socket has forgotten it, so it is kept for the receive that comes now.
            Err(errno) => {
                let error = Error::os(Doing::Receive, errno);
                source.receipts().note_error(&error, source.kind());
                source.set_busy(true);
                aside.taken_in.push_back(Err(error));
                None
            }
        }
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
    #[inline(always)]
    fn receive(&self, rx: &mut Rx<R>, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let Rx {
            source,
            fresh,
            estimate,
            aside,
        } = rx;
        let Some(source) = source else {
            return Poll::Ready(Ok(None));
        };
        if let Some(Aside { taken_in, .. }) = aside.as_deref_mut()
            && let Some(next) = taken_in.pop_front()
        {
            source.set_busy(!taken_in.is_empty());
            return Poll::Ready(next);
        }
        loop {
            if let Some(Aside { job, .. }) = aside.as_deref_mut()
                && let Some((under_way, room)) = job
            {
                let answer = ready!(under_way.poll(cx));
                let room = *room;
                *job = None;
                source.set_busy(false);
                match answer? {
                    Ok(Read::Chunk(chunk)) => {
                        estimate.learn(chunk.len(), room);
                        return Poll::Ready(Ok(Some(chunk)));
                    }
                    Ok(Read::End) => return Poll::Ready(Ok(None)),
                    Ok(Read::Nothing) => {}
                    Err(errno) if source.kind().hangs_up_by(errno) => return Poll::Ready(Ok(None)),
                    Err(errno) => return Poll::Ready(Err(Error::os(Doing::Receive, errno))),
                }
            }
            let first = std::mem::take(fresh);
            let attempt = {
                let (source, passing, estimate) = (&**source, &self.passing, &mut *estimate);
                move || {
                    source.attempt_to_recv(|| {
                        estimate.attempt(source.fd(), source.kind(), source.way(), passing)
                    })
                }
            };
            let got = ready!(source.poll_io(Direction::Read, first, cx, attempt))?;
            match got {
                Got::Chunk(chunk) => return Poll::Ready(Ok(chunk)),
                Got::Blocks => {
                    let room = estimate.room();
                    source.set_busy(true);
                    let job = pool::read_from(&self.runtime, source, room);
                    aside.get_or_insert_default().job = Some((job, room));
                }
            }
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn wait_for_hang_up(&self, source: &Source<R>, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        self.hang_up.poll(&self.runtime, source.fd(), cx)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn wait_for_hang_up(&self, _: &Source<R>, _: &mut Context<'_>) -> Poll<PeerEnd> {
        Poll::Ready(PeerEnd::Unknown)
    }
}

/// Whether the pool has something to write into.
fn has_room<R: Readiness>(source: &Source<R>) -> Attempt<Result<(), Error>> {
    let events = PollFlags::OUT | PollFlags::HUP | PollFlags::ERR;
    if !source.is_watched() || way::is(source.fd(), events) {
        Attempt::Maybe(Ok(()))
    } else {
        Attempt::WouldBlock
    }
}

/// What a failed send is to the writer. An error that reading reports by itself is just the end of writing.
fn write_error(error: Error, kind: Kind) -> WriteError<Error> {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::PIPE) => WriteError::Closed,
        Some(Errno::CONNRESET) if kind == Kind::Unix => WriteError::Closed,
        Some(errno) if kind.hangs_up_by(errno) => WriteError::Closed,
        _ => WriteError::Transport(error),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn owes(fd: BorrowedFd<'_>, kind: Kind) -> bool {
    kind == Kind::Tcp && crate::owed::bytes(fd).is_some_and(|bytes| bytes > 0)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn owes(_: BorrowedFd<'_>, _: Kind) -> bool {
    false
}

impl<R: Readiness> fmt::Debug for FdTransport<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdTransport").finish_non_exhaustive()
    }
}

impl<R: Readiness> fmt::Debug for Rx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rx")
            .field("fd", &self.source.as_ref().map(|source| source.fd()))
            .finish_non_exhaustive()
    }
}

impl<R: Readiness> fmt::Debug for Tx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("fd", &self.source.as_ref().map(|source| source.fd()))
            .finish_non_exhaustive()
    }
}
