//! What is known of a flow from the answers that it has given, and which answers contradict that.
//!
//! Calls overlap, and an answer may be recorded long after it was made. So a fact counts against a call only if it was known
//! before the call began, and whatever excuses an answer is noted before the call that causes it is passed on, and looked at
//! after the answer came. Of operations that had been polled before, most facts count for nothing: their answer may have been made for
//! them before the fact, and have waited for them since.

use super::clause::{self, Clause};
use super::event::{Call, Event, Outcome, Ring};

/// What is known. Each stays once set.
pub(super) mod fact {
    /// A read gave the end.
    pub(in super::super) const END: u64 = 1;
    /// A read failed.
    pub(in super::super) const READ_FAILED: u64 = 1 << 1;
    /// `shutdown(Read)` has been called; it is done.
    pub(in super::super) const READ_SHUT_BEGUN: u64 = 1 << 2;
    pub(in super::super) const READ_SHUT: u64 = 1 << 3;
    /// `shutdown(Write)` or close has been called.
    pub(in super::super) const WRITE_SHUT_BEGUN: u64 = 1 << 4;
    /// `shutdown(Write)` is done; it was `Closed` after that.
    pub(in super::super) const WRITE_SHUT: u64 = 1 << 5;
    pub(in super::super) const WRITE_SHUT_UNDONE: u64 = 1 << 6;
    /// Close has been polled, so that writes are refused; it is done; it was `Closed` after that.
    pub(in super::super) const CLOSING: u64 = 1 << 7;
    pub(in super::super) const CLOSED: u64 = 1 << 8;
    pub(in super::super) const UNCLOSED: u64 = 1 << 9;
    /// An abort has been called; all that were have returned.
    pub(in super::super) const ABORT_BEGUN: u64 = 1 << 10;
    pub(in super::super) const ABORTED: u64 = 1 << 11;
    /// A write failed for another reason than that this side had ended writing.
    pub(in super::super) const WRITE_FAILED: u64 = 1 << 12;

    /// Above the facts, how many events there were.
    pub(in super::super) const BITS: u32 = 16;
}

/// A clause that is broken, and what was expected.
pub(super) type Broken = (&'static Clause, &'static str);

/// One call that has returned.
pub(super) struct Answered {
    pub(super) event: Event,
    /// The facts when it began.
    pub(super) before: u64,
    /// How many bytes of a write are still the operation's.
    pub(super) left: usize,
    /// The bytes of a write were outside of memory.
    pub(super) outside: bool,
    /// Tells kinds of errors apart.
    pub(super) kind: u64,
}

/// What is known of one flow.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) facts: u64,
    pub(super) ring: Ring,
    /// How reading failed, since which event, and whether it had been another way before.
    kind: u64,
    kind_since: u64,
    kind_changed: bool,
    /// Aborts that have not returned yet.
    aborting: u32,
    /// By position in [`clause::ALL`].
    reported: u32,
}

impl Known {
    /// What a call that begins now may be held against.
    pub(super) const fn word(&self) -> u64 {
        self.facts | self.ring.count() << fact::BITS
    }

    /// Whether this clause has not been reported yet. From now on it has.
    pub(super) fn is_new(&mut self, clause: &Clause) -> bool {
        let at = clause::ALL.iter().position(|c| c.id == clause.id);
        let bit = 1 << at.unwrap_or(31);
        let new = self.reported & bit == 0;
        self.reported |= bit;
        new
    }

    pub(super) fn abort_begins(&mut self) {
        self.facts |= fact::ABORT_BEGUN;
        self.aborting += 1;
    }

    /// An abort that finds another one under way may return before that one has done its work.
    pub(super) fn abort_returns(&mut self) {
        self.aborting -= 1;
        if self.aborting == 0 {
            self.facts |= fact::ABORTED;
        }
    }

    /// Keeps the event, says what it breaks, and learns from it. `alone`: nobody aborts the flow but through us.
    pub(super) fn record(&mut self, answered: &mut Answered, alone: bool) -> Option<Broken> {
        self.ring.push(&mut answered.event);
        match answered.event.call {
            Call::Read => self.read(answered, alone),
            Call::Write => self.write(answered),
            Call::Flush => Self::flush(answered),
            Call::ShutdownRead | Call::ShutdownWrite | Call::ShutdownBoth => {
                self.shutdown(answered, alone)
            }
            Call::Close => self.close(answered, alone),
            Call::Abort => None,
        }
    }

