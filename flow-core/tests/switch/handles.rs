//! What the last handle of a switch does when it goes, and a scope at its end.

use std::sync::Mutex;
use std::task::Poll;

use flow_core::memory::{self, Received};
use flow_core::{FlowExt, Switch};

use super::step::{Wakes, poll, ready};
use super::{Gate, Log, gated};

#[test]
fn the_last_handle_runs_what_needs_no_waiting_and_drops_the_rest() {
    let log = Log::default();
    let (switch, gate) = gated(&log);
    let (flow, mut peer) = memory::with_wire(4);
    flow.attach(&switch).unwrap();
    let dropped = log.on_drop("dropped");
    switch.add_async_hook(async move || drop(dropped)).unwrap();
    for name in ["old", "new"] {
        let log = log.clone();
        switch.add_hook(move || log.note(name)).unwrap();
    }
    switch
        .add_hook(|| -> () { panic!("and no harm done") })
        .unwrap();
    drop(switch.clone());
    assert_eq!(log.taken(), [""; 0]);
    drop(switch);
    assert_eq!(log.taken(), ["new", "old", "dropped"]);
    assert_eq!(gate.polls(), 0);
    assert_eq!(peer.recv(&mut [0; 4]), Received::End);
    assert!(ready(flow.read()).is_err());
}

#[test]
fn a_turn_off_is_a_handle_until_it_is_ready() {
    let log = Log::default();
    let (switch, gate) = gated(&log);
    let mut turn_off = switch.turn_off();
    drop(switch);
    assert!(poll(&Wakes::new(), &mut turn_off).is_pending());
    gate.open();
    ready(&mut turn_off).unwrap();
    assert_eq!(log.taken(), ["through the gate"]);
    assert!(turn_off.is_terminated());
}

#[test]
fn the_last_handle_ends_a_half_done_turn_off() {
    let log = Log::default();
    let switch = Switch::new();
    let sync_log = log.clone();
    switch.add_hook(move || sync_log.note("old")).unwrap();
    let dropped = log.on_drop("half-done dropped");
    switch
        .add_async_hook(async move || {
            std::future::pending::<()>().await;
            drop(dropped);
        })
        .unwrap();
    let mut turn_off = switch.turn_off();
    drop(switch);
    assert!(poll(&Wakes::new(), &mut turn_off).is_pending());
    assert_eq!(log.taken(), [""; 0]);
    drop(turn_off);
    assert_eq!(log.taken(), ["half-done dropped", "old"]);
}

#[test]
#[should_panic(expected = "TurnOff polled after it was ready")]
fn polling_a_finished_turn_off_panics_plainly() {
    let mut turn_off = Switch::new().turn_off();
    ready(&mut turn_off).unwrap();
    let _ = poll(&Wakes::new(), &mut turn_off);
}

#[test]
fn a_scope_turns_off_at_its_end_and_waits() {
    let log = Log::default();
    let gate = Gate::default();
    let wakes = Wakes::new();
    let mut scope = Box::pin(Switch::scope(async |switch| {
        let (log, gate) = (log.clone(), gate.clone());
        switch
            .add_async_hook(async move || {
                gate.await;
                log.note("through the gate");
            })
            .unwrap();
        7
    }));
    assert!(poll(&wakes, &mut scope).is_pending());
    gate.open();
    assert_eq!(wakes.take(), 1);
    assert_eq!(poll(&wakes, &mut scope), Poll::Ready(7));
    assert_eq!(log.taken(), ["through the gate"]);
}

#[test]
fn a_scope_that_panics_or_is_dropped_runs_what_needs_no_waiting() {
    let log = Log::default();
    let mut scope = Box::pin(Switch::scope(async |switch| {
        let hook_log = log.clone();
        switch.add_hook(move || hook_log.note("first")).unwrap();
        let dropped = log.on_drop("dropped");
        switch.add_async_hook(async move || drop(dropped)).unwrap();
        std::future::pending::<()>().await;
    }));
    assert!(poll(&Wakes::new(), &mut scope).is_pending());
    drop(scope);
    assert_eq!(log.taken(), ["dropped", "first"]);

    let escaped = Mutex::new(None);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ready(Box::pin(Switch::scope(async |switch| {
            let hook_log = log.clone();
            switch.add_hook(move || hook_log.note("second")).unwrap();
            *escaped.lock().unwrap() = Some(switch.clone());
            panic!("body");
        })))
    }));
    assert!(panicked.is_err());
    assert_eq!(log.taken(), ["second"]);
    let escaped = escaped
        .into_inner()
        .unwrap_or_else(|e| e.into_inner())
        .unwrap();
    assert!(!escaped.is_on());
    ready(escaped.turn_off()).unwrap();
}

#[test]
fn a_dropped_scope_ends_the_turn_off_of_an_escaped_handle() {
    let log = Log::default();
    let escaped = Mutex::new(None);
    let mut scope = Box::pin(Switch::scope(async |switch| {
        let hook_log = log.clone();
        switch.add_hook(move || hook_log.note("old")).unwrap();
        switch.add_async_hook(std::future::pending::<()>).unwrap();
        *escaped.lock().unwrap() = Some(switch);
        std::future::pending::<()>().await;
    }));
    assert!(poll(&Wakes::new(), &mut scope).is_pending());
    let mut turn_off = escaped.lock().unwrap().take().unwrap().turn_off();
    let wakes = Wakes::new();
    assert!(poll(&wakes, &mut turn_off).is_pending());
    drop(scope);
    assert_eq!((log.taken(), wakes.take()), (vec!["old"], 1));
    ready(turn_off).unwrap();
}
