//! `calculator`: a calculator behind a Unix socket, by Cap'n Proto RPC, and what asks it.

mod client;
mod server;
mod vat;

/// Made of `schema/calculator.capnp`.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::use_self,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    reason = "written by a program"
)]
mod calculator_capnp {
    include!("../generated/calculator_capnp.rs");
}

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;

use calculator_capnp::Operation;
use clap::{Parser, Subcommand, ValueEnum};
use client::Step;
use flow_core::Flow;
use futures_channel::mpsc;
use futures_lite::future::or;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use server::Task;

/// A calculator that is asked by Cap'n Proto RPC over a Unix socket.
#[derive(Parser)]
#[command(name = "calculator", version, after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    role: Role,
    /// What drives it.
    #[arg(long, value_enum, default_value_t = Runtime::Tokio, global = true)]
    runtime: Runtime,
}

const EXAMPLES: &str = "Examples:
  calculator serve /tmp/calculator --runtime async-std &
  calculator ask /tmp/calculator 2 plus 3 times 4
  calculator load /tmp/calculator --calls 10000";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Runtime {
    Tokio,
    AsyncStd,
}

#[derive(Subcommand)]
enum Role {
    /// Computes for everybody who connects, and prints `listening` to standard error when they can.
    Serve {
        /// Where to listen. A socket that a dead server has left there is replaced.
        path: PathBuf,
    },
    /// Asks for a sum, from left to right, and prints what comes out.
    Ask {
        /// Where the server is.
        path: PathBuf,
        /// The number to begin with.
        #[arg(allow_negative_numbers = true)]
        first: f64,
        /// An operation (plus, minus, times, over) and a number, as often as you like.
        #[arg(allow_negative_numbers = true)]
        steps: Vec<String>,
        /// Wait for each answer before the next call, and not only for the last.
        #[arg(long)]
        one_by_one: bool,
    },
    /// Makes many calls, in pairs, and looks at each answer.
    Load {
        /// Where the server is.
        path: PathBuf,
        /// How many calls.
        #[arg(long, default_value_t = 10_000)]
        calls: u32,
        /// How many pairs are on their way at a time.
        #[arg(long, default_value_t = 64)]
        at_once: usize,
    },
    /// Makes a call that is answered never, to see what comes of it when the server dies.
    Ponder {
        /// Where the server is.
        path: PathBuf,
    },
    /// Has the server make a call that is answered never, to see what the server says when this dies.
    Follow {
        /// Where the server is.
        path: PathBuf,
    },
}

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.runtime {
        Runtime::Tokio => on_tokio(&args.role),
        Runtime::AsyncStd => on_async_std(&args.role),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("calculator: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The backends have the same names, so that one macro serves both.
macro_rules! run {
    ($backend:ident, $role:expr) => {{
        match $role {
            Role::Serve { path } => {
                let listener = $backend::listen_unix_replacing_stale(path)?;
                eprintln!("listening");
                serve(async || listener.accept().await.map(|(flow, _)| flow)).await
            }
            role => {
                let path = role.path();
                let flow = $backend::connect_unix(path)
                    .await
                    .map_err(|e| format!("no calculator at {}: {e}", path.display()))?;
                ask(flow, role).await
            }
        }
    }};
}

fn on_tokio(role: &Role) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async { run!(flow_tokio, role) })
}

fn on_async_std(role: &Role) -> Result<(), Failure> {
    async_std::task::block_on(async { run!(flow_async_std, role) })
}

impl Role {
    fn path(&self) -> &Path {
        match self {
            Self::Serve { path }
            | Self::Ask { path, .. }
            | Self::Load { path, .. }
            | Self::Ponder { path }
            | Self::Follow { path } => path,
        }
    }
}

