//! Cancelling: what a dropped call leaves behind. Each call is polled before it is dropped; one never polled shows nothing.

use std::sync::Arc;
use std::task::{Poll, Waker};

use flow_core::{Bytes, FlowExt, Shutdown};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::laws::write_end::expect_closed;
use crate::moves::{MUCH, feed_in, feed_out, pull, tape_in, tape_out};
use crate::step::Counter;

/// A dropped read loses nothing.
pub fn cancel_read_loses_nothing<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    for round in 0..60 {
        let mut read = case.park_read(&flow);
        // The bytes come between the last poll and the drop, and how much of that the flow has noticed varies.
        case.send(&mut peer, &mut feed, 1 + round);
        match round % 4 {
            0 => {}
            1 => case.settle(),
            2 => {
                case.settle();
                // Another read is there when the first is dropped.
                let mut next = case.step("the next read", flow.read());
                let early = next.poll();
                drop(read);
                match early {
                    Poll::Ready(Ok(Some(chunk))) => tape.check(&chunk),
                    Poll::Ready(other) => panic!("{other:?} came instead of bytes"),
                    Poll::Pending => match next.finish() {
                        Ok(Some(chunk)) => tape.check(&chunk),
                        other => panic!("{other:?} came instead of bytes"),
                    },
                }
                case.read_up_to(&flow, &mut tape, feed.at());
                continue;
            }
            _ => {
                // Polled once more, and lost only if that poll hands the bytes out.
                if let Poll::Ready(Ok(Some(chunk))) = read.poll_once() {
                    tape.check(&chunk);
                }
            }
        }
        drop(read);
        // What follows shows that something is missing before it.
        case.send(&mut peer, &mut feed, 8);
        case.read_up_to(&flow, &mut tape, feed.at());
    }
    let read = case.park_read(&flow);
    peer.end();
    case.settle();
    drop(read);
    case.read_end(&flow);
}

/// A write dropped before it was taken sends nothing, and gives its bytes back.
pub fn cancel_untaken_write_sends_nothing<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut full = case.park_taken(&flow, &mut feed);
    for cancelled in [false, true] {
        let mut late = case.step(
            "a write that waits to be taken",
            flow.write("nobody shall see this"),
        );
        late.park();
        assert!(!late.call().is_taken(), "a full flow took a write");
        late.still_waits("on a full flow");
        let late = late.into_call();
        if cancelled {
            let back = late
                .cancel()
                .expect("a write that was not taken gives its bytes back");
            assert_eq!(
                back.slices().collect::<Vec<_>>().concat(),
                b"nobody shall see this",
                "other bytes came back"
            );
        } else {
            drop(late);
        }
    }
    case.receive_while(&mut full, &mut peer, &mut tape, feed.at());
    case.write(&flow, feed.next(10));
    case.receive_up_to(&mut peer, &mut tape, feed.at());
    case.settle();
    assert_eq!(peer.queued(), 0, "a write that was cancelled arrived");
}

/// A write dropped after it was taken is sent whole, in order, before anything later.
pub fn cancel_taken_write_is_whole<H: Harness>(case: &Case<H>) {
    for in_line in [false, true] {
        let Link { flow, mut peer } = case.tight();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let taken = case.park_taken(&flow, &mut feed);
        let mut next = case.step("the next write", flow.write(feed.next(5000)));
        if in_line {
            next.park();
        }
        drop(taken);
        let result = next.finish_while(|| pull(&mut peer, &mut tape, 4096));
        assert!(
            result.is_ok(),
            "the write after a dropped one failed: {result:?}"
        );
        case.receive_up_to(&mut peer, &mut tape, feed.at());
    }
}

