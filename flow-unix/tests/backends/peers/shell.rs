//! Pipelines of the shell at the other end: over a socket, which is their input and output, and over two pipes. And a flow that is one of a pipeline.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::thread;

use super::child::Foreign;
use super::python::{rest, sends_and_gets_it_back, writes_until_it_is_closed};
use super::{Case, DIGEST, Done, LEN, assert_same, content};
use crate::support::backend::{
    Delivered, FdFlow, FlowExt as _, Shutdown, WriteError, connect, from_pair, stdio,
};
use crate::support::run;

/// What is its input and its output.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wiring {
    Socket,
    Pipes,
}

impl Wiring {
    /// What close may know of content that was read. A pipe cannot be asked any more once its end is closed.
    const fn known(self) -> &'static [Delivered] {
        match self {
            Self::Socket => &[Delivered::Yes],
            Self::Pipes => &[Delivered::Yes, Delivered::Unknown],
        }
    }
}

const WIRINGS: [(Wiring, &str); 2] = [(Wiring::Socket, "socket"), (Wiring::Pipes, "pipes")];

/// A script, and what the flow does meanwhile.
type Shell = (
    &'static str,
    &'static str,
    fn(FdFlow, Foreign, Wiring) -> Done,
);

const CASES: &[Shell] = &[
    (
        "head_and_sha256sum",
        "head -c 8388613 | sha256sum",
        |flow, shell, _| {
            Box::pin(async move {
                flow.write(content()).await.unwrap();
                // head has counted: it needs no end.
                let answer = rest(&flow).await;
                assert_eq!(String::from_utf8_lossy(&answer), format!("{DIGEST}  -\n"));
                writes_until_it_is_closed(&flow).await;
                shell.ends_well();
            })
        },
    ),
    (
        "sha256sum_waits_for_the_end",
        "cat | sha256sum",
        |flow, shell, wiring| {
            Box::pin(async move {
                flow.write(content()).await.unwrap();
                flow.shutdown(Shutdown::Write).await.unwrap();
                let answer = rest(&flow).await;
                assert_eq!(String::from_utf8_lossy(&answer), format!("{DIGEST}  -\n"));
                let closed = flow.close().await.unwrap();
                assert!(wiring.known().contains(&closed), "at the end: {closed}");
                shell.ends_well();
            })
        },
    ),
    ("cat_echoes", "cat", |flow, shell, wiring| {
        Box::pin(async move {
            sends_and_gets_it_back(&flow, wiring.known()).await;
            shell.ends_well();
        })
    }),
    (
        "a_program_that_only_writes",
        "head -c 8388613 /dev/zero",
        |flow, shell, _| {
            Box::pin(async move {
                assert_same(&rest(&flow).await, &vec![0; LEN], "zeros");
                flow.close().await.unwrap();
                shell.ends_well();
            })
        },
    ),
    (
        "a_program_that_leaves_at_once",
        "exit 3",
        |flow, shell, _| {
            Box::pin(async move {
                assert_eq!(rest(&flow).await, b"");
                writes_until_it_is_closed(&flow).await;
                assert_eq!(shell.ends().0.code(), Some(3));
            })
        },
    ),
    (
        "a_program_that_leaves_in_the_middle_of_a_write",
        "head -c 1000 > /dev/null; exit 3",
        |flow, shell, _| {
            Box::pin(async move {
                let all = flow.write(content()).await;
                assert_eq!(all, Err(WriteError::Closed), "nobody read all of it");
                assert_eq!(rest(&flow).await, b"");
                assert_eq!(shell.ends().0.code(), Some(3));
            })
        },
    ),
    (
        "a_program_that_is_killed",
        "head -c 100000 /dev/zero; kill -9 $$",
        |flow, shell, _| {
            Box::pin(async move {
                assert_same(&rest(&flow).await, &[0; 100_000], "before it was killed");
                writes_until_it_is_closed(&flow).await;
                assert_eq!(shell.ends().0.signal(), Some(9));
            })
        },
    ),
    (
        "a_program_that_ignores_its_input",
        "printf done",
        |flow, shell, _| {
            Box::pin(async move {
                // The end is seen past what nobody will read.
                _ = flow.write("nobody reads this").await;
                assert_same(&rest(&flow).await, b"done", "its output");
                _ = flow.close().await;
                shell.ends_well();
            })
        },
    ),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![];
    for (wiring, wires) in WIRINGS {
        for &(name, script, case) in CASES {
            let name = format!("{wires}::{name}");
            let told = name.clone();
            let run = move || {
                run(async {
                    let (flow, shell) = start(&told, script, wiring);
                    case(flow, shell, wiring).await;
                });
            };
            cases.push((name, Box::new(run)));
        }
    }
    cases.push((
        "stdio::one_of_a_pipeline".to_owned(),
        Box::new(one_of_a_pipeline),
    ));
    cases.push((
        "stdio::behind_a_socket".to_owned(),
        Box::new(behind_a_socket),
    ));
    cases
}

