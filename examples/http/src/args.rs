//! The command line: where to listen, and on which runtime.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

const AFTER: &str = "\
Says where it listens once it does, and serves until it is killed. The socket that it leaves behind is replaced at the next start.

  curl --unix-socket PATH http://flow/
  curl --unix-socket PATH -T FILE http://flow/digest
  curl --unix-socket PATH http://flow/bytes/1000000 | sha256sum";

/// Serves HTTP/1.1 and HTTP/2 at the path of a Unix socket.
#[derive(Debug, Parser)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Where to listen
    pub(crate) path: PathBuf,
    /// Serve on this runtime
    #[arg(long, value_name = "RUNTIME", default_value = "tokio")]
    pub(crate) runtime: Runtime,
}

/// A runtime that flows live on.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Runtime {
    Tokio,
    AsyncStd,
}
