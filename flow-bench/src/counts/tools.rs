//! The tools that count.

use std::fmt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::What;
use crate::once::Line;

/// Why there is no count.
#[derive(Debug)]
pub enum Missing {
    /// This tool is not on this machine.
    Tool(&'static str),
    /// It did not work.
    Failed(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(tool) => write!(f, "this machine has no {tool}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Operations of the two runs. Both are past what happens only in the first of them.
const FEW: u64 = 500;
const MANY: u64 = 2500;

/// Pairs whose memory is looked at. So many fit where a process may have 1024 descriptors.
const PAIRS: u64 = 400;

/// Whether this tool is there.
pub(crate) fn is_there(tool: &str) -> bool {
    let version = Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// How many there are of this in one operation.
pub(super) fn per_operation(
    program: &Path,
    what: What,
    who: &str,
    workload: &str,
) -> Result<f64, Missing> {
    if what == What::Memory {
        let line = once(program, who, workload, PAIRS, &[])?;
        let held = line.held.ok_or_else(|| failed("no memory was counted"))?;
        return Ok(held as f64);
    }
    if let Some(tool) = what.tool().filter(|tool| !is_there(tool)) {
        return Err(Missing::Tool(tool));
    }
    let count = |operations| match what {
        What::Instructions => instructions(program, who, workload, operations),
        What::SystemCalls => system_calls(program, who, workload, operations, Calls::All),
        What::FailedCalls => system_calls(program, who, workload, operations, Calls::Failed),
        What::Allocations | What::Memory => {
            let line = once(program, who, workload, operations, &["--allocations"])?;
            let count = line.allocations;
            count.ok_or_else(|| failed("no allocations were counted"))
        }
    };
    let (few, many) = (count(FEW)?, count(MANY)?);
    // Fewer in the longer run is nothing per operation.
    Ok(many.saturating_sub(few) as f64 / (MANY - FEW) as f64)
}

fn once(
    program: &Path,
    who: &str,
    workload: &str,
    count: u64,
    more: &[&str],
) -> Result<Line, Missing> {
    let mut command = Command::new(program);
    command.args([who, workload, &count.to_string(), "--json"]);
    let output = run(command.args(more))?;
    serde_json::from_slice(&output.stdout).map_err(failed)
}

fn instructions(program: &Path, who: &str, workload: &str, count: u64) -> Result<u64, Missing> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([who, workload, &count.to_string()]);
    let output = run(&mut command)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let number = collected.and_then(|(_, number)| number.trim().parse().ok());
    number.ok_or_else(|| failed(format!("valgrind said nothing of instructions:\n{said}")))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Calls {
    All,
    Failed,
}

/// Columns of strace's table: part of the time, seconds, usecs/call, calls, errors or nothing, name.
fn system_calls(
    program: &Path,
    who: &str,
    workload: &str,
    count: u64,
    which: Calls,
) -> Result<u64, Missing> {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-c", "-U", "name,calls,errors"])
        .arg(program)
        .args([who, workload, &count.to_string()]);
    let output = run(&mut command)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let mut sum = None;
    for line in said.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(calls)) = (words.next(), words.next()) else {
            continue;
        };
        let Ok(calls) = calls.parse::<u64>() else {
            continue;
        };
        let failed = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        if name != "futex" && name != "total" {
            *sum.get_or_insert(0) += match which {
                Calls::All => calls,
                Calls::Failed => failed,
            };
        }
    }
    sum.ok_or_else(|| failed(format!("strace said nothing of calls:\n{said}")))
}

fn run(command: &mut Command) -> Result<Output, Missing> {
    let output = command.stdin(Stdio::null()).output().map_err(failed)?;
    if output.status.success() {
        return Ok(output);
    }
    Err(failed(format!(
        "{command:?} failed: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    )))
}

fn failed(why: impl ToString) -> Missing {
    Missing::Failed(why.to_string())
}
