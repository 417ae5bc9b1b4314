//! Which laws reject which broken flow: the page of it, and the run that writes it.
//!
//! `FLOW_TESTKIT_BLESS=1 cargo test -p flow-testkit --test kill_matrix -- --ignored --nocapture` runs every law on every broken flow and writes the page;
//! without the variable it compares. With `FLOW_TESTKIT_ONLY='OneFlow AnotherFlow'` as well, only these are run, and the rest stays as the page has it: for a
//! new broken flow, not for a new law; with `FLOW_TESTKIT_LAWS='one_law another_law'` only these laws are asked, of every flow that is run: for laws that
//! are new or changed. Each flow has a process, a new one after a hang or a crash, so that what one law leaves behind is not in
//! the way of the next. In each of these a law stops at its first verdict.

mod heap;
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, panic, process, thread};

use flow_testkit::broken::{self, Broken, Expect};
use flow_testkit::{Law, Need, Outcome, Report, Subject, laws};

const PAGE: &str = "docs/kill-matrix.md";
/// The names of broken flows: only these are run.
const ONLY: &str = "FLOW_TESTKIT_ONLY";
/// The names of laws: only these are asked.
const LAWS: &str = "FLOW_TESTKIT_LAWS";
/// Tells a process the flow that it is to ask, and the number of the first law.
const VARIABLE: &str = "FLOW_TESTKIT_ASK";
/// What a process says of a law begins with this.
const MARK: &str = "asked: ";
/// A law that says nothing for so long hangs, unless it is the one that has to reject the flow: that one has the ordinary time, as it may be long
/// at work.
const WATCHDOG: Duration = Duration::from_millis(500);

/// What became of one law on one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    /// The page is left as it is.
    NotRun,
    NotAsked,
    Kept,
    Broken(String),
    Hang,
    Crashed,
}

impl Cell {
    fn of(report: Report) -> Self {
        match report.outcome {
            Outcome::Kept => Self::Kept,
            Outcome::Hang => Self::Hang,
            _ => Self::Broken(report.message),
        }
    }

    const fn is_rejection(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Hang | Self::Crashed)
    }

    /// As this must be: what the page says of it.
    fn as_expected(&self, broken: &Broken) -> Option<String> {
        match (broken.expect, self) {
            (Expect::Fails(words), Self::Broken(why)) if why.contains(words) => {
                Some(format!("\u{201c}{words}\u{201d}"))
            }
            (Expect::Hangs, Self::Hang) => Some("a hang".to_owned()),
            _ => None,
        }
    }

    fn parse(line: &str) -> Self {
        let (outcome, message) = line.split_once(' ').unwrap_or((line, ""));
        match outcome {
            "not-run" => Self::NotRun,
            "not-asked" => Self::NotAsked,
            "kept" => Self::Kept,
            "hang" => Self::Hang,
            "broken" => Self::Broken(message.to_owned()),
            _ => panic!("not what a process says of a law: {line}"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRun => f.write_str("not-run"),
            Self::NotAsked => f.write_str("not-asked"),
            Self::Kept => f.write_str("kept"),
            Self::Hang => f.write_str("hang"),
            Self::Broken(message) => write!(f, "broken {}", message.replace('\n', " ")),
            Self::Crashed => unreachable!("a process that crashed says nothing"),
        }
    }
}

/// The flows that are asked, each once: those without a fault, and the broken ones.
fn subjects() -> Vec<Subject> {
    let mut seen = BTreeSet::new();
    let broken = broken::all().into_iter().map(|broken| broken.subject());
    broken::good()
        .into_iter()
        .chain(broken)
        .filter(|subject| seen.insert(subject.name().to_owned()))
        .collect()
}

/// The entries of a law in the table of broken flows.
fn entries(law: &Law) -> impl Iterator<Item = Broken> {
    let name = law.name;
    broken::all().into_iter().filter(move |b| b.law == name)
}

