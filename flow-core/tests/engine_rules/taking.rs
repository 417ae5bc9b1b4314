//! What was taken is the flow's: it knows it again, sends it whatever is called next, and says so where it failed.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use flow_core::memory::{self, MemoryFlow, Received};
use flow_core::{Flow, FlowExt, FlushOp, Shutdown, WriteError, WriteOp};

use crate::script::Script;
use crate::step::{Wakes, poll, ready};

/// A write that has been taken is sent by a call that has nothing to do with it.
#[track_caller]
fn drives(prepare: fn(&MemoryFlow), call: fn(&MemoryFlow)) {
    let (flow, mut wire) = memory::with_wire(1);
    prepare(&flow);
    let mut write = flow.write("ab");
    assert!(poll(&Wakes::new(), &mut write).is_pending());
    assert!(write.is_taken());
    drop(write);
    let mut buffer = [0; 1];
    assert_eq!(wire.recv(&mut buffer), Received::Data(1));
    call(&flow);
    assert_eq!(wire.recv(&mut buffer), Received::Data(1), "not driven");
}

fn shut_reading(flow: &MemoryFlow) {
    ready(flow.shutdown(Shutdown::Read)).unwrap();
}

/// Also by a read that is over.
#[test]
fn a_read_after_shutdown_drives() {
    drives(shut_reading, |flow| {
        assert_eq!(ready(flow.read()).unwrap(), None);
    });
}

/// Also by a write of nothing.
#[test]
fn an_empty_write_drives() {
    drives(|_| {}, |flow| ready(flow.write(Vec::new())).unwrap());
}

/// Also by the end of the other direction.
#[test]
fn shutdown_read_drives() {
    drives(|_| {}, shut_reading);
}

/// A flush that was polled on one flow waits on another for what that one has taken.
#[test]
fn a_flush_starts_anew_on_another_flow() {
    let (early, _early_wire) = memory::with_wire(1);
    let (late, mut late_wire) = memory::with_wire(1);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut buffer = [0; 1];
    // Its first write waits here; there one is complete, under the same number, and the second waits.
    assert!(poll(&Wakes::new(), &mut early.write("aa")).is_pending());
    let mut complete = late.write("bb");
    while poll(&Wakes::new(), &mut complete).is_pending() {
        late_wire.recv(&mut buffer);
    }
    late_wire.recv(&mut buffer);
    assert!(poll(&Wakes::new(), &mut late.write("cc")).is_pending());
    let mut flush = FlushOp::new();
    assert!(early.poll_flush(cx, &mut flush).is_pending());
    assert!(
        late.poll_flush(cx, &mut flush).is_pending(),
        "cc is not sent"
    );
    late_wire.recv(&mut buffer);
    assert_eq!(late.poll_flush(cx, &mut flush), Poll::Ready(Ok(())));
}

/// A write that fails after a part was sent gives nothing back as if it had not been.
#[test]
fn a_write_that_fails_half_way_was_taken() {
    let script = Script::new(|s| {
        (s.room, s.at_once) = (2, 1);
        s.fails_when_full = true;
    });
    let flow = script.flow();
    let mut write = WriteOp::from("abcd");
    let cx = &mut Context::from_waker(Waker::noop());
    let failed = flow.poll_write(cx, &mut write);
    assert!(matches!(failed, Poll::Ready(Err(WriteError::Closed))));
    assert_eq!(script.state().sent, b"ab");
    assert!(write.is_taken());
    assert!(write.cancel().is_none());
}

/// A write that failed without having sent anything cuts nothing off: what was accepted before it still arrives in order.
#[test]
fn a_write_that_failed_and_sent_nothing_tears_nothing() {
    for (sent, released) in [(0, "abort"), (2, "torn abort")] {
        let script = Script::new(|s| {
            (s.room, s.at_once) = (sent, 1);
            s.fails_when_full = true;
        });
        let flow = script.flow();
        let failed = poll(&Wakes::new(), &mut flow.write("abcd"));
        assert!(matches!(failed, Poll::Ready(Err(WriteError::Closed))));
        drop(flow);
        assert_eq!(script.state().log[0], released);
    }
}

/// A close that waits for the peer fails with an error of receiving that says nothing of the peer.
#[test]
fn close_is_not_done_by_an_error_of_our_own() {
    let script = Script::new(|s| s.ends_in_an_error = true);
    let flow = script.flow();
    let mut close = flow.close();
    let wakes = Wakes::new();
    assert!(poll(&wakes, &mut close).is_pending());
    script.state().peer_ended = true;
    script.wake_receiving();
    assert!(wakes.take() > 0);
    let closed = poll(&wakes, &mut close);
    assert!(
        matches!(closed, Poll::Ready(Err(WriteError::Transport(_)))),
        "{closed:?}"
    );
    drop(flow);
    assert_eq!(script.state().log[0], "abort", "it was not closed");
}

/// An abort that comes while a send is under way tells the transport before any of its states is dropped.
#[test]
fn abort_comes_before_the_states_are_dropped() {
    let script = Script::default();
    let flow = Arc::new(script.flow());
    script.while_sending({
        let flow = Arc::clone(&flow);
        move || flow.abort()
    });
    let _ = poll(&Wakes::new(), &mut flow.write("x"));
    assert_eq!(script.state().log, ["abort", "tx dropped", "rx dropped"]);
}
