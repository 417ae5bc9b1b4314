//! The model: what the contract says of each answer, and of each call that goes on waiting.
//!
//! It knows two streams and a few facts about either end, not how much is on the way nor what the flow is made of. So an answer is
//! often one of several; what is checked is that it is one of them, that it agrees with those before, and that a call which could
//! be answered does not wait for ever.

use flow_core::Shutdown;

use super::call::{Kind, Refusal};
use super::log::Evidence;
use super::received::{Fate, Writes};
use crate::harness::Room;
use crate::moves::IN;
use crate::peer::Recv;

/// A broken clause.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(super) clause: &'static str,
    pub(super) why: String,
    pub(super) evidence: Option<Evidence>,
}

impl Fault {
    pub(crate) fn new(clause: &'static str, why: impl Into<String>) -> Self {
        Self {
            clause,
            why: why.into(),
            evidence: None,
        }
    }

    /// With what shows it, if that is not known yet.
    pub(super) fn shown_by(mut self, evidence: Evidence) -> Self {
        self.evidence.get_or_insert(evidence);
        self
    }
}

/// What the peer has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerIs {
    Open,
    /// It has ended its sending.
    Ended,
    /// It has left, both ways: what was on the way may be lost.
    Gone,
}

pub(super) struct Model {
    pub(super) room: Room,
    pub(super) peer: PeerIs,
    /// What the peer could send, and what was read of it.
    pub(super) sent: u64,
    pub(super) read: u64,
    /// What reads answer from now on: the end, or this error.
    pub(super) over: Option<Result<(), String>>,
    pub(super) read_shut: bool,

    pub(super) writes: Writes,
    /// Writing has been ended on this side.
    pub(super) write_shut: bool,
    /// A shutdown of writing was answered `Ok`, or a close.
    shut_done: bool,
    close_done: bool,
    /// A call was refused because the peer is gone: from then on all are.
    pub(super) failed: bool,

    pub(super) aborted: bool,
    /// At the abort input was unread, or came later: then a kernel may tear down what it had accepted.
    disturbed: bool,
    /// How the stream to the peer ended.
    pub(super) peer_met: Option<Recv>,
    /// The peer has cut the stream before its end, and readers will be told.
    pub(super) cut: bool,
}

type Checked = Result<(), Fault>;

impl Model {
    pub(super) fn new(room: Room) -> Self {
        Self {
            room,
            peer: PeerIs::Open,
            sent: 0,
            read: 0,
            over: None,
            read_shut: false,
            writes: Writes::default(),
            write_shut: false,
            shut_done: false,
            close_done: false,
            failed: false,
            aborted: false,
            disturbed: false,
            peer_met: None,
            cut: false,
        }
    }

    pub(super) const fn unread(&self) -> u64 {
        self.sent - self.read
    }

    /// Whether every read has been answered by the end or an error.
    pub(super) const fn reading_is_over(&self) -> bool {
        self.over.is_some() || self.read_shut || self.aborted
    }

    /// A call is about to be polled, perhaps for the first time: what that does by itself.
    pub(super) fn begins(&mut self, kind: Kind) {
        if self.aborted {
            return;
        }
        match kind {
            Kind::Shutdown(how) => {
                self.read_shut |= how.is_read();
                self.write_shut |= how.is_write();
            }
            Kind::Close => self.write_shut = true,
            _ => {}
        }
    }

    pub(super) fn abort(&mut self) {
        if !self.aborted {
            self.aborted = true;
            self.over = None;
            self.disturbed = self.unread() > 0;
            for write in &mut self.writes.all {
                match write.fate {
                    Fate::Taken if !write.flushed => write.fate = Fate::Cut,
                    Fate::Waiting => write.fate = Fate::Void,
                    _ => {}
                }
            }
        }
    }

    pub(super) fn peer_sent(&mut self, len: usize) {
        self.sent += len as u64;
        self.disturbed |= self.aborted;
    }

    /// A write is dropped that the flow has not taken, or has.
    pub(super) fn dropped(&mut self, number: usize, taken: bool) {
        let write = &mut self.writes.all[number];
        if write.fate == Fate::Waiting {
            write.fate = if taken { Fate::Taken } else { Fate::Void };
        }
    }

    /// What is known of a write that goes on waiting.
    pub(super) fn note_taken(&mut self, number: usize, taken: bool) -> Checked {
        let fate = self.writes.all[number].fate;
        match (fate, taken) {
            (Fate::Waiting, true) => {
                if let Some(before) = self.writes.waiting_before(number) {
                    return Err(Fault::new(
                        "write_calls_in_order",
                        format!(
                            "write {} was taken while write {} waits before it",
                            number + 1,
                            before + 1
                        ),
                    ));
                }
                if self.write_shut || self.aborted {
                    return Err(Fault::new(
                        "write_after_shutdown",
                        format!("write {} was taken after writing was ended", number + 1),
                    ));
                }
                self.writes.all[number].fate = Fate::Taken;
            }
            (Fate::Taken, false) => {
                return Err(Fault::new(
                    "cancel_taken_write_is_whole",
                    format!("write {} had been taken, and is not any more", number + 1),
                ));
            }
            _ => {}
        }
        Ok(())
    }

