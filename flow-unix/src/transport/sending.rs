//! The writing end: what the pool writes, what is sent now, and how its end is shown.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flow_core::{Chunks, WriteError};
use rustix::io::Errno;

use crate::delivered;
use crate::error::Doing;
use crate::kind::Kind;
use crate::passing::Passing;
use crate::pool::{self, Job, Written};
use crate::send::Put;
use crate::source::Source;
use crate::{Attempt, Direction, Error, Readiness, send, way};

/// The state of sending of an [`FdTransport`](crate::FdTransport).
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

impl<R: Readiness> Tx<R> {
    pub(super) fn new(source: Option<Arc<Source<R>>>) -> Self {
        Self {
            source,
            roomy: ROOMY,
            pooled: None,
        }
    }

    #[inline]
    pub(super) fn source(&self) -> Option<&Arc<Source<R>>> {
        self.source.as_ref()
    }

    /// Sends bytes off the front of `data`. Should bytes outside of memory have to go through it, `from_memory` is set.
    #[inline(always)]
    pub(super) fn send(
        &mut self,
        cx: &mut Context<'_>,
        runtime: &R::Runtime,
        passing: &Passing,
        from_memory: &AtomicBool,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Error>>> {
        let Self {
            source,
            roomy,
            pooled,
        } = self;
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
                    let outside = data.is_outside();
                    let (fd, kind, way) = (source.fd(), source.kind(), source.way());
                    let attempted = send::attempt(fd, kind, way, data, passing);
                    if outside && !data.is_outside() {
                        from_memory.store(true, Ordering::Relaxed);
                    }
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
            pooled.job = Some(pool::write_to(runtime, source, rest));
        }
    }

    /// Shows the peer the end. `release` lets go of the transport's own hold on a pipe, and is told whether all is known to have been read.
    pub(super) fn finish(
        &mut self,
        release: impl FnOnce(bool) -> Option<Arc<Source<R>>>,
    ) -> Result<(), WriteError<Error>> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        match source.kind() {
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
                let ours = self.source.take();
                drop((ours, release(known)));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Whether the pool has something to write into.
fn has_room<R: Readiness>(source: &Source<R>) -> Attempt<Result<(), Error>> {
    if !source.is_watched() || way::is(source.fd(), way::WRITABLE) {
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

impl<R: Readiness> fmt::Debug for Tx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("fd", &self.source.as_ref().map(|source| source.fd()))
            .finish_non_exhaustive()
    }
}
