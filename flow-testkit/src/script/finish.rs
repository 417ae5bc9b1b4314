//! The end of every script: both directions end, and what was accepted must have arrived.

use flow_core::{Flow, Shutdown};

use super::Act;
use super::ground::Ground;
use super::log::Evidence;
use super::model::{Fault, PeerIs};
use super::run::Run;
use crate::peer::Recv;

impl<F: Flow, G: Ground> Run<'_, F, G> {
    /// The peer receives everything and ends; then all calls are answered, and both streams are complete.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        self.settle()?;
        // Bytes that were accepted need no further call. What a dropped write left behind does.
        self.everything_arrives("write_moves_by_itself", |run| {
            run.model.writes.accepted_arrived()
        })?;
        self.a_call_that_waits_drives()?;
        self.act(&Act::Flush)?;
        self.everything_arrives("cancel_taken_write_is_whole", |run| {
            run.model.writes.all_arrived()
        })?;
        self.peer_ends();
        self.settle()?;
        self.read_the_rest()?;
        self.act(&Act::Shutdown(Shutdown::Write))?;
        self.settle()?;
        self.the_peer_meets_the_end()?;
        self.act(&Act::Close)?;
        self.settle()?;
        match self.calls.first() {
            Some(call) => {
                let why = format!("{} is never done", call.kind);
                let fault = Fault::new("close_sees_end_past_unread_input", why);
                Err(fault.shown_by(Evidence::Waits(call.id)))
            }
            None => Ok(()),
        }
    }

    /// What was taken arrives while any call waits, whichever it is. A read that got something waits no more.
    fn a_call_that_waits_drives(&mut self) -> Result<(), Fault> {
        loop {
            while self.calls.is_empty() && !self.model.reading_is_over() {
                self.act(&Act::Read)?;
            }
            self.settle()?;
            if self.calls.is_empty() && !self.model.reading_is_over() {
                continue;
            }
            if !self.calls.is_empty() {
                self.everything_arrives("cancel_taken_write_driven_by_read", |run| {
                    run.calls.is_empty() || run.model.writes.all_arrived()
                })?;
            }
            if !self.calls.is_empty() || self.model.reading_is_over() {
                return Ok(());
            }
        }
    }

    fn everything_arrives(
        &mut self,
        clause: &'static str,
        arrived: fn(&mut Self) -> bool,
    ) -> Result<(), Fault> {
        if self.peer.is_none() || self.model.aborted || self.model.peer_met.is_some() {
            return Ok(());
        }
        self.drain_until(arrived, |run| {
            let place = run.model.writes.place();
            let expected = run.model.writes.expected();
            Fault::new(clause, format!("bytes do not arrive: {place}"))
                .shown_by(Evidence::Received(expected))
        })
    }

    fn read_the_rest(&mut self) -> Result<(), Fault> {
        while !self.model.reading_is_over() {
            let before = self.model.read;
            self.act(&Act::Read)?;
            self.settle()?;
            if !self.model.reading_is_over() && self.model.read == before {
                return Err(Fault::new(
                    "read_end_after_last_byte",
                    "a read at the end gives nothing",
                ));
            }
        }
        // What is final is answered again.
        self.act(&Act::Read)?;
        self.settle()
    }

    fn the_peer_meets_the_end(&mut self) -> Result<(), Fault> {
        if self.peer.is_none() {
            return Ok(());
        }
        self.drain_until(
            |run| run.model.peer_met.is_some(),
            |run| {
                let clause = match run.model.aborted {
                    true => "abort_is_seen_at_once",
                    false => "shutdown_write_is_seen",
                };
                let place = run.model.writes.place();
                Fault::new(clause, format!("the peer never meets the end; {place}"))
                    .shown_by(Evidence::NotEnded)
            },
        )?;
        let orderly = self.model.peer_met == Some(Recv::End);
        if orderly && !self.model.aborted && self.model.peer != PeerIs::Gone {
            return self.settle();
        }
        Ok(())
    }
}