/// Runs one law here.
fn ask(subject: &Subject, law: &Law) -> Cell {
    let is_wanted = |only: String| only.split(' ').any(|one| one == law.name);
    if !env::var(LAWS).map_or(true, is_wanted) {
        return Cell::NotRun;
    }
    if subject.lacking(law).is_some() {
        return Cell::NotAsked;
    }
    let name = subject.name().strip_prefix("broken/").unwrap_or_default();
    let own = entries(law).find(|broken| broken.name == name);
    let watchdog = match &own {
        Some(own) if own.expect != Expect::Hangs => Duration::from_secs(20),
        _ => WATCHDOG,
    };
    // What is left behind is for the law about it to say, and not for every law.
    let alone = law.needs.contains(&Need::Alone);
    for _ in 1..own.map_or(1, |own| own.runs()) {
        let report = subject.run(law, alone, watchdog);
        if report.outcome != Outcome::Kept {
            return Cell::of(report);
        }
    }
    Cell::of(subject.run(law, alone, watchdog))
}

/// Asks as a process of its own, up to the first hang.
fn serve(wanted: &str) -> ! {
    broken::count_heap_with(heap::allocated);
    panic::set_hook(Box::new(|_| {}));
    let (name, first) = wanted.split_once(' ').expect("a name and a number");
    let first: usize = first.parse().expect("a number");
    let mut subjects = subjects().into_iter();
    let subject = subjects.find(|s| s.name() == name).expect("a flow");
    for law in laws::all().iter().skip(first) {
        let cell = ask(&subject, law);
        println!("\n{MARK}{cell}");
        if cell == Cell::Hang {
            break;
        }
    }
    // A law that hangs has left its thread behind: it ends here.
    process::exit(0)
}

/// All laws on one flow, in their order.
fn row(subject: &Subject, laws: usize) -> Vec<Cell> {
    let mut cells = vec![];
    while cells.len() < laws {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "kill_matrix", "--ignored", "--nocapture"])
            .env(VARIABLE, format!("{} {}", subject.name(), cells.len()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this program, once more");
        let said = BufReader::new(child.stdout.take().expect("piped"));
        let said = said.lines().map_while(Result::ok);
        cells.extend(said.filter_map(|line| Some(Cell::parse(line.strip_prefix(MARK)?))));
        if !child.wait().expect("a process").success() {
            cells.push(Cell::Crashed);
        }
    }
    cells
}

/// The flows that are to be asked now.
fn wanted() -> Vec<Subject> {
    let only = env::var(ONLY).ok();
    let is_wanted = |subject: &Subject| match (&only, subject.name().strip_prefix("broken/")) {
        (Some(only), Some(name)) => only.split(' ').any(|one| one == name),
        _ => true,
    };
    subjects().into_iter().filter(is_wanted).collect()
}

