//! A foreign program as the far end: started, watched, and gone when its case is over.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// A hang is a failure.
const WATCHDOG: Duration = Duration::from_secs(60);
/// How long its flow may take to notice that the program was killed.
const GRACE: Duration = Duration::from_secs(5);

/// Whether there is such a program.
pub(crate) fn can_run(program: &str) -> bool {
    let mut command = Command::new(program);
    let command = command.arg("--version").stdin(Stdio::null());
    command.output().is_ok_and(|said| said.status.success())
}

pub(crate) struct Foreign {
    name: String,
    child: Arc<Mutex<Child>>,
    /// Dropped to let the watchdog go.
    _watched: Sender<()>,
}

impl Foreign {
    /// Starts it. Its standard error is kept, for [`ends`](Self::ends).
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        let name = name.to_owned();
        // A group of its own, so that all of a pipeline can be killed.
        let command = command.stderr(Stdio::piped()).process_group(0);
        let child = command.spawn().unwrap();
        let child = Arc::new(Mutex::new(child));
        let (watched, watch) = mpsc::channel::<()>();
        let (told, killed) = (name.clone(), Arc::clone(&child));
        thread::spawn(move || {
            if watch.recv_timeout(WATCHDOG) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            let errors = {
                let mut child = killed.lock().unwrap();
                kill(&mut child);
                child.stderr.take()
            };
            let mut said = String::new();
            _ = errors.map(|mut errors| errors.read_to_string(&mut said));
            eprintln!("{told} hangs: its program is killed. {said}");
            if watch.recv_timeout(GRACE) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{told} hangs although its program is gone");
                std::process::exit(101);
            }
        });
        Self {
            name,
            child,
            _watched: watched,
        }
    }

    pub(crate) fn with<T>(&self, take: impl FnOnce(&mut Child) -> T) -> T {
        take(&mut self.child.lock().unwrap())
    }

    /// Waits until it has ended, and says how, with what it complained of.
    pub(crate) fn ends(&self) -> (ExitStatus, String) {
        let mut said = String::new();
        let errors = self.with(|child| child.stderr.take());
        // Otherwise the watchdog has printed it.
        _ = errors.map(|mut errors| errors.read_to_string(&mut said));
        // Not under the lock, which the watchdog needs. Its standard error has ended, so it is about to.
        let begun = Instant::now();
        loop {
            if let Some(status) = self.with(|child| child.try_wait()).unwrap() {
                return (status, said);
            }
            assert!(begun.elapsed() < WATCHDOG, "{}: goes on", self.name);
            thread::yield_now();
        }
    }

    #[track_caller]
    pub(crate) fn ends_well(&self) {
        let (status, said) = self.ends();
        assert!(status.success(), "{}: {status}: {said}", self.name);
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        kill(&mut child);
        _ = child.wait();
    }
}

/// With all that it has started, unless it has ended by itself.
fn kill(child: &mut Child) {
    if let Ok(None) = child.try_wait() {
        _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    }
}
