//! `quickstart [FILE]`: one protocol function, written once, over every runtime and transport.

mod report;
mod runtimes;
mod source;
mod transfer;

use std::process::ExitCode;
use std::sync::Arc;

use crate::source::Source;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (file, more) = (arguments.next(), arguments.next());
    if more.is_some() || file.as_ref().is_some_and(|f| f == "--help" || f == "-h") {
        eprintln!(
            "usage: quickstart [FILE]\nSends FILE, or 64 MiB that it generates, over every runtime and transport."
        );
        return if more.is_some() {
            ExitCode::from(2)
        } else {
            ExitCode::SUCCESS
        };
    }
    let source = match &file {
        None => Source::generated(),
        Some(path) => match Source::file(path.as_ref()) {
            Ok(source) => source,
            Err(e) => {
                eprintln!("quickstart: cannot read {}: {e}", path.display());
                return ExitCode::FAILURE;
            }
        },
    };
    let source = Arc::new(source);
    match runtimes::all(&source) {
        Ok(rows) if report::print(&rows, &source) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("quickstart: {}", report::chain(&*e));
            ExitCode::FAILURE
        }
    }
}
