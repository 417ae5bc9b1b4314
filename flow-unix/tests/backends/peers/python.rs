//! Python's socket module at the other end, over a Unix socket and over TCP.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::child::Foreign;
use super::{Case, DIGEST, Done, LEN, assert_same, both, content};
use crate::support::backend::{
    Delivered, ErrorKind, FdFlow, Flow as _, FlowExt as _, Shutdown, WriteError, connect_tcp,
    connect_unix, listen_tcp, listen_unix,
};
use crate::support::{park, run};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Family {
    Unix,
    Tcp,
}

impl Family {
    const fn name(self) -> &'static str {
        match self {
            Self::Unix => "Unix",
            Self::Tcp => "TCP",
        }
    }

    /// What close knows of content that python has read.
    const fn known(self) -> Delivered {
        match self {
            Self::Unix => Delivered::Yes,
            Self::Tcp => Delivered::Arrived,
        }
    }
}

type Run = fn(FdFlow, Foreign, Family) -> Done;

/// What python does, what becomes of it, and what the flow does meanwhile.
const CASES: &[(&str, &str, Run)] = &[
    ("python_echoes", "echoes", |flow, python, family| {
        Box::pin(async move {
            sends_and_gets_it_back(&flow, &[family.known()]).await;
            python.ends_well();
        })
    }),
    ("python_is_echoed", "is_echoed", |flow, python, _| {
        Box::pin(async move {
            while let Some(chunk) = flow.read().await.unwrap() {
                flow.write(chunk).await.unwrap();
            }
            flow.close().await.unwrap();
            python.ends_well();
        })
    }),
    ("python_ends_first", "ends_first", |flow, python, _| {
        Box::pin(async move {
            assert_same(&rest(&flow).await, &content(), "up to python's end");
            flow.write(content()).await.unwrap();
            flow.close().await.unwrap();
            python.ends_well();
        })
    }),
    (
        "the_flow_ends_first",
        "answers_the_end",
        |flow, python, _| {
            Box::pin(async move {
                flow.write(content()).await.unwrap();
                flow.shutdown(Shutdown::Write).await.unwrap();
                let digest = rest(&flow).await;
                assert_eq!(String::from_utf8_lossy(&digest), DIGEST, "by python");
                flow.close().await.unwrap();
                python.ends_well();
            })
        },
    ),
    (
        "close_waits_for_python",
        "answers_the_end",
        |flow, python, family| {
            Box::pin(async move {
                flow.write(content()).await.unwrap();
                assert_eq!(flow.close().await, Ok(family.known()), "python has read it");
                // It did not eat the answer.
                let digest = rest(&flow).await;
                assert_eq!(String::from_utf8_lossy(&digest), DIGEST, "by python");
                python.ends_well();
            })
        },
    ),
    ("python_resets", "resets", |flow, python, family| {
        Box::pin(async move {
            assert_eq!(flow.read().await.unwrap().unwrap(), &b"part"[..]);
            flow.write("go and leave this unread").await.unwrap();
            // Whatever was read before, twice: what has ended stays so.
            for _ in 0..2 {
                match (family, flow.read().await) {
                    (Family::Unix, Ok(None)) => {}
                    (Family::Tcp, Err(e)) if e.kind() == ErrorKind::Reset => {}
                    (_, other) => panic!("{} after a reset: {other:?}", family.name()),
                }
            }
            let late = flow.write("late").await;
            assert_eq!(late, Err(WriteError::Closed));
            python.ends_well();
        })
    }),
    ("python_is_killed", "is_killed", |flow, python, _| {
        Box::pin(async move {
            let wanted = &content()[..100_000];
            assert_same(&rest(&flow).await, wanted, "before python was killed");
            writes_until_it_is_closed(&flow).await;
            assert_eq!(python.ends().0.signal(), Some(9), "is killed");
        })
    }),
    (
        "python_gets_all_of_a_flow_that_is_gone",
        "gets_all",
        |flow, python, _| {
            Box::pin(async move {
                let mut write = flow.write(content());
                park(&mut write);
                go_on(&python);
                write.await.unwrap();
                drop(flow);
                python.ends_well();
            })
        },
    ),
    (
        "python_sees_an_abort",
        "gets_a_part",
        |flow, python, family| {
            Box::pin(async move {
                let mut write = flow.write(content());
                park(&mut write);
                flow.abort();
                assert_eq!(write.await, Err(WriteError::Closed));
                drop(flow);
                go_on(&python);
                let mut seen = String::new();
                let output = python.with(|child| child.stdout.take().unwrap());
                BufReader::new(output).read_line(&mut seen).unwrap();
                // A Unix socket has no way to say that the end is none.
                let wanted = if family == Family::Tcp {
                    "reset\n"
                } else {
                    "end\n"
                };
                assert_eq!(seen, wanted, "after an abort");
                python.ends_well();
            })
        },
    ),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![];
    for family in [Family::Unix, Family::Tcp] {
        for &(name, what, case) in CASES {
            let name = format!("{}::{name}", family.name());
            let told = name.clone();
            let accepted = move || {
                run(async {
                    let (flow, python) = accepts(&told, what, family).await;
                    case(flow, python, family).await;
                });
            };
            cases.push((name, Box::new(accepted)));
        }
        let name = format!("{}::the_flow_dials_python", family.name());
        let told = name.clone();
        cases.push((name, Box::new(move || dials(&told, family))));
    }
    cases
}

