//! A broken clause, as it is reported.

use std::error::Error;
use std::fmt;

use super::clause::Clause;
use super::event::Event;

/// A clause of the contract that a flow has broken, what was expected, what came, and the last events of the flow.
///
/// It prints as several lines, an event each at the end.
#[derive(Debug)]
pub struct Breach {
    pub(super) clause: &'static Clause,
    pub(super) expected: &'static str,
    pub(super) got: String,
    pub(super) events: Vec<Event>,
}

impl Breach {
    /// The clause's id in the contract.
    #[must_use]
    pub fn clause(&self) -> &'static str {
        self.clause.id
    }

    /// What the clause promises.
    #[must_use]
    pub fn promise(&self) -> &'static str {
        self.clause.promise
    }

    /// What should have come, and why.
    #[must_use]
    pub fn expected(&self) -> &'static str {
        self.expected
    }

    /// What came instead.
    #[must_use]
    pub fn got(&self) -> &str {
        &self.got
    }

    /// The last events of the flow, at most 20, the oldest first. The last one is the one that broke the clause.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "a flow broke the clause `{}`", self.clause.id)?;
        writeln!(f, "  promised: {}", self.clause.promise)?;
        writeln!(f, "  expected: {}", self.expected)?;
        writeln!(f, "  got: {}", self.got)?;
        write!(f, "  the last {} events:", self.events.len())?;
        for event in &self.events {
            write!(f, "\n    {event}")?;
        }
        Ok(())
    }
}

impl Error for Breach {}
