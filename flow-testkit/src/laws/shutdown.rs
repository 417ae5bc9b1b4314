//! Shutdown: one direction ends, the other goes on.

use std::task::Poll;

use flow_core::{Bytes, FlowExt, Shutdown, WriteError};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::laws::write_end::expect_closed;
use crate::moves::{MUCH, drain, feed_in, feed_out, pull, push, push_up_to, tape_in, tape_out};

/// Shuts down, which must succeed.
#[track_caller]
pub(crate) fn shut<H: Harness>(case: &Case<H>, flow: &H::Flow, how: Shutdown) {
    let result = case.step("a shutdown", flow.shutdown(how)).finish();
    assert!(result.is_ok(), "shutdown({how:?}) failed: {result:?}");
}

/// The peer sees the end while the flow is still alive.
pub fn shutdown_write_is_seen<H: Harness>(case: &Case<H>) {
    for how in [Shutdown::Write, Shutdown::Both] {
        // Alone, after bytes, and where the peer or our reading has ended first.
        for (len, first) in [(0, ""), (1000, ""), (10, "peer"), (10, "reading")] {
            let Link { flow, mut peer } = case.link();
            let (mut feed, mut tape) = (feed_out(), tape_out());
            case.write(&flow, feed.next(len));
            match first {
                "peer" => {
                    peer.end();
                    case.read_end(&flow);
                }
                "reading" => shut(case, &flow, Shutdown::Read),
                _ => {}
            }
            shut(case, &flow, how);
            case.receive_up_to(&mut peer, &mut tape, feed.at());
            case.receive_end(&mut peer);
            // Only now: dropping it would have shown the end as well.
            drop(flow);
        }
    }
}

/// Everything taken arrives before the end.
pub fn shutdown_write_flushes_first<H: Harness>(case: &Case<H>) {
    for dropped in [false, true] {
        let Link { flow, mut peer } = case.tight();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let mut taken = Some(case.park_taken(&flow, &mut feed));
        if dropped {
            taken = None;
        }
        let mut shutdown = case.step("a shutdown", flow.shutdown(Shutdown::Write));
        shutdown.still_waits("while bytes that were taken are unsent");
        let whole = feed.at();
        let result = shutdown.finish_while(|| drain(&mut peer, &mut tape, whole));
        assert!(result.is_ok(), "shutdown failed: {result:?}");
        case.receive_up_to(&mut peer, &mut tape, whole);
        case.receive_end(&mut peer);
        if let Some(mut write) = taken {
            let result = write.finish();
            assert!(
                result.is_ok(),
                "a write that was sent whole before the end gave {result:?}"
            );
        }
    }
}

/// Reading goes on after `shutdown(Write)`.
pub fn shutdown_write_spares_reading<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    let mut parked = case.park_read(&flow);
    shut(case, &flow, Shutdown::Write);
    parked.still_waits("after shutdown(Write)");
    case.send(&mut peer, &mut feed, 10);
    match parked.finish() {
        Ok(Some(chunk)) => tape.check(&chunk),
        other => panic!("a read parked before shutdown(Write) gave {other:?}"),
    }
    while tape.at() < 300_000 {
        let mut read = case.step("a read after shutdown(Write)", flow.read());
        match read.finish_while(|| push_up_to(&mut peer, &mut feed, 300_000)) {
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!(
                "after shutdown(Write) a read gave {other:?} at {} bytes",
                tape.at()
            ),
        }
    }
    peer.end();
    case.read_end(&flow);
}

/// Writes that wait to be taken are `Closed` and sent nothing.
pub fn shutdown_write_wakes_parked_writes<H: Harness>(case: &Case<H>) {
    for how in [Shutdown::Write, Shutdown::Both] {
        let Link { flow, mut peer } = case.tight();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let mut taken = case.park_taken(&flow, &mut feed);
        let mut waiting: Vec<_> = (0..3)
            .map(|_| {
                let mut write = case.step(
                    "a write that waits to be taken",
                    flow.write("nobody shall see this"),
                );
                write.park();
                write
            })
            .collect();
        let mut shutdown = case.step("a shutdown", flow.shutdown(how));
        assert!(
            shutdown.poll().is_pending(),
            "shutdown was done before what was taken had gone out"
        );
        for write in &mut waiting {
            // The peer has not read: nothing but the shutdown itself can wake them.
            expect_closed("a write that waited to be taken", write.finish());
        }
        let whole = feed.at();
        let result = shutdown.finish_while(|| drain(&mut peer, &mut tape, whole));
        assert!(result.is_ok(), "shutdown failed: {result:?}");
        case.receive_up_to(&mut peer, &mut tape, whole);
        case.receive_end(&mut peer);
        let result = taken.finish();
        assert!(
            result.is_ok(),
            "a write that was sent whole before the end gave {result:?}"
        );
    }
}

/// Parked and later reads are `None`, also with input queued.
pub fn shutdown_read_ends_reading<H: Harness>(case: &Case<H>) {
    for how in [Shutdown::Read, Shutdown::Both] {
        for queued in [0, 1000] {
            let Link { flow, mut peer } = case.link();
            case.send(&mut peer, &mut feed_in(), queued);
            case.settle();
            let mut parked = (queued == 0).then(|| case.park_read(&flow));
            shut(case, &flow, how);
            if let Some(parked) = &mut parked {
                match parked.finish() {
                    Ok(None) => {}
                    other => panic!("a read parked before shutdown({how:?}) gave {other:?}"),
                }
            }
            for _ in 0..3 {
                match case.step("a read after shutdown", flow.read()).poll() {
                    Poll::Ready(Ok(None)) => {}
                    other => panic!("a read after shutdown({how:?}) gave {other:?}"),
                }
                push(&mut peer, &mut feed_in(), 10);
                case.settle();
            }
        }
    }
}

