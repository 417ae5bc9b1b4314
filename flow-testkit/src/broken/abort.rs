//! Flows that abort, or are dropped, wrongly.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};

use flow_core::memory::{Memory as MemoryTransport, MemoryFlow};
use flow_core::{Bytes, Chunks, CloseOp, Flow, ReadOp, Transport as _, WriteError};

use super::Broken;
use super::around::{Around, Holds};
use super::over_memory::{
    DONE, DonePoll, FlowFault, Inside, NO_ALLOCATED, NO_DESCRIPTORS, NO_FAILING, NO_RESET,
    NO_RUNTIME, NO_SWITCH, ReadPoll, flow,
};
use super::over_socket::{self, SocketFault};
use super::over_wire::{self, WireFault};
use super::write::WaitsForABufferful;
use crate::harness::{Harness, Link, Need, Room, Shared};
use crate::memory::Memory;
use crate::plain::{PlainError, Socket};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<AbortIsTheEnd>("abort_fails_reads", "gave Ok(None)"),
        flow::<CloseAfterAbortIsOk>(
            "abort_closes_writing",
            "a close parked at the abort gave Ok",
        ),
        flow::<AbortsWhenDropped>(
            "abort_is_seen_at_once",
            "the end that the peer should see is asleep",
        ),
        flow::<WaitsForABufferful>(
            "abort_sends_what_was_accepted",
            "the peer met the end after 0 bytes",
        ),
        over_wire::flow::<EndsInOrder>("abort_torn_is_not_orderly", "looked like one that ended"),
        flow::<AbortsOnlyOnce>("abort_twice_is_harmless", "the transport is there"),
        Broken::new::<BoundToItsThread, OverBound>("abort_from_any_thread", "abort panicked"),
        flow::<KeptAlive>("drop_is_seen", "the end that the peer should see is asleep"),
        flow::<WaitsForABufferful>(
            "drop_sends_what_was_accepted",
            "the peer met the end after 0 bytes",
        ),
        over_socket::unix::<WaitsForARuntime>("drop_needs_no_runtime", "a parked read is asleep"),
    ]
}

/// Our own abort makes the socket say "end", and so does the flow.
#[derive(Default)]
struct AbortIsTheEnd {
    aborted: Cell<bool>,
}

impl FlowFault for AbortIsTheEnd {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        match inside.flow.poll_read(cx, op) {
            Poll::Ready(Err(_)) if self.aborted.get() => Poll::Ready(Ok(None)),
            other => other,
        }
    }

    fn abort(&self, inside: &Inside) {
        self.aborted.set(true);
        inside.flow.abort();
    }
}

/// A flow that is aborted is closed, and closing it again is `Ok`.
#[derive(Default)]
struct CloseAfterAbortIsOk {
    aborted: Cell<bool>,
}

impl FlowFault for CloseAfterAbortIsOk {
    fn poll_close(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        if self.aborted.get() {
            DONE
        } else {
            inside.flow.poll_close(cx, op)
        }
    }

    fn abort(&self, inside: &Inside) {
        self.aborted.set(true);
        inside.flow.abort();
    }
}

/// Abort sets a flag, and what the peer sees waits for the drop.
#[derive(Default)]
struct AbortsWhenDropped;

impl FlowFault for AbortsWhenDropped {
    fn abort(&self, _: &Inside) {}
}

/// Whether the stream was cut off is not asked.
#[derive(Default)]
struct EndsInOrder;

impl WireFault for EndsInOrder {
    fn abort(&self, wire: &MemoryTransport, _: bool) {
        wire.abort(false);
    }
}

/// Abort takes the transport out, and expects it there.
#[derive(Default)]
struct AbortsOnlyOnce {
    aborted: Cell<bool>,
}

impl FlowFault for AbortsOnlyOnce {
    fn abort(&self, inside: &Inside) {
        assert!(!self.aborted.replace(true), "the transport is there");
        inside.flow.abort();
    }
}

/// Abort uses something that only the thread of its runtime has.
struct BoundToItsThread {
    flow: MemoryFlow,
    home: ThreadId,
}

impl Holds for BoundToItsThread {
    fn flow(&self) -> &MemoryFlow {
        &self.flow
    }

    fn aborting(&self) {
        assert_eq!(
            thread::current().id(),
            self.home,
            "there is no reactor running"
        );
    }
}

#[derive(Default)]
struct OverBound;

impl Harness for OverBound {
    type Flow = Around<BoundToItsThread>;

    const LACKS: &'static [(Need, &'static str)] = &[
        NO_RESET,
        NO_DESCRIPTORS,
        NO_FAILING,
        NO_RUNTIME,
        NO_SWITCH,
        NO_ALLOCATED,
    ];

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = Memory.pair();
        (bound(a), bound(b))
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        Memory.link(room).map(bound)
    }

    fn shared<'f>(&'f self, flow: &'f Self::Flow) -> Option<Shared<'f, Self::Flow>> {
        Some(Box::new(flow))
    }
}

fn bound(flow: MemoryFlow) -> Around<BoundToItsThread> {
    let home = thread::current().id();
    Around(BoundToItsThread { flow, home })
}

/// A list of all flows, for shutdown of the process, keeps each for ever.
#[derive(Default)]
struct KeptAlive;

static ALL_FLOWS: Mutex<Vec<Inside>> = Mutex::new(Vec::new());

impl FlowFault for KeptAlive {
    fn release(&self, inside: Inside) {
        ALL_FLOWS.lock().expect("not poisoned").push(inside);
    }
}

/// That the runtime is gone is no event, so whoever waits goes on waiting.
#[derive(Default)]
struct WaitsForARuntime;

impl SocketFault for WaitsForARuntime {
    fn make(&self, fd: OwnedFd) -> Socket {
        Socket::new(fd)
    }

    fn poll_recv(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        match over_socket::recv(socket, cx) {
            Poll::Ready(Err(PlainError::NoReactor)) => Poll::Pending,
            other => other,
        }
    }

    fn poll_send(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        over_socket::send(socket, cx, data)
    }
}
