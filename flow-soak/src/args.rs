//! The command line: on which runtime, and for how long.

use std::time::Duration;

use clap::{Parser, ValueEnum};

const AFTER: &str = "\
Exit status: 0 if nothing was left behind, 1 if descriptors or threads are more than before or memory grew beyond its bound, 2 if the command \
line is wrong or a flow failed.";

/// Opens, closes and cancels for as long as asked, and says whether anything was left behind.
#[derive(Debug, Parser)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Only on this runtime
    #[arg(long, value_name = "RUNTIME")]
    pub(crate) runtime: Option<Runtime>,
    /// For how many seconds, for all runtimes together
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(crate) seconds: u64,
    /// That many cycles and that many cancelled operations on each runtime, however long it takes
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    pub(crate) cycles: Option<u64>,
    /// Leave something behind on purpose, to see it found
    #[arg(long, value_name = "WHAT", hide = true)]
    pub(crate) leak: Option<Leak>,
}

/// A runtime that flows live on.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Runtime {
    /// tokio, of one thread.
    Tokio,
    /// async-std.
    AsyncStd,
}

/// What the broken variants leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Leak {
    /// A flow, with its descriptor.
    Flow,
    /// Memory alone.
    Memory,
    /// A thread that waits for ever.
    Thread,
    /// The waker of a cancelled operation.
    Waker,
}

/// How much is to be done of one kind of work on one runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    /// So many.
    Count(u64),
    /// For so long.
    Time(Duration),
}

impl Args {
    /// The runtimes, in turn.
    pub(crate) fn runtimes(&self) -> Vec<Runtime> {
        match self.runtime {
            Some(runtime) => vec![runtime],
            None => Runtime::value_variants().to_vec(),
        }
    }

    /// How much of each of the two kinds of work on each runtime.
    pub(crate) fn amount(&self) -> Amount {
        match self.cycles {
            Some(count) => Amount::Count(count),
            None => {
                let shares = 2 * u32::try_from(self.runtimes().len()).expect("two at most");
                Amount::Time(Duration::from_secs(self.seconds) / shares)
            }
        }
    }
}