/// Any later call drives it, a parked or later read included.
pub fn cancel_taken_write_driven_by_read<H: Harness>(case: &Case<H>) {
    for (parked_before, told) in [(false, false), (true, false), (true, true)] {
        let Link { flow, mut peer } = case.tight();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let (mut back, mut answer) = (feed_in(), tape_in());
        let mut read = case.step("a read that drives a dropped write", flow.read());
        if parked_before {
            read.park();
        }
        let taken = case.park_taken(&flow, &mut feed);
        if told {
            // There is room, of which the write is told, and it goes without having looked.
            pull(&mut peer, &mut tape, 4096);
            case.settle();
        }
        drop(taken);
        let whole = feed.at();
        // The peer answers when it has the whole, as a server does.
        let result = read.finish_while(|| {
            let moved = tape.at() < whole && pull(&mut peer, &mut tape, 4096);
            if tape.at() == whole && back.at() == 0 {
                return crate::moves::push(&mut peer, &mut back, 1) > 0;
            }
            moved
        });
        match result {
            Ok(Some(chunk)) => answer.check(&chunk),
            other => panic!("{other:?} came instead of the answer"),
        }
    }
    // As does every other call.
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    drop(case.park_taken(&flow, &mut feed));
    let flushed = case
        .step("a flush", flow.flush())
        .finish_while(|| pull(&mut peer, &mut tape, 4096));
    assert!(flushed.is_ok(), "flush failed: {flushed:?}");
    case.receive_up_to(&mut peer, &mut tape, feed.at());
}

/// A waiter dropped after it was woken passes its wake to the next.
pub fn cancel_hands_the_wake_on<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    for waiting in [1, 3] {
        let first = case.park_read(&flow);
        let mut others: Vec<_> = (0..waiting).map(|_| case.park_read(&flow)).collect();
        case.send(&mut peer, &mut feed, 5);
        case.settle();
        drop(first);
        let mut heir = others.remove(0);
        let mut got = vec![];
        // Woken by the drop, and not by being asked.
        case.wait(
            "the read behind a dropped one",
            || heir.is_woken(),
            || false,
        );
        match heir.finish() {
            Ok(Some(chunk)) => got.push(chunk),
            other => panic!("{other:?} came instead of bytes"),
        }
        drop(others);
        for chunk in got {
            tape.check(&chunk);
        }
        case.read_up_to(&flow, &mut tape, feed.at());
    }
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let first = case.park_taken(&flow, &mut feed);
    let mut heir = case.step("the write behind a dropped one", flow.write(feed.next(3)));
    heir.park();
    // Room for the first, which is told, does not look, and goes.
    pull(&mut peer, &mut tape, MUCH);
    case.settle();
    let told = first.is_woken();
    drop(first);
    if told {
        case.wait(
            "the write behind a dropped one",
            || heir.is_woken(),
            || false,
        );
    }
    let result = heir.finish_while(|| pull(&mut peer, &mut tape, MUCH));
    assert!(result.is_ok(), "write failed: {result:?}");
    case.receive_up_to(&mut peer, &mut tape, feed.at());
}

/// flush, shutdown and close may be dropped and called again by anyone.
pub fn cancel_flush_shutdown_close<H: Harness>(case: &Case<H>) {
    for how in ["flush", "shutdown", "close"] {
        for polls in 1..4 {
            let Link { flow, mut peer } = case.tight();
            let (mut feed, mut tape) = (feed_out(), tape_out());
            drop(case.park_taken(&flow, &mut feed));
            let whole = feed.at();
            // Dropped at its first point of waiting, and at later ones.
            for _ in 0..polls {
                let pending = match how {
                    "flush" => case
                        .step("a flush to be dropped", flow.flush())
                        .poll()
                        .is_pending(),
                    "shutdown" => case
                        .step("a shutdown to be dropped", flow.shutdown(Shutdown::Write))
                        .poll()
                        .is_pending(),
                    _ => case
                        .step("a close to be dropped", flow.close())
                        .poll()
                        .is_pending(),
                };
                assert!(
                    pending,
                    "{how} was done before the bytes that were taken had gone out"
                );
                pull(&mut peer, &mut tape, 1000);
            }
            let mut ended = false;
            let drain = || {
                if tape.at() < whole {
                    return pull(&mut peer, &mut tape, 4096);
                }
                let first = how == "close" && !std::mem::replace(&mut ended, true);
                if first {
                    peer.end();
                }
                first
            };
            let result = match how {
                "flush" => case
                    .step("a second flush", flow.flush())
                    .finish_while(drain),
                "shutdown" => case
                    .step("a second shutdown", flow.shutdown(Shutdown::Write))
                    .finish_while(drain),
                _ => case
                    .step("a second close", flow.close())
                    .finish_while(drain)
                    .map(drop),
            };
            assert!(
                result.is_ok(),
                "{how} after a dropped one failed: {result:?}"
            );
            case.receive_up_to(&mut peer, &mut tape, whole);
            if how == "flush" {
                case.write(&flow, Bytes::from_static(b"x"));
            } else {
                case.receive_end(&mut peer);
                expect_closed(
                    "a write after it",
                    case.try_write(&flow, Bytes::from_static(b"x")),
                );
            }
        }
    }
}

