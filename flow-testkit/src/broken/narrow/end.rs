//! Aborts, drops and switches that go wrong only now and then.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use flow_core::memory::MemoryFlow;
use flow_core::{Bytes, Chunks, Flow, Leave, ReadOp, Switch, WriteError, WriteOp};

use crate::broken::Broken;
use crate::broken::around::{Around, Holds};
use crate::broken::over_memory::{
    DonePoll, FlowFault, Inside, LACKS_BUT_SWITCH, ReadPoll, Waiting, flow,
};
use crate::broken::over_socket::{self, SocketFault, unix};
use crate::harness::{Harness, Link, Need, Refused, Room};
use crate::memory::Memory;
use crate::plain::{PlainError, Socket};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<AbortTellsOneReader>("abort_fails_reads", "a parked read is asleep")
            .narrower_than("AbortIsTheEnd"),
        flow::<QueuedInputOutlivesAbort>(
            "abort_fails_reads",
            "a read after abort gave Ready(Ok(Some",
        )
        .narrower_than("AbortIsTheEnd"),
        flow::<AbortWaitsForTheWriter>(
            "abort_is_seen_at_once",
            "the end that the peer should see is asleep",
        )
        .narrower_than("AbortsWhenDropped"),
        flow::<HeldByItsCalls>("drop_is_seen", "the end that the peer should see is asleep")
            .narrower_than("KeptAlive"),
        flow::<KeptAliveOnceEnded>("drop_is_seen", "the end that the peer should see is asleep")
            .narrower_than("KeptAlive"),
        over_socket::tcp::<DroppedWithInputInIt>(
            "drop_sends_what_was_accepted",
            "met a torn stream after",
        )
        .narrower_than("LeavesInput"),
        unix::<WritersWaitForARuntime>("drop_needs_no_runtime", "a large write is asleep")
            .narrower_than("WaitsForARuntime"),
        Broken::new::<UntiedByClosing, OverUntiedByClosing>(
            "switch_off_aborts",
            "a close parked at turn_off is asleep",
        )
        .narrower_than("TiedOnUse"),
        Broken::new::<JoinsBesideAHook, JoinsBesideAHook>(
            "switch_off_refuses",
            "a switch that runs its hooks accepted a flow",
        )
        .narrower_than("JoinsTooLate"),
    ]
}

/// Abort wakes the reader whose turn it is (J3, K3).
#[derive(Default)]
struct AbortTellsOneReader {
    waiting: Waiting,
}

impl FlowFault for AbortTellsOneReader {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let in_line = op.place().is_held();
        let result = if self.waiting.others(op.place()) == 0 {
            inside.flow.poll_read(cx, op)
        } else {
            let waker = inside.deaf_unless(cx, |spy| spy.moving());
            inside.flow.poll_read(&mut Context::from_waker(&waker), op)
        };
        self.waiting.note(in_line, &result);
        result
    }
}

/// What the flow had received before it was aborted is handed out after it (Q11).
#[derive(Default)]
struct QueuedInputOutlivesAbort {
    queue: RefCell<VecDeque<Bytes>>,
}

impl FlowFault for QueuedInputOutlivesAbort {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        match self.queue.borrow_mut().pop_front() {
            Some(chunk) => Poll::Ready(Ok(Some(chunk))),
            None => inside.flow.poll_read(cx, op),
        }
    }

    fn abort(&self, inside: &Inside) {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Ok(Some(chunk))) = inside.flow.poll_read(&mut cx, &mut ReadOp::new())
        {
            self.queue.borrow_mut().push_back(chunk);
        }
        inside.flow.abort();
    }
}

/// Abort leaves the descriptor to the write that uses it, which waits (B4).
#[derive(Default)]
struct AbortWaitsForTheWriter {
    writing: Cell<bool>,
}

impl FlowFault for AbortWaitsForTheWriter {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        let result = inside.flow.poll_write(cx, op);
        self.writing.set(result.is_pending());
        result
    }

    fn abort(&self, inside: &Inside) {
        if !self.writing.get() {
            inside.flow.abort();
        }
    }
}

/// The flow, for as long as anyone holds this.
#[derive(Default)]
struct Keeper(Mutex<Option<Inside>>);