/// Writing goes on, and input still to come is discarded by later calls.
pub fn shutdown_read_spares_writing<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    shut(case, &flow, Shutdown::Read);
    let mut late = feed_in();
    let mut idle = case.idle();
    // More than any flow holds: the peer can only send it if it is discarded.
    while late.at() < 4 * 1024 * 1024 {
        let sent = push(&mut peer, &mut late, 64 * 1024);
        idle.after(sent > 0);
        assert!(
            !idle.for_good(),
            "the peer could send only {} bytes after shutdown(Read)",
            late.at()
        );
        case.settle();
        case.write(&flow, feed.next(100));
        case.receive_up_to(&mut peer, &mut tape, feed.at());
        match case.step("a read after shutdown(Read)", flow.read()).poll() {
            Poll::Ready(Ok(None)) => {}
            other => panic!("a read after shutdown(Read) gave {other:?}"),
        }
    }
    let mut write = case.step(
        "a large write after shutdown(Read)",
        flow.write(feed.next(MUCH)),
    );
    let result = write.finish_while(|| pull(&mut peer, &mut tape, MUCH));
    assert!(
        result.is_ok(),
        "a write after shutdown(Read) failed: {result:?}"
    );
    case.receive_up_to(&mut peer, &mut tape, feed.at());

    // A write that waits is a later call as well: it keeps input from piling up at a peer that sends before it reads.
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut late = feed_in();
    shut(case, &flow, Shutdown::Read);
    let mut write = case.step(
        "a write that waits after shutdown(Read)",
        flow.write(feed.next(MUCH)),
    );
    let result = write.finish_while(|| {
        if late.at() < MUCH as u64 {
            return push_up_to(&mut peer, &mut late, MUCH as u64);
        }
        pull(&mut peer, &mut tape, MUCH)
    });
    assert!(
        result.is_ok(),
        "a write that waited after shutdown(Read) failed: {result:?}"
    );
    case.receive_up_to(&mut peer, &mut tape, feed.at());

    // So is the next one in line, once the one that was woken to discard is gone.
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut late = feed_in();
    shut(case, &flow, Shutdown::Read);
    let first = case.park_taken(&flow, &mut feed);
    let mut next = case.step(
        "a write in line after shutdown(Read)",
        flow.write(feed.next(100)),
    );
    next.park();
    while push(&mut peer, &mut late, 1000) > 0 {
        case.settle();
    }
    drop(first);
    let whole = feed.at();
    let all = late.at() + 10_000;
    let result = next.finish_while(|| {
        if late.at() < all {
            return push_up_to(&mut peer, &mut late, all);
        }
        drain(&mut peer, &mut tape, whole)
    });
    assert!(
        result.is_ok(),
        "a write in line after shutdown(Read) failed: {result:?}"
    );
    case.receive_up_to(&mut peer, &mut tape, whole);
}

/// Each shutdown may be repeated.
pub fn shutdown_twice_is_ok<H: Harness>(case: &Case<H>) {
    for first in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
        for second in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
            let Link { flow, mut peer } = case.link();
            shut(case, &flow, first);
            for _ in 0..2 {
                let result = case
                    .step("a second shutdown", flow.shutdown(second))
                    .finish();
                assert!(
                    result.is_ok(),
                    "shutdown({second:?}) after shutdown({first:?}) gave {result:?}"
                );
            }
            if first.is_write() || second.is_write() {
                case.receive_end(&mut peer);
                // Nor does the peer's leaving make an error of what was done.
                peer.vanish();
                case.settle();
                shut(case, &flow, Shutdown::Write);
            }
        }
    }
}

/// Where nothing is owed, shutdown is `Ok` also when the peer has gone, and close after it.
pub fn shutdown_peer_gone_is_ok<H: Harness>(case: &Case<H>) {
    for reset in [false, true] {
        for how in [Shutdown::Write, Shutdown::Both, Shutdown::Read] {
            for read_first in [false, true] {
                let Link { flow, mut peer } = case.link();
                if reset {
                    peer.reset()
                } else {
                    peer.vanish()
                }
                case.settle();
                if read_first {
                    let _ = case.try_read(&flow);
                }
                for again in 1..=3 {
                    let result = case.step("a shutdown", flow.shutdown(how)).finish();
                    assert!(
                        result.is_ok(),
                        "shutdown({how:?}) {again} with a peer that has gone gave {result:?}"
                    );
                }
                let result = case.step("a close", flow.close()).finish();
                assert!(
                    result.is_ok(),
                    "a close after shutdown({how:?}) with a peer that has gone gave {result:?}"
                );
            }
        }
    }
}

/// If bytes were owed and the peer has gone, shutdown is `Closed`.
pub fn shutdown_owed_bytes<H: Harness>(case: &Case<H>) {
    for parked in [false, true] {
        let Link { flow, mut peer } = case.tight();
        drop(case.park_taken(&flow, &mut feed_out()));
        let mut shutdown = case.step("a shutdown that owes bytes", flow.shutdown(Shutdown::Write));
        if parked {
            shutdown.park();
        }
        peer.vanish();
        case.settle();
        match shutdown.finish() {
            Err(WriteError::Closed) => {}
            other => panic!("a shutdown that owed bytes to a peer that has gone gave {other:?}"),
        }
        expect_closed(
            "a write after it",
            case.try_write(&flow, Bytes::from_static(b"x")),
        );
    }
}
