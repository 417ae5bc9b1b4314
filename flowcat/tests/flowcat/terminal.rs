//! The progress line: on a terminal, erased at the end.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use crate::on_each_runtime;
use crate::support::Program;

const ERASE: &str = "\r\x1b[K";

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    on_each_runtime(
        trials,
        "terminal::progress_is_shown_and_erased",
        |runtime| {
            shown(runtime, false);
        },
    );
    on_each_runtime(trials, "terminal::a_signal_erases_it_too", |runtime| {
        shown(runtime, true);
    });
    on_each_runtime(trials, "terminal::standard_output_needs_no_end", output);
}

/// Both sides of a pseudoterminal.
fn terminal() -> (File, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = open(name, flags, Mode::empty()).unwrap();
    (master.into(), slave)
}

/// What was printed there since, up to this text or the hang-up.
fn up_to(terminal: &mut File, text: Option<&str>) -> String {
    let (mut printed, mut part) = (String::new(), [0; 256]);
    while text.is_none_or(|text| !printed.contains(text)) {
        // EIO is the hang-up.
        let count = terminal.read(&mut part).unwrap_or(0);
        assert!(count > 0 || text.is_none(), "{printed:?}");
        if count == 0 {
            break;
        }
        printed += str::from_utf8(&part[..count]).unwrap();
    }
    printed
}

fn shown(runtime: &str, by_signal: bool) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app.sock");
    let (mut master, slave) = terminal();
    let flowcat = start(&path, runtime, slave);
    up_to(&mut master, Some("listening"));
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(&[b'x'; 2048]).unwrap();
    client.read_exact(&mut [0; 2048]).unwrap();
    let line = "\r\x1b[K2.0 KiB there, 2.0 KiB back, ";
    up_to(&mut master, Some(line));
    let client = if by_signal {
        flowcat.signal(Signal::TERM);
        Some(client)
    } else {
        drop(client);
        None
    };
    let rest = up_to(&mut master, None);
    assert!(rest.ends_with(ERASE), "{rest:?}");
    drop(client);
    assert_eq!(flowcat.finish().status.success(), !by_signal);
}

fn start(path: &Path, runtime: &str, stderr: OwnedFd) -> Program {
    let from = format!("unix-listen:{}", path.display());
    // Once the command is dropped, only flowcat has the terminal.
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowcat"));
    command
        .args(["-v", "--runtime", runtime, &from, "exec:exec cat 2>&-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr);
    Program::start_as_it_is(&mut command)
}

/// A terminal has no half-close, and nothing is between what is relayed to it.
fn output(runtime: &str) {
    let (mut master, slave) = terminal();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowcat"));
    command
        .args(["--runtime", runtime, "-", "exec:echo hello"])
        .stdin(Stdio::null())
        .stdout(slave)
        .stderr(Stdio::piped());
    let flowcat = Program::start_as_it_is(&mut command);
    drop(command);
    assert_eq!(up_to(&mut master, None), "hello\r\n");
    flowcat.finish().is_fine();
}