fn start(name: &str, script: &str, wiring: Wiring) -> (FdFlow, Foreign) {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    match wiring {
        Wiring::Socket => {
            let (ours, theirs) = UnixStream::pair().unwrap();
            command.stdin(OwnedFd::from(theirs.try_clone().unwrap()));
            command.stdout(OwnedFd::from(theirs));
            let shell = Foreign::start(name, &mut command);
            // The command has the far end, and would keep it open.
            drop(command);
            (connect(ours).unwrap(), shell)
        }
        Wiring::Pipes => {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let shell = Foreign::start(name, &mut command);
            let take = |child: &mut std::process::Child| (child.stdout.take(), child.stdin.take());
            let (output, input) = shell.with(take);
            let flow = from_pair(output.unwrap(), input.unwrap());
            (flow.unwrap(), shell)
        }
    }
}

/// Tells this program to be a filter.
const FILTER: &str = "FLOW_TEST_FILTER";

/// Whether it was told to, and has done it: what comes in goes out, through one flow.
pub(crate) fn is_filter() -> bool {
    let told = std::env::var_os(FILTER).is_some();
    if told {
        run(async {
            let flow = stdio().unwrap();
            while let Some(chunk) = flow.read().await.unwrap() {
                flow.write(chunk).await.unwrap();
            }
            flow.close().await.unwrap();
        });
    }
    told
}

/// This program as a filter, in a script where it is `$0`.
fn with_filter(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command.arg(std::env::current_exe().unwrap());
    command.env(FILTER, "1");
    command
}

/// `cat | filter | sha256sum`, fed bare.
fn one_of_a_pipeline() {
    let mut command = with_filter("cat | \"$0\" | sha256sum");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let shell = Foreign::start("stdio::one_of_a_pipeline", &mut command);
    let take = |child: &mut std::process::Child| (child.stdout.take(), child.stdin.take());
    let (Some(mut output), Some(mut input)) = shell.with(take) else {
        panic!("both are pipes");
    };
    input.write_all(&content()).unwrap();
    drop(input);
    let mut answer = String::new();
    output.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, format!("{DIGEST}  -\n"));
    shell.ends_well();
}

/// A filter whose input and output are one socket, as an inetd gives it.
fn behind_a_socket() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = with_filter("exec \"$0\"");
    command.stdin(OwnedFd::from(theirs.try_clone().unwrap()));
    command.stdout(OwnedFd::from(theirs));
    let shell = Foreign::start("stdio::behind_a_socket", &mut command);
    drop(command);
    let mut writer = ours.try_clone().unwrap();
    let sending = thread::spawn(move || {
        writer.write_all(&content()).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut echo = vec![];
    ours.read_to_end(&mut echo).unwrap();
    assert_same(&echo, &content(), "through the filter");
    sending.join().unwrap();
    shell.ends_well();
}
