//! The matrix in text: for terminals, and for logs.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use flow_testkit::Outcome;

use crate::matrix::{self, Matrix, counted, glyph, meaning};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

const fn style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Kept => GREEN,
        Outcome::Broken | Outcome::Hang | Outcome::Crashed => RED,
        Outcome::Lacking => DIM,
        Outcome::Known => YELLOW,
    }
}

/// Writes matrix, totals, reasons, failures and the verdict, with colours: whoever hands `out` over strips them where they are not wanted.
pub(crate) fn print(out: &mut impl Write, matrix: &Matrix) -> io::Result<()> {
    cells(out, matrix)?;
    totals(out, matrix)?;
    reasons(out, matrix)?;
    for report in matrix.failures() {
        writeln!(
            out,
            "\n{RED}---- {}::{} ----{RED:#}",
            report.subject, report.law
        )?;
        writeln!(out, "{report}replay  {}", matrix::replay(report))?;
    }
    verdict(out, matrix)
}

/// Laws by numbered flows. The numbers are written downwards, so that many flows fit.
fn cells(out: &mut impl Write, matrix: &Matrix) -> io::Result<()> {
    let width = matrix.rows().map(|row| row.law.len()).max().unwrap_or(0) + 2;
    let digits = matrix.columns.len().to_string().len();
    for digit in 0..digits {
        write!(out, "{:width$}", "")?;
        for column in 1..=matrix.columns.len() {
            let number = format!("{column:digits$}");
            write!(out, " {}", &number[digit..=digit])?;
        }
        writeln!(out)?;
    }
    for section in &matrix.sections {
        writeln!(out, "{BOLD}{}{BOLD:#}", section.title)?;
        for row in &section.rows {
            write!(out, "  {:1$}", row.law, width - 2)?;
            for cell in &row.cells {
                let style = style(cell.outcome);
                write!(out, " {style}{}{style:#}", glyph(cell.outcome))?;
            }
            writeln!(out)?;
        }
    }
    let shown = Outcome::ALL
        .into_iter()
        .filter(|outcome| matrix.counts.count(*outcome) > 0);
    writeln!(out)?;
    for outcome in shown {
        let style = style(outcome);
        let (glyph, meaning) = (glyph(outcome), meaning(outcome));
        writeln!(out, "{style}{glyph}{style:#} {meaning}")?;
    }
    Ok(())
}

/// Each flow with its number: the legend of the matrix.
fn totals(out: &mut impl Write, matrix: &Matrix) -> io::Result<()> {
    let width = matrix.columns.iter().map(|c| c.name.len()).max();
    let width = width.unwrap_or(0);
    writeln!(out)?;
    for (index, column) in matrix.columns.iter().enumerate() {
        let (number, seconds) = (index + 1, column.took.as_secs_f32());
        let (run, counts) = (column.counts.run(), column.counts.words());
        let style = if column.counts.failed() > 0 {
            RED
        } else {
            BOLD
        };
        writeln!(
            out,
            "{number:>3}  {style}{:width$}{style:#}  {seconds:5.1} s  {run:3} run: {counts}",
            column.name
        )?;
    }
    Ok(())
}

/// Why laws were not run. The same reason is given once, with all its flows.
fn reasons(out: &mut impl Write, matrix: &Matrix) -> io::Result<()> {
    let mut reasons: Vec<(&str, usize, Vec<usize>)> = vec![];
    for row in matrix.rows() {
        for (index, cell) in row.cells.iter().enumerate() {
            if cell.outcome.is_run() {
                continue;
            }
            let number = index + 1;
            match reasons.iter_mut().find(|(why, ..)| *why == cell.message) {
                Some((_, count, flows)) => {
                    *count += 1;
                    if !flows.contains(&number) {
                        flows.push(number);
                    }
                }
                None => reasons.push((&cell.message, 1, vec![number])),
            }
        }
    }
    if !reasons.is_empty() {
        writeln!(out, "\n{BOLD}Not asked{BOLD:#}")?;
    }
    for (why, count, mut flows) in reasons {
        flows.sort_unstable();
        let what = if flows.len() == 1 { "flow" } else { "flows" };
        let flows: Vec<_> = flows.iter().map(usize::to_string).collect();
        let flows = flows.join(" ");
        writeln!(out, "  {count} x {why} {DIM}({what} {flows}){DIM:#}")?;
    }
    Ok(())
}

fn verdict(out: &mut impl Write, matrix: &Matrix) -> io::Result<()> {
    let (run, failed) = (matrix.counts.run(), matrix.counts.failed());
    let laws = counted(matrix.rows().count(), "law");
    let flows = counted(matrix.columns.len(), "flow");
    let seconds = matrix.took.as_secs_f32();
    write!(out, "\n{laws} on {flows} in {seconds:.1} s: ")?;
    if matrix.passed() {
        writeln!(
            out,
            "{GREEN}passed{GREEN:#}, all {run} that were run are kept"
        )
    } else if run == 0 {
        writeln!(out, "{RED}failed{RED:#}, no law was run")
    } else {
        writeln!(out, "{RED}failed{RED:#}, {failed} of {run} that were run")
    }
}