/// A flow in which a thousand calls have waited at once holds at most 16 KiB more than before, once they are gone.
pub fn cancel_gives_memory_back<H: Harness>(case: &Case<H>) {
    const MANY: usize = 1000;
    const BOUND: usize = 16 * 1024;
    let allocated = || {
        let harness = case.harness();
        harness.allocated().expect("this law needs `Allocated`")
    };
    let Link {
        flow,
        peer: mut _peer,
    } = case.tight();
    let _full = case.park_taken(&flow, &mut feed_out());
    let mut reads = Vec::with_capacity(MANY);
    let mut writes = Vec::with_capacity(MANY);
    let mut flushes = Vec::with_capacity(MANY);
    // Whatever is allocated once, by few, is there before the count begins.
    drop(case.park_read(&flow));
    case.step("a flush", flow.flush()).park();
    let before = allocated();
    // They go as they came, the last ones first, and from both ends.
    for order in 0..3 {
        for _ in 0..MANY {
            let mut read = case.step("a read to be dropped", flow.read());
            let mut write = case.step("a write to be dropped", flow.write("x"));
            let mut flush = case.step("a flush to be dropped", flow.flush());
            read.park();
            write.park();
            flush.park();
            reads.push(Some(read));
            writes.push(Some(write));
            flushes.push(Some(flush));
        }
        for index in 0..MANY {
            let index = match order {
                0 => index,
                1 => MANY - 1 - index,
                _ if index % 2 == 0 => index / 2,
                _ => MANY - 1 - index / 2,
            };
            reads[index] = None;
            writes[index] = None;
            flushes[index] = None;
        }
        reads.clear();
        writes.clear();
        flushes.clear();
        let held = allocated().saturating_sub(before);
        assert!(
            held <= BOUND,
            "{held} bytes of heap are held for {} calls that are gone",
            3 * MANY
        );
    }
}

/// Dropped operations leave neither wakes nor memory behind.
pub fn cancel_leaves_no_residue<H: Harness>(case: &Case<H>) {
    const MANY: usize = 1000;
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut full = case.park_taken(&flow, &mut feed);
    let mut counters: Vec<Arc<Counter>> = vec![];
    let mut park = |step: &mut dyn FnMut(&Waker) -> bool| {
        let (counter, waker) = Counter::new();
        assert!(step(&waker), "a call on a full, silent flow was done");
        counters.push(counter);
    };
    for _ in 0..MANY {
        let mut read = case.step("a read to be dropped", flow.read());
        let mut write = case.step("a write to be dropped", flow.write("x"));
        let mut flush = case.step("a flush to be dropped", flow.flush());
        park(&mut |waker| read.poll_with(waker).is_pending());
        park(&mut |waker| write.poll_with(waker).is_pending());
        park(&mut |waker| flush.poll_with(waker).is_pending());
    }
    let held = counters.iter().filter(|c| Arc::strong_count(c) > 1).count();
    assert!(
        held <= 8,
        "{held} wakers of {} dropped calls are still held",
        counters.len()
    );
    let wakes = |counters: &[Arc<Counter>]| counters.iter().map(|c| c.wakes()).sum::<usize>();
    let before = wakes(&counters);
    crate::moves::push(&mut peer, &mut feed_in(), 10);
    case.settle();
    assert!(
        full.finish_while(|| pull(&mut peer, &mut tape, MUCH))
            .is_ok(),
        "write failed"
    );
    case.settle();
    let woken = wakes(&counters) - before;
    assert!(
        woken <= 8,
        "{woken} dropped calls were woken by later events"
    );
}