    // What reads answer.

    pub(super) fn read_gave(&mut self, got: Result<Option<&[u8]>, &String>) -> Checked {
        match got {
            Ok(Some(chunk)) => self.read_chunk(chunk),
            Ok(None) => self.read_end(),
            Err(e) => self.read_error(e),
        }
    }

    fn read_chunk(&mut self, chunk: &[u8]) -> Checked {
        let len = chunk.len();
        let fault = |clause, when: &str| {
            let why = format!("a read {when} gave a chunk of {len} bytes");
            Err(Fault::new(clause, why))
        };
        if self.aborted {
            return fault("abort_fails_reads", "after an abort");
        }
        if self.read_shut {
            return fault("shutdown_read_ends_reading", "after shutdown(Read)");
        }
        match &self.over {
            Some(Ok(())) => return fault("read_end_is_final", "after the end"),
            Some(Err(_)) => return fault("read_error_is_final", "after an error"),
            None => {}
        }
        if chunk.is_empty() {
            return fault("read_chunk_not_empty", "of an open stream");
        }
        if let Some(fault) = IN.diagnose(self.read, chunk) {
            let why = format!("the reader got {fault}");
            return Err(Fault::new("read_in_order_once", why));
        }
        self.read += len as u64;
        if self.read > self.sent {
            let (read, sent) = (self.read, self.sent);
            let why = format!("{read} bytes were read, and the peer has sent {sent}");
            return Err(Fault::new("read_in_order_once", why));
        }
        Ok(())
    }

    fn read_end(&mut self) -> Checked {
        let fault = |clause, why: String| Err(Fault::new(clause, why));
        if self.aborted {
            let why = "a read after an abort gave the end, and should fail".to_owned();
            return fault("abort_fails_reads", why);
        }
        if self.read_shut {
            return Ok(());
        }
        if let Some(Err(e)) = &self.over {
            let why = format!("a read gave the end after the error {e}");
            return fault("read_error_is_final", why);
        }
        match self.peer {
            PeerIs::Open => {
                let why = "a read gave the end while the peer has not ended".to_owned();
                return fault("read_chunk_not_empty", why);
            }
            PeerIs::Ended if self.unread() > 0 => {
                let why = format!(
                    "a read gave the end at {} of {} bytes",
                    self.read, self.sent
                );
                return fault("read_end_after_last_byte", why);
            }
            PeerIs::Gone if self.cut => {
                let why = "a read gave the end where the peer has cut the stream".to_owned();
                return fault("read_reset_is_reported", why);
            }
            PeerIs::Ended | PeerIs::Gone => self.over = Some(Ok(())),
        }
        Ok(())
    }

    fn read_error(&mut self, e: &String) -> Checked {
        let fault = |clause, why: String| Err(Fault::new(clause, why));
        match &self.over {
            Some(Ok(())) => {
                let why = format!("a read gave {e} after the end");
                return fault("read_end_is_final", why);
            }
            Some(Err(first)) if first != e => {
                let why = format!("a read gave {e} after {first}");
                return fault("read_error_is_final", why);
            }
            _ => {}
        }
        if !self.aborted && self.read_shut {
            let why = format!("a read after shutdown(Read) gave {e}");
            return fault("shutdown_read_ends_reading", why);
        }
        if !self.aborted && self.peer != PeerIs::Gone {
            let why = format!("a read gave {e}, and nothing has failed");
            return fault("read_end_after_last_byte", why);
        }
        if !self.aborted && self.cut && self.unread() > 0 {
            let why = format!(
                "a read gave {e} at {} of {} bytes that came before",
                self.read, self.sent
            );
            return fault("read_data_before_failure", why);
        }
        self.over = Some(Err(e.clone()));
        Ok(())
    }

    // What calls on the write side answer.

    pub(super) fn done(&mut self, kind: Kind, got: Result<(), Refusal>) -> Checked {
        match got {
            Ok(()) => self.succeeded(kind),
            Err(Refusal::Closed) => self.refused(kind),
            Err(Refusal::Other(e)) => Err(Fault::new(
                "write_peer_gone_is_closed",
                format!("{kind} gave {e}, and nothing has failed but by the end of writing"),
            )),
        }
    }

