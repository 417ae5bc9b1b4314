//! `--help`: its examples are those below, and each of them runs.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::thread::{self, JoinHandle};

use libtest_mimic::Trial;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use tempfile::TempDir;

use crate::support::{Program, quote};
use crate::test;

/// An example as it stands there, and what shows that it does what it should.
type Example = (&'static str, fn(&Run));

const EXAMPLES: &[Example] = &[
    ("flowcat - tcp:localhost:7000", |run| {
        let server = run.tcp_server();
        let mut flowcat = run.start();
        flowcat.stdin.take().unwrap().write_all(b"hello").unwrap();
        run.is_fine(flowcat, "HELLO");
        server.join().unwrap();
    }),
    ("flowcat unix-listen:app.sock tcp:localhost:7000", |run| {
        let server = run.tcp_server();
        let mut flowcat = run.start();
        flowcat.listening();
        ask(UnixStream::connect(run.dir.path().join("app.sock")).unwrap());
        run.is_fine(flowcat, "");
        server.join().unwrap();
    }),
    (
        "flowcat tcp-listen:localhost:7000 exec:'tr a-z A-Z'",
        |run| {
            let mut flowcat = run.start();
            flowcat.listening();
            ask_tcp(TcpStream::connect(("localhost", run.port)).unwrap());
            run.is_fine(flowcat, "");
        },
    ),
    ("flowcat --stats file:notes.txt unix:app.sock", |run| {
        fs::write(run.dir.path().join("notes.txt"), "hello").unwrap();
        let server = run.unix_server();
        let finished = run.start().finish();
        assert!(finished.status.success());
        assert!(finished.stderr.contains("wrote 5 bytes"));
        assert_eq!(server.join().unwrap(), "hello");
    }),
    ("flowcat unix:app.sock file:copy.txt", |run| {
        let listener = UnixListener::bind(run.dir.path().join("app.sock")).unwrap();
        let flowcat = run.start();
        listener.accept().unwrap().0.write_all(b"a copy").unwrap();
        run.is_fine(flowcat, "");
        let copy = fs::read_to_string(run.dir.path().join("copy.txt")).unwrap();
        assert_eq!(copy, "a copy");
    }),
    ("date | flowcat - unix:app.sock", |run| {
        let server = run.unix_server();
        let flowcat = run.start();
        let finished = flowcat.finish();
        assert!(finished.status.success());
        let date = server.join().unwrap();
        assert!(date.contains("20") && date.ends_with('\n'), "{date}");
        assert_eq!(finished.stdout, date.to_ascii_uppercase().as_bytes());
    }),
];

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    trials.push(test("help::has_these_examples", has_these));
    trials.push(test("help::and_version_go_to_standard_output", || {
        for args in [["--help"], ["-h"], ["--version"], ["-V"]] {
            let finished = Program::flowcat(args).finish();
            finished.is_fine();
            assert!(finished.stdout.windows(7).any(|word| word == b"flowcat"));
        }
    }));
    for &(line, shown) in EXAMPLES {
        trials.push(test(format!("help::runs::'{line}'"), move || {
            shown(&Run::new(line));
        }));
    }
}

fn has_these() {
    let finished = Program::flowcat(["--help"]).finish();
    let help = String::from_utf8(finished.stdout).unwrap();
    let (_, examples) = help.split_once("\nExamples:\n").unwrap();
    let found = examples.lines().map(str::trim).collect::<BTreeSet<_>>();
    let known = EXAMPLES.iter().map(|(line, _)| *line).collect();
    assert_eq!(found, known);
}

/// An example in a folder of its own, with a port that is free.
struct Run {
    line: &'static str,
    dir: TempDir,
    port: u16,
    _reserved: OwnedFd,
}

impl Run {
    fn new(line: &'static str) -> Self {
        // Bound, so that nobody else gets it, and not listening, so that it can be listened to.
        let reserved = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        set_socket_reuseaddr(&reserved, true).unwrap();
        bind(&reserved, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = SocketAddr::try_from(getsockname(&reserved).unwrap()).unwrap();
        Self {
            line,
            dir: TempDir::new().unwrap(),
            port: address.port(),
            _reserved: reserved,
        }
    }

    fn start(&self) -> Program {
        let line = self.line.replace("7000", &self.port.to_string());
        let verbose = format!("{} -v", quote(env!("CARGO_BIN_EXE_flowcat")));
        let line = line.replace("flowcat", &verbose);
        Program::start(
            Command::new("sh")
                .args(["-c", &line])
                .current_dir(self.dir.path()),
        )
    }

    #[track_caller]
    fn is_fine(&self, flowcat: Program, stdout: &str) {
        let finished = flowcat.finish();
        finished.is_fine();
        assert_eq!(
            String::from_utf8_lossy(&finished.stdout),
            stdout,
            "{}",
            self.line
        );
    }

    fn tcp_server(&self) -> JoinHandle<()> {
        let listener = TcpListener::bind(("localhost", self.port)).unwrap();
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut question = String::new();
            socket.read_to_string(&mut question).unwrap();
            socket
                .write_all(question.to_ascii_uppercase().as_bytes())
                .unwrap();
        })
    }

    fn unix_server(&self) -> JoinHandle<String> {
        let listener = UnixListener::bind(self.dir.path().join("app.sock")).unwrap();
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut question = String::new();
            socket.read_to_string(&mut question).unwrap();
            socket
                .write_all(question.to_ascii_uppercase().as_bytes())
                .unwrap();
            question
        })
    }
}

fn ask(mut socket: UnixStream) {
    socket.write_all(b"hello").unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "HELLO");
}

fn ask_tcp(mut socket: TcpStream) {
    socket.write_all(b"hello").unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "HELLO");
}