fn python(name: &str, arguments: &[&str], folder: &TempDir) -> Foreign {
    let mut command = Command::new("python3");
    command.args(["-c", include_str!("peer.py")]);
    command.args(arguments).env("FOLDER", folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Foreign::start(name, &mut command)
}

/// Starts python, which dials, and accepts it.
async fn accepts(name: &str, what: &str, family: Family) -> (FdFlow, Foreign) {
    let folder = TempDir::new().unwrap();
    match family {
        Family::Unix => {
            let path = folder.path().join("flow");
            let listener = listen_unix(&path).unwrap();
            let path = path.to_str().expect("a plain name");
            let python = python(name, &[what, "Unix", path], &folder);
            (listener.accept().await.unwrap().0, python)
        }
        Family::Tcp => {
            let listener = listen_tcp("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port().to_string();
            let python = python(name, &[what, "TCP", &port], &folder);
            (listener.accept().await.unwrap().0, python)
        }
    }
}

fn dials(name: &str, family: Family) {
    let folder = TempDir::new().unwrap();
    let python = python(name, &["echoes", family.name()], &folder);
    let mut place = String::new();
    let output = python.with(|child| child.stdout.take().unwrap());
    BufReader::new(output).read_line(&mut place).unwrap();
    run(async {
        let flow = match family {
            Family::Unix => connect_unix(place.trim_end()).await,
            Family::Tcp => connect_tcp(format!("127.0.0.1:{}", place.trim_end())).await,
        };
        sends_and_gets_it_back(&flow.unwrap(), &[family.known()]).await;
    });
    python.ends_well();
}

/// It has waited for this.
fn go_on(python: &Foreign) {
    let mut input = python.with(|child| child.stdin.take().unwrap());
    input.write_all(b"go\n").unwrap();
}

pub(super) async fn rest(flow: &FdFlow) -> Vec<u8> {
    let mut all = vec![];
    loop {
        match flow.read().await {
            Ok(Some(chunk)) => all.extend_from_slice(&chunk),
            Ok(None) => return all,
            Err(e) => panic!("after {} bytes: {e}", all.len()),
        }
    }
}

pub(super) async fn sends_and_gets_it_back(flow: &FdFlow, known: &[Delivered]) {
    let sending = async {
        flow.write(content()).await.unwrap();
        flow.shutdown(Shutdown::Write).await.unwrap();
    };
    let ((), echo) = both(sending, rest(flow)).await;
    assert_same(&echo, &content(), "the echo");
    let closed = flow.close().await.unwrap();
    assert!(known.contains(&closed), "after the echo: {closed}");
}

/// Over TCP the first write may still be accepted, and is answered by a reset; and a program that exits lets go of its pipes in any order.
pub(super) async fn writes_until_it_is_closed(flow: &FdFlow) {
    for _ in 0..LEN {
        match flow.write("nobody reads this").await {
            Ok(()) => std::thread::yield_now(),
            Err(error) => {
                assert_eq!(error, WriteError::Closed);
                return;
            }
        }
    }
    panic!("nobody is there, and writing goes on");
}
