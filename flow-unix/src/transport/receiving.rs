//! The reading end: what was taken in, what the pool reads, what comes now.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flow_core::Chunks;
use rustix::io::Errno;

use crate::error::Doing;
use crate::kind::Kind;
use crate::passing::Passing;
use crate::pool::{self, Job, Read};
use crate::recv::{Estimate, Got};
use crate::source::Source;
use crate::{Attempt, Direction, Error, Readiness, splice};

/// The state of receiving of an [`FdTransport`](crate::FdTransport).
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

impl<R: Readiness> Rx<R> {
    pub(super) fn new(source: Option<Arc<Source<R>>>) -> Self {
        Self {
            source,
            fresh: true,
            estimate: Estimate::default(),
            aside: None,
        }
    }

    #[inline]
    pub(super) fn source(&self) -> Option<&Arc<Source<R>>> {
        self.source.as_ref()
    }

    #[inline(always)]
    pub(super) fn receive(
        &mut self,
        cx: &mut Context<'_>,
        runtime: &R::Runtime,
        passing: &Passing,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        let received = self.poll(cx, runtime, passing);
        if let Poll::Ready(Err(e)) = &received {
            self.note_receipts(Some(e));
        } else if self.estimate.met_a_cut() {
            self.note_receipts(None);
        }
        received
    }

    #[inline(always)]
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        runtime: &R::Runtime,
        passing: &Passing,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        let Self {
            source,
            fresh,
            estimate,
            aside,
        } = self;
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
                        estimate.learn(source.kind(), chunk.len(), room);
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
                let (source, passing, estimate) = (&**source, passing, &mut *estimate);
                move || source.attempt_to_recv(|| estimate.attempt(source, passing))
            };
            let got = ready!(source.poll_io(Direction::Read, first, cx, attempt))?;
            match got {
                Got::Chunk(chunk) => return Poll::Ready(Ok(chunk)),
                Got::Blocks => {
                    let room = estimate.room();
                    source.set_busy(true);
                    let job = pool::read_from(runtime, source, room);
                    aside.get_or_insert_default().job = Some((job, room));
                }
            }
        }
    }

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

    /// Receives what is there, for later.
    pub(super) fn take_in(&mut self, passing: &Passing) {
        let Some(source) = self.source.clone() else {
            return;
        };
        if !source.kind().is_socket() {
            return;
        }
        loop {
            let answer = match self.estimate.attempt(&source, passing) {
                Attempt::Maybe(answer) | Attempt::Short(answer) | Attempt::Drained(answer) => {
                    answer
                }
                Attempt::WouldBlock => return,
            };
            let next = match answer {
                Ok(Got::Chunk(next)) => Ok(next),
                // Sockets are never for the pool.
                Ok(Got::Blocks) => return,
                Err(e) => Err(e),
            };
            self.note_receipts(next.as_ref().err());
            let over = !matches!(next, Ok(Some(_)));
            source.set_busy(true);
            self.aside.get_or_insert_default().taken_in.push_back(next);
            if over {
                return;
            }
        }
    }

    /// Receives what is there, and leaves it outside of memory. `None` if that cannot be done.
    pub(super) fn receive_direct(&mut self, passing: &Passing) -> Option<Chunks> {
        let source = self.source.as_ref()?;
        if !splice::moves(source.kind(), source.way()) {
            return None;
        }
        // Descriptors that somebody wants to have come by ordinary receives only. The kernel closes them here, as it does there for those who do not.
        let aside = self.aside.get_or_insert_default();
        if !aside.taken_in.is_empty() || aside.job.is_some() || passing.limit() > 0 {
            return None;
        }
        match aside.direct.receive(source.fd(), source.kind()) {
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
}

impl<R: Readiness> fmt::Debug for Rx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rx")
            .field("fd", &self.source.as_ref().map(|source| source.fd()))
            .finish_non_exhaustive()
    }
}