    fn has(&self, facts: u64) -> bool {
        self.facts & facts != 0
    }

    fn read(&mut self, answered: &Answered, alone: bool) -> Option<Broken> {
        let event = &answered.event;
        let had = |facts| answered.before & facts != 0;
        let new = !event.parked;
        match event.outcome {
            Outcome::Chunk if event.bytes == 0 => {
                Some((clause::READ_CHUNK_NOT_EMPTY, "at least one byte"))
            }
            Outcome::Chunk | Outcome::End if had(fact::ABORTED) => Some((
                clause::ABORT_FAILS_READS,
                "`Aborted`: `abort` had returned before this poll began",
            )),
            Outcome::Chunk if had(fact::READ_SHUT) => Some((
                clause::SHUTDOWN_READ_ENDS_READING,
                "`None`: `shutdown(Read)` was done before this poll began",
            )),
            Outcome::Chunk if new && had(fact::READ_FAILED) => Some((
                clause::READ_ERROR_IS_FINAL,
                "the error again: reading had failed before this read began",
            )),
            Outcome::Chunk if new && had(fact::END) => Some((
                clause::READ_END_IS_FINAL,
                "`None` again: a read had given the end before this read began",
            )),
            Outcome::End => {
                self.facts |= fact::END;
                (new && had(fact::READ_FAILED) && !self.has(fact::READ_SHUT_BEGUN)).then_some((
                    clause::READ_ERROR_IS_FINAL,
                    "the error again: reading had failed before this read began",
                ))
            }
            Outcome::Failed => {
                self.facts |= fact::READ_FAILED;
                let end_left = alone && new && had(fact::END) && !self.has(fact::ABORT_BEGUN);
                let other_kind = self.kind_is_wrong(answered, alone);
                if end_left {
                    Some((
                        clause::READ_END_IS_FINAL,
                        "`None` again: a read had given the end before this read began, and nobody has aborted",
                    ))
                } else {
                    other_kind.then_some((
                        clause::READ_ERROR_IS_FINAL,
                        "the same variant of the error as before",
                    ))
                }
            }
            _ => None,
        }
    }

    /// Whether an error is of a kind that it cannot be: an abort changes the kind, once.
    fn kind_is_wrong(&mut self, answered: &Answered, alone: bool) -> bool {
        let Answered { event, kind, .. } = answered;
        if self.kind_since == 0 {
            (self.kind, self.kind_since) = (*kind, event.number);
            return false;
        }
        if event.parked || event.began < self.kind_since || self.kind == *kind {
            return false;
        }
        let wrong = self.kind_changed || (alone && !self.has(fact::ABORT_BEGUN));
        (self.kind, self.kind_since) = (*kind, event.number);
        self.kind_changed = true;
        wrong
    }

    fn write(&mut self, answered: &Answered) -> Option<Broken> {
        let event = &answered.event;
        let had = |facts| answered.before & facts != 0;
        match event.outcome {
            Outcome::Pending if event.taken_before => (!event.taken_after).then_some((
                clause::CANCEL_TAKEN_WRITE_IS_WHOLE,
                "that a write which the flow has taken stays taken",
            )),
            Outcome::Pending if event.bytes == 0 => Some((
                clause::WRITE_EMPTY_IS_IMMEDIATE,
                "an answer at once: there is nothing to send",
            )),
            Outcome::Pending => (!event.taken_after && answered.left < event.bytes).then_some((
                clause::CANCEL_UNTAKEN_WRITE_SENDS_NOTHING,
                "that a write which is not taken still has all its bytes",
            )),
            // One that was taken may have been accepted before whatever ended writing.
            Outcome::Done if event.taken_before => None,
            Outcome::Done if had(fact::ABORTED) => Some((
                clause::ABORT_CLOSES_WRITING,
                "`Closed`: `abort` had returned before this poll began",
            )),
            Outcome::Done if event.bytes == 0 && had(fact::CLOSING | fact::WRITE_SHUT) => Some((
                clause::WRITE_EMPTY_AFTER_CLOSE,
                "`Closed`: writing had been ended before this poll began",
            )),
            Outcome::Done if had(fact::CLOSING) => Some((
                clause::CLOSE_REFUSES_LATER_WRITES,
                "`Closed`: `close` had been polled before this poll began",
            )),
            Outcome::Done if had(fact::WRITE_SHUT) => Some((
                clause::WRITE_AFTER_SHUTDOWN,
                "`Closed`: `shutdown(Write)` was done before this poll began",
            )),
            Outcome::Done => Self::failed_before(answered),
            // Bytes outside of memory that are lost are refused like this, and the write side goes on.
            Outcome::Closed if answered.outside => None,
            // One that was taken may be another flow's, which is refused here.
            Outcome::Closed | Outcome::Failed if !event.taken_before => {
                let ended_here = self.has(fact::WRITE_SHUT_BEGUN | fact::ABORT_BEGUN);
                if event.outcome == Outcome::Failed || !ended_here {
                    self.facts |= fact::WRITE_FAILED;
                }
                None
            }
            _ => None,
        }
    }

