//! Runs every law on a stream, and compares what breaks with what the table says.

use std::time::Duration;

use flow_testkit::{AnyHarness, Harness, Law, Need, Row, Verdict, laws, watchdog};

use crate::table::{How, Stream};

/// How long nothing happens before a hang is believed, where the table says that something is broken.
const BELIEVED: Duration = Duration::from_millis(400);

/// The only place that runs a law.
fn run<H: Harness + Default>(law: &Law, watchdog: Duration) -> Verdict {
    law.run(AnyHarness::of::<H>, Row::PLAIN, false, watchdog)
        .verdict
}

impl How {
    fn is(self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Self::Says(words), Verdict::Broken(why)) => why.contains(words),
            (Self::Hangs(words), Verdict::Hang(why)) => why.contains(words),
            _ => false,
        }
    }
}

impl Stream {
    /// How the law of that name is to fail.
    fn broken(&self, law: &str) -> Option<How> {
        let mut all = self.faults.iter().flat_map(|fault| fault.broken);
        all.find(|(name, _)| *name == law).map(|(_, how)| *how)
    }

    /// Whether the law is not run.
    fn is_left_out(&self, law: &Law) -> bool {
        // Laws that count descriptors are for a process of their own.
        law.needs.contains(&Need::Alone)
            // What few flows have, none of these has.
            || law.needs.iter().any(|need| need.is_rare())
            // What these find depends on how two threads meet, and the table is to be the same in every run.
            || law.name.starts_with("threads_")
            || (!self.only.is_empty() && !self.only.contains(&law.name))
            || self.not_run.iter().any(|(name, _)| *name == law.name)
            || self.lacks.iter().any(|(need, _)| law.needs.contains(need))
    }
}

/// Fails where the stream breaks anything that the table does not state, or keeps what the table says it breaks.
pub(crate) fn check<H: Harness + Default>(stream: &Stream) {
    let mut wrong = vec![];
    let mut run_at_all = 0;
    for law in laws::all() {
        let expected = stream.broken(law.name);
        if stream.is_left_out(&law) {
            assert!(expected.is_none(), "{} is stated, and not run", law.name);
            continue;
        }
        run_at_all += 1;
        let right = |verdict: &Verdict| match expected {
            Some(how) => how.is(verdict),
            None => *verdict == Verdict::Kept,
        };
        let patience = match expected {
            Some(_) => BELIEVED,
            None => watchdog(),
        };
        let mut verdict = run::<H>(&law, patience);
        if !right(&verdict) && expected.is_some() {
            // A machine that is busy is given more time before anything is said.
            verdict = run::<H>(&law, watchdog());
        }
        if right(&verdict) {
            continue;
        }
        wrong.push(match (&verdict, expected) {
            (Verdict::Kept, _) => {
                format!("{} is kept after all: take it out of the table", law.name)
            }
            (_, Some(how)) => format!("{} fails otherwise than by {how:?}: {verdict:?}", law.name),
            (_, None) => format!(
                "{} fails, and the table does not say so: {verdict:?}",
                law.name
            ),
        });
    }
    assert!(run_at_all > 0, "no law was run");
    assert!(
        wrong.is_empty(),
        "{} differs from the table:\n{}",
        stream.name,
        wrong.join("\n")
    );
}
