//! Processes at the other side, which are killed when a test is over.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Nothing here takes a second; what takes this long hangs.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Whether there is such a program.
pub(crate) fn is_there(program: &str) -> bool {
    let run = Command::new(program)
        .arg("version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    run.is_ok()
}

/// A process, its output as it comes, and its end.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    errors: Receiver<Vec<u8>>,
    said: Vec<u8>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let (send, output) = channel();
        let mut stdout = child.stdout.take().expect("a pipe");
        thread::spawn(move || {
            let mut buf = vec![0; 64 * 1024];
            while let Ok(count) = stdout.read(&mut buf) {
                if count == 0 || send.send(buf[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let (send, errors) = channel();
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        thread::spawn(move || {
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                if send.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            output,
            errors,
            said: Vec::new(),
        }
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|end| end.is_none())
    }

    /// Writes to its standard input.
    pub(crate) fn write(&mut self, data: &[u8]) {
        let input = self.input.as_mut().expect("an open input");
        input.write_all(data).expect("somebody reads");
    }

    /// Writes, and ends its standard input, without waiting.
    pub(crate) fn write_and_end(&mut self, data: Vec<u8>) {
        let mut input = self.input.take().expect("an open input");
        // One that is gone is found by what it says.
        thread::spawn(move || _ = input.write_all(&data));
    }

    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    pub(crate) fn output_line(&mut self) -> String {
        loop {
            if let Some(end) = self.said.iter().position(|b| *b == b'\n') {
                let line: Vec<_> = self.said.drain(..=end).collect();
                return String::from_utf8_lossy(&line).into_owned();
            }
            let more = self.output.recv_timeout(WATCHDOG).expect("a line");
            self.said.extend(more);
        }
    }

    /// The next `count` bytes of its standard output.
    pub(crate) fn output(&mut self, count: usize) -> Vec<u8> {
        while self.said.len() < count {
            let more = self.output.recv_timeout(WATCHDOG).expect("more output");
            self.said.extend(more);
        }
        self.said.drain(..count).collect()
    }

    /// What is left of its standard output, up to its end.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        loop {
            match self.output.recv_timeout(WATCHDOG) {
                Ok(more) => self.said.extend(more),
                Err(RecvTimeoutError::Disconnected) => return std::mem::take(&mut self.said),
                Err(RecvTimeoutError::Timeout) => panic!("the output does not end"),
            }
        }
    }

    /// The next line that it prints to standard error.
    pub(crate) fn error_line(&mut self) -> String {
        let line = self.errors.recv_timeout(WATCHDOG).expect("a line");
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// How it ended, and what is left of its standard error.
    pub(crate) fn end(&mut self) -> (ExitStatus, String) {
        let mut errors = Vec::new();
        loop {
            match self.errors.recv_timeout(WATCHDOG) {
                Ok(line) => errors.extend(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the process does not end"),
            }
        }
        let status = self.child.wait().expect("a child");
        (status, String::from_utf8_lossy(&errors).into_owned())
    }

    /// Ends it at once, without a word to anybody.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
