//! Beside `socat`: the same jobs through both, and both at the two ends of one connection.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::pairs::{MUCH, through};
use crate::support::{Kind, Place, Program, RUNTIMES, exchange, pattern, same};

/// With it, a missing program is a failure and not a reason to leave tests out.
const REQUIRED: &str = "FLOW_REQUIRE_PEERS";

/// It gives the other direction half a second, as a rule, once one has ended.
const PATIENT: [&str; 4] = ["-d", "-d", "-t", "60"];

/// One-way jobs: what both are told, or what each is; where the bytes come from, and where they are afterwards.
const JOBS: &[(&str, &[&str], &[&str])] = &[
    ("stdio::stdio", &["-", "-"], &["-u", "-", "-"]),
    ("file::stdio", &["file:in", "-"], &["-u", "file:in", "-"]),
    (
        "stdio::file",
        &["-", "file:out"],
        &["-u", "-", "create:out"],
    ),
    (
        "file::file",
        &["file:in", "file:out"],
        &["-u", "file:in", "create:out"],
    ),
    (
        "exec::file",
        &["exec:cat in", "file:out"],
        &["-u", "exec:cat in", "create:out"],
    ),
    (
        "file::exec",
        &["file:in", "exec:tee out"],
        &["-u", "file:in", "exec:tee out"],
    ),
    (
        "exec::stdio",
        &["exec:cat in", "-"],
        &["-u", "exec:cat in", "-"],
    ),
    ("stdio::exec", &["-", "exec:cat"], &["-", "exec:cat,pipes"]),
    (
        "file::unix",
        &["file:in", "unix:peer"],
        &["-u", "file:in", "unix:peer"],
    ),
    (
        "unix::file",
        &["unix:peer", "file:out"],
        &["-u", "unix:peer", "create:out"],
    ),
];

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    // It passes no end on to standard output or to a command through pipes, other than by exiting.
    let sockets = Kind::ALL.into_iter().filter(|kind| kind.is_socket());
    for to in sockets.clone() {
        for from in sockets.clone().chain([Kind::Stdio]) {
            for there_first in [true, false] {
                if from == Kind::Stdio && !there_first {
                    continue;
                }
                let first = if there_first { "there" } else { "back" };
                let (from_name, to_name) = (from.name(), to.name());
                let name = format!("socat::pairs::{from_name}::{to_name}::{first}_first");
                trials.push(beside(name, move || {
                    through(&Socat, from, to, there_first);
                }));
            }
        }
    }
    for &(name, flowcat, socat) in JOBS {
        trials.push(beside(format!("socat::jobs::{name}"), move || {
            job(flowcat, socat)
        }));
    }
    for kind in [Kind::Unix, Kind::Tcp] {
        for runtime in RUNTIMES {
            for calls in [true, false] {
                let who = if calls {
                    "flowcat_calls"
                } else {
                    "socat_calls"
                };
                let name = format!("socat::talks_to_it::{}::{who}::{runtime}", kind.name());
                trials.push(beside(name, move || talk(kind, calls, runtime)));
            }
        }
    }
}

/// A test that needs `socat`.
fn beside(name: String, run: impl FnOnce() + Send + 'static) -> Trial {
    let found = || {
        let mut command = Command::new("socat");
        let command = command
            .arg("-V")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    static FOUND: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    if *FOUND.get_or_init(found) {
        crate::test(name, run)
    } else if env::var_os(REQUIRED).is_some_and(|value| value != "0") {
        Trial::test(name, || Err(Failed::from("socat is not installed")))
    } else {
        Trial::test(format!("{name} (socat is not installed)"), || Ok(())).with_ignored_flag(true)
    }
}

/// The other program, as one to relay through.
struct Socat;

impl crate::pairs::Relay for Socat {
    fn start(&self, from: &str, to: &str) -> Program {
        socat(PATIENT.into_iter().chain([&*address(from), &*address(to)]))
    }

    /// Each when it is its turn.
    const LISTENS_AT_ONCE: bool = false;

    fn listening(program: &mut Program) -> String {
        loop {
            let line = program.line();
            assert!(!line.is_empty(), "socat does not listen");
            if let Some((_, place)) = line.split_once(" listening on ") {
                let (_family, place) = place.split_once(' ').unwrap();
                return place.trim_matches('"').to_owned();
            }
        }
    }
}

fn socat<I>(args: I) -> Program
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    Program::start(Command::new("socat").args(args))
}

