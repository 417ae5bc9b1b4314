#![doc = include_str!("../README.md")]

mod answers;
mod args;
mod backend;
mod blocks;
mod serve;

use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Runtime};
use crate::backend::{AsyncStd, Backend, Tokio};
use crate::serve::{serve, told};

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let args = Args::parse();
    let ended = match args.runtime {
        Runtime::Tokio => run::<Tokio>(&args),
        Runtime::AsyncStd => run::<AsyncStd>(&args),
    };
    let Err(e) = ended;
    eprintln!("error: {}", told(&*e));
    ExitCode::FAILURE
}

fn run<B: Backend>(args: &Args) -> Result<Infallible, Failure> {
    B::block_on(serve::<B>(&args.path))?
}
