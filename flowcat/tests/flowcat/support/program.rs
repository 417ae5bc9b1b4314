//! A program under a watchdog.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// What is stuck is killed, so that whoever waits for it gets an end.
const WATCHDOG: Duration = Duration::from_secs(60);

/// A process that is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
    stderr: Option<BufReader<ChildStderr>>,
    _watchdog: Sender<()>,
}

/// What has become of it.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn flowcat<I>(args: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowcat"));
        Self::start(command.args(args))
    }

    /// All three of its standard streams are pipes.
    pub(crate) fn start(command: &mut Command) -> Self {
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self::start_as_it_is(piped)
    }

    pub(crate) fn start_as_it_is(command: &mut Command) -> Self {
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let pid = child.id();
        let (watchdog, over) = mpsc::channel::<()>();
        thread::spawn(move || {
            if over.recv_timeout(WATCHDOG) == Err(RecvTimeoutError::Timeout) {
                _ = kill_process(pid_of(pid), Signal::KILL);
            }
        });
        Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take().map(BufReader::new),
            child,
            _watchdog: watchdog,
        }
    }

    /// The next line on standard error, without its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let stderr = self.stderr.as_mut().expect("standard error is a pipe");
        stderr.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Where flowcat says that it listens.
    pub(crate) fn listening(&mut self) -> String {
        let line = self.line();
        let place = line.strip_prefix("flowcat: listening at ");
        place.unwrap_or_else(|| panic!("'{line}'")).to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(pid_of(self.child.id()), signal).unwrap();
    }

    /// Waits, with standard input open as long as somebody holds it.
    pub(crate) fn finish(mut self) -> Finished {
        let (mut stdout, mut stderr) = (Vec::new(), String::new());
        thread::scope(|scope| {
            if let Some(mut pipe) = self.stdout.take() {
                let stdout = &mut stdout;
                scope.spawn(move || pipe.read_to_end(stdout).unwrap());
            }
            if let Some(mut pipe) = self.stderr.take() {
                pipe.read_to_string(&mut stderr).unwrap();
            }
        });
        Finished {
            status: self.child.wait().unwrap(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Finished {
    /// It went well, and nothing was said.
    #[track_caller]
    pub(crate) fn is_fine(&self) {
        let fine = self.status.success() && self.stderr.is_empty();
        assert!(fine, "{}: {}", self.status, self.stderr);
    }

    /// It failed, and said this one line.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, line: &str) {
        let found = (self.status.code(), self.stderr.as_str());
        assert_eq!(found, (Some(code), format!("{line}\n").as_str()));
    }
}

fn pid_of(id: u32) -> Pid {
    let id = i32::try_from(id).expect("process ids are small");
    Pid::from_raw(id).expect("process ids are positive")
}
