//! Every law of the contract, on the executors of this backend.

use std::os::fd::OwnedFd;

use flow_async_std::{AsyncStdFlow, connect, connect_with};
use flow_core::{Flow as _, Switch};
use flow_testkit::Harness;
use flow_testkit::fd::Wires;

/// async-std or smol, each with its threads; over Unix sockets or TCP. The reactor of both is async-io's, in a thread of its own.
#[derive(Default)]
struct AsyncIo<const SMOL: bool, const TCP: bool>;

impl<const SMOL: bool, const TCP: bool> Harness for AsyncIo<SMOL, TCP> {
    type Flow = AsyncStdFlow;

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

mod async_std_unix {
    type Runtime = super::AsyncIo<false, false>;
    flow_testkit::conformance!(
        Runtime,
        lacks {
            Reset: "a Unix socket loses nothing when the peer leaves",
            TornAbort: "a Unix socket has no reset",
            Failing: "a socket fails in no way that could be provoked here",
            Runtime: "the reactor lives as long as the process",
            Allocated: "this binary does not count its heap",
        },
    );
}

mod async_std_tcp {
    type Runtime = super::AsyncIo<false, true>;
    flow_testkit::conformance!(
        Runtime,
        lacks {
            CleanLeave: "TCP resets when the peer leaves with input unread",
            Failing: "a socket fails in no way that could be provoked here",
            Runtime: "the reactor lives as long as the process",
            Allocated: "this binary does not count its heap",
        },
    );
}

mod smol_unix {
    type Runtime = super::AsyncIo<true, false>;
    flow_testkit::conformance!(
        Runtime,
        lacks {
            Reset: "a Unix socket loses nothing when the peer leaves",
            TornAbort: "a Unix socket has no reset",
            Failing: "a socket fails in no way that could be provoked here",
            Runtime: "the reactor lives as long as the process",
            Allocated: "this binary does not count its heap",
        },
    );
}

mod smol_tcp {
    type Runtime = super::AsyncIo<true, true>;
    flow_testkit::conformance!(
        Runtime,
        lacks {
            CleanLeave: "TCP resets when the peer leaves with input unread",
            Failing: "a socket fails in no way that could be provoked here",
            Runtime: "the reactor lives as long as the process",
            Allocated: "this binary does not count its heap",
        },
    );
}
