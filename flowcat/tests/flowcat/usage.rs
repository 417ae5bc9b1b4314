//! Errors of one line with their exit codes, and the statistics.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use libtest_mimic::Trial;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Program, RUNTIMES, leave_stale, quote};
use crate::{on_each_runtime, test};

/// What goes wrong without anybody at the other end: arguments, exit code, the line.
const ERRORS: &[(&[&str], i32, &str)] = &[
    (
        &[],
        2,
        "the following required arguments were not provided: <FROM> <TO>; see flowcat --help",
    ),
    (
        &["-"],
        2,
        "the following required arguments were not provided: <TO>; see flowcat --help",
    ),
    (
        &["-", "-", "-"],
        2,
        "unexpected argument '-' found; see flowcat --help",
    ),
    (
        &["--fast", "-", "-"],
        2,
        "unexpected argument '--fast' found; see flowcat --help",
    ),
    (
        &["--runtime", "other", "-", "-"],
        2,
        "invalid value 'other' for '--runtime <RUNTIME>' [possible values: tokio, async-std]; see flowcat --help",
    ),
    (
        &["udp:x", "-"],
        2,
        "invalid value 'udp:x' for '<FROM>': an address is -, or begins with unix:, unix-listen:, tcp:, tcp-listen:, exec: or file:; see flowcat --help",
    ),
    (
        &["-", "tcp:localhost"],
        2,
        "invalid value 'tcp:localhost' for '<TO>': a host and a port are needed, as in localhost:7000; see flowcat --help",
    ),
    (
        &["-", "tcp:localhost:http"],
        2,
        "invalid value 'tcp:localhost:http' for '<TO>': the port is a number up to 65535, not 'http'; see flowcat --help",
    ),
    (
        &["-", "unix:"],
        2,
        "invalid value 'unix:' for '<TO>': the path is missing; see flowcat --help",
    ),
    (
        &["-", "exec:"],
        2,
        "invalid value 'exec:' for '<TO>': the command is missing; see flowcat --help",
    ),
    (
        &["-", "unix:nobody"],
        1,
        "unix:nobody: could not connect: No such file or directory (os error 2)",
    ),
    (
        &["unix:stale", "-"],
        1,
        "unix:stale: could not connect: Connection refused (os error 111)",
    ),
    (
        &["unix:new\nline", "-"],
        1,
        "unix:new\\nline: could not connect: No such file or directory (os error 2)",
    ),
    (
        &["-", "tcp:127.0.0.1:1"],
        1,
        "tcp:127.0.0.1:1: could not connect: Connection refused (os error 111)",
    ),
    (
        &["-", "tcp:no.such.host.invalid:1"],
        1,
        "tcp:no.such.host.invalid:1: could not look the name up: it has no address",
    ),
    (
        &["-", "tcp-listen:192.0.2.1:0"],
        1,
        "tcp-listen:192.0.2.1:0: could not bind the address: Cannot assign requested address (os error 99)",
    ),
    (
        &["-", "unix-listen:no/such/folder"],
        1,
        "unix-listen:no/such/folder: could not listen at a path: could not bind the address: No such file or directory (os error 2)",
    ),
    (
        &["file:nothing", "-"],
        1,
        "file:nothing: No such file or directory (os error 2)",
    ),
    (
        &["file:.", "-"],
        1,
        "file:.: a directory carries no stream of bytes: use a socket, a pipe, a terminal, a device or a file",
    ),
    (&["-", "file:."], 1, "file:.: Is a directory (os error 21)"),
    (
        &["file:full", "file:/dev/full"],
        1,
        "file:/dev/full: could not send: No space left on device (os error 28)",
    ),
    (
        &["file:full", "file:./full"],
        1,
        "file:./full: it is the source itself",
    ),
    (
        &["-", "exec:no-such-command 2>/dev/null"],
        1,
        "exec:no-such-command 2>/dev/null: exit status: 127",
    ),
];

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    for &(args, code, line) in ERRORS {
        let shown = args.join(" ").replace('\n', " ");
        on_each_runtime(trials, &format!("errors::'{shown}'"), move |runtime| {
            error(args, code, line, runtime);
        });
    }
    trials.push(test(
        "a_source_is_not_truncated_by_being_the_destination",
        source_itself,
    ));
    trials.push(test(
        "no_file_is_truncated_for_a_side_that_does_not_come",
        not_truncated,
    ));
    on_each_runtime(trials, "statistics_of_each_direction", statistics);
    on_each_runtime(
        trials,
        "statistics_after_a_failure",
        statistics_after_failure,
    );
    on_each_runtime(trials, "statistics_after_a_signal", statistics_after_signal);
    trials.push(test(
        "closed_standard_error_is_no_reason_to_stop",
        closed_stderr,
    ));
}

