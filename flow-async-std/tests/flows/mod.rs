//! The flows of this backend, for every law: on async-std and smol, over Unix sockets and TCP.

use std::os::fd::OwnedFd;

use flow_async_std::{AsyncStdFlow, connect, connect_with};
use flow_core::{Flow as _, Switch};
use flow_testkit::fd::Wires;
use flow_testkit::{Harness, Need, Suite};

const FAILING: (Need, &str) = (
    Need::Failing,
    "a socket fails in no way that could be provoked here",
);
const ALLOCATED: (Need, &str) = (Need::Allocated, "this binary does not count its heap");
const RUNTIME: (Need, &str) = (Need::Runtime, "the reactor lives as long as the process");

const OVER_UNIX: [(Need, &str); 5] = [
    (
        Need::Reset,
        "a Unix socket loses nothing when the peer leaves",
    ),
    (Need::TornAbort, "a Unix socket has no reset"),
    FAILING,
    ALLOCATED,
    RUNTIME,
];

const OVER_TCP: [(Need, &str); 4] = [
    (
        Need::CleanLeave,
        "TCP resets when the peer leaves with input unread",
    ),
    FAILING,
    ALLOCATED,
    RUNTIME,
];

/// async-std or smol, each with its threads; over Unix sockets or TCP. The reactor of both is async-io's, in a thread of its own.
#[derive(Default)]
struct AsyncIo<const SMOL: bool, const TCP: bool>;

impl<const SMOL: bool, const TCP: bool> Harness for AsyncIo<SMOL, TCP> {
    type Flow = AsyncStdFlow;

    const LACKS: &'static [(Need, &'static str)] = if TCP { &OVER_TCP } else { &OVER_UNIX };

    fn over(&self, fd: OwnedFd) -> Option<AsyncStdFlow> {
        Some(connect(fd).expect("a connected socket"))
    }

    fn over_with(&self, fd: OwnedFd, switch: &Switch) -> Option<Result<AsyncStdFlow, OwnedFd>> {
        Some(connect_with(fd, switch).map_err(|e| e.into_fd()))
    }

    fn wires(&self) -> Wires {
        if TCP { Wires::Tcp } else { Wires::Unix }
    }

    fn turn(&self) -> bool {
        // Each executor's own way to block also turns the reactor.
        if SMOL {
            smol::block_on(futures_lite::future::yield_now());
        } else {
            async_std::task::block_on(async_std::task::yield_now());
        }
        std::thread::yield_now();
        true
    }

    fn abort_elsewhere(&self, flow: &AsyncStdFlow) -> bool {
        std::thread::scope(|s| s.spawn(|| flow.abort()).join().expect("abort panicked"));
        true
    }
}

/// The flows of this backend.
pub(crate) fn add_to(suite: Suite) -> Suite {
    suite
        .flow::<AsyncIo<false, false>>("async-std/unix")
        .flow::<AsyncIo<false, true>>("async-std/tcp")
        .flow::<AsyncIo<true, false>>("smol/unix")
        .flow::<AsyncIo<true, true>>("smol/tcp")
}
