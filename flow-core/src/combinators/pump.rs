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

/// A chunk of at least this length is worth a direct read after it: shorter ones cost more to move than to copy.
const WORTH: usize = 16 * 1024;

/// The state of one direction. It owns what has been read and not written, so whoever keeps it loses nothing.
pub(super) struct Pump {
    state: State,
    live: LiveStats,
    direct: Mode,
}

/// Whether bytes are to go without passing through memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Not asked for, or the destination does not take what the source has.
    Never,
    /// Not now: what came was short.
    Later,
    Now,
}

enum State {
    /// Nothing is held.
    Reading(ReadOp),
    /// A write of that many bytes.
    Writing(WriteOp, usize),
    /// Over, and what the destination did not take.
    Over(Option<Chunks>),
}

impl State {
    /// What does not get through when that fails is to come back.
    const fn writing(chunks: Chunks, len: usize) -> Self {
        Self::Writing(WriteOp::new(chunks).keeping_unsent(), len)
    }
}

impl Pump {
    pub(super) fn new() -> Self {
        Self {
            state: State::Reading(ReadOp::new()),
            live: LiveStats::default(),
            direct: Mode::Later,
        }
    }

    /// Every byte goes through memory.
    pub(super) const fn through_memory(&mut self) {
        self.direct = Mode::Never;
    }

    /// Before anything is read, this is written.
    pub(super) fn write_first(&mut self, first: Chunks) {
        if !first.is_empty() {
            let len = first.len();
            self.state = State::writing(first, len);
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
            State::Writing(op, _) => unsent(op),
            State::Over(unsent) => unsent,
        }
    }

    /// A read that leaves the bytes where they are, if both sides can and it pays.
    fn read_direct<S, D>(
        &mut self,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
        src: &S,
        dst: &D,
    ) -> Option<Chunks>
    where
        S: Flow + ?Sized,
        D: Flow + ?Sized,
    {
        let dst = dst.direct()?;
        let mut chunks = src.direct()?.read_direct(cx, op)?;
        if dst.takes(&chunks) {
            self.live.add_direct_read(chunks.len());
        } else {
            self.direct = Mode::Never;
            self.live.add_read(chunks.len());
            chunks.bring_in();
        }
        Some(chunks)
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
            // At every poll anew: what a source was waited for may be much.
            if self.direct == Mode::Now
                && let State::Reading(op) = &mut self.state
            {
                let mut op = mem::take(op);
                let read = self.read_direct(cx, &mut op, src, dst);
                self.state = match read {
                    Some(chunks) => {
                        let len = chunks.len();
                        State::writing(chunks, len)
                    }
                    None => State::Reading(op),
                };
            }
            self.state = match &mut self.state {
                State::Reading(op) => match ready!(src.poll_read(cx, op)) {
                    Ok(Some(chunk)) => {
                        self.live.add_read(chunk.len());
                        let len = chunk.len();
                        self.direct = match self.direct {
                            Mode::Never => Mode::Never,
                            _ if len >= WORTH => Mode::Now,
                            _ => Mode::Later,
                        };
                        State::writing(chunk.into(), len)
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
                        self.state = State::Over(unsent(mem::take(op)));
                        let stats = self.live.end();
                        return Poll::Ready(Err(CopyError::Write { cause, stats }));
                    }
                },
                State::Over(_) => unreachable!("callers do not poll what is over"),
            };
        }
    }
}

/// What a write leaves behind, in memory.
fn unsent(op: WriteOp) -> Option<Chunks> {
    let mut left = op.into_unsent().filter(|left| !left.is_empty())?;
    // Nobody else knows what to do with them.
    left.bring_in().then_some(left)
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
