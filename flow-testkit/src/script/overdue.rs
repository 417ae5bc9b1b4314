//! What the model says of calls that go on waiting: which of them should not.

use flow_core::Shutdown;

use super::call::Kind;
use super::model::{Fault, Model, PeerIs};
use super::received::Fate;
use crate::harness::Room;

/// How much unread input does not keep a close from seeing the peer's end.
const AHEAD: u64 = 64 * 1024;

impl Model {
    /// Why this call must not go on waiting once all has settled. `drained`: nothing waits to be received by the peer.
    pub(super) fn overdue(&self, kind: Kind, drained: bool) -> Option<Fault> {
        let (clause, when) = match kind {
            Kind::Read => self.read_overdue()?,
            _ if self.aborted => ("abort_closes_writing", "this side has aborted"),
            _ if self.failed => ("write_failure_is_final", "the write side has failed"),
            Kind::Write(number) => self.write_overdue(number, drained)?,
            Kind::Nothing => ("write_empty_is_immediate", "it has nothing to wait for"),
            Kind::Flush(_) => {
                let owed = !self.writes.nothing_is_owed();
                if owed && !drained && self.peer != PeerIs::Gone {
                    return None;
                }
                (
                    "write_flush_waits_for_taken",
                    "there is room for everything",
                )
            }
            Kind::Shutdown(Shutdown::Read) => {
                ("shutdown_read_ends_reading", "it has nothing to wait for")
            }
            Kind::Shutdown(_) if drained || self.peer == PeerIs::Gone => {
                ("shutdown_write_is_seen", "there is room for everything")
            }
            Kind::Close if drained || self.peer == PeerIs::Gone => self.close_overdue()?,
            Kind::Shutdown(_) | Kind::Close => return None,
        };
        let why = format!("{kind} goes on waiting, and was not woken, although {when}");
        Some(Fault::new(clause, why))
    }

    fn read_overdue(&self) -> Option<(&'static str, &'static str)> {
        Some(match self.peer {
            _ if self.aborted => ("abort_fails_reads", "this side has aborted"),
            _ if self.read_shut => ("shutdown_read_ends_reading", "reading was ended"),
            _ if self.over.is_some() => ("read_end_is_final", "reading is over"),
            PeerIs::Gone => ("read_end_wakes_parked_read", "the peer is gone"),
            _ if self.unread() > 0 => ("read_does_not_wait_for_more", "bytes have arrived"),
            PeerIs::Ended => ("read_end_wakes_parked_read", "the peer has ended"),
            PeerIs::Open => return None,
        })
    }

    fn write_overdue(&self, number: usize, drained: bool) -> Option<(&'static str, &'static str)> {
        let write = &self.writes.all[number];
        Some(match write.fate {
            Fate::Waiting if self.write_shut => {
                ("shutdown_write_wakes_parked_writes", "writing was ended")
            }
            _ if self.peer == PeerIs::Gone => ("write_parked_peer_gone", "the peer is gone"),
            _ if write.flushed => ("write_flush_waits_for_taken", "it has been flushed"),
            _ if drained => ("write_resumes_with_room", "there is room"),
            _ => return None,
        })
    }

    fn close_overdue(&self) -> Option<(&'static str, &'static str)> {
        let visible = match (self.peer, self.room) {
            (PeerIs::Open, _) => return None,
            (PeerIs::Gone, _) | (PeerIs::Ended, Room::Ample) => self.unread() <= AHEAD,
            // The end itself may be waiting for room.
            (PeerIs::Ended, Room::Tight) => self.unread() == 0,
        };
        (visible || self.read_shut || self.over.is_some()).then_some((
            "close_sees_end_past_unread_input",
            "nothing is owed and the peer has ended",
        ))
    }
}
