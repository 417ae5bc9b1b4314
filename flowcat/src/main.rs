#![doc = include_str!("../README.md")]

mod address;
mod args;
mod backend;
mod failure;
mod gone;
mod meters;
mod relay;
mod side;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use futures_lite::future::or;

use crate::args::{Args, Runtime};
use crate::backend::{AsyncStd, Backend, Tokio};
use crate::failure::{Failure, say};
use crate::meters::{Meters, Progress};
use crate::signals::Ending;

/// The command line is wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // Whoever closed standard output does not want it.
            _ = e.print();
            return ExitCode::SUCCESS;
        }
        Err(e) => {
            say(&one_line(&e));
            return ExitCode::from(USAGE);
        }
    };
    match args.runtime {
        Runtime::Tokio => run::<Tokio>(&args),
        Runtime::AsyncStd => run::<AsyncStd>(&args),
    }
}

/// What clap says in paragraphs.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words = first.trim_start_matches("error:").split_whitespace();
    format!(
        "{}; see flowcat --help",
        words.collect::<Vec<_>>().join(" ")
    )
}

enum Outcome {
    Done(Result<(), Vec<Failure>>),
    Signal(i32),
}

fn run<B: Backend>(args: &Args) -> ExitCode {
    let meters = Meters::default();
    let signals = Ending::new();
    let signal = async { Outcome::Signal(signals.wait().await) };
    let work = async { Outcome::Done(work::<B>(args, &meters).await) };
    // Whatever is under way is dropped by a signal, and with it paths are removed.
    let outcome = B::run(or(signal, work));
    if args.stats {
        meters.tell();
    }
    match outcome {
        Ok(Outcome::Done(Ok(()))) => return ExitCode::SUCCESS,
        Ok(Outcome::Done(Err(failures))) => failures.iter().for_each(Failure::tell),
        Ok(Outcome::Signal(signal)) => signals::end_by(signal),
        Err(e) => say(&format!("no runtime: {e}")),
    }
    ExitCode::FAILURE
}

async fn work<B: Backend>(args: &Args, meters: &Meters) -> Result<(), Vec<Failure>> {
    let opened = side::open::<B>(args).await;
    let (from, to) = opened.map_err(|failure| vec![failure])?;
    let _progress = Progress::start(args, meters);
    relay::relay(from, to, args.is_one_way(), meters).await
}
