//! One kind of flow as the runner sees it: its name, what it lacks, and how to make some.

use std::fmt;
use std::time::{Duration, Instant};

use crate::any::AnyHarness;
use crate::asked;
use crate::census::Census;
use crate::forms::{Boxed, ByRef, InArc};
use crate::harness::{Harness, Need};
use crate::law::{Law, Run, Verdict};
use crate::report::{Outcome, Report};
use crate::row::{Form, Row};

/// One kind of flow that laws are run on.
#[derive(Clone)]
pub struct Subject {
    name: String,
    lacks: &'static [(Need, &'static str)],
    offers: &'static [Need],
    known: &'static [(&'static str, &'static str)],
    make: fn(Form) -> AnyHarness,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("name", &self.name)
            .field("lacks", &self.lacks)
            .field("offers", &self.offers)
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

fn make<H: Harness + Default>(form: Form) -> AnyHarness {
    match form {
        Form::AsIs => AnyHarness::of::<H>(),
        Form::ByRef => AnyHarness::of::<ByRef<H>>(),
        Form::InArc => AnyHarness::of::<InArc<H>>(),
        Form::Boxed => AnyHarness::of::<Boxed<H>>(),
    }
}

impl Subject {
    /// The flows of this harness, under a name.
    #[must_use]
    pub fn of<H: Harness + Default>(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            lacks: H::LACKS,
            offers: H::OFFERS,
            known: H::KNOWN,
            make: make::<H>,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its harness says that it lacks, each with the reason.
    #[must_use]
    pub const fn lacks(&self) -> &'static [(Need, &'static str)] {
        self.lacks
    }

    /// The laws that its harness says it breaks, each with the reason.
    #[must_use]
    pub const fn known(&self) -> &'static [(&'static str, &'static str)] {
        self.known
    }

    /// A harness, made anew.
    #[must_use]
    pub fn harness(&self, form: Form) -> AnyHarness {
        (self.make)(form)
    }

    /// The need of this law that the harness lacks, and why.
    #[must_use]
    pub fn lacking(&self, law: &Law) -> Option<(Need, &'static str)> {
        let lacked = |(need, _): &&(Need, _)| law.needs.contains(need);
        let lacks = self.lacks.iter().find(lacked).copied();
        lacks.or_else(|| {
            let need = self.not_offered(law)?;
            Some((need, "few flows have it, and these do not"))
        })
    }

    /// Whether the harness offers whatever this law needs that few flows have.
    pub(crate) fn offers_what_is_rare(&self, law: &Law) -> bool {
        self.not_offered(law).is_none()
    }

    fn not_offered(&self, law: &Law) -> Option<Need> {
        let missing = |need: &&Need| need.is_rare() && !self.offers.contains(need);
        law.needs.iter().find(missing).copied()
    }

    /// Why this law is known to be broken, if the harness says so.
    #[must_use]
    pub fn known_to_break(&self, law: &Law) -> Option<&'static str> {
        let known = self.known.iter().find(|(name, _)| *name == law.name);
        known.map(|(_, why)| *why)
    }

    /// Runs a law in this process, in each of its ways, up to the first in which it is not kept.
    ///
    /// `alone` says that nothing else goes on in the process: then descriptors, threads and tasks are counted after each way, and what is left
    /// breaks `drop_leaves_nothing`.
    #[must_use]
    pub fn run(&self, law: &Law, alone: bool, watchdog: Duration) -> Report {
        let begun = Instant::now();
        let mut report = Report::new(&self.name, law);
        if let Some(why) = not_in_this_way(law) {
            report.outcome = Outcome::Lacking;
            report.message = why;
            return report;
        }
        let before = alone.then(|| self.warm_up()).flatten();
        for (number, row) in rows_of(law) {
            report.rows += 1;
            let make = self.make;
            let mut run = law.run(move || make(row.form), row, alone, watchdog);
            if let (Verdict::Kept, Some(before)) = (&run.verdict, &before)
                && let Some(left) = Census::left_since(before)
            {
                run.verdict = Verdict::Broken(format!("drop_leaves_nothing: left are {left}"));
            }
            let Run { verdict, events } = run;
            let (outcome, message) = match verdict {
                Verdict::Kept => continue,
                Verdict::Broken(message) => (Outcome::Broken, message),
                Verdict::Hang(message) => (Outcome::Hang, message),
            };
            report.outcome = outcome;
            report.message = message;
            report.row = Some((number, row.to_string()));
            report.events = events;
            break;
        }
        report.took = begun.elapsed();
        report
    }

    /// Makes and drops what a runtime makes once and keeps, and counts.
    fn warm_up(&self) -> Option<Census> {
        let warm = Law {
            name: "warm_up",
            needs: &[],
            check: |case| {
                let link = case.link();
                case.settle();
                drop(link);
            },
        };
        for form in [Form::AsIs, Form::Boxed] {
            let make = self.make;
            let row = Row { form, ..Row::PLAIN };
            // Whatever is wrong will be found by the law.
            let _ = warm.run(move || make(form), row, false, Duration::from_secs(5));
        }
        Census::take()
    }
}

/// Why the law cannot be run in the one way that was asked for.
pub(crate) fn not_in_this_way(law: &Law) -> Option<String> {
    let row = asked::row()?;
    let in_none = rows_of(law).next().is_none();
    in_none.then(|| format!("way {row}, {}, is not one of its ways", Row::ALL[row]))
}

/// The ways in which a law can be run, with their numbers. The variable `FLOW_TESTKIT_ROW` picks one.
fn rows_of(law: &Law) -> impl Iterator<Item = (usize, Row)> {
    let picked = asked::row();
    let needs = law.needs;
    Row::ALL
        .into_iter()
        .enumerate()
        .filter(move |(number, row)| {
            picked.is_none_or(|picked| picked == *number)
                && needs.iter().all(|need| row.meets(*need))
        })
}
