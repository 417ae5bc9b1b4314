//! When it is over although one side has not ended, what the exit status says then, and what commands end with.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use libtest_mimic::Trial;
use rustix::net::sockopt::set_socket_linger;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::on_each_runtime;
use crate::support::{Finished, Kind, Place, Program, pattern, same};

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    for (name, run) in [
        ("a_unix_peer_that_left_ends_it", unix_peer_left as fn(&str)),
        ("a_command_that_exited_ends_it", command_exited),
        ("a_peer_that_left_something_unread_is_a_failure", unread),
        ("what_was_there_for_a_peer_that_left_is_a_failure", too_late),
        ("a_tcp_peer_that_left_is_noticed_by_writing", tcp_peer_left),
        ("a_reset_is_a_failure", reset),
        ("nobody_to_write_to_is_a_failure", nobody_writes),
        ("the_reader_of_standard_output_went_away", reader_left),
        ("a_full_standard_output_ends_it", full_output),
        ("a_command_need_not_read_everything", command_reads_little),
        ("what_a_command_does_not_read_is_thrown_away", thrown_away),
        ("a_command_is_waited_for", command_is_waited_for),
        ("a_command_that_failed_is_a_failure", command_failed),
        ("a_command_may_end_by_the_signal_for_it", command_by_sigpipe),
    ] {
        on_each_runtime(trials, &format!("ends::{name}"), run);
    }
}

/// flowcat between standard input, which does not end, and a bare Unix socket.
fn with_unix(runtime: &str) -> (TempDir, Program, UnixStream, String) {
    let dir = TempDir::new().unwrap();
    let place = Place::new(Kind::UnixListen, dir.path(), "to");
    let address = place.address.clone();
    let mut flowcat = Program::flowcat(["-v", "--runtime", runtime, "-", &address]);
    let peer = UnixStream::connect(flowcat.listening()).unwrap();
    (dir, flowcat, peer, address)
}

fn unix_peer_left(runtime: &str) {
    let (_dir, mut flowcat, mut peer, _) = with_unix(runtime);
    let mut stdin = flowcat.stdin.take().unwrap();
    stdin.write_all(b"question").unwrap();
    peer.read_exact(&mut [0; 8]).unwrap();
    peer.write_all(b"answer").unwrap();
    drop(peer);
    let finished = flowcat.finish();
    finished.is_fine();
    assert_eq!(finished.stdout, b"answer");
}

fn command_exited(runtime: &str) {
    let mut flowcat = Program::flowcat(["--runtime", runtime, "-", "exec:echo answer"]);
    let _stdin = flowcat.stdin.take();
    let finished = flowcat.finish();
    finished.is_fine();
    assert_eq!(finished.stdout, b"answer\n");
}

fn unread(runtime: &str) {
    let (_dir, mut flowcat, mut peer, address) = with_unix(runtime);
    let mut stdin = flowcat.stdin.take().unwrap();
    stdin.write_all(b"question").unwrap();
    peer.read_exact(&mut [0; 7]).unwrap();
    drop(peer);
    let left = format!("flowcat: {address}: the peer left without having read everything");
    flowcat.finish().failed(1, &left);
}

/// Both are there at once when it looks; which it sees first is not to make a difference.
fn too_late(runtime: &str) {
    for _ in 0..20 {
        let (_dir, mut flowcat, mut peer, address) = with_unix(runtime);
        let (mut stdin, mut stdout) = (
            flowcat.stdin.take().unwrap(),
            flowcat.stdout.take().unwrap(),
        );
        peer.write_all(b"ready").unwrap();
        stdout.read_exact(&mut [0; 5]).unwrap();
        flowcat.signal(Signal::STOP);
        stdin.write_all(b"question").unwrap();
        drop(peer);
        flowcat.signal(Signal::CONT);
        assert_is_of_the_peer(&flowcat.finish(), &address);
    }
}

fn tcp_peer_left(runtime: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp:{}", listener.local_addr().unwrap());
    let mut flowcat = Program::flowcat(["--runtime", runtime, "-", &address]);
    let mut stdin = flowcat.stdin.take().unwrap();
    let peer = listener.accept().unwrap().0;
    drop(peer);
    // Its end is known as such, and passed on.
    let mut stdout = flowcat.stdout.take().unwrap();
    assert_eq!(stdout.read(&mut [0]).unwrap(), 0);
    stdin.write_all(b"question").unwrap();
    let finished = flowcat.finish();
    assert_eq!(finished.status.code(), Some(1));
    assert!(
        finished
            .stderr
            .starts_with(&format!("flowcat: {address}: "))
    );
}

fn reset(runtime: &str) {
    let place = Place::new(Kind::TcpListen, "".as_ref(), "");
    let mut flowcat = Program::flowcat(["-v", "--runtime", runtime, "-", &place.address]);
    let _stdin = flowcat.stdin.take();
    let peer = TcpStream::connect(flowcat.listening()).unwrap();
    set_socket_linger(&peer, Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    let line = "flowcat: tcp-listen:127.0.0.1:0: could not receive: Connection reset by peer (os error 104)";
    flowcat.finish().failed(1, line);
}

fn nobody_writes(runtime: &str) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("many");
    fs::write(&path, pattern(4_000_000, 1)).unwrap();
    let listener = UnixListener::bind(dir.path().join("to.sock")).unwrap();
    let from = format!("file:{}", path.display());
    let to = format!("unix:{}", dir.path().join("to.sock").display());
    let flowcat = Program::flowcat(["--runtime", runtime, &from, &to]);
    drop(listener.accept().unwrap());
    let line = format!("flowcat: {to}: the peer is gone, or takes nothing any more");
    flowcat.finish().failed(1, &line);
}

