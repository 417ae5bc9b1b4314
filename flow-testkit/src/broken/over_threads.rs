//! A fault wrapped round a good flow in memory that several threads use.
//!
//! In real flows the moment between the look and the parking is a few nanoseconds; here it is as long as the other thread needs to get there.

use std::hint::spin_loop;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};

use flow_core::memory::{MemoryError, MemoryFlow};
use flow_core::{CloseOp, Delivered, Direct, Flow, FlushOp, ReadOp, ShutdownOp, WriteOp};

use super::Broken;
use super::over_memory::{
    DonePoll, NO_DESCRIPTORS, NO_FAILING, NO_RESET, NO_RUNTIME, NO_SWITCH, ReadPoll,
};
use crate::harness::{Harness, Link, Need, Room, Shared};
use crate::memory::Memory;

/// One fault of a flow that several threads use: the calls that it does not have are the good flow's.
pub(super) trait ThreadFault: Default + Send + Sync + 'static {
    fn poll_read(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        flow.poll_read(cx, op)
    }

    fn poll_write(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        flow.poll_write(cx, op)
    }

    fn poll_flush(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        flow.poll_flush(cx, op)
    }

    fn poll_close(&self, flow: &MemoryFlow, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        flow.poll_close(cx, op)
    }

    /// A shutdown is about to be polled.
    fn shutting(&self, op: &ShutdownOp) {
        let _ = op;
    }

    fn abort(&self, flow: &MemoryFlow) {
        flow.abort();
    }
}

/// A flow in memory that has such a fault once it was used on another thread than the one that made it.
pub(super) struct Meeting<X> {
    flow: MemoryFlow,
    fault: X,
    home: ThreadId,
    has_met: AtomicBool,
}

impl<X> Meeting<X> {
    fn has_met(&self) -> bool {
        self.has_met.load(Ordering::SeqCst)
            || (thread::current().id() != self.home && {
                self.has_met.store(true, Ordering::SeqCst);
                true
            })
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<X: ThreadFault> Flow for Meeting<X> {
    type Error = MemoryError;

    fn poll_read(&self, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        if self.has_met() {
            self.fault.poll_read(&self.flow, cx, op)
        } else {
            self.flow.poll_read(cx, op)
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if self.has_met() {
            self.fault.poll_write(&self.flow, cx, op)
        } else {
            self.flow.poll_write(cx, op)
        }
    }

    fn poll_flush(&self, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        if self.has_met() {
            self.fault.poll_flush(&self.flow, cx, op)
        } else {
            self.flow.poll_flush(cx, op)
        }
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>, op: &mut ShutdownOp) -> DonePoll {
        self.fault.shutting(op);
        self.flow.poll_shutdown(cx, op)
    }

    fn poll_close(&self, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        if self.has_met() {
            self.fault.poll_close(&self.flow, cx, op)
        } else {
            self.flow.poll_close(cx, op)
        }
    }

    fn abort(&self) {
        self.fault.abort(&self.flow);
    }

    fn delivered(&self) -> Delivered {
        self.flow.delivered()
    }

    /// A fault is in the other calls.
    fn direct(&self) -> Option<&dyn Direct> {
        None
    }
}

/// Makes flows with the fault `X`, which several threads may use.
pub(super) struct OverThreads<X>(PhantomData<X>);

impl<X> Default for OverThreads<X> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<X: ThreadFault> Harness for OverThreads<X> {
    type Flow = Meeting<X>;

    const LACKS: &'static [(Need, &'static str)] =
        &[NO_RESET, NO_DESCRIPTORS, NO_FAILING, NO_RUNTIME, NO_SWITCH];

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = Memory.pair();
        (meeting(a), meeting(b))
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        Memory.link(room).map(meeting)
    }

    fn shared<'f>(&'f self, flow: &'f Self::Flow) -> Option<Shared<'f, Self::Flow>> {
        Some(Box::new(flow))
    }

    fn allocated(&self) -> Option<usize> {
        super::allocated()
    }
}

fn meeting<X: ThreadFault>(flow: MemoryFlow) -> Meeting<X> {
    Meeting {
        flow,
        fault: X::default(),
        home: thread::current().id(),
        has_met: AtomicBool::new(false),
    }
}

/// An entry of the table.
pub(super) fn flow<X: ThreadFault>(law: &'static str, words: &'static str) -> Broken {
    Broken::new::<X, OverThreads<X>>(law, words)
}

/// Time for the other thread to get there: until it has, or for a moment.
pub(super) fn meanwhile(mut has_come: impl FnMut() -> bool) {
    // Long enough for a thread that has no core just now to get one.
    for looks in 1..=6000 {
        if has_come() {
            return;
        }
        if looks % 100 == 0 {
            thread::yield_now();
        } else {
            spin_loop();
        }
    }
}

/// What the good flow wakes, in place of whoever asked.
#[derive(Default)]
struct Relay {
    woken: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Relay {
    fn is_woken(&self) -> bool {
        self.woken.load(Ordering::SeqCst)
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().expect("not poisoned").take();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Asks, and puts the waker in its place only then. A wake in between finds nobody, unless `looks_again`.
pub(super) fn look_then_park<R>(
    cx: &Context<'_>,
    ask: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    looks_again: impl FnOnce() -> bool,
) -> Poll<R> {
    let relay = Arc::<Relay>::default();
    let waker = Waker::from(Arc::clone(&relay));
    let result = ask(&mut Context::from_waker(&waker));
    if result.is_ready() {
        return result;
    }
    if relay.is_woken() {
        // While it was asked, so it was noticed.
        cx.waker().wake_by_ref();
    }
    meanwhile(|| relay.is_woken());
    *relay.waker.lock().expect("not poisoned") = Some(cx.waker().clone());
    if relay.is_woken() && looks_again() {
        cx.waker().wake_by_ref();
    }
    result
}
