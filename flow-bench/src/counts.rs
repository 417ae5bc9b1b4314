//! What can be counted and is the same in each run: instructions, system calls, allocations, memory; and what each may be at most.
//!
//! A count per operation is the difference between a run of many operations and a run of few, divided by how many more there were: so
//! start-up, set-up and the end of the program, which are far more than one operation, are in none of them. Therefore valgrind and strace
//! are called here, twice each, and not through a harness of benchmarks: those count one run of one function, or of a whole program.

mod table;
mod tools;

use std::fmt;
use std::path::Path;

pub use self::table::BOUNDS;
pub use self::tools::Missing;

pub(crate) use self::table::print;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Instructions of the program, without the kernel's, by valgrind's callgrind.
    Instructions,
    /// System calls, by strace, without futex.
    SystemCalls,
    /// System calls that fail: where one says that there is nothing, or no room.
    FailedCalls,
    /// Allocations of the whole program, by its allocator.
    Allocations,
    /// Bytes that are allocated for each pair, by the allocator.
    Memory,
}

/// One count, and its bound.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// For the command line, and for whom it fails.
    pub name: &'static str,
    /// What is counted.
    pub what: What,
    /// Whose.
    pub ours: &'static str,
    /// Doing what.
    pub workload: &'static str,
    /// Against whose.
    pub than: Than,
    /// The most that is allowed: of the count itself, of what it is of the other's, or of what it is more.
    pub floor: f64,
    /// What is wanted.
    pub aim: f64,
    /// Why it does not hold yet, if it does not.
    pub gap: Option<Gap>,
}

/// What a count is set against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Than {
    /// Nothing: the count itself has a bound.
    Nothing,
    /// A part of the other's.
    Times(&'static str),
    /// More than the other's.
    Plus(&'static str),
}

/// A bound that is known not to hold.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// It must not get worse than this.
    pub worst: f64,
    /// What is in the way.
    pub why: &'static str,
}

/// What a count came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// Of ours, per operation.
    pub ours: f64,
    /// Of the other's, per operation.
    pub theirs: Option<f64>,
    /// What is judged: the count itself, the part, or the difference.
    pub value: f64,
}

/// How a count stands to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It keeps the bound.
    Holds,
    /// It is known not to, and is no worse than is known.
    KnownGap,
    /// It breaks the bound.
    Broken,
    /// It keeps the bound although it is known not to: the entry has to go.
    GapIsOver,
}

impl Bound {
    /// Counts, by running this program.
    ///
    /// # Errors
    ///
    /// A tool is missing, or the program does not do what it should.
    pub fn count(&self, program: &Path) -> Result<Counted, Missing> {
        let of = |who| tools::per_operation(program, self.what, who, self.workload);
        let ours = of(self.ours)?;
        let theirs = match self.than {
            Than::Nothing => None,
            Than::Times(other) | Than::Plus(other) => Some(of(other)?),
        };
        let value = match (self.than, theirs) {
            (Than::Times(_), Some(theirs)) => ours / theirs,
            (Than::Plus(_), Some(theirs)) => ours - theirs,
            _ => ours,
        };
        Ok(Counted {
            ours,
            theirs,
            value,
        })
    }

    /// Judges what was counted.
    #[must_use]
    pub fn judge(&self, counted: &Counted) -> Verdict {
        // A runtime does something now and then whatever it is used for.
        let holds = counted.value <= self.floor + self.slack();
        match self.gap {
            None if holds => Verdict::Holds,
            None => Verdict::Broken,
            Some(_) if holds => Verdict::GapIsOver,
            Some(gap) if counted.value <= gap.worst => Verdict::KnownGap,
            Some(_) => Verdict::Broken,
        }
    }

    /// What two counts of the same may differ by.
    const fn slack(&self) -> f64 {
        match (self.what, self.than) {
            (What::SystemCalls | What::FailedCalls, _) => 0.02,
            (What::Allocations, Than::Plus(_)) => 0.002,
            _ => 0.0,
        }
    }
}

impl What {
    /// The tool that this needs.
    #[must_use]
    pub const fn tool(self) -> Option<&'static str> {
        match self {
            Self::Instructions => Some("valgrind"),
            Self::SystemCalls | Self::FailedCalls => Some("strace"),
            Self::Allocations | Self::Memory => None,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Instructions => "user instructions",
            Self::SystemCalls => "system calls",
            Self::FailedCalls => "failed system calls",
            Self::Allocations => "allocations",
            Self::Memory => "bytes held",
        })
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Figure(self.value))?;
        match self.theirs {
            Some(theirs) => write!(f, " ({} against {})", Figure(self.ours), Figure(theirs)),
            None => Ok(()),
        }
    }
}

/// A count, with as many places as it is worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure(pub(crate) f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.abs() >= 100.0 {
            write!(f, "{:.0}", self.0)
        } else {
            write!(f, "{:.3}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(value: f64, gap: Option<f64>) -> Verdict {
        let bound = Bound {
            floor: 1.3,
            gap: gap.map(|worst| Gap { worst, why: "" }),
            ..BOUNDS[0]
        };
        bound.judge(&Counted {
            ours: value,
            theirs: None,
            value,
        })
    }

    #[test]
    fn a_bound_is_kept_or_broken() {
        assert_eq!(judged(1.3, None), Verdict::Holds);
        assert_eq!(judged(1.301, None), Verdict::Broken);
    }

    #[test]
    fn a_known_gap_may_neither_grow_nor_stay_when_it_is_over() {
        assert_eq!(judged(1.4, Some(1.5)), Verdict::KnownGap);
        assert_eq!(judged(1.6, Some(1.5)), Verdict::Broken);
        assert_eq!(judged(1.2, Some(1.5)), Verdict::GapIsOver);
    }
}