/// All rows by the names of their flows, as many at a time as there are cores.
fn rows() -> BTreeMap<String, Vec<Cell>> {
    let (subjects, laws) = (wanted(), laws::all().len());
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(subject) = subjects.get(next.fetch_add(1, Ordering::Relaxed)) {
            let row = row(subject, laws);
            let mut rows = rows.lock().expect("nothing panics here");
            rows.insert(subject.name().to_owned(), row);
            println!("{:3} of {}: {}", rows.len(), subjects.len(), subject.name());
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut rows = rows.into_inner().expect("nothing panics here");
    // Two threads do not meet where there is no core for both: where they did not, it is asked again with nothing beside it.
    let unmet = |row: &[Cell], broken: &Broken| {
        let own = laws::all().iter().position(|law| law.name == broken.law);
        let cell = &row[own.expect("a law")];
        broken.runs() > 1 && *cell != Cell::NotRun && cell.as_expected(broken).is_none()
    };
    for broken in broken::all() {
        let subject = broken.subject();
        if rows
            .get(subject.name())
            .is_some_and(|row| unmet(row, &broken))
        {
            println!("once more: {}", subject.name());
            rows.insert(subject.name().to_owned(), row(&subject, laws));
        }
    }
    rows
}

/// What the page says of one entry of the table.
struct Line {
    law: String,
    name: String,
    /// How its own law rejects it, or [`WRONG`].
    verdict: String,
    others: Vec<String>,
}

const WRONG: &str = "**not rejected as it must be**";

impl Line {
    /// Of this run; `known` is what the page says, for the laws that were not run.
    fn of(broken: &Broken, row: &[Cell], known: Option<Self>) -> Self {
        let laws = laws::all();
        let own = laws.iter().position(|law| law.name == broken.law);
        let verdict = match (&row[own.expect("a law")], &known) {
            (Cell::NotRun, Some(known)) => Some(known.verdict.clone()),
            (cell, _) => cell.as_expected(broken),
        };
        let known = known.map(|line| line.others).unwrap_or_default();
        let rejects = |law: &Law, cell: &Cell| match cell {
            Cell::NotRun => known.iter().any(|name| name == law.name),
            cell => cell.is_rejection(),
        };
        let rejecting = laws.iter().zip(row).filter(|(l, cell)| rejects(l, cell));
        let others = rejecting.map(|(law, _)| law.name.to_owned());
        Self {
            law: broken.law.to_owned(),
            name: broken.name.to_owned(),
            verdict: verdict.unwrap_or_else(|| WRONG.to_owned()),
            others: others.filter(|name| *name != broken.law).collect(),
        }
    }

    /// Those of the page, in its order.
    fn all_of(page: &str) -> Vec<Self> {
        let (mut law, mut lines) = ("", vec![]);
        for text in page.lines() {
            if let Some(heading) = text.strip_prefix("## `") {
                law = heading.trim_end_matches('`');
            } else if let Some(rest) = text.strip_prefix("| `") {
                let mut cells = rest.split(" | ");
                let (name, verdict) = (cells.next(), cells.next());
                let others = cells.nth(1).unwrap_or_default();
                let others = others.trim_end_matches([' ', '|']).split(", ");
                let others = others.map(|other| other.trim_matches('`').to_owned());
                lines.push(Self {
                    law: law.to_owned(),
                    name: name.unwrap_or_default().trim_end_matches('`').to_owned(),
                    verdict: verdict.unwrap_or_default().to_owned(),
                    others: others.filter(|other| !other.is_empty()).collect(),
                });
            }
        }
        lines
    }
}

/// One for each entry of the table: of this run, or as the page has it.
fn lines(rows: &BTreeMap<String, Vec<Cell>>) -> Vec<Line> {
    let mut known = match (env::var_os(ONLY), env::var_os(LAWS)) {
        (None, None) => vec![],
        _ => Line::all_of(&page::read(PAGE)),
    };
    let line = |broken: Broken| {
        let is_this = |line: &Line| line.law == broken.law && line.name == broken.name;
        let at = known.iter().position(is_this);
        let known = at.map(|at| known.swap_remove(at));
        match rows.get(broken.subject().name()) {
            Some(row) => Line::of(&broken, row, known),
            None => known.unwrap_or_else(|| panic!("{} has to be run", broken.name)),
        }
    };
    broken::all().into_iter().map(line).collect()
}

/// The number in the middle.
fn median(mut numbers: Vec<usize>) -> f64 {
    numbers.sort_unstable();
    let middle = |index: usize| f64::from(u32::try_from(numbers[index]).expect("a few"));
    let half = numbers.len() / 2;
    match numbers.len() % 2 {
        0 => f64::midpoint(middle(half - 1), middle(half)),
        _ => middle(half),
    }
}

const HEAD: &str = "# Kill matrix

Which laws reject which broken flow. Every law is run on every flow of `flow_testkit::broken`, but for laws that need what a flow of its kind does not have, and each
stops at its first verdict: the other laws are not needed for the proof, but show which fault looks like which. A fault that many laws reject is one that stands in the
way of any use; one that a single law rejects is why that law is there.

This page is written by

```sh
FLOW_TESTKIT_BLESS=1 cargo test -p flow-testkit --test kill_matrix -- --ignored --nocapture
```

and without the variable that command compares it with what it finds. That takes up to half an hour; with `FLOW_TESTKIT_ONLY='OneFlow AnotherFlow'` only these are
run, for a new broken flow, and with `FLOW_TESTKIT_LAWS='one_law another_law'` only these laws. `cargo test -p flow-testkit` holds the names on this page in step with the tables.
";

fn page(rows: &BTreeMap<String, Vec<Cell>>, lines: &[Line]) -> String {
    let laws = laws::all();
    let flows: BTreeSet<_> = lines.iter().map(|line| &line.name).collect();
    let own = lines.iter().filter(|line| line.verdict != WRONG).count();
    let alone: Vec<_> = lines.iter().filter(|l| l.others.is_empty()).collect();
    let alone_laws: BTreeSet<_> = alone.iter().map(|line| &line.law).collect();
    let others = lines.iter().map(|line| line.others.len()).collect();
    let good = broken::good();
    let rejections: usize = good
        .iter()
        .map(|subject| {
            rows[subject.name()]
                .iter()
                .filter(|c| c.is_rejection())
                .count()
        })
        .sum();
    let mut page = String::from(HEAD);
    let summary = [
        ("laws", laws.len().to_string()),
        ("broken flows", flows.len().to_string()),
        (
            "pairs of a broken flow and a law that must reject it",
            lines.len().to_string(),
        ),
        (
            "of these, rejected by that law, as the table says",
            own.to_string(),
        ),
        (
            "of these, rejected by no other law",
            alone.len().to_string(),
        ),
        (
            "laws with a flow that no other law rejects",
            alone_laws.len().to_string(),
        ),
        (
            "other laws that reject a flow, median",
            median(others).to_string(),
        ),
        ("the same flows without a fault", good.len().to_string()),
        ("laws that reject one of those", rejections.to_string()),
    ];
    page.push_str("\n| | |\n| --- | ---: |\n");
    for (what, number) in summary {
        let _ = writeln!(page, "| {what} | {number} |");
    }
    for law in &laws {
        let _ = write!(
            page,
            "\n## `{}`\n\n| broken flow | its law says | others | which |\n| --- | --- | ---: | --- |\n",
            law.name
        );
        for line in lines.iter().filter(|line| line.law == law.name) {
            let others: Vec<_> = line.others.iter().map(|o| format!("`{o}`")).collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} |",
                line.name,
                line.verdict,
                others.len(),
                others.join(", ")
            );
        }
    }
    page
}

