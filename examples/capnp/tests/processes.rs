//! Two processes and a Unix socket between them, on each runtime: pipelining, many calls, and one side killed in the middle of a call.

#[path = "../../tls/tests/support/running.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod running;

use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use capnp::message::ReaderOptions;
use capnp::serialize::try_read_message;
use capnp_rpc::rpc_capnp::message;
use libtest_mimic::{Arguments, Failed, Trial};
use running::Running;
use tempfile::TempDir;

const RUNTIMES: [&str; 2] = ["tokio", "async-std"];

/// Nothing here takes a second; what takes this long hangs.
const WATCHDOG: Duration = Duration::from_secs(60);

fn calculator(args: &[&str]) -> Running {
    Running::start(Command::new(env!("CARGO_BIN_EXE_calculator")).args(args))
}

/// A server, and where it is.
struct Server {
    running: Running,
    folder: TempDir,
    path: PathBuf,
}

impl Server {
    fn start(runtime: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("calculator");
        let mut running = calculator(&["serve", text(&path), "--runtime", runtime]);
        assert_eq!(running.error_line(), "listening");
        Self {
            running,
            folder,
            path,
        }
    }

    fn asks(&self, runtime: &str, what: &[&str]) -> Running {
        asks(&self.path, runtime, what)
    }