/// An address of flowcat in its words.
fn address(flowcat: &str) -> String {
    if let Some(host) = flowcat.strip_prefix("tcp-listen:") {
        let (host, port) = host.rsplit_once(':').unwrap();
        format!("tcp-listen:{port},bind={host}")
    } else {
        flowcat.to_owned()
    }
}

/// The same bytes come out of both.
fn job(flowcat: &[&str], socat: &[&str]) {
    let data = pattern(MUCH, 1);
    let of_socat = outcome("socat", socat, &data);
    for runtime in RUNTIMES {
        let args = [&["--runtime", runtime], flowcat].concat();
        let ours = outcome(env!("CARGO_BIN_EXE_flowcat"), &args, &data);
        for (ours, theirs) in ours.iter().zip(&of_socat) {
            same(ours, theirs);
        }
    }
    // What both lose would not be noticed above.
    assert!(of_socat.contains(&data));
}

/// What is then in the file, on standard output, and at the peer.
fn outcome(program: &str, args: &[&str], data: &[u8]) -> [Vec<u8>; 3] {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("in"), data).unwrap();
    let listener = UnixListener::bind(dir.path().join("peer")).unwrap();
    let mut program = Program::start(Command::new(program).args(args).current_dir(dir.path()));
    let mut stdin = program.stdin.take().unwrap();
    let connects = args.contains(&"unix:peer");
    let serves = args.last() != Some(&"unix:peer");
    let (finished, at_peer) = thread::scope(|scope| {
        scope.spawn(move || {
            // Not every job reads it.
            _ = std::io::Write::write_all(&mut stdin, data);
        });
        let peer = connects.then(|| scope.spawn(|| peer(&listener, data, serves)));
        let finished = program.finish();
        (finished, peer.map(|peer| peer.join().unwrap()))
    });
    assert!(finished.status.success(), "{}", finished.stderr);
    let file = fs::read(dir.path().join("out")).unwrap_or_default();
    [file, finished.stdout, at_peer.unwrap_or_default()]
}

/// Serves the data, or reads it.
fn peer(listener: &UnixListener, data: &[u8], serves: bool) -> Vec<u8> {
    let (mut socket, _) = listener.accept().unwrap();
    let mut received = Vec::new();
    if serves {
        std::io::Write::write_all(&mut socket, data).unwrap();
    } else {
        std::io::Read::read_to_end(&mut socket, &mut received).unwrap();
    }
    received
}

/// One program at each end of a connection, the test at their standard streams.
fn talk(kind: Kind, flowcat_calls: bool, runtime: &str) {
    let dir = TempDir::new().unwrap();
    let listens = match kind {
        Kind::Unix => Kind::UnixListen,
        _ => Kind::TcpListen,
    };
    let listens = Place::new(listens, dir.path(), "talk").address;
    let calls = |place: &str| match kind {
        Kind::Unix => format!("unix:{place}"),
        _ => format!("tcp:{place}"),
    };
    let flowcat = |address: &str| Program::flowcat(["-v", "--runtime", runtime, "-", address]);
    let theirs = |address: &str| {
        let address = self::address(address);
        socat(PATIENT.into_iter().chain(["-", &*address]))
    };
    let (mut flowcat, mut socat) = if flowcat_calls {
        let mut socat = theirs(&listens);
        let place = <Socat as crate::pairs::Relay>::listening(&mut socat);
        (flowcat(&calls(&place)), socat)
    } else {
        let mut flowcat = flowcat(&listens);
        let place = flowcat.listening();
        (flowcat, theirs(&calls(&place)))
    };
    let nothing = Path::new("");
    let [mut ours, mut other] = [&mut flowcat, &mut socat]
        .map(|program| Place::new(Kind::Stdio, nothing, "").end(program, None));
    exchange(&mut other, &mut ours, &pattern(MUCH, 1));
    exchange(&mut ours, &mut other, &pattern(MUCH, 2));
    flowcat.finish().is_fine();
    assert!(socat.finish().status.success());
}
