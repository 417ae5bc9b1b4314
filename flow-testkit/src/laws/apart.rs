//! What must not get into each other's way: two directions, two tasks, two flows.

use std::task::{Context, Poll};

use flow_core::{Flow, FlowExt, ReadOp, WriteOp};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::moves::{MUCH, feed_in, feed_out, pull, push, push_up_to, tape_in, tape_out};
use crate::pattern::{Feed, Pattern, Tape};
use crate::step::Counter;

/// A read and a write that wait in two tasks are each woken by their own event, in whichever order they came.
pub fn tasks_each_event_wakes_its_own<H: Harness>(case: &Case<H>) {
    for parks_first in ["the read", "the write", "the write, which has just begun"] {
        for room_comes_first in [false, true] {
            let Link { flow, mut peer } = case.tight();
            let (mut out, mut seen) = (feed_out(), tape_out());
            let (mut feed, mut got) = (feed_in(), tape_in());
            let (mut read, mut write);
            match parks_first {
                "the read" => {
                    read = case.park_read(&flow);
                    write = case.park_taken(&flow, &mut out);
                }
                "the write" => {
                    write = case.park_taken(&flow, &mut out);
                    read = case.park_read(&flow);
                }
                _ => {
                    write = case.step("a large write", flow.write(out.next(MUCH)));
                    write.park();
                    read = case.park_read(&flow);
                }
            }
            let whole = out.at();
            if room_comes_first {
                case.receive_while(&mut write, &mut peer, &mut seen, whole);
                read.still_waits("while nothing but room has come");
            }
            case.send(&mut peer, &mut feed, 5);
            match read.finish() {
                Ok(Some(chunk)) => got.check(&chunk),
                other => panic!("a read beside a parked write gave {other:?}"),
            }
            if !room_comes_first {
                write.still_waits("while nothing but input has come");
                case.receive_while(&mut write, &mut peer, &mut seen, whole);
            }
        }
    }
}

/// While one direction is always ready, the other moves as well.
pub fn tasks_neither_direction_starves<H: Harness>(case: &Case<H>) {
    const ROUNDS: usize = 1000;
    // In how many rounds each direction must have moved. Each yields now and then, and so may a runtime.
    const LEAST: usize = ROUNDS / 8;
    for write_first in [false, true] {
        let Link { flow, mut peer } = case.link();
        let (mut out, mut seen) = (feed_out(), tape_out());
        let (mut feed, mut got) = (feed_in(), tape_in());
        // One task for both directions.
        let (counter, waker) = Counter::new();
        let mut cx = Context::from_waker(&waker);
        let mut reading = ReadOp::new();
        let mut writing = WriteOp::from(out.next(1));
        let (mut reads, mut writes) = (0, 0);
        for _ in 0..ROUNDS {
            // There is always more to be read than is read, and room to write.
            if feed.at() < got.at() + 2000 {
                push(&mut peer, &mut feed, 2000);
            }
            pull(&mut peer, &mut seen, MUCH);
            let wakes = counter.wakes();
            let mut waits = false;
            for direction in [write_first, !write_first] {
                case.at("both directions");
                if direction {
                    match case
                        .harness()
                        .enter(|| flow.poll_write(&mut cx, &mut writing))
                    {
                        Poll::Ready(Ok(())) => {
                            writing = WriteOp::from(out.next(1));
                            writes += 1;
                        }
                        Poll::Ready(Err(e)) => panic!("write failed: {e}"),
                        Poll::Pending => waits = true,
                    }
                } else {
                    match case
                        .harness()
                        .enter(|| flow.poll_read(&mut cx, &mut reading))
                    {
                        Poll::Ready(Ok(Some(chunk))) => {
                            got.check(&chunk);
                            reads += 1;
                        }
                        Poll::Ready(other) => panic!("a read got {other:?}"),
                        Poll::Pending => waits = true,
                    }
                }
            }
            if waits {
                // There is something to read and room to write, or will be as soon as the peer's turn comes; so whoever is told to wait is woken, on
                // whatever thread that is seen to.
                let others = || {
                    let sent = push_up_to(&mut peer, &mut feed, got.at() + 2000);
                    pull(&mut peer, &mut seen, MUCH) | sent
                };
                case.wait("both directions", || counter.wakes() > wakes, others);
            }
        }
        assert!(
            reads >= LEAST,
            "beside {writes} writes only {reads} reads were ready in {ROUNDS} rounds"
        );
        assert!(
            writes >= LEAST,
            "beside {reads} reads only {writes} writes were ready in {ROUNDS} rounds"
        );
    }
}

/// What happens to one flow never reaches another.
pub fn tasks_flows_are_apart<H: Harness>(case: &Case<H>) {
    const OTHER_OUT: Pattern = Pattern(3);
    const OTHER_IN: Pattern = Pattern(4);
    let Link {
        flow: a,
        peer: mut at_a,
    } = case.tight();
    let Link {
        flow: b,
        peer: mut at_b,
    } = case.tight();
    let mut out_a = feed_out();
    let (mut in_a, mut got_a) = (feed_in(), tape_in());
    let mut out_b = Feed::new(OTHER_OUT);
    let mut seen_b = Tape::new("the other peer", OTHER_OUT);
    let mut in_b = Feed::new(OTHER_IN);
    let mut got_b = Tape::new("the other reader", OTHER_IN);
    let mut read_a = case.park_read(&a);
    let mut write_a = case.park_taken(&a, &mut out_a);
    let mut read_b = case.park_read(&b);
    let mut write_b = case.park_taken(&b, &mut out_b);
    // Each flow's events are its own.
    case.send(&mut at_a, &mut in_a, 20);
    case.settle();
    read_b.still_waits("while another flow has input");
    match read_a.finish() {
        Ok(Some(chunk)) => got_a.check(&chunk),
        other => panic!("the first of two flows read {other:?}"),
    }
    case.receive_while(&mut write_b, &mut at_b, &mut seen_b, out_b.at());
    write_a.still_waits("while another flow has room");
    case.send(&mut at_b, &mut in_b, 10);
    match read_b.finish() {
        Ok(Some(chunk)) => got_b.check(&chunk),
        other => panic!("the second of two flows read {other:?}"),
    }
    case.read_up_to(&b, &mut got_b, in_b.at());
    // And its end.
    let mut read_b = case.park_read(&b);
    let mut write_b = case.park_taken(&b, &mut out_b);
    a.abort();
    case.settle();
    read_b.still_waits("when another flow was aborted");
    write_b.still_waits("when another flow was aborted");
    drop((read_a, write_a));
    drop((a, at_a));
    // A third flow has whatever the first left behind.
    let Link {
        flow: c,
        peer: mut at_c,
    } = case.tight();
    let (mut out_c, mut seen_c) = (feed_out(), tape_out());
    let mut write_c = case.park_taken(&c, &mut out_c);
    case.send(&mut at_b, &mut in_b, 10);
    match read_b.finish() {
        Ok(Some(chunk)) => got_b.check(&chunk),
        other => panic!("beside a flow that was aborted a read gave {other:?}"),
    }
    case.receive_while(&mut write_b, &mut at_b, &mut seen_b, out_b.at());
    let mut tape = tape_in();
    let mut feed = feed_in();
    let mut read_c = case.park_or_take(&c, &mut tape);
    case.send(&mut at_c, &mut feed, 30);
    match read_c.finish() {
        Ok(Some(chunk)) => tape.check(&chunk),
        other => panic!("a flow made after one was aborted read {other:?}"),
    }
    case.receive_while(&mut write_c, &mut at_c, &mut seen_c, out_c.at());
}