fn reader_left(runtime: &str) {
    let (_dir, mut flowcat, mut peer, _) = with_unix(runtime);
    let _stdin = flowcat.stdin.take();
    drop(flowcat.stdout.take());
    // Once would not do: for a moment another process may have inherited the reading end.
    while peer.write_all(b"for nobody").is_ok() {}
    let finished = flowcat.finish();
    assert_eq!(
        (finished.status.code(), finished.stderr.as_str()),
        (Some(1), "")
    );
}

fn full_output(runtime: &str) {
    let (flowcat, address) = (env!("CARGO_BIN_EXE_flowcat"), "exec:echo much");
    let line = format!("'{flowcat}' --runtime {runtime} - '{address}' >/dev/full");
    let mut shell = Program::start(std::process::Command::new("sh").args(["-c", &line]));
    let _stdin = shell.stdin.take();
    let full = "flowcat: -: could not send: No space left on device (os error 28)";
    shell.finish().failed(1, full);
}

fn command_reads_little(runtime: &str) {
    let mut flowcat = Program::flowcat(["--runtime", runtime, "-", "exec:head -c 5"]);
    let mut stdin = flowcat.stdin.take().unwrap();
    let sent = thread::spawn(move || stdin.write_all(&pattern(4_000_000, 1)));
    let finished = flowcat.finish();
    finished.is_fine();
    assert_eq!(finished.stdout, pattern(5, 1));
    // It did not take all either.
    assert!(sent.join().unwrap().is_err());
}

/// The client reads nothing before it has said everything.
fn thrown_away(runtime: &str) {
    let dir = TempDir::new().unwrap();
    let answer = dir.path().join("answer");
    fs::write(&answer, pattern(1_000_000, 2)).unwrap();
    let from = Place::new(Kind::UnixListen, dir.path(), "from");
    let command = format!(
        "exec:head -c 5 >/dev/null; exec <&-; cat '{}'",
        answer.display()
    );
    let mut flowcat = Program::flowcat(["-v", "--runtime", runtime, &from.address, &command]);
    let said = Some(flowcat.listening());
    let mut client = from.end(&mut flowcat, said);
    client.send(&pattern(4_000_000, 1)).unwrap();
    same(&client.receive().unwrap(), &pattern(1_000_000, 2));
    client.end();
    flowcat.finish().is_fine();
}

fn command_is_waited_for(runtime: &str) {
    let dir = TempDir::new().unwrap();
    let (done, fifo) = (dir.path().join("done"), dir.path().join("fifo"));
    // It has closed everything, and goes on when the test says so.
    let command = format!(
        "exec:mkfifo '{fifo}'; echo ready; exec <&- >&-; cat '{fifo}' >'{done}'; exit 4",
        fifo = fifo.display(),
        done = done.display()
    );
    let mut flowcat = Program::flowcat(["--runtime", runtime, "-", &command]);
    drop(flowcat.stdin.take());
    let (mut stdout, mut printed) = (flowcat.stdout.take().unwrap(), String::new());
    stdout.read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "ready\n");
    fs::write(&fifo, "go on").unwrap();
    let line = format!("flowcat: {command}: exit status: 4");
    flowcat.finish().failed(1, &line);
    assert_eq!(fs::read(done).unwrap(), b"go on");
}

fn command_failed(runtime: &str) {
    for (command, how) in [
        ("exit 3", "exit status: 3"),
        ("kill -TERM $$", "signal: 15 (SIGTERM)"),
        ("kill -PIPE $$", "signal: 13 (SIGPIPE)"),
    ] {
        let address = format!("exec:{command}");
        for args in [["-", &address], [&address, "-"]] {
            let mut flowcat = Program::flowcat(["--runtime", runtime].iter().chain(&args));
            drop(flowcat.stdin.take());
            let line = format!("flowcat: {address}: {how}");
            flowcat.finish().failed(1, &line);
        }
    }
}

/// Nobody hears it any more, and this was not its fault.
fn command_by_sigpipe(runtime: &str) {
    let dir = TempDir::new().unwrap();
    let from = Place::new(Kind::UnixListen, dir.path(), "from");
    let mut flowcat = Program::flowcat(["-v", "--runtime", runtime, &from.address, "exec:yes"]);
    let said = Some(flowcat.listening());
    let address = from.address.clone();
    let mut client = from.end(&mut flowcat, said);
    client.receive_exactly(1000);
    drop(client);
    let finished = flowcat.finish();
    assert_is_of_the_peer(&finished, &address);
}

/// Whichever is noticed first, that the peer left or that it takes nothing: it is a failure, and nothing else is said.
#[track_caller]
fn assert_is_of_the_peer(finished: &Finished, address: &str) {
    assert_eq!(finished.status.code(), Some(1));
    let text = &finished.stderr;
    assert!(
        text.starts_with(&format!("flowcat: {address}: the peer ")),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}