/// Serves whoever is accepted, for ever. All of it is one task, because what RPC makes stays on its thread.
async fn serve<F, E>(accept: impl AsyncFn() -> Result<F, E>) -> Result<(), Failure>
where
    F: Flow + 'static,
    E: Error + 'static,
{
    enum Event<F> {
        Came(F),
        Began(Option<Task>),
        Done,
    }
    type Next<'a, F, E> = Pin<Box<dyn Future<Output = Result<Event<F>, E>> + 'a>>;

    let (tasks, begun) = mpsc::unbounded();
    let begun = &std::cell::RefCell::new(begun);
    let calculator: calculator_capnp::calculator::Client =
        capnp_rpc::new_client(server::Calculator { tasks });
    let next_client = || -> Next<'_, F, E> { Box::pin(async { accept().await.map(Event::Came) }) };
    let next_task = || -> Next<'_, F, E> {
        Box::pin(async {
            let next = std::future::poll_fn(|cx| begun.borrow_mut().poll_next_unpin(cx));
            Ok(Event::Began(next.await))
        })
    };
    let mut events: FuturesUnordered<Next<'_, F, E>> = FuturesUnordered::new();
    events.push(next_client());
    events.push(next_task());
    while let Some(event) = events.next().await {
        match event? {
            Event::Came(flow) => {
                events.push(next_client());
                let connection = vat::server(flow, calculator.client.clone());
                events.push(Box::pin(async {
                    match connection.await {
                        Ok(()) => eprintln!("a client has left"),
                        Err(e) => eprintln!("a client was lost: {}", server::kind(&e)),
                    }
                    Ok(Event::Done)
                }));
            }
            Event::Began(task) => {
                events.push(next_task());
                events.push(Box::pin(async {
                    if let Some(task) = task {
                        task.await;
                    }
                    Ok(Event::Done)
                }));
            }
            Event::Done => {}
        }
    }
    Ok(())
}

/// Does what is asked for over this flow, and leaves.
async fn ask<F: Flow + 'static>(flow: F, role: &Role) -> Result<(), Failure> {
    let (connection, calculator, disconnector) = vat::client(flow);
    let asked = async {
        match role {
            Role::Ask {
                first,
                steps,
                one_by_one,
                ..
            } => {
                let steps = parse(steps)?;
                let sum = match one_by_one {
                    true => client::sum_one_by_one(&calculator, *first, &steps).await,
                    false => client::sum(&calculator, *first, &steps).await,
                };
                println!("{}", sum.map_err(Plain)?);
            }
            Role::Load { calls, at_once, .. } => {
                let wrong = client::load(&calculator, calls / 2, *at_once).await;
                match wrong.map_err(Plain)? {
                    0 => println!("{} calls, each answered rightly", calls / 2 * 2),
                    wrong => return Err(format!("{wrong} answers are wrong").into()),
                }
            }
            Role::Ponder { .. } => client::ponder(&calculator).await.map_err(Plain)?,
            Role::Follow { .. } => client::follow(&calculator).await.map_err(Plain)?,
            Role::Serve { .. } => unreachable!("a server does not ask"),
        }
        Ok(())
    };
    // The connection moves while it is polled. Where it is lost, every call under way is told.
    let mut connection = Box::pin(async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    });
    let never = async |connection: &mut Pin<Box<_>>| -> Result<(), Failure> {
        connection.await;
        unreachable!("it does not end");
    };
    let result = or(asked, never(&mut connection)).await;
    let leaving = async {
        // What is left to say is of no use to somebody who is gone.
        let _ = disconnector.await;
        Ok(())
    };
    or(leaving, never(&mut connection)).await?;
    result
}

fn parse(steps: &[String]) -> Result<Vec<Step>, Failure> {
    let pairs = steps.chunks(2).map(|pair| {
        let [operation, operand] = pair else {
            return Err(format!("a number is missing after {}", pair[0]).into());
        };
        let operation = match &**operation {
            "plus" => Operation::Plus,
            "minus" => Operation::Minus,
            "times" => Operation::Times,
            "over" => Operation::Over,
            other => {
                return Err(
                    format!("{other} is none of the operations plus, minus, times, over").into(),
                );
            }
        };
        let operand = operand
            .parse()
            .map_err(|_| format!("{operand} is no number"))?;
        Ok(Step { operation, operand })
    });
    pairs.collect()
}

/// An error of a call, as a person wants to read it.
#[derive(Debug)]
struct Plain(capnp::Error);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            capnp::ErrorKind::Disconnected => {
                f.write_str("the calculator went away before it had answered: disconnected")
            }
            _ => write!(f, "the calculator says: {}", self.0.extra),
        }
    }
}

impl Error for Plain {}