    /// That it still computes.
    fn serves(&self) {
        for runtime in RUNTIMES {
            let (out, _) = finished(self.asks(runtime, &["ask", "1", "plus", "1"]));
            assert_eq!(out, "2\n");
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

fn asks(path: &Path, runtime: &str, what: &[&str]) -> Running {
    let [first, rest @ ..] = what else {
        panic!("nothing is asked");
    };
    calculator(&[&[*first, text(path), "--runtime", runtime], rest].concat())
}

/// What a client printed, which must have got what it wanted.
fn finished(mut client: Running) -> (String, String) {
    let (status, errors) = client.end();
    assert!(status.success(), "{errors}");
    let out = String::from_utf8(client.rest()).expect("text");
    (out, errors)
}

fn every_runtime_with_every_other() -> Result<(), Failed> {
    for server in RUNTIMES {
        let server = Server::start(server);
        for client in RUNTIMES {
            for how in [&["--one-by-one"][..], &[]] {
                let sum = ["ask", "2", "plus", "3", "times", "4", "minus", "-1.5"];
                let (out, errors) = finished(server.asks(client, &[&sum[..], how].concat()));
                assert_eq!((&*out, &*errors), ("21.5\n", ""));
            }
        }
    }
    Ok(())
}

/// How many calls are made in a sum of a hundred steps: one for the first number, and one for the value.
const CALLS: usize = 102;

/// What a relay has seen.
#[derive(Default)]
struct Seen {
    calls: usize,
    /// How often a call came after an answer.
    flights: usize,
    answered: bool,
}

/// Between a client and a server: counts messages. The server's are held back until the client has made that many calls.
fn relay(path: &Path, server: &Path, held_until: usize) -> thread::JoinHandle<Seen> {
    let listener = UnixListener::bind(path).expect("a path");
    let server = UnixStream::connect(server).expect("a server");
    thread::spawn(move || {
        let (client, _) = listener.accept().expect("a client");
        let seen = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let ends = (
            client.try_clone().expect("a copy"),
            server.try_clone().expect("a copy"),
        );
        let answers = {
            let seen = Arc::clone(&seen);
            let (mut client, server) = ends;
            thread::spawn(move || {
                each_message(server, |kind, raw| {
                    let (seen, enough) = &*seen;
                    let seen = seen.lock().expect("no panic");
                    let waiting = |seen: &mut Seen| seen.calls < held_until;
                    let (mut seen, late) = enough
                        .wait_timeout_while(seen, WATCHDOG, waiting)
                        .expect("no panic");
                    // Not answered, so that a client that waits for an answer ends as well.
                    if late.timed_out() {
                        return false;
                    }
                    seen.answered |= kind == Kind::Return;
                    client.write_all(raw).is_ok()
                });
                let _ = client.shutdown(std::net::Shutdown::Both);
            })
        };
        let mut to_server = server;
        each_message(client, |kind, raw| {
            if kind == Kind::Call {
                let (seen, enough) = &*seen;
                let mut seen = seen.lock().expect("no panic");
                if std::mem::take(&mut seen.answered) || seen.calls == 0 {
                    seen.flights += 1;
                }
                seen.calls += 1;
                enough.notify_all();
            }
            to_server.write_all(raw).is_ok()
        });
        let _ = to_server.shutdown(std::net::Shutdown::Both);
        answers.join().expect("no panic");
        let mut seen = seen.0.lock().expect("no panic");
        std::mem::take(&mut *seen)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Call,
    Return,
    Other,
}

/// Hands out what passes, message by message, until that says false.
fn each_message(from: UnixStream, mut each: impl FnMut(Kind, &[u8]) -> bool) {
    let mut from = Copied {
        from: BufReader::new(from),
        raw: Vec::new(),
    };
    while let Ok(Some(message)) = try_read_message(&mut from, ReaderOptions::new()) {
        let root = message.get_root::<message::Reader<'_>>();
        let kind = match root.expect("a message").which() {
            Ok(message::Call(_)) => Kind::Call,
            Ok(message::Return(_)) => Kind::Return,
            _ => Kind::Other,
        };
        if !each(kind, &std::mem::take(&mut from.raw)) {
            return;
        }
    }
}

/// Keeps what is read.
struct Copied<R> {
    from: R,
    raw: Vec<u8>,
}

impl<R: Read> Read for Copied<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buf)?;
        self.raw.extend_from_slice(&buf[..count]);
        Ok(count)
    }
}

/// 102 calls, each on the result of the one before: the last is sent before the first answer has come.
fn dependent_calls_are_one_flight() -> Result<(), Failed> {
    let steps = ["plus", "1"].repeat(100);
    let sum = [&["ask", "0"][..], &steps].concat();
    for (server, client) in [("tokio", "async-std"), ("async-std", "tokio")] {
        let server = Server::start(server);
        let path = server.folder.path().join("relay");
        let relayed = relay(&path, &server.path, CALLS);
        let (out, _) = finished(asks(&path, client, &sum));
        assert_eq!(out, "100\n");
        let seen = relayed.join().expect("no panic");
        assert_eq!((seen.calls, seen.flights), (CALLS, 1));

        // The same relay sees what is not pipelined.
        let path = server.folder.path().join("relay one by one");
        let relayed = relay(&path, &server.path, 0);
        let one_by_one = [&sum[..], &["--one-by-one"]].concat();
        let (out, _) = finished(asks(&path, client, &one_by_one));
        assert_eq!(out, "100\n");
        let seen = relayed.join().expect("no panic");
        assert_eq!((seen.calls, seen.flights), (CALLS, CALLS));
    }
    Ok(())
}

fn ten_thousand_calls() -> Result<(), Failed> {
    for (server, client) in [("tokio", "async-std"), ("async-std", "tokio")] {
        let server = Server::start(server);
        let (out, _) = finished(server.asks(client, &["load", "--calls", "10000"]));
        assert_eq!(out, "10000 calls, each answered rightly\n");
    }
    Ok(())
}

/// The client hears of it at once, and says so.
fn the_server_is_killed_in_a_call() -> Result<(), Failed> {
    for (runtime, client) in [("tokio", "async-std"), ("async-std", "tokio")] {
        let mut server = Server::start(runtime);
        let mut client = server.asks(client, &["ponder"]);
        assert_eq!(server.running.error_line(), "pondering");
        server.running.kill();
        let (status, errors) = client.end();
        assert_eq!(status.code(), Some(1));
        assert_eq!(
            errors,
            "calculator: the calculator went away before it had answered: disconnected\n"
        );
    }
    Ok(())
}

/// The server drops the call, and serves others.
fn a_client_is_killed_in_its_call() -> Result<(), Failed> {
    for (runtime, client) in [("tokio", "async-std"), ("async-std", "tokio")] {
        let mut server = Server::start(runtime);
        let mut client = server.asks(client, &["ponder"]);
        assert_eq!(server.running.error_line(), "pondering");
        client.kill();
        let line = server.running.error_line();
        assert!(line.starts_with("a client "), "{line}");
        server.serves();
    }
    Ok(())
}

/// The server's own call to it fails, and the server serves others.
fn a_client_is_killed_in_a_call_of_the_server() -> Result<(), Failed> {
    for (runtime, client) in [("tokio", "async-std"), ("async-std", "tokio")] {
        let mut server = Server::start(runtime);
        let mut client = server.asks(client, &["follow"]);
        assert_eq!(client.error_line(), "told 42");
        client.kill();
        let mut lines = [server.running.error_line(), server.running.error_line()];
        lines.sort();
        assert!(lines[0].starts_with("a client "), "{lines:?}");
        assert_eq!(lines[1], "a follower gave no answer: disconnected");
        server.serves();
    }
    Ok(())
}

/// What cannot be is one line and a bad exit.
fn errors_are_one_line() -> Result<(), Failed> {
    let server = Server::start("tokio");
    for (what, expected) in [
        (
            &["ask", "1", "over", "0", "plus", "1"][..],
            "nothing can be divided by zero",
        ),
        (&["ask", "1", "over"], "a number is missing after over"),
        (&["ask", "1", "and", "1"], "and is none of the operations"),
    ] {
        let mut client = server.asks("tokio", what);
        let (status, errors) = client.end();
        assert_eq!(status.code(), Some(1), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains(expected), "{errors}");
    }
    let nowhere = server.folder.path().join("nobody");
    let mut client = asks(&nowhere, "async-std", &["ask", "1"]);
    let (status, errors) = client.end();
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(
        errors.starts_with("calculator: no calculator at "),
        "{errors}"
    );
    Ok(())
}

fn main() {
    type Case = fn() -> Result<(), Failed>;
    let cases: [(&str, Case); 7] = [
        (
            "every_runtime_with_every_other",
            every_runtime_with_every_other,
        ),
        (
            "dependent_calls_are_one_flight",
            dependent_calls_are_one_flight,
        ),
        ("ten_thousand_calls", ten_thousand_calls),
        (
            "the_server_is_killed_in_a_call",
            the_server_is_killed_in_a_call,
        ),
        (
            "a_client_is_killed_in_its_call",
            a_client_is_killed_in_its_call,
        ),
        (
            "a_client_is_killed_in_a_call_of_the_server",
            a_client_is_killed_in_a_call_of_the_server,
        ),
        ("errors_are_one_line", errors_are_one_line),
    ];
    let trials = cases.map(|(name, case)| Trial::test(name, case)).into();
    let code = libtest_mimic::run(&Arguments::from_args(), trials).exit_code();
    process::exit(i32::from(code != process::ExitCode::SUCCESS) * 101);
}