    fn succeeded(&mut self, kind: Kind) -> Checked {
        let fault = |clause, when: &str| {
            let why = format!("{kind} gave Ok {when}");
            Err(Fault::new(clause, why))
        };
        // A write may have been finished before writing failed, and be asked only now.
        let taken = match kind {
            Kind::Write(number) => {
                !self.writes.has(number, Fate::Waiting) && { !self.writes.has(number, Fate::Void) }
            }
            _ => false,
        };
        if self.aborted && !taken {
            return fault("abort_closes_writing", "after an abort");
        }
        let is_write = matches!(kind, Kind::Write(_) | Kind::Nothing);
        if self.write_shut && is_write && !taken {
            let clause = match kind {
                Kind::Nothing => "write_empty_after_close",
                _ => "write_after_shutdown",
            };
            return fault(clause, "after writing was ended on this side");
        }
        let spared = taken || kind == Kind::Shutdown(Shutdown::Read);
        if self.failed && !spared {
            return fault(
                "write_failure_is_final",
                "after a call had failed because the peer is gone",
            );
        }
        match kind {
            Kind::Write(number) => {
                if let Some(before) = self.writes.waiting_before(number) {
                    let when = format!("while write {} waits before it", before + 1);
                    return fault("write_calls_in_order", &when);
                }
                self.writes.all[number].fate = Fate::Accepted;
            }
            Kind::Flush(made) => self.flushed(made),
            Kind::Shutdown(how) if how.is_write() => {
                self.shut_done = true;
                self.flushed(self.writes.all.len());
            }
            Kind::Close => {
                if self.peer == PeerIs::Open {
                    return fault(
                        "close_waits_for_the_peer",
                        "while the peer has not ended its sending",
                    );
                }
                self.shut_done = true;
                self.close_done = true;
                self.flushed(self.writes.all.len());
            }
            Kind::Read | Kind::Nothing | Kind::Shutdown(_) => {}
        }
        Ok(())
    }

    /// What was taken of the first writes has been accepted.
    fn flushed(&mut self, made: usize) {
        for write in &mut self.writes.all[..made] {
            write.flushed |= write.fate == Fate::Taken;
        }
    }

    fn refused(&mut self, kind: Kind) -> Checked {
        let fault = |clause, when: &str| {
            let why = format!("{kind} gave Closed {when}");
            Err(Fault::new(clause, why))
        };
        let taken = matches!(kind, Kind::Write(number) if self.writes.has(number, Fate::Taken) || self.writes.has(number, Fate::Cut));
        if let Kind::Write(number) = kind {
            let write = &mut self.writes.all[number];
            if write.flushed {
                return fault(
                    "write_flush_waits_for_taken",
                    "after a call that waited for it had been answered Ok",
                );
            }
            write.fate = if taken { Fate::Cut } else { Fate::Void };
        }
        if self.aborted {
            return Ok(());
        }
        let is_write = matches!(kind, Kind::Write(_) | Kind::Nothing);
        if self.write_shut && is_write && !taken {
            return Ok(());
        }
        if kind == Kind::Shutdown(Shutdown::Read) {
            return fault("shutdown_read_spares_writing", "and only reading was ended");
        }
        if self.peer == PeerIs::Gone {
            let clause = match kind {
                Kind::Close => "close_twice_is_ok",
                _ => "shutdown_twice_is_ok",
            };
            if self.shut_done && !is_write {
                return fault(clause, "after writing had been ended with Ok");
            }
            self.failed = true;
            return Ok(());
        }
        let clause = match kind {
            Kind::Write(_) if self.write_shut => "close_finishes_taken_writes",
            Kind::Write(_) | Kind::Nothing => "read_end_leaves_writing",
            Kind::Flush(_) => "write_flush_waits_for_taken",
            Kind::Shutdown(_) if self.shut_done => "shutdown_twice_is_ok",
            Kind::Shutdown(_) => "shutdown_owed_bytes",
            _ if self.close_done => "close_twice_is_ok",
            _ => "close_completed_by_reset",
        };
        fault(clause, "while the peer is there to receive")
    }

    // What the peer meets.

    pub(super) fn received(&mut self, seen: &[u8]) -> Checked {
        if let Some(met) = self.peer_met {
            let why = format!("the peer got {} bytes after {met:?}", seen.len());
            return Err(Fault::new("shutdown_write_flushes_first", why));
        }
        self.writes.receive(seen)
    }

    pub(super) fn peer_meets(&mut self, met: Recv) -> Checked {
        let fault = |clause, why: String| Err(Fault::new(clause, why));
        let place = self.writes.place();
        if !self.aborted && (met == Recv::Torn || !self.write_shut) {
            let why = format!("the peer met {met:?}, and writing has not been ended; {place}");
            return fault("write_moves_by_itself", why);
        }
        if self.aborted && !self.disturbed && !self.writes.accepted_arrived() {
            let why = format!(
                "the peer met {met:?} before bytes that had been accepted when we aborted; {place}"
            );
            return fault("abort_sends_what_was_accepted", why);
        }
        if !self.aborted && !self.writes.all_arrived() {
            let why = format!("the peer met the end before bytes that had been taken; {place}");
            return fault("shutdown_write_flushes_first", why);
        }
        self.peer_met = Some(met);
        Ok(())
    }
}
