//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::subject::Subject;
use crate::workload::Workload;

const AFTER: &str = "\
Exit status: 0 if all is well, 1 if `compare` or `counts` found a floor broken, 2 if the command line is wrong, a run failed or a file cannot be written.";

/// Measures flows against the runtimes' own streams.
#[derive(Debug, Parser)]
#[command(
    after_help = AFTER,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    subcommand_negates_reqs = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: Option<Run>,
}

/// More than one run.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the implementations, the workloads and the rows of `compare`
    List,
    /// Run each row's two sides in turn, and judge the medians by the floors
    Compare(Compare),
    /// Count what is the same in each run: instructions, system calls, allocations, memory
    Counts(Counts),
}

/// One run: prints one line.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Whose stream; see `list`
    pub(crate) implementation: Subject,
    /// What it does; see `list`
    pub(crate) workload: Workload,
    /// How many operations [default: about a tenth of a second's]
    pub(crate) n: Option<u64>,
    /// Count allocations too, on all threads; the times are then not to be compared
    #[arg(long)]
    pub(crate) allocations: bool,
    /// The line as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Many runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Compare {
    /// How many runs of each side
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Only rows whose names contain this; may be given several times
    #[arg(long, value_name = "ROW")]
    pub(crate) only: Vec<String>,
    /// A hundredth of the operations: to see that all rows run, not how fast
    #[arg(long)]
    pub(crate) quick: bool,
    /// How long one run may take before it is killed and the whole comparison ends
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) limit: u32,
    /// Write all figures to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a bar chart of the ratios to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Write the table into this file, between its lines `<!-- compare -->` and `<!-- end of compare -->`
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

/// What does not depend on the machine's speed.
#[derive(Debug, clap::Args)]
pub(crate) struct Counts {
    /// Write the tables into this file, between its lines `<!-- counts -->` and `<!-- end of counts -->`
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}
