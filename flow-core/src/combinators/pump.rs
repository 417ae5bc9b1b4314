//! One direction of copying: a chunk is read, then written, and never held by nobody.

use std::fmt;
use std::mem;
use std::task::{Context, Poll, ready};

use thiserror::Error;

use super::{LiveStats, Stats};
use crate::{Chunks, Flow, ReadOp, WriteError, WriteOp};

/// Why copying stopped before the source's end, and how far it had come.
///
/// `Display` says which side failed, `source()` is that side's error.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyError<R, W> {
    /// The source failed. Everything that was read before has been written.
    #[error("reading from the source failed")]
    Read {
        /// Why.
        #[source]
        cause: R,
        /// What had been copied.
        stats: Stats,
    },
    /// The destination failed, or takes nothing any more.
    #[error("writing to the destination failed")]
    Write {
        /// Why.
        #[source]
        cause: WriteError<W>,
        /// What had been copied. Of the last chunk that was read it is not known how much went out.
        stats: Stats,
    },
    /// Everything was copied, and then the source's end could not be passed on. Only a [`proxy`](super::proxy()) does that.
    #[error("passing the end on to the destination failed")]
    End {
        /// Why.
        #[source]
        cause: WriteError<W>,
        /// What was copied.
        stats: Stats,
    },
}

impl<R, W> CopyError<R, W> {
    /// What was copied before.
    pub const fn stats(&self) -> Stats {
        match self {
            Self::Read { stats, .. } | Self::Write { stats, .. } | Self::End { stats, .. } => {
                *stats
            }
        }
    }
}

/// What a direction ends with.
pub(super) type Copied<R, W> = Result<Stats, CopyError<R, W>>;

/// The state of one direction. It owns what has been read and not written, so whoever keeps it loses nothing.
pub(super) struct Pump {
    state: State,
    live: LiveStats,
}

enum State {
    /// Nothing is held. A way to move bytes without holding them would be tried here.
    Reading(ReadOp),
    /// A write of that many bytes.
    Writing(WriteOp, usize),
    /// Over, and what the destination did not take.
    Over(Option<Chunks>),
}

impl Pump {
    pub(super) fn new() -> Self {
        Self {
            state: State::Reading(ReadOp::new()),
            live: LiveStats::default(),
        }
    }

    /// Before anything is read, this is written.
    pub(super) fn write_first(&mut self, first: Chunks) {
        if !first.is_empty() {
            let len = first.len();
            self.state = State::Writing(WriteOp::new(first), len);
        }
    }

    pub(super) const fn live(&self) -> &LiveStats {
        &self.live
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over(_))
    }

    /// What was read and the destination did not take.
    pub(super) fn into_unsent(self) -> Option<Chunks> {
        match self.state {
            State::Reading(_) => None,
            State::Writing(op, _) => op.cancel(),
            State::Over(unsent) => unsent,
        }
    }

    /// Goes on until the source's end. Not to be called once [over](Self::is_over).
    ///
    /// Flows give the task back by themselves when they are always ready, so this does not count.
    pub(super) fn poll<S, D>(
        &mut self,
        cx: &mut Context<'_>,
        src: &S,
        dst: &D,
    ) -> Poll<Copied<S::Error, D::Error>>
    where
        S: Flow + ?Sized,
        D: Flow + ?Sized,
    {
        self.live.start();
        loop {
            self.state = match &mut self.state {
                State::Reading(op) => match ready!(src.poll_read(cx, op)) {
                    Ok(Some(chunk)) => {
                        self.live.add_read(chunk.len());
                        let len = chunk.len();
                        State::Writing(chunk.into(), len)
                    }
                    Ok(None) => {
                        self.state = State::Over(None);
                        return Poll::Ready(Ok(self.live.end()));
                    }
                    Err(cause) => {
                        self.state = State::Over(None);
                        let stats = self.live.end();
                        return Poll::Ready(Err(CopyError::Read { cause, stats }));
                    }
                },
                State::Writing(op, len) => match ready!(dst.poll_write(cx, op)) {
                    Ok(()) => {
                        self.live.add_write(*len);
                        State::Reading(ReadOp::new())
                    }
                    Err(cause) => {
                        let unsent = mem::take(op).cancel().filter(|left| !left.is_empty());
                        self.state = State::Over(unsent);
                        let stats = self.live.end();
                        return Poll::Ready(Err(CopyError::Write { cause, stats }));
                    }
                },
                State::Over(_) => unreachable!("callers do not poll what is over"),
            };
        }
    }
}

impl fmt::Debug for Pump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Reading(_) => "reading",
            State::Writing(..) => "writing",
            State::Over(_) => "over",
        };
        f.debug_struct("Pump")
            .field("state", &state)
            .field("stats", &self.live.now())
            .finish()
    }
}