    fn failed_before(answered: &Answered) -> Option<Broken> {
        let counts = answered.event.call == Call::Write || !answered.event.parked;
        (counts && answered.before & fact::WRITE_FAILED != 0).then_some((
            clause::WRITE_FAILURE_IS_FINAL,
            "an error: a write had failed before this call began",
        ))
    }

    fn flush(answered: &Answered) -> Option<Broken> {
        let event = &answered.event;
        if event.outcome != Outcome::Done || event.parked {
            return None;
        }
        if answered.before & fact::ABORTED != 0 {
            return Some((
                clause::ABORT_CLOSES_WRITING,
                "`Closed`: `abort` had returned before this call began",
            ));
        }
        Self::failed_before(answered)
    }

    fn shutdown(&mut self, answered: &Answered, alone: bool) -> Option<Broken> {
        let event = &answered.event;
        let had = |facts| answered.before & facts != 0;
        let repeated = event.call.shuts_writing() && !event.parked && had(fact::WRITE_SHUT);
        // Not while it is pending: it may still turn out that this flow cannot be shut, and then it stays as it was.
        if event.outcome == Outcome::Done && event.call.shuts_reading() {
            self.facts |= fact::READ_SHUT;
        }
        match event.outcome {
            Outcome::Done if had(fact::ABORTED) => Some((
                clause::ABORT_CLOSES_WRITING,
                "`Closed`: `abort` had returned before this poll began",
            )),
            Outcome::Done if event.call.shuts_writing() => {
                self.facts |= fact::WRITE_SHUT;
                if repeated && had(fact::WRITE_SHUT_UNDONE) {
                    Some((
                        clause::SHUTDOWN_TWICE_IS_OK,
                        "`Ok` each time, or `Closed` for ever once this side has aborted",
                    ))
                } else {
                    Self::failed_before(answered)
                }
            }
            Outcome::Closed if repeated => {
                self.facts |= fact::WRITE_SHUT_UNDONE;
                self.not_aborted(alone).then_some((
                    clause::SHUTDOWN_TWICE_IS_OK,
                    "`Ok` again: it had been before this call began, and nobody has aborted",
                ))
            }
            Outcome::Failed if repeated => Some((
                clause::SHUTDOWN_TWICE_IS_OK,
                "`Ok` again: it had been before this call began",
            )),
            _ => None,
        }
    }

    fn close(&mut self, answered: &Answered, alone: bool) -> Option<Broken> {
        let event = &answered.event;
        let had = |facts| answered.before & facts != 0;
        let repeated = !event.parked && had(fact::CLOSED);
        self.facts |= fact::CLOSING;
        match event.outcome {
            Outcome::Done if had(fact::ABORTED) => Some((
                clause::ABORT_CLOSES_WRITING,
                "`Closed`: `abort` had returned before this poll began",
            )),
            Outcome::Done => {
                self.facts |= fact::CLOSED;
                if repeated && had(fact::UNCLOSED) {
                    Some((
                        clause::CLOSE_TWICE_IS_OK,
                        "`Ok` each time, or `Closed` for ever once this side has aborted",
                    ))
                } else {
                    Self::failed_before(answered)
                }
            }
            Outcome::Closed if repeated => {
                self.facts |= fact::UNCLOSED;
                self.not_aborted(alone).then_some((
                    clause::CLOSE_TWICE_IS_OK,
                    "`Ok` again: it had been before this call began, and nobody has aborted",
                ))
            }
            Outcome::Failed if repeated => Some((
                clause::CLOSE_TWICE_IS_OK,
                "`Ok` again: it had been before this call began",
            )),
            _ => None,
        }
    }

    fn not_aborted(&self, alone: bool) -> bool {
        alone && !self.has(fact::ABORT_BEGUN)
    }
}
