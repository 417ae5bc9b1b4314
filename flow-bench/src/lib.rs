#![doc = include_str!("../README.md")]

mod args;
mod clock;
mod compare;
mod counting;
pub mod counts;
mod host;
mod limits;
mod links;
mod maker;
mod once;
mod raw;
mod subject;
mod work;
mod workload;

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command, Counts};
use crate::compare::{ROWS, replace};
use crate::subject::Subject;
use crate::workload::Workload;

/// The command line is wrong, or a file cannot be written.
const UNUSABLE: u8 = 2;

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    limits::raise();
    let args = Args::parse();
    let ran = match (args.command, args.run) {
        (Some(Command::List), _) => {
            // Whoever stops reading a list has seen enough.
            let _ = list();
            Ok(true)
        }
        (Some(Command::Compare(args)), _) => compare::compare(&args),
        (Some(Command::Counts(args)), _) => count(&args),
        (None, Some(run)) => once::run(&run).map(|()| true),
        (None, None) => Err("nothing to do: see --help".to_owned()),
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(UNUSABLE)
        }
    }
}

/// Prints what there is.
fn list() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "Implementations:")?;
    for subject in Subject::all() {
        writeln!(out, "  {subject:24}  {}", subject.about())?;
    }
    writeln!(out, "Workloads:")?;
    for workload in Workload::all() {
        writeln!(out, "  {workload:24}  {}", workload.about())?;
    }
    writeln!(out, "Rows of compare:")?;
    for row in ROWS {
        let floor = row.floor.map_or(String::new(), |f| format!("; {f}"));
        let (ours, theirs) = (row.ours, row.theirs);
        writeln!(
            out,
            "  {:24}  {ours} against {theirs}, {}{floor}",
            row.name, row.buffers
        )?;
    }
    Ok(())
}

/// Prints, or writes, the table of counts.
fn count(args: &Counts) -> Result<bool, String> {
    let program = env::current_exe().map_err(|e| e.to_string())?;
    let terminal = io::stderr().is_terminal();
    let (table, fine) = counts::print(&program, |next| {
        if terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{next}");
        }
    });
    if terminal {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    match &args.markdown {
        Some(path) => replace(path, "counts", &table)?,
        None => print!("{table}"),
    }
    Ok(fine)
}
