//! What scripts run on: a case of a law, or whatever else can settle.

use std::time::Duration;

use super::model::Fault;
use crate::case::Case;
use crate::harness::Harness;
use crate::row::Wakers;

/// What a script runs on.
pub(crate) trait Ground {
    /// Runs this where flows are polled.
    fn enter(&self, call: &mut dyn FnMut());
    /// Lets events come that are due.
    fn settle(&self);
    /// False if nothing ever comes by itself.
    fn turn(&self) -> bool;
    /// Says what is being done.
    fn at(&self, what: &'static str);
    /// What it has found by itself.
    fn check(&self) -> Result<(), Fault> {
        Ok(())
    }
}

impl<H: Harness> Ground for Case<H> {
    fn enter(&self, call: &mut dyn FnMut()) {
        self.harness().enter(call);
    }

    fn settle(&self) {
        Self::settle(self);
    }

    fn turn(&self) -> bool {
        // Where the harness can tell that all has settled, nothing more comes.
        self.harness().turn() && !self.harness().settle()
    }

    fn at(&self, what: &'static str) {
        Self::at(self, what);
    }
}

/// What all scripts of a search have in common.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// How long a call is waited for that nobody wakes, where events come by themselves.
    pub(crate) patience: Duration,
    /// More bytes than a link with little room holds.
    pub(crate) much: usize,
    /// Whether what is written is noted too.
    pub(crate) logs: bool,
    /// Whether a reset is certain to be told to readers.
    pub(crate) told: bool,
    /// The wakers of a call.
    pub(crate) wakers: Wakers,
}