impl Leave for Keeper {
    fn leave(&self, _: u64) {}
}

/// A call holds the flow that it is a call of (D3).
#[derive(Default)]
struct HeldByItsCalls {
    reading: RefCell<ReadOp>,
    keeper: Arc<Keeper>,
}

impl FlowFault for HeldByItsCalls {
    fn poll_read(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        let result = inside.flow.poll_read(cx, &mut self.reading.borrow_mut());
        if result.is_pending() {
            op.place().hold(Arc::<Keeper>::clone(&self.keeper), 0);
        } else {
            op.place().leave();
        }
        result
    }

    fn release(&self, inside: Inside) {
        *self.keeper.0.lock().expect("not poisoned") = Some(inside);
    }
}

/// Whoever waits for the rest of a connection that the peer has ended is never told that nobody else does (L2).
#[derive(Default)]
struct KeptAliveOnceEnded;

static HALF_CLOSED: Mutex<Vec<Inside>> = Mutex::new(Vec::new());

impl FlowFault for KeptAliveOnceEnded {
    fn release(&self, inside: Inside) {
        if inside.spy.ended() {
            HALF_CLOSED.lock().expect("not poisoned").push(inside);
        }
    }
}

/// Reads learn that the runtime is gone, and writes do not (T1).
#[derive(Default)]
struct WritersWaitForARuntime;

impl SocketFault for WritersWaitForARuntime {
    fn poll_send(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        match over_socket::send(socket, cx, data) {
            Poll::Ready(Err(WriteError::Transport(PlainError::NoReactor))) => Poll::Pending,
            other => other,
        }
    }
}

/// A flow that is closing has left its switch already (J1).
struct UntiedByClosing {
    flow: Arc<MemoryFlow>,
    closing: Arc<AtomicBool>,
}

impl Holds for UntiedByClosing {
    fn flow(&self) -> &MemoryFlow {
        &self.flow
    }

    fn closing(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct OverUntiedByClosing;

impl Harness for OverUntiedByClosing {
    type Flow = Around<UntiedByClosing>;

    const LACKS: &'static [(Need, &'static str)] = LACKS_BUT_SWITCH;

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = Memory.pair();
        (untied_by_closing(a), untied_by_closing(b))
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        Memory.link(room).map(untied_by_closing)
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<Self::Flow>, Refused>> {
        let link = self.link(Room::Tight);
        let closing = Arc::clone(&link.flow.0.closing);
        let flow = Arc::downgrade(&link.flow.0.flow);
        let _ = switch.add_hook(move || match flow.upgrade() {
            Some(flow) if !closing.load(Ordering::SeqCst) => flow.abort(),
            _ => {}
        });
        Some(Ok(link))
    }
}

fn untied_by_closing(flow: MemoryFlow) -> Around<UntiedByClosing> {
    Around(UntiedByClosing {
        flow: Arc::new(flow),
        closing: Arc::default(),
    })
}

/// A switch is off when all its hooks have run, and until then flows may join (J2).
#[derive(Default)]
struct JoinsBesideAHook;

impl Harness for JoinsBesideAHook {
    type Flow = MemoryFlow;

    const LACKS: &'static [(Need, &'static str)] = LACKS_BUT_SWITCH;

    fn pair(&self) -> (MemoryFlow, MemoryFlow) {
        Memory.pair()
    }

    fn link(&self, room: Room) -> Link<MemoryFlow> {
        Memory.link(room)
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<MemoryFlow>, Refused>> {
        let made = Memory.link_with(switch)?;
        let off = pin!(switch.turn_off());
        let mut cx = Context::from_waker(Waker::noop());
        if made.is_err() && off.poll(&mut cx).is_pending() {
            return Some(Ok(self.link(Room::Tight)));
        }
        Some(made)
    }
}

/// A flow that is dropped closes its socket with input in it, which the kernel answers with a reset.
#[derive(Default)]
struct DroppedWithInputInIt;

impl SocketFault for DroppedWithInputInIt {
    fn abort(&self, socket: &Socket, _: bool) {
        socket.release_at_once();
    }
}
