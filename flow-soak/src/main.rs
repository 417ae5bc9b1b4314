#![doc = include_str!("../README.md")]

mod args;
mod backend;
mod cancels;
mod cycles;
mod holdings;
mod soak;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Runtime};
use crate::backend::{AsyncStd, Tokio};
use crate::soak::{Soaked, soak};

/// A flow failed, or its bytes were wrong: what was left behind then says nothing.
const UNUSABLE: u8 = 2;

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    match start(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(UNUSABLE)
        }
    }
}

/// Whether nothing was left behind.
fn start(args: &Args) -> Result<bool, Failure> {
    let mut flat = true;
    for runtime in args.runtimes() {
        let soaked = match runtime {
            Runtime::Tokio => soak::<Tokio>(args)?,
            Runtime::AsyncStd => soak::<AsyncStd>(args)?,
        };
        // The exit status says it also to whom the text does not reach.
        _ = print(&soaked);
        flat &= soaked.grown().is_empty();
    }
    Ok(flat)
}

fn print(soaked: &Soaked) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{soaked}")?;
    out.flush()
}
