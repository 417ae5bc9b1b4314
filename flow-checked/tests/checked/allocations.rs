//! What looking at a flow allocates: nothing, unless wakes are watched.

use std::task::{Context, Poll};

use allocation_counter::measure;
use flow_checked::Checked;
use flow_core::memory::{self, MemoryFlow};
use flow_core::{CloseOp, Flow, FlushOp, ReadOp, Shutdown, ShutdownOp, WriteOp};

use crate::script::task;

type Pair = (Checked<MemoryFlow>, Checked<MemoryFlow>);

fn pair(look: fn(MemoryFlow) -> Checked<MemoryFlow>) -> Pair {
    let (near, far) = memory::pair(64);
    (look(near), look(far))
}

/// There and back, the reader parked before the bytes come.
fn round_trip((near, far): &Pair, cx: &mut Context<'_>) {
    for (from, to) in [(near, far), (far, near)] {
        let mut reading = ReadOp::new();
        assert!(to.poll_read(cx, &mut reading).is_pending());
        let written = from.poll_write(cx, &mut WriteOp::from("static"));
        assert_eq!(written, Poll::Ready(Ok(())));
        let read = to.poll_read(cx, &mut reading);
        assert!(matches!(read, Poll::Ready(Ok(Some(b))) if b == "static"));
    }
}

/// Every other call, and the answers after the end.
fn ending((near, far): &Pair, cx: &mut Context<'_>) {
    let done = Poll::Ready(Ok(()));
    assert_eq!(near.poll_flush(cx, &mut FlushOp::new()), done);
    let mut shutdown = ShutdownOp::new(Shutdown::Write);
    assert_eq!(near.poll_shutdown(cx, &mut shutdown), done);
    for _ in 0..3 {
        let read = far.poll_read(cx, &mut ReadOp::new());
        assert_eq!(read, Poll::Ready(Ok(None)));
    }
    assert_eq!(far.poll_close(cx, &mut CloseOp::new()), done);
    let late = far.poll_write(cx, &mut WriteOp::from("late"));
    assert!(matches!(late, Poll::Ready(Err(_))));
    near.abort();
    let read = near.poll_read(cx, &mut ReadOp::new());
    assert!(matches!(read, Poll::Ready(_)));
}

#[test]
fn a_call_allocates_nothing() {
    let waker = task();
    let mut cx = Context::from_waker(&waker);
    let pairs: Vec<_> = (0..10).map(|_| pair(Checked::new)).collect();
    for pair in &pairs {
        round_trip(pair, &mut cx);
    }
    let info = measure(|| {
        for pair in &pairs {
            (0..100).for_each(|_| round_trip(pair, &mut cx));
            ending(pair, &mut cx);
        }
    });
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn where_wakes_are_watched_a_call_of_a_task_that_has_nothing_parked_allocates_a_waker() {
    let waker = task();
    let mut cx = Context::from_waker(&waker);
    let pair = pair(|flow| Checked::new(flow).watch_wakes());
    round_trip(&pair, &mut cx);
    let info = measure(|| (0..100).for_each(|_| round_trip(&pair, &mut cx)));
    // Each way a read and a write; the read that is polled again has its own.
    assert_eq!(info.count_total, 400, "{info:?}");
    assert_eq!(info.bytes_current, 0, "{info:?}");
}