/// Takes minutes.
#[test]
#[ignore = "runs every law on every broken flow"]
fn kill_matrix() {
    if let Ok(wanted) = env::var(VARIABLE) {
        serve(&wanted);
    }
    let rows = rows();
    let missing =
        |cell: &&Cell| matches!(cell, Cell::Broken(why) if why.contains("this law needs"));
    for (name, row) in &rows {
        // Then its harness does not say what it lacks.
        assert_eq!(row.iter().find(missing), None, "{name}");
    }
    let lines = lines(&rows);
    page::check(PAGE, &page(&rows, &lines));
    for subject in broken::good() {
        let rejected = rows[subject.name()].iter().zip(laws::all());
        let rejected: Vec<_> = rejected.filter(|(cell, _)| cell.is_rejection()).collect();
        assert!(rejected.is_empty(), "{}: {rejected:?}", subject.name());
    }
    for line in &lines {
        assert_ne!(line.verdict, WRONG, "{} by {}", line.name, line.law);
    }
}

#[test]
fn the_page_has_every_law_and_every_broken_flow() {
    let lines = Line::all_of(&page::read(PAGE));
    let found: Vec<_> = lines.iter().map(|l| (&l.law[..], &l.name[..])).collect();
    let expected: Vec<_> = laws::all()
        .iter()
        .flat_map(|law| entries(law).map(|broken| (broken.law, broken.name)))
        .collect();
    let differs = found.iter().zip(&expected).find(|(f, e)| f != e);
    assert_eq!(differs, None, "{PAGE}: found, and in the tables");
    assert_eq!(found.len(), expected.len(), "{PAGE} is cut off, or goes on");
    let names: BTreeSet<_> = laws::all().iter().map(|law| law.name).collect();
    for Line { name, others, .. } in &lines {
        let known = |other: &String| names.contains(other.as_str());
        assert!(others.iter().all(known), "{name}: {others:?}");
    }
}

/// Laws about one clause do not find what is wrong in one order of calls: that is what these laws are there for.
#[test]
fn other_laws_do_not_find_what_scripts_find() {
    const RANDOM: &str = "random_calls_follow_the_model";
    const EVERY: &str = "every_call_in_every_state";
    // The same states, with one call each.
    const STATES: &str = "states_answer_as_listed";
    let lines = Line::all_of(&page::read(PAGE));
    let of_scripts = |line: &&Line| [RANDOM, EVERY].contains(&&line.law[..]);
    let mut count = 0;
    for Line { name, others, .. } in lines.iter().filter(of_scripts) {
        count += 1;
        let expected = |other: &String| [RANDOM, EVERY, STATES].contains(&other.as_str());
        assert!(others.iter().all(expected), "{name}: {others:?}");
    }
    assert!(count > 0, "{PAGE} has none of their flows");
}
