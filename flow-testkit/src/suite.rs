//! All laws on one or more kinds of flow: as the main function of a test, or for programs that print what they like.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::{self, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::asked;
use crate::child;
use crate::harness::{Harness, Need};
use crate::law::{Law, watchdog};
use crate::laws;
use crate::report::{Outcome, Report};
use crate::subject::{Subject, not_in_this_way};

/// Runs every law on the flows of this harness, as the main function of a test with `harness = false`.
///
/// ```no_run
/// # type MyHarness = flow_testkit::memory::Memory;
/// fn main() {
///     flow_testkit::main::<MyHarness>();
/// }
/// ```
///
/// The tests are named after the clauses; they are listed, filtered and skipped by the ordinary flags, and run under other test runners. Each runs in
/// a process of its own, which is this program again: a crash or a hang costs one verdict, and descriptors and threads can be counted.
///
/// With the variable `FLOW_TESTKIT_FAIL_FAST` set, the first law that is broken ends the run.
pub fn main<H: Harness + Default>() -> ! {
    Suite::new().flow::<H>("").main()
}

/// Runs one law on the flows of this harness inside this process, for an ordinary `#[test]`.
///
/// # Panics
///
/// If there is no law of that name, the harness lacks what it needs, or the flow breaks the clause.
pub fn test<H: Harness + Default>(law: &str) {
    let law = laws::find(law).unwrap_or_else(|| panic!("no law has the name {law}"));
    let subject = Subject::of::<H>("");
    if let Some((need, why)) = subject.lacking(&law) {
        panic!("this harness lacks {need:?}: {why}");
    }
    let report = subject.run(&law, false, watchdog());
    assert!(
        report.outcome.is_run(),
        "law {} was not run: {}",
        law.name,
        report.message
    );
    if !report.outcome.is_fine() {
        panic!("law {} is broken:\n{report}", law.name);
    }
}

/// Several kinds of flow that every law is run on.
#[derive(Clone, Debug, Default)]
pub struct Suite {
    subjects: Vec<Subject>,
}

impl Suite {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { subjects: vec![] }
    }

    /// And the flows of this harness. The name comes before the names of its laws: `name::law`.
    ///
    /// # Panics
    ///
    /// If the name is taken, or the harness names a law that there is not, or gives no reason for what it excludes.
    #[must_use]
    pub fn flow<H: Harness + Default>(self, name: &str) -> Self {
        self.subject(Subject::of::<H>(name))
    }

    /// And this kind of flow.
    ///
    /// # Panics
    ///
    /// As [`flow`](Self::flow) does.
    #[must_use]
    pub fn subject(mut self, subject: Subject) -> Self {
        let name = subject.name();
        let taken = self.subjects.iter().any(|other| other.name() == name);
        assert!(!taken, "two flows have the name {name:?}");
        for (law, why) in subject.known() {
            assert!(laws::find(law).is_some(), "no law has the name {law}");
            assert!(!why.trim().is_empty(), "{law} is excluded without a reason");
        }
        for (need, why) in subject.lacks() {
            assert!(
                !why.trim().is_empty(),
                "{need:?} is lacking without a reason"
            );
        }
        self.subjects.push(subject);
        self
    }

    /// The kinds of flow.
    #[must_use]
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// If this process was started by [`run`](Self::run) to run one law, does so and exits. To be called first thing in `main`.
    pub fn serve(&self) {
        child::serve(&self.subjects);
    }

    /// Runs every law on every flow, each in a process of its own, as many at a time as there are cores, and tells `each` as it ends.
    ///
    /// The processes are this program again, so its `main` has to call [`serve`](Self::serve).
    ///
    /// # Panics
    ///
    /// If `each` does.
    pub fn run(&self, each: impl FnMut(&Report) + Send) -> Vec<Report> {
        self.run_some(|_, _| true, each)
    }

    /// [`run`](Self::run), but only the laws that are wanted on each flow.
    ///
    /// # Panics
    ///
    /// If `wanted` or `each` does.
    pub fn run_some(
        &self,
        wanted: impl Fn(&Subject, &Law) -> bool,
        each: impl FnMut(&Report) + Send,
    ) -> Vec<Report> {
        asked::check();
        let jobs: Vec<_> = self
            .subjects
            .iter()
            .flat_map(|subject| laws::all().into_iter().map(move |law| (subject, law)))
            .filter(|(subject, law)| wanted(subject, law))
            .collect();
        let (next, each) = (AtomicUsize::new(0), Mutex::new(each));
        let reports: Mutex<Vec<Option<Report>>> = Mutex::new(vec![None; jobs.len()]);
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((subject, law)) = jobs.get(index) else {
                    return;
                };
                let report = report(subject, law);
                (each.lock().expect("each does not panic"))(&report);
                reports.lock().expect("nothing panics here")[index] = Some(report);
            }
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(work);
            }
        });
        let reports = reports.into_inner().expect("nothing panics here");
        reports.into_iter().flatten().collect()
    }

    /// Runs every law on every flow, as the main function of a test with `harness = false`.
    pub fn main(self) -> ! {
        self.serve();
        asked::check();
        let args = Arguments::from_args();
        let mut trials = vec![];
        for subject in &self.subjects {
            for law in laws::all() {
                trials.push(trial(subject, law));
            }
            let checked = subject.clone();
            let name = full_name(subject, "what_is_excluded_is_excluded_rightly");
            trials.push(Trial::test(name, move || {
                check(&checked).map_err(Failed::from)
            }));
        }
        let list = args.list;
        let conclusion = libtest_mimic::run(&args, trials);
        if !list {
            let _ = self.print_excluded();
        }
        let code = conclusion.exit_code();
        process::exit(i32::from(code != ExitCode::SUCCESS) * 101)
    }

    /// What was not run, and why.
    fn print_excluded(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let terminal = out.is_terminal();
        for subject in &self.subjects {
            for (need, why) in subject.lacks() {
                let without = laws::all()
                    .iter()
                    .filter(|law| law.needs.contains(need))
                    .count();
                let name = full_name(subject, &format!("no {need:?}"));
                writeln!(out, "{name} ({without} laws): {why}")?;
            }
            for (law, why) in subject.known() {
                let name = full_name(subject, law);
                let (red, plain) = if terminal {
                    ("\x1b[31m", "\x1b[0m")
                } else {
                    ("", "")
                };
                writeln!(out, "{red}known to be broken{plain}: {name}: {why}")?;
            }
        }
        writeln!(out)
    }
}

