//! The flows of this backend, for every law: on runtimes of one thread and of several, over Unix sockets and TCP.

use std::cell::RefCell;
use std::os::fd::OwnedFd;

use flow_core::{Flow as _, Switch};
use flow_testkit::fd::Wires;
use flow_testkit::{Harness, Need, Suite};
use flow_tokio::{TokioFlow, connect, connect_with};
use tokio::runtime::{Builder, Runtime};

const FAILING: (Need, &str) = (
    Need::Failing,
    "a socket fails in no way that could be provoked here",
);
const ALLOCATED: (Need, &str) = (Need::Allocated, "this binary does not count its heap");

const OVER_UNIX: [(Need, &str); 4] = [
    (
        Need::Reset,
        "a Unix socket loses nothing when the peer leaves",
    ),
    (Need::TornAbort, "a Unix socket has no reset"),
    FAILING,
    ALLOCATED,
];

const OVER_TCP: [(Need, &str); 3] = [
    (
        Need::CleanLeave,
        "TCP resets when the peer leaves with input unread",
    ),
    FAILING,
    ALLOCATED,
];

/// A runtime of one thread, driven by the law itself, or of several; over Unix sockets or TCP.
struct Tokio<const THREADS: bool, const TCP: bool>(RefCell<Option<Runtime>>);

impl<const THREADS: bool, const TCP: bool> Default for Tokio<THREADS, TCP> {
    fn default() -> Self {
        let mut builder = match THREADS {
            true => Builder::new_multi_thread(),
            false => Builder::new_current_thread(),
        };
        let runtime = builder.worker_threads(1).enable_io().build();
        Self(RefCell::new(Some(runtime.expect("a runtime"))))
    }
}

impl<const THREADS: bool, const TCP: bool> Harness for Tokio<THREADS, TCP> {
    type Flow = TokioFlow;

    const LACKS: &'static [(Need, &'static str)] = if TCP { &OVER_TCP } else { &OVER_UNIX };

    fn over(&self, fd: OwnedFd) -> Option<TokioFlow> {
        Some(connect(fd).expect("a connected socket"))
    }

    fn over_with(&self, fd: OwnedFd, switch: &Switch) -> Option<Result<TokioFlow, OwnedFd>> {
        Some(connect_with(fd, switch).map_err(|e| e.into_fd()))
    }

    fn wires(&self) -> Wires {
        if TCP { Wires::Tcp } else { Wires::Unix }
    }

    fn turn(&self) -> bool {
        match &*self.0.borrow() {
            Some(_) if THREADS => std::thread::yield_now(),
            // A task that yields lets the reactor be asked without waiting.
            Some(runtime) => runtime.block_on(tokio::task::yield_now()),
            None => return false,
        }
        true
    }

    fn tasks(&self) -> usize {
        let runtime = self.0.borrow();
        runtime
            .as_ref()
            .map_or(0, |runtime| runtime.metrics().num_alive_tasks())
    }

    fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
        let handle = self
            .0
            .borrow()
            .as_ref()
            .map(|runtime| runtime.handle().clone());
        let _inside = handle.as_ref().map(|handle| handle.enter());
        call()
    }

    fn end_runtime(&self) -> bool {
        // Dropping it waits for its threads.
        self.0.take().is_some()
    }

    fn abort_elsewhere(&self, flow: &TokioFlow) -> bool {
        std::thread::scope(|s| s.spawn(|| flow.abort()).join().expect("abort panicked"));
        true
    }
}

/// The flows of this backend.
pub(crate) fn add_to(suite: Suite) -> Suite {
    suite
        .flow::<Tokio<false, false>>("tokio/current-thread/unix")
        .flow::<Tokio<false, true>>("tokio/current-thread/tcp")
        .flow::<Tokio<true, false>>("tokio/multi-thread/unix")
        .flow::<Tokio<true, true>>("tokio/multi-thread/tcp")
}
