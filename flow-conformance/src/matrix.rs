//! What was found: every law on every flow, in the order in which all outputs show it.

use std::collections::HashMap;
use std::time::Duration;

use flow_testkit::{Outcome, Report};

use crate::contract;

/// How often each outcome came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts([usize; Outcome::ALL.len()]);

impl Counts {
    pub(crate) fn of<'a>(reports: impl Iterator<Item = &'a Report>) -> Self {
        let mut counts = Self::default();
        for report in reports {
            counts.0[place(report.outcome)] += 1;
        }
        counts
    }

    /// How often this outcome came.
    pub(crate) const fn count(&self, outcome: Outcome) -> usize {
        self.0[place(outcome)]
    }

    /// How many laws were run.
    pub(crate) fn run(&self) -> usize {
        self.sum(Outcome::is_run)
    }

    /// How many of them failed.
    pub(crate) fn failed(&self) -> usize {
        self.sum(|outcome| !outcome.is_fine())
    }

    fn sum(&self, of: impl Fn(Outcome) -> bool) -> usize {
        let counted = Outcome::ALL.into_iter().filter(|outcome| of(*outcome));
        counted.map(|outcome| self.count(outcome)).sum()
    }

    /// Those that came, in words.
    pub(crate) fn words(&self) -> String {
        let some = Outcome::ALL
            .into_iter()
            .filter(|outcome| self.count(*outcome) > 0);
        let words: Vec<_> = some
            .map(|outcome| format!("{} {}", self.count(outcome), outcome.word()))
            .collect();
        words.join(", ")
    }
}

const fn place(outcome: Outcome) -> usize {
    // In the order of `Outcome::ALL`.
    outcome as usize
}

/// A column.
#[derive(Debug)]
pub(crate) struct Column {
    /// The flow.
    pub(crate) name: String,
    /// From the start of its first law to the end of its last one.
    pub(crate) took: Duration,
    /// What came of its laws.
    pub(crate) counts: Counts,
}

/// A row.
#[derive(Debug)]
pub(crate) struct Row {
    /// The law.
    pub(crate) law: String,
    /// What the contract says under its name.
    pub(crate) promise: String,
    /// One for each column.
    pub(crate) cells: Vec<Report>,
}

/// Rows under a heading.
#[derive(Debug)]
pub(crate) struct Section {
    /// The heading in the contract.
    pub(crate) title: &'static str,
    /// Its laws.
    pub(crate) rows: Vec<Row>,
}

/// Laws by flows.
#[derive(Debug)]
pub(crate) struct Matrix {
    /// The flows, in the order in which they were run.
    pub(crate) columns: Vec<Column>,
    /// The laws, in the order of the contract.
    pub(crate) sections: Vec<Section>,
    /// From the first start to the last end.
    pub(crate) took: Duration,
    /// What came of all.
    pub(crate) counts: Counts,
}

impl Matrix {
    /// Of the reports of a run, and how long each flow and all of it took.
    pub(crate) fn new(
        reports: Vec<Report>,
        times: &HashMap<String, Duration>,
        took: Duration,
    ) -> Self {
        let counts = Counts::of(reports.iter());
        let mut columns: Vec<Column> = vec![];
        for report in &reports {
            if columns.iter().all(|column| column.name != report.subject) {
                let own = reports.iter().filter(|r| r.subject == report.subject);
                columns.push(Column {
                    name: report.subject.clone(),
                    took: times.get(&report.subject).copied().unwrap_or_default(),
                    counts: Counts::of(own),
                });
            }
        }
        // Reports come by flows, so each row gets its cells in the order of the columns.
        let mut rows: Vec<Row> = vec![];
        for report in reports {
            match rows.iter_mut().find(|row| row.law == report.law) {
                Some(row) => row.cells.push(report),
                None => rows.push(Row {
                    law: report.law.clone(),
                    promise: report.promise.clone(),
                    cells: vec![report],
                }),
            }
        }
        Self {
            columns,
            sections: in_sections(rows),
            took,
            counts,
        }
    }

    /// The rows, without the headings.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.sections.iter().flat_map(|section| &section.rows)
    }

    /// All cells, by flows.
    pub(crate) fn reports(&self) -> impl Iterator<Item = &Report> {
        (0..self.columns.len())
            .flat_map(|column| self.rows().filter_map(move |row| row.cells.get(column)))
    }

    /// The cells that say that a clause is not kept.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &Report> {
        self.reports().filter(|report| !report.outcome.is_fine())
    }

    /// Whether laws were run, and all of them were kept.
    pub(crate) fn passed(&self) -> bool {
        self.counts.failed() == 0 && self.counts.run() > 0
    }
}

fn in_sections(mut rows: Vec<Row>) -> Vec<Section> {
    let mut sections = vec![];
    for section in contract::sections() {
        let (of_it, others) = rows
            .into_iter()
            .partition(|row| section.clauses.contains(&row.law.as_str()));
        rows = others;
        sections.push(Section {
            title: section.title,
            rows: of_it,
        });
    }
    sections.push(Section {
        title: "Not in the contract",
        rows,
    });
    sections.retain(|section| !section.rows.is_empty());
    sections
}

/// The command that runs this cell again.
pub(crate) fn replay(report: &Report) -> String {
    let Report { subject, law, .. } = report;
    let broken = match subject.strip_prefix("broken/") {
        Some(name) => format!("--broken '{name}' "),
        None => String::new(),
    };
    report.replay_by(&format!(
        "cargo run -p flow-conformance -- {broken}--exact --flow '{subject}' --law '{law}'"
    ))
}

/// So many of these, in words.
pub(crate) fn counted(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

/// One character for a cell.
pub(crate) const fn glyph(outcome: Outcome) -> char {
    match outcome {
        Outcome::Kept => '.',
        Outcome::Broken => 'X',
        Outcome::Hang => 'H',
        Outcome::Crashed => 'C',
        Outcome::Lacking => '-',
        Outcome::Known => 'k',
    }
}

/// What a cell's character stands for.
pub(crate) const fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "kept",
        Outcome::Broken => "broken",
        Outcome::Hang => "hang",
        Outcome::Crashed => "crashed",
        Outcome::Lacking => "not asked: the flow lacks what the law needs",
        Outcome::Known => "not asked: known to be broken",
    }
}
