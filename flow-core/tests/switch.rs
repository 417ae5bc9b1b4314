//! Switches: hooks, callers that give up, what is dropped. Flows appear where it matters that they are flows; the rest of
//! attaching is tested beside the code, and races are in `loom_switch.rs`.

#![cfg(all(feature = "std", not(loom)))]

#[path = "switch/handles.rs"]
mod handles;
mod step;

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use flow_core::memory::{self, Received};
use flow_core::{FlowExt, Switch, TurnOff};
use step::{Wakes, poll, ready};

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn taken(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Notes when it is dropped.
    fn on_drop(&self, what: &'static str) -> impl Drop + Send + use<> {
        struct Dropped(Log, &'static str);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.note(self.1);
            }
        }
        Dropped(self.clone(), what)
    }
}

/// A future that is ready once it is opened; it wakes the waker of its latest poll.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(bool, Option<Waker>, usize)>>);

impl Gate {
    fn open(&self) {
        let mut gate = self.0.lock().unwrap();
        gate.0 = true;
        let waker = gate.1.take();
        drop(gate);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Wakes without being open.
    fn knock(&self) {
        let waker = self.0.lock().unwrap().1.take();
        waker.into_iter().for_each(Waker::wake);
    }

    fn polls(&self) -> usize {
        self.0.lock().unwrap().2
    }
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut gate = self.0.lock().unwrap();
        gate.2 += 1;
        if gate.0 {
            return Poll::Ready(());
        }
        gate.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A switch with a hook that waits at the gate and then says so.
fn gated(log: &Log) -> (Switch, Gate) {
    let (switch, gate, log) = (Switch::new(), Gate::default(), log.clone());
    let at_gate = gate.clone();
    switch
        .add_async_hook(async move || {
            at_gate.await;
            log.note("through the gate");
        })
        .unwrap();
    (switch, gate)
}

#[test]
fn turn_off_aborts_flows_before_any_hook() {
    let switch = Switch::new();
    let (flow, mut peer) = memory::with_wire(16);
    flow.attach(&switch).unwrap();
    let mut read = flow.read();
    let wakes = Wakes::new();
    assert!(poll(&wakes, &mut read).is_pending());

    let seen = Arc::new(Mutex::new(None));
    let hook = seen.clone();
    switch
        .add_hook(move || *hook.lock().unwrap() = Some((peer.recv(&mut [0; 4]), peer)))
        .unwrap();
    ready(switch.turn_off()).unwrap();
    let (received, _peer) = seen.lock().unwrap().take().unwrap();
    assert_eq!(received, Received::End);
    assert_eq!(wakes.take(), 1);
    assert!(ready(read).is_err(), "a local abort is not the end");
    assert!(ready(flow.write("x")).is_err_and(|e| e.is_closed()));
}

#[test]
fn hooks_run_newest_first_and_one_by_one() {
    let log = Log::default();
    let switch = Switch::new();
    let gate = Gate::default();
    for name in ["oldest", "older"] {
        let log = log.clone();
        switch.add_hook(move || log.note(name)).unwrap();
    }
    let (hook_log, at_gate) = (log.clone(), gate.clone());
    switch
        .add_async_hook(async move || {
            hook_log.note("waits");
            at_gate.await;
            hook_log.note("done");
        })
        .unwrap();
    let hook_log = log.clone();
    switch.add_hook(move || hook_log.note("newest")).unwrap();

    let wakes = Wakes::new();
    let mut turn_off = switch.turn_off();
    assert!(switch.is_on(), "nothing happens before the first poll");
    assert!(poll(&wakes, &mut turn_off).is_pending());
    assert!(!switch.is_on());
    assert_eq!(log.taken(), ["newest", "waits"]);
    assert_eq!(wakes.take(), 0);
    gate.open();
    assert_eq!(wakes.take(), 1);
    assert!(poll(&wakes, &mut turn_off).is_ready());
    assert_eq!(log.taken(), ["done", "older", "oldest"]);
    assert_eq!(wakes.take(), 0, "who is ready is not woken");

    // Again, nothing is left to do.
    ready(switch.turn_off()).unwrap();
    assert_eq!(log.taken(), [""; 0]);
}

#[test]
fn failing_and_panicking_hooks_do_not_stop_the_rest() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("dropped");
            }
        }
    }

    let log = Log::default();
    let switch = Switch::new();
    let hook_log = log.clone();
    switch.add_hook(move || hook_log.note("last")).unwrap();
    switch.add_hook(|| Err::<(), _>("synchronous")).unwrap();
    switch.add_hook(|| -> () { panic!("plain") }).unwrap();
    switch
        .add_async_hook(|| -> std::future::Ready<()> { panic!("before the future") })
        .unwrap();
    switch
        .add_async_hook(async || {
            if true {
                panic!("in the future, no. {}", 4);
            }
        })
        .unwrap();
    switch
        .add_async_hook(async || Err::<(), _>(std::io::Error::other("asynchronous")))
        .unwrap();
    switch
        .add_hook(|| -> () { std::panic::panic_any(PanicsWhenDropped) })
        .unwrap();

    let mut turn_off = switch.turn_off();
    let mut second = switch.turn_off();
    let report = ready(&mut turn_off).unwrap_err();
    assert_eq!(log.taken(), ["last"]);
    let told: Vec<_> = report
        .iter()
        .map(|e| match e.source() {
            Some(cause) => format!("{e}: {cause}"),
            None => e.to_string(),
        })
        .collect();
    assert_eq!(
        told,
        [
            "panicked: (no message)",
            "a hook failed: asynchronous",
            "panicked: in the future, no. 4",
            "panicked: before the future",
            "panicked: plain",
            "a hook failed: synchronous",
        ]
    );
    assert_eq!(
        report.to_string(),
        "the switch is off, but 6 things failed on the way"
    );
    assert_eq!(report.source().unwrap().to_string(), told[0]);
    assert_eq!(
        ready(&mut second).unwrap_err().iter().len(),
        6,
        "every caller gets the report"
    );
}

