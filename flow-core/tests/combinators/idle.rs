//! Time that is too long, by a timer in the hand of the test.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use flow_core::combinators::{IdleError, Timer, idle_timeout};
use flow_core::{FlowExt, WriteError, memory};

use super::received;
use super::step::{Wakes, poll, ready};

/// Timers that are over when the test says so.
#[derive(Default)]
struct Clock {
    over: AtomicBool,
    started: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
}

impl Clock {
    fn timer(self: &Arc<Self>) -> impl Timer + use<> {
        let clock = self.clone();
        move || {
            let clock = clock.clone();
            clock.started.fetch_add(1, SeqCst);
            poll_fn(move |cx| {
                if clock.over.load(SeqCst) {
                    return Poll::Ready(());
                }
                clock.waiting.lock().unwrap().push(cx.waker().clone());
                Poll::Pending
            })
        }
    }

    fn ring(&self) {
        self.over.store(true, SeqCst);
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap());
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[test]
fn an_idle_read_fails_and_what_comes_later_is_not_lost() {
    let clock = Arc::<Clock>::default();
    let (flow, mut peer) = memory::with_wire(64);
    let flow = idle_timeout(flow, clock.timer());
    let (wakes, others) = (Wakes::new(), Wakes::new());
    let (mut read, mut other) = (flow.read(), flow.read());
    assert!(poll(&wakes, &mut read).is_pending());
    assert!(poll(&others, &mut other).is_pending());
    clock.ring();
    assert!(wakes.take() > 0);
    assert_eq!(ready(&mut read), Err(IdleError::TimedOut));
    // All who waited are told.
    assert!(others.take() > 0);
    assert_eq!(ready(&mut other), Err(IdleError::TimedOut));
    peer.send(b"late");
    assert_eq!(ready(flow.read()), Err(IdleError::TimedOut));
    let inner = flow.transport().inner();
    assert_eq!(ready(inner.read()).unwrap().unwrap(), b"late"[..]);
    // Writing is apart.
    ready(flow.write("x")).unwrap();
    assert_eq!(received(&mut peer), (b"x".to_vec(), false));
}

#[test]
fn what_has_arrived_is_not_late() {
    let clock = Arc::<Clock>::default();
    let (flow, mut peer) = memory::with_wire(64);
    let flow = idle_timeout(flow, clock.timer());
    assert!(poll(&Wakes::new(), &mut flow.read()).is_pending());
    peer.send(b"just in time");
    clock.ring();
    assert!(ready(flow.read()).unwrap().is_some());
}

#[test]
fn a_new_timer_starts_only_after_something_moved_and_when_someone_waits() {
    let clock = Arc::<Clock>::default();
    let (flow, mut peer) = memory::with_wire(4);
    let flow = idle_timeout(flow, clock.timer());
    let started = || clock.started.load(SeqCst);
    assert_eq!(started(), 0);
    for _ in 0..3 {
        // Dropped and called again: it is the stream that is idle, not the call.
        assert!(poll(&Wakes::new(), &mut flow.read()).is_pending());
    }
    assert_eq!(started(), 1);
    peer.send(b"x");
    ready(flow.read()).unwrap();
    assert_eq!(started(), 1);
    assert!(poll(&Wakes::new(), &mut flow.read()).is_pending());
    assert_eq!(started(), 2);

    ready(flow.write("full")).unwrap();
    assert_eq!(started(), 2);
    assert!(poll(&Wakes::new(), &mut flow.write("more")).is_pending());
    assert_eq!(started(), 3);
}

#[test]
fn an_idle_write_fails_and_was_not_sent() {
    let clock = Arc::<Clock>::default();
    let (flow, mut peer) = memory::with_wire(4);
    let flow = idle_timeout(flow, clock.timer());
    ready(flow.write("full")).unwrap();
    let wakes = Wakes::new();
    let mut write = flow.write("more");
    assert!(poll(&wakes, &mut write).is_pending());
    clock.ring();
    assert!(wakes.take() > 0);
    assert_eq!(
        ready(&mut write),
        Err(WriteError::Transport(IdleError::TimedOut))
    );
    assert!(ready(flow.write("again")).is_err());
    assert_eq!(received(&mut peer), (b"full".to_vec(), false));
    // Others write on, and nothing of it comes between.
    ready(flow.transport().inner().write("next")).unwrap();
    assert_eq!(received(&mut peer), (b"next".to_vec(), false));
    peer.send(b"in");
    assert_eq!(ready(flow.read()).unwrap().unwrap(), b"in"[..]);
}

#[test]
fn a_taken_write_that_is_too_slow_is_sent_by_the_flow_inside() {
    let clock = Arc::<Clock>::default();
    let (flow, mut peer) = memory::with_wire(4);
    let flow = idle_timeout(flow, clock.timer());
    let mut write = flow.write("longer");
    assert!(poll(&Wakes::new(), &mut write).is_pending());
    clock.ring();
    assert!(ready(&mut write).is_err());
    assert_eq!(received(&mut peer).0, b"long");
    ready(flow.transport().inner().flush()).unwrap();
    assert_eq!(received(&mut peer), (b"er".to_vec(), false));
}
