//! A process that is waited for no longer than a while.

use std::io::{self, Read};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Runs `command` with nothing to read, to its end. `None` if it was not done after `limit`: then it has been killed.
///
/// # Errors
///
/// It cannot be started, or not be waited for.
pub(crate) fn output(command: &mut Command, limit: Duration) -> io::Result<Option<Output>> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (done, end) = mpsc::channel();
    let stdout = child.stdout.take().map(|pipe| read(pipe, done));
    let stderr = child
        .stderr
        .take()
        .map(|pipe| read(pipe, mpsc::channel().0));
    // A program closes its output when it ends.
    let in_time = end.recv_timeout(limit) != Err(RecvTimeoutError::Timeout);
    if !in_time {
        child.kill()?;
    }
    let status = child.wait()?;
    let all = |pipe: Option<thread::JoinHandle<Vec<u8>>>| {
        pipe.map_or_else(Vec::new, |read| read.join().unwrap_or_default())
    };
    let output = Output {
        status,
        stdout: all(stdout),
        stderr: all(stderr),
    };
    Ok(in_time.then_some(output))
}

/// All that comes out of a pipe. Tells the other end of `done` of its end.
fn read(
    mut pipe: impl Read + Send + 'static,
    done: mpsc::Sender<()>,
) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = vec![];
        // What cannot be read any more is missing from what was to be said, and that is told.
        let _ = pipe.read_to_end(&mut all);
        let _ = done.send(());
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_ends_has_said_all() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let output = output(&mut command, Duration::from_secs(60));
        let output = output.expect("it starts").expect("it ends");
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(
            (&output.stdout[..], &output.stderr[..]),
            (&b"out\n"[..], &b"err\n"[..])
        );
    }

    #[test]
    fn one_that_never_ends_is_killed() {
        let mut command = Command::new("tail");
        command.args(["-f", "/dev/null"]);
        let output = output(&mut command, Duration::from_millis(10));
        assert!(output.expect("it starts").is_none());
    }
}