#[test]
fn a_dropped_turn_off_is_taken_over_in_the_middle_of_a_hook() {
    let log = Log::default();
    let (switch, gate) = gated(&log);
    let (first, second) = (Wakes::new(), Wakes::new());
    let mut gives_up = switch.turn_off();
    let mut waits = switch.turn_off();
    assert!(poll(&first, &mut gives_up).is_pending());
    assert!(poll(&second, &mut waits).is_pending());
    drop(gives_up);
    assert_eq!(gate.polls(), 1);
    gate.open();
    assert_eq!((first.take(), second.take()), (0, 1));
    assert!(poll(&second, &mut waits).is_ready());
    assert_eq!(log.taken(), ["through the gate"]);
}

#[test]
fn a_turn_off_that_is_kept_and_never_polled_again_holds_up_nobody() {
    let log = Log::default();
    let (switch, gate) = gated(&log);
    let (first, second) = (Wakes::new(), Wakes::new());
    let mut kept = switch.turn_off();
    let mut waits = switch.turn_off();
    assert!(poll(&first, &mut kept).is_pending());
    assert!(poll(&second, &mut waits).is_pending());
    gate.open();
    assert_eq!((first.take(), second.take()), (1, 1));
    assert!(poll(&second, &mut waits).is_ready());
    // It had been woken, and is not woken twice.
    assert_eq!(first.take(), 0);
    assert!(poll(&first, &mut kept).is_ready());
    assert_eq!(log.taken(), ["through the gate"]);
}

#[test]
fn a_later_call_goes_on_where_a_dropped_one_stopped() {
    let log = Log::default();
    let (switch, gate) = gated(&log);
    let wakes = Wakes::new();
    assert!(poll(&wakes, &mut switch.turn_off()).is_pending());
    gate.open();
    assert_eq!(wakes.take(), 0, "nobody waits");
    ready(switch.turn_off()).unwrap();
    assert_eq!((log.taken(), gate.polls()), (vec!["through the gate"], 2));
}

