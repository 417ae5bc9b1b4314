//! The matrix as one page that needs no other file, no network and no script: what a cell has to say is in a `<details>` that opens as a sheet.

use std::io::{self, Write};

use flow_testkit::{Outcome, Report};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::matrix::{self, Column, Matrix, Row, Section, counted, meaning};

const STYLE: &str = include_str!("page.css");

/// The character of a cell on paper; its colour says the same.
const fn glyph(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "✓",
        Outcome::Broken => "✗",
        Outcome::Hang => "H",
        Outcome::Crashed => "C",
        Outcome::Lacking => "–",
        Outcome::Known => "k",
    }
}

/// Where a cell is on the page.
fn anchor(column: usize, law: &str) -> String {
    format!("{law}.{}", column + 1)
}

/// Writes the page.
pub(crate) fn write(out: &mut impl Write, matrix: &Matrix) -> io::Result<()> {
    out.write_all(page(matrix).into_string().as_bytes())
}

fn page(matrix: &Matrix) -> Markup {
    let verdict = if matrix.passed() { "passed" } else { "failed" };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Flow conformance: " (verdict) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Flow conformance " span.verdict.(verdict) { (verdict) } }
                    (summary(matrix))
                }
                main {
                    (failures(matrix))
                    (table(matrix))
                    (flows(matrix))
                }
            }
        }
    }
}

fn summary(matrix: &Matrix) -> Markup {
    let laws = matrix.rows().count();
    html! {
        p {
            (counted(laws, "law")) " on " (counted(matrix.columns.len(), "flow")) " in "
            (format!("{:.1}", matrix.took.as_secs_f32())) " s, "
            (counted(matrix.counts.run(), "cell")) " run. A cell opens where it has more to say."
        }
        ul.counts {
            @for outcome in Outcome::ALL {
                @let count = matrix.counts.count(outcome);
                @if count > 0 {
                    li title=(meaning(outcome)) {
                        span.mark.(outcome.word()) { (glyph(outcome)) } " "
                        b { (count) } " " (outcome.word())
                    }
                }
            }
        }
    }
}

/// What failed, with the way to its cell.
fn failures(matrix: &Matrix) -> Markup {
    html! {
        @if matrix.failures().next().is_some() {
            section {
                h2 { "Not kept" }
                ul.failures {
                    @for row in matrix.rows() {
                        @for (column, cell) in row.cells.iter().enumerate() {
                            @if !cell.outcome.is_fine() {
                                li {
                                    span.mark.(cell.outcome.word()) { (glyph(cell.outcome)) } " "
                                    a href={ "#" (anchor(column, &cell.law)) } {
                                        code { (cell.law) } " on " (cell.subject)
                                    }
                                    span.why { (first_line(&cell.message)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The contract's text: what is between backquotes is code.
fn marked_up(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn table(matrix: &Matrix) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table.matrix {
                thead {
                    tr {
                        th.corner { "law" }
                        @for column in &matrix.columns {
                            th.flow.bad[column.counts.failed() > 0] scope="col" {
                                span { (column.name) }
                            }
                        }
                    }
                }
                @for section in &matrix.sections {
                    (section_rows(section, matrix))
                }
            }
        }
    }
}

fn section_rows(section: &Section, matrix: &Matrix) -> Markup {
    html! {
        tbody {
            tr.section {
                th scope="rowgroup" { (section.title) }
                td colspan=(matrix.columns.len()) {}
            }
            @for row in &section.rows {
                tr {
                    th.law scope="row" { (law(section, row)) }
                    @for (column, cell) in row.cells.iter().enumerate() {
                        td.(cell.outcome.word()) id=(anchor(column, &cell.law)) {
                            (self::cell(section, cell))
                        }
                    }
                }
            }
        }
    }
}

/// The law's name, which opens its promise.
fn law(section: &Section, row: &Row) -> Markup {
    html! {
        details name="sheet" {
            summary {
                // Where there is no room a name breaks between its words.
                @for part in row.law.split_inclusive('_') { (part) wbr; }
            }
            div.sheet.short {
                h3 { (row.law) }
                dl {
                    dt { "section" } dd { (section.title) }
                    dt { "promise" } dd { (marked_up(&row.promise)) }
                }
            }
        }
    }
}

fn cell(section: &Section, report: &Report) -> Markup {
    let Report { subject, law, .. } = report;
    let mark = glyph(report.outcome);
    let label = format!("{law} on {subject}: {}", report.outcome.word());
    html! {
        @if report.outcome == Outcome::Kept {
            span.mark title={ (label) " in " (report.rows) " ways" } { (mark) }
        } @else {
            details name="sheet" {
                summary title=(label) aria-label=(label) { (mark) }
                div.sheet.short[report.outcome.is_fine()] {
                    h3 {
                        span.verdict.(report.outcome.word()) { (report.outcome.word()) }
                        " " (law) " on " (subject)
                    }
                    @if report.outcome.is_fine() {
                        dl {
                            dt { "promise" } dd { (marked_up(&report.promise)) }
                            dt { "why" } dd { (report.message) }
                        }
                    } @else {
                        (failure(section, report))
                    }
                }
            }
        }
    }
}

fn failure(section: &Section, report: &Report) -> Markup {
    html! {
        dl {
            dt { "clause" } dd { code { (report.law) } " (" (section.title) ")" }
            dt { "expected" } dd { (marked_up(&report.promise)) }
            dt { "got" } dd.got { (report.message) }
            @if let Some((number, way)) = &report.row {
                dt { "way" } dd { (number) ": " (way) }
            }
            @if !report.events.is_empty() {
                dt { "last events" }
                dd {
                    ul.events {
                        @for event in &report.events { li { (event) } }
                    }
                }
            }
            dt { "replay" } dd { pre.replay { (matrix::replay(report)) } }
            @if !report.output.is_empty() {
                dt { "output" } dd { pre { (report.output) } }
            }
        }
    }
}

/// What came of each flow.
fn flows(matrix: &Matrix) -> Markup {
    html! {
        section {
            h2 { "Flows" }
            div.wide {
                table.flows {
                    thead {
                        tr {
                            th { "flow" } th { "run" }
                            @for outcome in Outcome::ALL { th { (outcome.word()) } }
                            th { "seconds" }
                        }
                    }
                    tbody {
                        @for column in &matrix.columns { (flow(column)) }
                    }
                }
            }
        }
    }
}

fn flow(column: &Column) -> Markup {
    html! {
        tr {
            th scope="row" { (column.name) }
            td { (column.counts.run()) }
            @for outcome in Outcome::ALL {
                @let count = column.counts.count(outcome);
                td.none[count == 0].bad[count > 0 && !outcome.is_fine()] { (count) }
            }
            td { (format!("{:.1}", column.took.as_secs_f32())) }
        }
    }
}
