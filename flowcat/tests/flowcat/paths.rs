//! The paths of Unix sockets: what is in the way, what is removed, and by what.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use libtest_mimic::Trial;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::on_each_runtime;
use crate::support::{Program, leave_stale, quote};

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    for (name, run) in [
        ("a_stale_socket_is_replaced", stale as fn(&str)),
        ("a_live_socket_is_refused_and_not_disturbed", live),
        ("another_flowcat_is_refused_and_not_disturbed", another),
        ("what_is_no_socket_is_never_removed", no_socket),
        ("a_connection_removes_the_path", connected),
        ("a_signal_removes_the_path", by_signal),
        ("a_failure_removes_the_path", by_failure),
        ("somebody_elses_path_is_not_removed", somebody_elses),
        ("an_ignored_signal_stays_ignored", ignored),
    ] {
        on_each_runtime(trials, &format!("paths::{name}"), run);
    }
}

fn listen(runtime: &str, path: &str) -> Program {
    let address = format!("unix-listen:{path}");
    Program::flowcat(["-v", "--runtime", runtime, &address, "exec:cat"])
}

/// Whether one client gets back what it says.
#[track_caller]
fn serves(mut flowcat: Program, path: &str) {
    assert_eq!(flowcat.listening(), path);
    ask(path);
    flowcat.finish().is_fine();
}

#[track_caller]
fn ask(path: &str) {
    let mut client = UnixStream::connect(path).unwrap();
    client.write_all(b"echo").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "echo");
}

fn path_in(dir: &TempDir) -> String {
    dir.path().join("app.sock").to_str().unwrap().to_owned()
}

fn stale(runtime: &str) {
    let dir = TempDir::new().unwrap();
    let path = path_in(&dir);
    leave_stale(path.as_ref());
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    serves(listen(runtime, &path), &path);
}

fn live(runtime: &str) {
    let dir = TempDir::new().unwrap();
    let path = path_in(&dir);
    let in_use = format!("flowcat: unix-listen:{path}: {path} is in use: a listener answers there");

    let listener = UnixListener::bind(&path).unwrap();
    listen(runtime, &path).finish().failed(1, &in_use);
    // Not even a connection came.
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
    assert!(fs::exists(&path).unwrap());
    fs::remove_file(&path).unwrap();

    let _datagrams = UnixDatagram::bind(&path).unwrap();
    listen(runtime, &path).finish().failed(1, &in_use);
    assert!(fs::exists(&path).unwrap());
}

fn another(runtime: &str) {
    let dir = TempDir::new().unwrap();
    let path = path_in(&dir);
    let mut first = listen(runtime, &path);
    assert_eq!(first.listening(), path);
    let in_use = format!("flowcat: unix-listen:{path}: {path} is in use: a listener answers there");
    listen(runtime, &path).finish().failed(1, &in_use);
    // The first one still waits for its one client.
    ask(&path);
    first.finish().is_fine();
}

fn no_socket(runtime: &str) {
    let dir = TempDir::new().unwrap();
    let path = path_in(&dir);
    let refused = |path: &str| {
        let finished = listen(runtime, path).finish();
        let line = format!("flowcat: unix-listen:{path}: {path} exists and is not a socket");
        finished.failed(1, &line);
    };
    fs::write(&path, "precious").unwrap();
    refused(&path);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    refused(link.to_str().unwrap());
    assert_eq!(fs::read_link(&link).unwrap().to_str(), Some(&*path));
    refused(dir.path().to_str().unwrap());
}

fn connected(runtime: &str) {
    let dir = TempDir::new().unwrap();
    let path = path_in(&dir);
    let mut flowcat = listen(runtime, &path);
    assert_eq!(flowcat.listening(), path);
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"1").unwrap();
    client.read_exact(&mut [0]).unwrap();
    // There is one connection, and nobody waits in vain for another.
    assert!(!fs::exists(&path).unwrap());
    drop(client);
    flowcat.finish().is_fine();
}

fn by_signal(runtime: &str) {
    for signal in [Signal::INT, Signal::TERM] {
        let dir = TempDir::new().unwrap();
        let path = path_in(&dir);
        let other = dir.path().join("other.sock");
        let other = format!("unix-listen:{}", other.display());
        let address = format!("unix-listen:{path}");
        let mut flowcat = Program::flowcat(["-v", "--runtime", runtime, &address, &other]);
        flowcat.listening();
        flowcat.listening();
        flowcat.signal(signal);
        let finished = flowcat.finish();
        assert_eq!(finished.status.signal(), Some(signal.as_raw()));
        assert_eq!(finished.stderr, "");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

fn by_failure(runtime: &str) {
    let dir = TempDir::new().unwrap();
    let path = path_in(&dir);
    let (listener, nobody) = (
        format!("unix-listen:{path}"),
        format!("unix:{}", dir.path().join("nobody").display()),
    );
    let finished = Program::flowcat(["--runtime", runtime, &nobody, &listener]).finish();
    let why = "could not connect: No such file or directory (os error 2)";
    finished.failed(1, &format!("flowcat: {nobody}: {why}"));
    assert!(!fs::exists(&path).unwrap());
}

fn somebody_elses(runtime: &str) {
    let dir = TempDir::new().unwrap();
    let path = path_in(&dir);
    let mut flowcat = listen(runtime, &path);
    assert_eq!(flowcat.listening(), path);
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    flowcat.signal(Signal::TERM);
    flowcat.finish();
    assert!(fs::exists(&path).unwrap());
}

/// As of what a script starts in the background.
fn ignored(runtime: &str) {
    let dir = TempDir::new().unwrap();
    let path = path_in(&dir);
    let line = format!(
        "trap '' INT; exec {} -v --runtime {runtime} {} exec:cat",
        quote(env!("CARGO_BIN_EXE_flowcat")),
        quote(&format!("unix-listen:{path}")),
    );
    let mut flowcat = Program::start(Command::new("sh").args(["-c", &line]));
    assert_eq!(flowcat.listening(), path);
    flowcat.signal(Signal::INT);
    ask(&path);
    flowcat.finish().is_fine();
}