#[test]
fn only_the_latest_waker_of_a_caller_is_woken_and_a_hook_only_polled_when_it_asks() {
    let log = Log::default();
    let (switch, gate) = gated(&log);
    let (early, late) = (Wakes::new(), Wakes::new());
    let mut turn_off = switch.turn_off();
    assert!(poll(&early, &mut turn_off).is_pending());
    for _ in 0..5 {
        assert!(poll(&late, &mut turn_off).is_pending());
    }
    assert_eq!(Arc::strong_count(&early), 1, "its waker is kept no longer");
    assert_eq!(gate.polls(), 1);
    gate.knock();
    assert_eq!((early.take(), late.take()), (0, 1));
    assert!(poll(&late, &mut turn_off).is_pending());
    assert_eq!((gate.polls(), late.take()), (2, 0));
    drop(turn_off);
    assert_eq!(
        Arc::strong_count(&late),
        1,
        "a dropped caller leaves no waker"
    );
}

#[test]
fn a_wake_is_for_the_hook_that_asked_and_not_for_the_next() {
    let log = Log::default();
    let (switch, gate) = gated(&log);
    switch
        .add_async_hook(|| {
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::Ready(())
            })
        })
        .unwrap();
    let wakes = Wakes::new();
    let mut turn_off = switch.turn_off();
    assert!(poll(&wakes, &mut turn_off).is_pending());
    assert_eq!((gate.polls(), wakes.take()), (1, 1));
    assert!(poll(&wakes, &mut turn_off).is_pending());
    assert_eq!((gate.polls(), wakes.take()), (1, 0));
    gate.open();
    assert_eq!(wakes.take(), 1);
    ready(turn_off).unwrap();
}

#[test]
fn a_removed_hook_is_dropped_and_not_run() {
    let log = Log::default();
    let switch = Switch::new();
    let (hook_log, dropped) = (log.clone(), log.on_drop("dropped"));
    let hook = switch
        .add_hook(move || {
            let _dropped = dropped;
            hook_log.note("run");
        })
        .unwrap();
    let kept_log = log.clone();
    let kept = switch.add_hook(move || kept_log.note("kept")).unwrap();
    assert!(hook.remove());
    assert_eq!(log.taken(), ["dropped"]);
    ready(switch.turn_off()).unwrap();
    assert_eq!(
        log.taken(),
        ["kept"],
        "dropping its handle leaves a hook in"
    );
    assert!(!kept.remove());
}

#[test]
fn a_hook_gets_no_flow_and_no_hook_past_the_switch() {
    let log = Log::default();
    let switch = Switch::new();
    let (inner, hook_log) = (switch.clone(), log.clone());
    switch
        .add_hook(move || {
            let (flow, _peer) = memory::pair(1);
            assert!(flow.attach(&inner).is_err());
            let late = hook_log.clone();
            let refused = inner.add_hook(move || late.note("by hand")).unwrap_err();
            (refused.into_inner())();
            let refused = inner.add_async_hook(async || ()).unwrap_err();
            drop(refused.into_inner()());
            hook_log.note("hook");
        })
        .unwrap();
    ready(switch.turn_off()).unwrap();
    assert_eq!(log.taken(), ["by hand", "hook"]);
}

#[test]
fn a_hook_may_poll_the_turn_off_that_runs_it() {
    let switch = Switch::new();
    let log = Log::default();
    let (inner, hook_log, wakes) = (switch.clone(), log.clone(), Wakes::new());
    let inside = Arc::new(Mutex::new(None::<TurnOff>));
    let (keep, inner_wakes) = (inside.clone(), wakes.clone());
    switch
        .add_hook(move || {
            let mut turn_off = inner.turn_off();
            assert!(poll(&inner_wakes, &mut turn_off).is_pending());
            *keep.lock().unwrap() = Some(turn_off);
            hook_log.note("hook");
        })
        .unwrap();
    ready(switch.turn_off()).unwrap();
    assert_eq!((log.taken(), wakes.take()), (vec!["hook"], 1));
    ready(inside.lock().unwrap().take().unwrap()).unwrap();
}

#[test]
fn everything_may_go_to_other_threads() {
    fn thread_safe<T: Send + Sync + 'static>() {}
    fn sent(_: impl Send + 'static) {}
    thread_safe::<Switch>();
    thread_safe::<TurnOff>();
    thread_safe::<flow_core::Hook>();
    thread_safe::<flow_core::TurnOffErrors>();
    sent(Switch::scope(async |switch| {
        let (flow, _peer) = memory::pair(1);
        flow.attach(&switch).unwrap();
        flow.read().await
    }));
}
