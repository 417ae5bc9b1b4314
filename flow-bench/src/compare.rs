//! All rows, in paired rounds: each side of a row runs in each round, in a process of its own, and who goes first changes from pair to pair.
//!
//! Machines drift, by more than most rows differ; so the two sides of a round, which run one right after the other, are set against each other, and
//! the median of these ratios is what is judged.

mod chart;
mod child;
mod json;
mod machine;
mod progress;
mod rows;
mod stats;
mod table;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::args::Compare;
use crate::once::Line;

use self::machine::Machine;
use self::progress::Progress;
use self::stats::Spread;

use self::rows::{Floor, Unit};
pub(crate) use self::rows::{ROWS, Row};

/// What the rounds of one row came to.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    row: &'static Row,
    /// In the row's unit.
    ours: Spread,
    theirs: Spread,
    /// Of what is more when it is better, ours by theirs, round by round; of what is less when it is better too.
    ratio: Spread,
    /// The same by the time of the processors for each operation, theirs by ours, which a busy machine changes less. None for memory.
    cpu: Option<Spread>,
}

/// Runs, prints and writes. Whether all floors hold.
///
/// # Errors
///
/// No row has such a name, a run failed, or a file cannot be written.
pub(crate) fn compare(args: &Compare) -> Result<bool, String> {
    let rows = chosen(&args.only)?;
    let program = env::current_exe().map_err(|e| e.to_string())?;
    let machine = Machine::here();
    println!("{machine}");
    let mut lines = vec![(vec![], vec![]); rows.len()];
    let mut progress = Progress::new(args.rounds, rows.len());
    for round in 0..args.rounds {
        for (row, (ours, theirs)) in rows.iter().zip(&mut lines) {
            progress.tell(round, row.name);
            let one = |who, lines: &mut Vec<Line>| {
                run(&program, row, who, args).map(|line| lines.push(line))
            };
            for pair in 0..row.pairs(round) {
                // ABBA: what a machine does slowly is halved on both sides.
                if (round + pair) % 2 == 0 {
                    one(row.ours, ours)?;
                    one(row.theirs, theirs)?;
                } else {
                    one(row.theirs, theirs)?;
                    one(row.ours, ours)?;
                }
            }
        }
    }
    progress.end();
    let results = rows.iter().zip(&lines);
    let results: Vec<_> = results
        .map(|(row, (ours, theirs))| Outcome::new(row, ours, theirs))
        .collect();
    print!("{}", table::plain(&results));
    if let Some(path) = &args.json {
        write(path, &json::document(&results, args.rounds, &machine)?)?;
    }
    if let Some(path) = &args.svg {
        write(path, &chart::svg(&results))?;
    }
    if let Some(path) = &args.markdown {
        let mut table = table::markdown(&results, args.rounds, &machine);
        if let Some(chart) = &args.svg {
            let beside = path
                .parent()
                .and_then(|folder| chart.strip_prefix(folder).ok());
            let chart = beside.unwrap_or(chart).display();
            table = format!("![The ratios as bars]({chart})\n\n{table}");
        }
        replace(path, "compare", &table)?;
    }
    let broken: Vec<_> = results.iter().filter(|r| !r.holds()).collect();
    for result in &broken {
        let floor = result.row.floor.map(|f| f.to_string()).unwrap_or_default();
        println!(
            "BROKEN: {}: {:.2}, floor {floor}",
            result.row.name,
            result.judged()
        );
    }
    Ok(broken.is_empty())
}

impl Outcome {
    fn new(row: &'static Row, ours: &[Line], theirs: &[Line]) -> Self {
        let unit = row.unit();
        let each = |line: &Line| line.cpu_seconds / line.operations as f64;
        let cpu = ours
            .iter()
            .zip(theirs)
            .map(|(ours, theirs)| each(theirs) / each(ours));
        let cpu = (unit != Unit::Bytes).then(|| Spread::of(cpu.collect()));
        let (ours, theirs) = (unit.of(ours), unit.of(theirs));
        let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs);
        Self {
            row,
            cpu,
            ratio: Spread::of(ratios.collect()),
            ours: Spread::of(ours),
            theirs: Spread::of(theirs),
        }
    }

    /// What the floor is about.
    const fn judged(&self) -> f64 {
        match self.row.floor {
            Some(Floor::MostBytes(..)) => self.ours.median,
            _ => self.ratio.median,
        }
    }

    fn holds(&self) -> bool {
        match self.row.floor {
            Some(Floor::Least(floor, _)) => self.judged() >= floor,
            Some(Floor::Most(floor, _) | Floor::MostBytes(floor, _)) => self.judged() <= floor,
            None => true,
        }
    }

    fn meets_aim(&self) -> bool {
        match self.row.floor {
            Some(Floor::Least(_, aim)) => self.judged() >= aim,
            Some(Floor::Most(_, aim) | Floor::MostBytes(_, aim)) => self.judged() <= aim,
            None => true,
        }
    }

    /// In a table.
    fn word(&self) -> &'static str {
        match (self.row.floor, self.holds(), self.meets_aim()) {
            (None, ..) => "",
            (_, false, _) => "BROKEN",
            (_, true, false) => "holds",
            (_, true, true) => "aim met",
        }
    }
}

