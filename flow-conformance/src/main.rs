#![doc = include_str!("../README.md")]

mod args;
mod contract;
mod flows;
#[path = "../../flow-testkit/tests/heap/mod.rs"]
mod heap;
mod html;
mod json;
mod junit;
mod matrix;
mod progress;
mod terminal;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anstream::AutoStream;
use clap::Parser;

use crate::args::{Args, Chosen};
use crate::matrix::Matrix;
use crate::progress::Progress;

/// The command line is wrong, or a file cannot be written.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    // Laws are run by this program again.
    flows::all().serve();
    match start(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(UNUSABLE)
        }
    }
}

/// Whether what was run is kept.
fn start(args: &Args) -> Result<bool, String> {
    let chosen = args.choose()?;
    if args.list {
        // Whoever stops reading a list has seen enough.
        let _ = list(&chosen);
        return Ok(true);
    }
    // Now: a run takes minutes, and a file of an earlier one must not pass for this one's.
    let json = Output::create(args.json.as_ref())?;
    let junit = Output::create(args.junit.as_ref())?;
    let html = Output::create(args.html.as_ref())?;
    let matrix = run(&chosen);
    let mut out = AutoStream::auto(io::stdout().lock());
    // The files and the exit status say it also to whom the text does not reach.
    let _ = terminal::print(&mut out, &matrix).and_then(|()| out.flush());
    Output::finish(json, |out| json::write(out, &matrix))?;
    Output::finish(junit, |out| junit::write(out, &matrix))?;
    Output::finish(html, |out| html::write(out, &matrix))?;
    Ok(matrix.passed())
}

fn run(chosen: &Chosen) -> Matrix {
    let Chosen { suite, laws } = chosen;
    let begun = Instant::now();
    let mut progress = Progress::new(suite, laws.len());
    let wanted = |name: &str| laws.iter().any(|law| law.name == name);
    let reports = suite.run_some(|_, law| wanted(law.name), |report| progress.tell(report));
    Matrix::new(reports, &progress.end(), begun.elapsed())
}

fn list(chosen: &Chosen) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for subject in chosen.suite.subjects() {
        writeln!(out, "flow {}", subject.name())?;
    }
    for law in &chosen.laws {
        writeln!(out, "law {}", law.name)?;
    }
    Ok(())
}

/// A file that is to be written when the run is over.
struct Output<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Output<'a> {
    fn create(path: Option<&'a PathBuf>) -> Result<Option<Self>, String> {
        let open = |path: &'a PathBuf| {
            let file = File::create(path).map_err(|e| cannot_write(path, &e))?;
            Ok(Self { path, file })
        };
        path.map(open).transpose()
    }

    fn finish(
        output: Option<Self>,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), String> {
        let Some(Self { path, file }) = output else {
            return Ok(());
        };
        let mut file = BufWriter::new(file);
        write(&mut file)
            .and_then(|()| file.flush())
            .map_err(|e| cannot_write(path, &e))
    }
}

fn cannot_write(path: &Path, e: &io::Error) -> String {
    format!("cannot write {}: {e}", path.display())
}
