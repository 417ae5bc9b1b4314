//! What a call allocates: nothing, once the line and the queue have grown.
#![cfg(feature = "std")]

use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use flow_core::memory::{self, MemoryFlow};
use flow_core::{BoxFlow, Bytes, Flow, ReadOp, WriteOp};

fn read<F: Flow + ?Sized>(flow: &F, op: &mut ReadOp) -> Poll<Option<Bytes>> {
    let mut cx = Context::from_waker(Waker::noop());
    flow.poll_read(&mut cx, op)
        .map(|r| r.expect("reading works"))
}

fn write<F: Flow + ?Sized>(flow: &F, op: &mut WriteOp) -> Poll<()> {
    let mut cx = Context::from_waker(Waker::noop());
    flow.poll_write(&mut cx, op)
        .map(|r| r.expect("writing works"))
}

/// There and back, the reader parked before the bytes come, as between two tasks.
fn round_trip<F: Flow + ?Sized>(near: &F, far: &F) {
    for (from, to) in [(near, far), (far, near)] {
        let mut reading = ReadOp::new();
        assert!(read(to, &mut reading).is_pending());
        assert!(write(from, &mut WriteOp::from("static")).is_ready());
        assert!(matches!(read(to, &mut reading), Poll::Ready(Some(b)) if b == "static"));
    }
}

#[test]
fn a_round_trip_allocates_nothing() {
    let (near, far) = memory::pair(64);
    round_trip(&near, &far);
    let info = measure(|| (0..100).for_each(|_| round_trip(&near, &far)));
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn a_boxed_call_allocates_nothing_more() {
    let (near, far): (MemoryFlow, MemoryFlow) = memory::pair(64);
    let (near, far): (BoxFlow<_>, BoxFlow<_>) = (Box::new(near), Box::new(far));
    round_trip(&near, &far);
    let info = measure(|| (0..100).for_each(|_| round_trip(&*near, &*far)));
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn waiting_behind_others_allocates_nothing() {
    let (flow, _peer) = memory::pair(1);
    assert!(write(&flow, &mut WriteOp::from("x")).is_ready());
    let queue = || {
        let mut ops: [WriteOp; 8] = std::array::from_fn(|_| WriteOp::from("late"));
        for op in &mut ops {
            assert!(write(&flow, op).is_pending());
        }
    };
    queue();
    let info = measure(|| (0..100).for_each(|_| queue()));
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn cancelled_operations_leave_nothing() {
    let (flow, _peer) = memory::pair(1);
    assert!(write(&flow, &mut WriteOp::from("x")).is_ready());
    let cancel = || {
        assert!(read(&flow, &mut ReadOp::new()).is_pending());
        assert!(write(&flow, &mut WriteOp::from("late")).is_pending());
    };
    cancel();
    let info = measure(|| (0..1_000_000).for_each(|_| cancel()));
    assert_eq!((info.count_total, info.bytes_current), (0, 0), "{info:?}");
}

#[test]
fn a_thousand_waiters_give_their_room_back() {
    let (flow, _peer) = memory::pair(1);
    let crowd = || {
        let mut ops: Vec<ReadOp> = (0..1000).map(|_| ReadOp::new()).collect();
        for op in &mut ops {
            assert!(read(&flow, op).is_pending());
        }
    };
    crowd();
    let info = measure(crowd);
    assert!(info.count_max > 0);
    assert_eq!(info.bytes_current, 0, "{info:?}");
}