fn full_name(subject: &Subject, name: &str) -> String {
    match subject.name() {
        "" => name.to_owned(),
        subject => format!("{subject}::{name}"),
    }
}

/// A law in a process of its own, unless the flow cannot be asked.
fn report(subject: &Subject, law: &Law) -> Report {
    let mut report = Report::new(subject.name(), law);
    if let Some((need, why)) = subject.lacking(law) {
        report.outcome = Outcome::Lacking;
        report.message = format!("no {need:?}: {why}");
    } else if let Some(why) = subject.known_to_break(law) {
        report.outcome = Outcome::Known;
        report.message = why.to_owned();
    } else if let Some(why) = not_in_this_way(law) {
        report.outcome = Outcome::Lacking;
        report.message = why;
    } else {
        report = child::run(subject, law);
    }
    report
}

fn trial(subject: &Subject, law: Law) -> Trial {
    let name = full_name(subject, law.name);
    let (lacking, known) = (subject.lacking(&law), subject.known_to_break(&law));
    let subject = subject.clone();
    let test = name.clone();
    let trial = Trial::test(name, move || {
        let report = child::run(&subject, &law);
        if report.outcome == Outcome::Kept {
            Ok(())
        } else {
            let replay = report.replay(&test);
            let why = format!("{report}replay  {replay}");
            if env::var_os("FLOW_TESTKIT_FAIL_FAST").is_some() {
                println!("\n---- {test} ----\n{why}");
                process::exit(101);
            }
            Err(Failed::from(why))
        }
    });
    match (lacking, known) {
        (Some((need, _)), _) => trial
            .with_kind(format!("no {need:?}"))
            .with_ignored_flag(true),
        (None, Some(_)) => trial.with_kind("known").with_ignored_flag(true),
        (None, None) if not_in_this_way(&law).is_some() => {
            trial.with_kind("not in this way").with_ignored_flag(true)
        }
        (None, None) => trial,
    }
}

/// Whether what is said to be lacking, or broken, really is, and whether laws are left to be run.
fn check(subject: &Subject) -> Result<(), String> {
    let kept = |law: &Law| child::run(subject, law).outcome == Outcome::Kept;
    let laws = laws::all();
    for (need, _) in subject.lacks() {
        let only: Vec<_> = laws
            .iter()
            .filter(|law| law.needs.contains(need))
            .filter(|law| {
                let others = subject.lacks().iter().filter(|(other, _)| other != need);
                !others
                    .into_iter()
                    .any(|(other, _)| law.needs.contains(other))
            })
            .filter(|law| subject.offers_what_is_rare(law))
            .collect();
        if *need != Need::Alone && !only.is_empty() && only.into_iter().all(kept) {
            return Err(format!(
                "{need:?} is said to be lacking, but every law that needs it is kept: take it off the list"
            ));
        }
    }
    for (name, _) in subject.known() {
        let law = laws::find(name).expect("looked up before");
        if subject.lacking(&law).is_none() && kept(&law) {
            return Err(format!(
                "{name} is said to be broken, but is kept: take it off the list"
            ));
        }
    }
    let run = laws
        .iter()
        .filter(|law| subject.lacking(law).is_none() && subject.known_to_break(law).is_none())
        .filter(|law| not_in_this_way(law).is_none());
    match run.count() {
        0 => Err("no law is run".to_owned()),
        _ => Ok(()),
    }
}
