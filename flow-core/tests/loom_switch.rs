//! The switch under the model checker: every order in which threads can meet in it, up to a bound.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p flow-core --test loom_switch --release`

#![cfg(loom)]

mod model;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};

use flow_core::Switch;
use loom::sync::Mutex;
use loom::thread;
use model::block_on;

/// Something to wait for, by one task at a time: it keeps the latest waker.
#[derive(Clone)]
struct Gate(Arc<Mutex<(bool, Option<Waker>)>>);

impl Gate {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((false, None))))
    }

    fn open(&self) {
        let waker = {
            let mut gate = self.0.lock().unwrap();
            gate.0 = true;
            gate.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut gate = self.0.lock().unwrap();
        if gate.0 {
            return Poll::Ready(());
        }
        gate.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A flow is attached while the switch is turned off: it is refused, or aborted once.
fn attach_races_with_turn_off() {
    let switch = Switch::new();
    let aborts = Arc::new(AtomicUsize::new(0));
    let counted = aborts.clone();
    let flow = Arc::new(move || {
        counted.fetch_add(1, SeqCst);
    });
    let turned = thread::spawn({
        let switch = switch.clone();
        move || block_on(switch.turn_off()).unwrap()
    });
    let attached = switch.attach_fn(Arc::downgrade(&flow));
    turned.join().unwrap();
    assert_eq!(aborts.load(SeqCst), usize::from(attached.is_ok()));
}

/// Two tasks turn the switch off, one of them gives up after a poll; the hook in the middle is done once, and the other
/// task learns of it.
fn a_second_caller_takes_over() {
    let switch = Switch::new();
    let gate = Gate::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let hook = {
        let (gate, ran) = (gate.clone(), ran.clone());
        async move || {
            gate.await;
            ran.fetch_add(1, SeqCst);
        }
    };
    switch.add_async_hook(hook).unwrap();
    let gives_up = thread::spawn({
        let mut turn_off = switch.turn_off();
        move || {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = Pin::new(&mut turn_off).poll(&mut cx);
        }
    });
    let waits = thread::spawn({
        let turn_off = switch.turn_off();
        move || block_on(turn_off).unwrap()
    });
    gate.open();
    waits.join().unwrap();
    assert_eq!(ran.load(SeqCst), 1);
    gives_up.join().unwrap();
}

/// A scope is dropped while somebody outside waits in its switch for a hook that is never done: its flow is aborted and
/// the wait ends.
fn a_dropped_scope_ends_the_wait() {
    let aborts = Arc::new(AtomicUsize::new(0));
    let counted = aborts.clone();
    let flow = Arc::new(move || {
        counted.fetch_add(1, SeqCst);
    });
    let escaped = Arc::new(std::sync::Mutex::new(None));
    let mut scope = Box::pin(Switch::scope(async |switch| {
        switch.add_async_hook(Gate::new).unwrap();
        let attached = switch.attach_fn(Arc::downgrade(&flow)).unwrap();
        *escaped.lock().unwrap() = Some((attached, switch.turn_off()));
        std::future::pending::<()>().await;
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(scope.as_mut().poll(&mut cx).is_pending());
    let (_attached, turn_off) = escaped.lock().unwrap().take().unwrap();
    let waits = thread::spawn(move || block_on(turn_off).unwrap());
    drop(scope);
    waits.join().unwrap();
    assert_eq!(aborts.load(SeqCst), 1);
}

#[test]
fn attached_flows_are_aborted_or_refused() {
    model::run(
        "attached_flows_are_aborted_or_refused",
        attach_races_with_turn_off,
        &["switch_attach_checks_early"],
    );
}

#[test]
fn the_second_caller_takes_over() {
    model::run(
        "the_second_caller_takes_over",
        a_second_caller_takes_over,
        &["switch_wakes_first_only", "switch_forgets_wake_during_poll"],
    );
}

#[test]
fn the_dropped_scope_ends_the_wait() {
    model::run(
        "the_dropped_scope_ends_the_wait",
        a_dropped_scope_ends_the_wait,
        &["switch_wait_misses_abandon"],
    );
}
