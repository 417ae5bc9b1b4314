//! All figures as JSON, for programs. `format` counts incompatible changes.

use serde::Serialize;

use super::Outcome;
use super::machine::Machine;
use super::stats::Spread;

const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    machine: &'a Machine,
    rounds: u32,
    /// Whether all floors hold.
    holds: bool,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    workload: &'a str,
    buffers: String,
    unit: String,
    less_is_better: bool,
    ours: Side<'a>,
    theirs: Side<'a>,
    /// Ours by theirs, round by round.
    ratio: Spread,
    /// Processor time for each operation, theirs by ours, round by round: more is better.
    cpu_ratio: Option<Spread>,
    floor: Option<f64>,
    aim: Option<f64>,
    holds: bool,
    meets_aim: bool,
}

#[derive(Serialize)]
struct Side<'a> {
    implementation: &'a str,
    #[serde(flatten)]
    figures: Spread,
}

/// The document.
pub(crate) fn document(
    results: &[Outcome],
    rounds: u32,
    machine: &Machine,
) -> Result<String, String> {
    let rows = results.iter().map(|result| {
        let row = result.row;
        let bounds = row.floor.map(super::Floor::bounds);
        Row {
            name: row.name,
            workload: row.workload,
            buffers: row.buffers.to_string(),
            unit: row.unit().to_string(),
            less_is_better: row.unit().is_cost(),
            ours: Side {
                implementation: row.ours,
                figures: result.ours,
            },
            theirs: Side {
                implementation: row.theirs,
                figures: result.theirs,
            },
            ratio: result.ratio,
            cpu_ratio: result.cpu,
            floor: bounds.map(|(floor, _)| floor),
            aim: bounds.map(|(_, aim)| aim),
            holds: result.holds(),
            meets_aim: result.meets_aim(),
        }
    });
    let document = Document {
        format: FORMAT,
        machine,
        rounds,
        holds: results.iter().all(Outcome::holds),
        rows: rows.collect(),
    };
    let json = serde_json::to_string_pretty(&document).map_err(|e| e.to_string())?;
    Ok(json + "\n")
}
