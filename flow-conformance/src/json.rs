//! All results as JSON, for programs. The shape is described on the crate's page; `format` counts its incompatible changes.

use std::io::{self, Write};
use std::time::Duration;

use flow_testkit::{Outcome, Report};
use serde::Serialize;

use crate::matrix::{self, Counts, Matrix};

/// To be counted up when a field goes or comes to mean something else. New fields and outcomes may come without.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    passed: bool,
    took_ms: u64,
    counts: Numbers,
    laws: Vec<Law<'a>>,
    flows: Vec<Flow<'a>>,
    results: Vec<Cell<'a>>,
}

#[derive(Serialize)]
struct Numbers {
    kept: usize,
    broken: usize,
    hang: usize,
    crashed: usize,
    lacking: usize,
    known: usize,
}

#[derive(Serialize)]
struct Law<'a> {
    name: &'a str,
    section: &'a str,
    promise: &'a str,
}

#[derive(Serialize)]
struct Flow<'a> {
    name: &'a str,
    took_ms: u64,
    counts: Numbers,
}

#[derive(Serialize)]
struct Cell<'a> {
    flow: &'a str,
    law: &'a str,
    outcome: &'static str,
    message: &'a str,
    ways: usize,
    took_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure<'a>>,
}

#[derive(Serialize)]
struct Failure<'a> {
    way: Option<Way<'a>>,
    events: &'a [String],
    output: &'a str,
    replay: String,
}

#[derive(Serialize)]
struct Way<'a> {
    number: usize,
    text: &'a str,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

const fn numbers(counts: &Counts) -> Numbers {
    Numbers {
        kept: counts.count(Outcome::Kept),
        broken: counts.count(Outcome::Broken),
        hang: counts.count(Outcome::Hang),
        crashed: counts.count(Outcome::Crashed),
        lacking: counts.count(Outcome::Lacking),
        known: counts.count(Outcome::Known),
    }
}

fn cell(report: &Report) -> Cell<'_> {
    let failure = (!report.outcome.is_fine()).then(|| Failure {
        way: report.row.as_ref().map(|(number, text)| Way {
            number: *number,
            text,
        }),
        events: &report.events,
        output: &report.output,
        replay: matrix::replay(report),
    });
    Cell {
        flow: &report.subject,
        law: &report.law,
        outcome: report.outcome.word(),
        message: &report.message,
        ways: report.rows,
        took_ms: millis(report.took),
        failure,
    }
}

/// Writes the document.
pub(crate) fn write(out: &mut impl Write, matrix: &Matrix) -> io::Result<()> {
    let laws = matrix.sections.iter().flat_map(|section| {
        section.rows.iter().map(|row| Law {
            name: &row.law,
            section: section.title,
            promise: &row.promise,
        })
    });
    let flows = matrix.columns.iter().map(|column| Flow {
        name: &column.name,
        took_ms: millis(column.took),
        counts: numbers(&column.counts),
    });
    let document = Document {
        format: FORMAT,
        passed: matrix.passed(),
        took_ms: millis(matrix.took),
        counts: numbers(&matrix.counts),
        laws: laws.collect(),
        flows: flows.collect(),
        results: matrix.reports().map(cell).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