/// The rows that were asked for.
fn chosen(only: &[String]) -> Result<Vec<&'static Row>, String> {
    for part in only {
        if !ROWS.iter().any(|row| row.name.contains(part.as_str())) {
            return Err(format!(
                "no row has a name that contains {part:?}; see `list`"
            ));
        }
    }
    let wanted = |row: &&Row| only.is_empty() || only.iter().any(|part| row.name.contains(part));
    Ok(ROWS.iter().filter(wanted).collect())
}

/// One side of one round.
fn run(program: &Path, row: &Row, who: &str, args: &Compare) -> Result<Line, String> {
    let count = row.count()?;
    let count = if args.quick {
        count.div_ceil(100)
    } else {
        count
    };
    let alone = format!("{who} {} {count}", row.workload);
    let mut command = Command::new(program);
    if row.one_thread {
        command.env("ASYNC_STD_THREAD_COUNT", "1");
    }
    command.args([who, row.workload, &count.to_string(), "--json"]);
    let limit = Duration::from_secs(args.limit.into());
    let output = child::output(&mut command, limit).map_err(|e| format!("{alone}: {e}"))?;
    let output = output.ok_or_else(|| {
        let program = program.display();
        let limit = args.limit;
        format!("{alone}: not done after {limit} s, and killed; to see it alone: {program} {alone}")
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{alone}: {}\n{said}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| format!("{alone}: {e}"))
}

fn write(path: &PathBuf, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// Puts `text` into the file, between the two lines that name it.
///
/// # Errors
///
/// The file cannot be read or written, or has no such lines.
pub(crate) fn replace(path: &PathBuf, name: &str, text: &str) -> Result<(), String> {
    let old = fs::read_to_string(path);
    let old = old.map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let (first, last) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->\n"),
    );
    let found = old.split_once(&first).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&last)?;
        Some(format!("{before}{first}\n{text}\n{last}{after}"))
    });
    let new = found.ok_or_else(|| {
        format!(
            "{} has no lines {:?} and {:?}",
            path.display(),
            first.trim(),
            last.trim()
        )
    })?;
    write(path, &new)
}

#[cfg(test)]
mod tests {
    use super::rows::{Buffers, Floor};
    use super::*;

    fn row(floor: Option<Floor>) -> Outcome {
        let spread = |median| Spread {
            median,
            min: 0.0,
            max: 1e9,
        };
        let row = Box::leak(Box::new(Row {
            name: "row",
            workload: "ping-pong-64",
            ours: "flow-tokio",
            theirs: "tokio",
            buffers: Buffers::Fresh,
            floor,
            count: None,
            one_thread: false,
        }));
        Outcome {
            row,
            ours: spread(2300.0),
            theirs: spread(2000.0),
            ratio: spread(1.15),
            cpu: None,
        }
    }

    #[test]
    fn a_floor_is_held_or_broken() {
        for (floor, word) in [
            (None, ""),
            (Some(Floor::Least(1.2, 1.3)), "BROKEN"),
            (Some(Floor::Least(1.1, 1.2)), "holds"),
            (Some(Floor::Least(1.0, 1.1)), "aim met"),
            (Some(Floor::Most(1.1, 1.0)), "BROKEN"),
            (Some(Floor::Most(1.2, 1.1)), "holds"),
            (Some(Floor::Most(1.3, 1.2)), "aim met"),
            (Some(Floor::MostBytes(2200.0, 2000.0)), "BROKEN"),
            (Some(Floor::MostBytes(2400.0, 2200.0)), "holds"),
            (Some(Floor::MostBytes(2500.0, 2400.0)), "aim met"),
        ] {
            let outcome = row(floor);
            assert_eq!(outcome.word(), word, "{floor:?}");
            assert_eq!(outcome.holds(), word != "BROKEN", "{floor:?}");
        }
    }

    #[test]
    fn rows_name_what_there_is() {
        for row in ROWS {
            assert!(row.count().is_ok(), "{}", row.name);
            for who in [row.ours, row.theirs] {
                assert!(who.parse::<crate::subject::Subject>().is_ok(), "{who}");
            }
        }
    }
}
