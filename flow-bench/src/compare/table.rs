//! The rows as a table: for a terminal, and for a page.

use std::fmt::Write as _;

use super::Outcome;
use super::machine::Machine;
use super::rows::Unit;
use super::stats::Spread;

/// For a terminal.
pub(crate) fn plain(results: &[Outcome]) -> String {
    let mut text = format!(
        "{:25} {:>18} {:>10} {:>18} {:>10} {:5} {:>6} {:>14} {:>5}\n",
        "row", "ours", "", "theirs", "", "", "ratio", "least .. most", "cpu"
    );
    for result in results {
        let Outcome {
            row,
            ours,
            theirs,
            ratio,
            cpu,
        } = result;
        let unit = row.unit();
        let floor = row.floor.map(|floor| format!("{}: {floor}", result.word()));
        let line = format!(
            "{:25} {:>18} {:>10} {:>18} {:>10} {unit:5} {:>6.2} {:>6.2} .. {:>5.2} {:>5}  {}",
            row.name,
            row.ours,
            figure(unit, ours.median),
            row.theirs,
            figure(unit, theirs.median),
            ratio.median,
            ratio.min,
            ratio.max,
            by_cpu(cpu.as_ref()),
            floor.unwrap_or_default(),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// For a page.
pub(crate) fn markdown(results: &[Outcome], rounds: u32, machine: &Machine) -> String {
    let mut text = format!(
        "{machine}; medians of {rounds} rounds, three times as many where there is a floor, least and most in brackets.\n\n\
        | row | ours | theirs | buffers | ours | theirs | | ratio | by processor time | floor and aim | |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    for result in results {
        let Outcome {
            row,
            ours,
            theirs,
            ratio,
            cpu,
        } = result;
        let unit = row.unit();
        let floor = row.floor.map(|floor| floor.to_string()).unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {unit} | **{:.2}** ({:.2}-{:.2}) | {} | {floor} | {} |",
            row.name,
            row.ours,
            row.theirs,
            row.buffers,
            spread(unit, ours),
            spread(unit, theirs),
            ratio.median,
            ratio.min,
            ratio.max,
            by_cpu(cpu.as_ref()),
            result.word(),
        );
    }
    text
}

fn by_cpu(cpu: Option<&Spread>) -> String {
    cpu.map_or_else(String::new, |cpu| format!("{:.2}", cpu.median))
}

fn spread(unit: Unit, spread: &Spread) -> String {
    let Spread { median, min, max } = *spread;
    let median = figure(unit, median);
    if min == max {
        return median;
    }
    format!("{median} ({}-{})", figure(unit, min), figure(unit, max))
}

fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Throughput => format!("{value:.2}"),
        Unit::Rate if value < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
