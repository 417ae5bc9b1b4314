//! Scripts: short programs of calls on one flow and moves of its peer, run against a model that says what may and what must happen.
//!
//! A [`Script`] is data, so that it can be drawn at random, enumerated, made smaller and printed. [`Stage::run`] carries it out over a link
//! and compares every answer with the contract: the table of states and operations of `CONTRACT.md`, two streams of position-coded
//! bytes, and *nobody is forgotten*: once all has settled, no call is left waiting that could go on. It ends by letting everything end, so that
//! whatever was accepted must have arrived.

mod act;
mod call;
mod finish;
mod ground;
pub(crate) mod log;
mod model;
mod overdue;
mod random;
mod received;
mod run;

use std::fmt;
use std::time::Duration;

use flow_core::FlowExt;

use crate::case::Case;
use crate::harness::{Harness, Link, Room};
use crate::moves::MUCH;

use self::log::{Evidence, Line};

pub use self::act::{Act, Order};
pub use self::random::{Found, Search};

pub(crate) use self::ground::{Ground, Terms};
pub(crate) use self::model::Fault;
pub(crate) use self::run::run;

/// A program for one link. Every sequence of acts is a valid script: acts for which there is no object do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// How much the link buffers.
    pub room: Room,
    /// In which order woken calls are polled when everything settles.
    pub order: Order,
    /// What is done, one after the other.
    pub acts: Vec<Act>,
}

/// A case on which scripts are run.
pub struct Stage<'c, H: Harness> {
    case: &'c Case<H>,
    much: usize,
}

/// How long a call that may wait for ever is waited for in each script that is tried to make a failing one smaller.
const IMPATIENT: Duration = Duration::from_millis(300);

impl<'c, H: Harness> Stage<'c, H> {
    /// Finds out how much a link with little room holds.
    #[must_use]
    pub fn new(case: &'c Case<H>) -> Self {
        let parks = |len: usize| {
            let Link { flow, peer: _peer } = case.tight();
            let mut write = case.step("a large write", flow.write(vec![0; len]));
            // All the room there is must be used up, not only what there was at first.
            write.poll().is_pending() && {
                case.settle();
                write.poll().is_pending()
            }
        };
        let sizes = [1, 8, 32, 128].map(|kib| kib * 1024);
        let much = sizes.into_iter().find(|&len| parks(len)).unwrap_or(MUCH);
        Self { case, much }
    }

    /// Runs the script on a fresh link, then ends both directions and checks what is left to check.
    ///
    /// # Errors
    ///
    /// The clause that the flow broke, and where.
    pub fn run(&self, script: &Script) -> Result<(), Broken> {
        self.run_for(script, self.case.watchdog())
    }

    fn run_for(&self, script: &Script, patience: Duration) -> Result<(), Broken> {
        let link = match script.room {
            Room::Ample => self.case.link(),
            Room::Tight => self.case.tight(),
        };
        let terms = Terms {
            patience,
            much: self.much,
            logs: false,
            told: false,
            wakers: self.case.row().wakers,
        };
        run(script, link, self.case, terms)
    }

    /// Runs random scripts until one fails, and makes that one smaller.
    ///
    /// # Errors
    ///
    /// The smallest script that was found to fail.
    pub fn search(&self, search: Search) -> Result<(), Box<Found>> {
        let patience = self.case.watchdog();
        search.run(|script, hurried| {
            let patience = if hurried {
                patience.min(IMPATIENT)
            } else {
                patience
            };
            self.run_for(script, patience)
        })
    }
}

impl<H: Harness> fmt::Debug for Stage<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("much", &self.much)
            .finish_non_exhaustive()
    }
}

/// One act per line, numbered.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = match self.room {
            Room::Ample => "with ample room",
            Room::Tight => "with little room",
        };
        writeln!(f, "  a link {room}, woken calls polled {}", self.order)?;
        for (i, act) in self.acts.iter().enumerate() {
            writeln!(f, "  {:2} {act}", i + 1)?;
        }
        Ok(())
    }
}

/// What a flow did that the contract does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The clause.
    pub clause: &'static str,
    /// The act during which it was seen, counted from 1; `None` while all was being ended after the last.
    pub act: Option<usize>,
    /// What was expected, and what came instead.
    pub why: String,
    /// What shows it, and what was done until then.
    pub(crate) evidence: Option<Evidence>,
    pub(crate) log: Vec<Line>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is broken ", self.clause)?;
        match self.act {
            Some(act) => write!(f, "in act {act}: ")?,
            None => f.write_str("when all ends: ")?,
        }
        f.write_str(&self.why)
    }
}

impl std::error::Error for Broken {}
