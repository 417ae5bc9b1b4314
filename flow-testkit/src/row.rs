//! The ways in which one law is run: forms of the flow, tasks, wakers, spurious polls, ends, combined pairwise.

use std::cell::Cell;
use std::fmt;

use crate::harness::Need;

/// The form in which people keep a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// The flow itself.
    AsIs,
    /// Through `&F`.
    ByRef,
    /// In an `Arc`.
    InArc,
    /// Behind `dyn Flow`.
    Boxed,
}

/// Whose wakers the calls of a law have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tasks {
    /// Each call is a task of its own: a wake of one is none of another.
    Each,
    /// All calls are made by one task, as under `join!` and `select!`.
    One,
}

/// What is handed to a call that is polled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wakers {
    /// A new waker at each poll; only the latest is relied on.
    Fresh,
    /// The same waker at each poll.
    Same,
}

/// Which of two connected ends is the flow that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The first of the pair: over TCP the one that connected.
    First,
    /// The second of the pair: over TCP the one that was accepted.
    Second,
}

thread_local! {
    static CURRENT: Cell<End> = const { Cell::new(End::First) };
}

impl End {
    /// Which end the law of this thread looks at. A harness with links of its own may ask.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.get()
    }

    pub(crate) fn begin(self) {
        CURRENT.set(self);
    }

    /// Our end and the peer's, of the first and the second of a pair.
    pub fn of<T>(self, first: T, second: T) -> (T, T) {
        match self {
            Self::First => (first, second),
            Self::Second => (second, first),
        }
    }
}

/// One way to run a law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The form of the flow.
    pub form: Form,
    /// The tasks of its calls.
    pub tasks: Tasks,
    /// The wakers of a task.
    pub wakers: Wakers,
    /// Whether a call that waits is polled once more although nobody woke it.
    pub spurious: bool,
    /// The end that is looked at.
    pub end: End,
}

impl Row {
    /// The plainest way: the flow as it is, a task and fresh wakers for each call, no poll that nobody asked for.
    pub const PLAIN: Self = Self::of(false, false, false);

    /// Every pair of values of two dimensions is in one of these. (With a, b, c the bits of the number: an orthogonal array of strength
    /// two with one column of four levels and four of two.)
    pub const ALL: [Self; 8] = [
        Self::PLAIN,
        Self::of(false, false, true),
        Self::of(false, true, false),
        Self::of(false, true, true),
        Self::of(true, false, false),
        Self::of(true, false, true),
        Self::of(true, true, false),
        Self::of(true, true, true),
    ];

    const fn of(a: bool, b: bool, c: bool) -> Self {
        Self {
            form: match (a, b) {
                (false, false) => Form::AsIs,
                (false, true) => Form::ByRef,
                (true, false) => Form::InArc,
                (true, true) => Form::Boxed,
            },
            tasks: if c { Tasks::One } else { Tasks::Each },
            wakers: if a != c { Wakers::Same } else { Wakers::Fresh },
            spurious: b != c,
            end: if (a != b) != c {
                End::Second
            } else {
                End::First
            },
        }
    }

    /// Whether a law with this need can be run so.
    #[must_use]
    pub fn meets(self, need: Need) -> bool {
        match need {
            Need::OwnTasks => self.tasks == Tasks::Each,
            Need::ExactPolls => !self.spurious,
            // What is behind `dyn Flow` is not told to be `Sync`, nor what it is.
            Need::Threads | Need::Remade => self.form != Form::Boxed,
            _ => true,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.form {
            Form::AsIs => "the flow itself",
            Form::ByRef => "through &F",
            Form::InArc => "in an Arc",
            Form::Boxed => "behind dyn Flow",
        })?;
        f.write_str(match self.tasks {
            Tasks::Each => ", a task for each call",
            Tasks::One => ", one task",
        })?;
        f.write_str(match self.wakers {
            Wakers::Fresh => ", fresh wakers",
            Wakers::Same => ", the same waker",
        })?;
        if self.spurious {
            f.write_str(", spurious polls")?;
        }
        f.write_str(match self.end {
            End::First => ", the first end",
            End::Second => ", the second end",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::Hash;

    use super::*;

    fn pairs<A: Eq + Hash, B: Eq + Hash>(a: fn(&Row) -> A, b: fn(&Row) -> B) -> usize {
        let pairs: HashSet<_> = Row::ALL.iter().map(|row| (a(row), b(row))).collect();
        pairs.len()
    }

    #[test]
    fn every_pair_of_values_is_in_a_row() {
        assert_eq!(pairs(|r| r.form, |r| r.tasks), 8);
        assert_eq!(pairs(|r| r.form, |r| r.wakers), 8);
        assert_eq!(pairs(|r| r.form, |r| r.spurious), 8);
        assert_eq!(pairs(|r| r.form, |r| r.end), 8);
        assert_eq!(pairs(|r| r.tasks, |r| r.wakers), 4);
        assert_eq!(pairs(|r| r.tasks, |r| r.spurious), 4);
        assert_eq!(pairs(|r| r.tasks, |r| r.end), 4);
        assert_eq!(pairs(|r| r.wakers, |r| r.spurious), 4);
        assert_eq!(pairs(|r| r.wakers, |r| r.end), 4);
        assert_eq!(pairs(|r| r.spurious, |r| r.end), 4);
    }
}