fn folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("full"), "something").unwrap();
    leave_stale(&dir.path().join("stale"));
    dir
}

fn flowcat_in(dir: &TempDir, args: &[&str], runtime: &str) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowcat"));
    // Where it is asked for twice, that is another error.
    if !args.contains(&"--runtime") {
        command.args(["--runtime", runtime]);
    }
    Program::start(command.args(args).current_dir(dir.path()))
}

fn error(args: &[&str], code: i32, line: &str, runtime: &str) {
    let dir = folder();
    let mut flowcat = flowcat_in(&dir, args, runtime);
    drop(flowcat.stdin.take());
    let finished = flowcat.finish();
    finished.failed(code, &format!("flowcat: {line}"));
    assert_eq!(finished.stdout, b"");
}

fn source_itself() {
    for line in ["file:full file:full", "- file:full <full"] {
        let dir = folder();
        let line = format!("{} {line}", quote(env!("CARGO_BIN_EXE_flowcat")));
        let mut shell = Command::new("sh");
        let finished = Program::start(shell.args(["-c", &line]).current_dir(dir.path())).finish();
        finished.failed(1, "flowcat: file:full: it is the source itself");
        let kept = fs::read_to_string(dir.path().join("full")).unwrap();
        assert_eq!(kept, "something");
    }
}

fn not_truncated() {
    let dir = folder();
    let finished = flowcat_in(&dir, &["unix:nobody", "file:full"], RUNTIMES[0]).finish();
    assert_eq!(finished.status.code(), Some(1));
    let kept = fs::read_to_string(dir.path().join("full")).unwrap();
    assert_eq!(kept, "something");
}

fn statistics(runtime: &str) {
    let mut flowcat = Program::flowcat(["--runtime", runtime, "--stats", "-", "exec:wc -c"]);
    std::io::Write::write_all(&mut flowcat.stdin.take().unwrap(), &[0; 1234]).unwrap();
    let finished = flowcat.finish();
    assert!(finished.status.success());
    assert_eq!(finished.stdout, b"1234\n");
    let lines = finished.stderr.lines().collect::<Vec<_>>();
    let begin = [
        "flowcat: - -> exec:wc -c: read 1.2 KiB (",
        "flowcat: exec:wc -c -> -: read 5 bytes (",
    ];
    let wrote = ["), wrote 1.2 KiB (", "), wrote 5 bytes ("];
    assert_eq!(lines.len(), 2, "{lines:?}");
    for ((line, begin), wrote) in lines.iter().zip(begin).zip(wrote) {
        assert!(line.starts_with(begin) && line.contains(wrote), "{line}");
        assert!(line.ends_with("/s"), "{line}");
    }
}

fn statistics_after_failure(runtime: &str) {
    let args = ["--stats", "file:full", "file:/dev/full"];
    let finished = flowcat_in(&folder(), &args, runtime).finish();
    assert_eq!(finished.status.code(), Some(1));
    let lines = finished.stderr.lines().collect::<Vec<_>>();
    let [stats, error] = lines[..] else {
        panic!("{lines:?}");
    };
    assert!(stats.starts_with(
        "flowcat: file:full -> file:/dev/full: read 9 bytes (1 operation), wrote 0 bytes"
    ));
    assert!(error.starts_with("flowcat: file:/dev/full: could not send"));
}

fn statistics_after_signal(runtime: &str) {
    let mut flowcat = Program::flowcat(["--runtime", runtime, "--stats", "-", "exec:cat"]);
    let (mut stdin, mut stdout) = (
        flowcat.stdin.take().unwrap(),
        flowcat.stdout.take().unwrap(),
    );
    std::io::Write::write_all(&mut stdin, b"12345").unwrap();
    std::io::Read::read_exact(&mut stdout, &mut [0; 5]).unwrap();
    flowcat.signal(Signal::INT);
    let finished = flowcat.finish();
    assert_eq!(finished.status.signal(), Some(Signal::INT.as_raw()));
    let text = &finished.stderr;
    assert_eq!(text.matches("read 5 bytes").count(), 2, "{text}");
}

fn closed_stderr() {
    for line in [
        "--stats file:full - 2>&-",
        "--stats file:full - 2>/dev/full",
    ] {
        let line = format!("{} {line}", quote(env!("CARGO_BIN_EXE_flowcat")));
        let mut shell = Command::new("sh");
        let finished =
            Program::start(shell.args(["-c", &line]).current_dir(folder().path())).finish();
        assert!(finished.status.success());
        assert_eq!(finished.stdout, b"something");
    }
}
