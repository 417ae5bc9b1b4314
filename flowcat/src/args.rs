//! The command line.

use clap::builder::{OsStringValueParser, TypedValueParser as _, ValueParser};
use clap::{Parser, ValueEnum};

use crate::address::Address;

const AFTER: &str = "\
Addresses:
  -                      standard input and output
  unix:PATH              connect to a Unix socket
  unix-listen:PATH       wait for one connection there
  tcp:HOST:PORT          connect over TCP
  tcp-listen:HOST:PORT   wait for one connection there; port 0 is any free one
  exec:CMD               a command of sh: its standard input and output
  file:PATH              FROM is read; TO is created, or truncated if it exists

Bytes go both ways, and the end of each side's input is passed on to the other
side. It is over when both sides have ended, or one is gone and the other has
nothing left for it, and when commands have exited.

With a file, or with - twice, bytes go one way, from FROM to TO. What TO says
is thrown away; a command keeps flowcat's own standard input or output in place
of the one that is not relayed.

Exit status:
  0  all went well
  1  one side failed, or a command ended with another status than 0; without a
     word, if the reader of standard output went away
  2  the command line is wrong
SIGINT and SIGTERM end it as they end any program, after its sockets' paths
were removed.

Examples:
  flowcat - tcp:localhost:7000
  flowcat unix-listen:app.sock tcp:localhost:7000
  flowcat tcp-listen:localhost:7000 exec:'tr a-z A-Z'
  flowcat --stats file:notes.txt unix:app.sock
  flowcat unix:app.sock file:copy.txt
  date | flowcat - unix:app.sock";

/// Relays bytes between two addresses.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER)]
pub(crate) struct Args {
    /// One side; of a file, the source
    #[arg(value_parser = address())]
    pub(crate) from: Address,
    /// The other side; of a file, the destination
    #[arg(value_parser = address())]
    pub(crate) to: Address,
    /// What it runs on
    #[arg(long, value_name = "RUNTIME", default_value = "tokio")]
    pub(crate) runtime: Runtime,
    /// Say at the end what went each way
    #[arg(long)]
    pub(crate) stats: bool,
    /// Say where it listens, once it does
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Show no progress on a terminal
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

impl Args {
    /// Whether bytes go from FROM to TO alone.
    pub(crate) fn is_one_way(&self) -> bool {
        let both = [&self.from, &self.to];
        both.into_iter().any(Address::is_file)
            || both.into_iter().all(|address| *address == Address::Stdio)
    }

    /// Whether standard input is read, and whether standard output is written.
    pub(crate) fn stdio(&self) -> (bool, bool) {
        let [from, to] = [&self.from, &self.to].map(|address| *address == Address::Stdio);
        let both_ways = !self.is_one_way();
        (from || to && both_ways, to || from && both_ways)
    }
}

fn address() -> ValueParser {
    OsStringValueParser::new()
        .try_map(|word| Address::parse(&word))
        .into()
}

/// A runtime that flows live on.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Runtime {
    Tokio,
    AsyncStd,
}
