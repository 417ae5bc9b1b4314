//! What belongs to the whole process: its descriptors, their limit, and further processes. Tests that count or change these run one at a time.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{run, settle};

static ALONE: Mutex<()> = Mutex::new(());

/// As long as this lives, no other test that asks for it runs in this process.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The descriptors of the process, by what they are.
pub(crate) fn census() -> Vec<String> {
    let names = std::fs::read_dir("/proc/self/fd").unwrap();
    let paths = names.filter_map(|name| Some(name.ok()?.path()));
    let mut all: Vec<_> = paths
        .filter_map(|path| std::fs::read_link(path).ok())
        .collect();
    // The one that reads the list.
    all.retain(|target| !target.ends_with("fd"));
    let mut all: Vec<_> = all
        .into_iter()
        .map(|target| target.display().to_string())
        .collect();
    all.sort();
    all
}

/// Runs a test alone, on a runtime that has made its own descriptors before, and finds no others afterwards.
pub(crate) fn leaves_nothing(test: impl AsyncFnOnce()) {
    let _alone = alone();
    run(async {
        drop(super::backend::socketpair().unwrap());
        settle().await;
        let before = census();
        test().await;
        settle().await;
        assert_eq!(census(), before);
    });
}

/// Runs with no descriptor left to be had.
pub(crate) fn out_of_descriptors<T>(work: impl FnOnce() -> T) -> T {
    out_of_descriptors_but(0, work)
}

/// Runs with that many descriptors left to be had.
pub(crate) fn out_of_descriptors_but<T>(left: usize, work: impl FnOnce() -> T) -> T {
    let _limited = Limited::to(left);
    work()
}

/// As long as this lives, no more descriptors are to be had than it says.
pub(crate) struct Limited {
    before: Rlimit,
}

impl Limited {
    pub(crate) fn to(left: usize) -> Self {
        let before = getrlimit(Resource::Nofile);
        // The lowest numbers that are free, and then the one that must not be had.
        let free = || File::open("/dev/null").unwrap();
        let held: Vec<_> = (0..left).map(|_| free()).collect();
        let first = free().as_raw_fd();
        drop(held);
        let limit = Rlimit {
            current: Some(first as u64),
            maximum: before.maximum,
        };
        setrlimit(Resource::Nofile, limit).unwrap();
        Self { before }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}

/// Raises the limit as far as it goes without privileges, and says how many descriptors there may be.
pub(crate) fn as_many_descriptors_as_allowed() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    maximum.map_or(usize::MAX, |maximum| usize::try_from(maximum).unwrap())
}

/// Holds every number below `floor`, so that whatever is made next is above.
pub(crate) fn hold_numbers_below(floor: i32) -> Vec<OwnedFd> {
    let some = File::open("/dev/null").unwrap();
    let mut held = vec![OwnedFd::from(some)];
    while held[held.len() - 1].as_raw_fd() < floor {
        held.push(held[0].try_clone().unwrap());
    }
    held
}

/// Says what this machine did not let a test do.
#[allow(
    clippy::explicit_write,
    reason = "what is printed otherwise is shown of tests that fail only"
)]
pub(crate) fn say(what: &str) {
    writeln!(std::io::stderr(), "NOT CHECKED: {what}").unwrap();
}

/// Tells a process what it has to do.
const TASK: &str = "FLOW_TEST_TASK";

/// This program again, to run one of its tests that are ignored otherwise, with that task.
pub(crate) fn again(test: &str, task: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture", "--quiet"]);
    command.env(TASK, task).stdout(Stdio::null());
    command
}

/// The task of this process, which was started by [`again`].
pub(crate) fn task() -> String {
    std::env::var(TASK).expect("a test starts this in a process of its own")
}
