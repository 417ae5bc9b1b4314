//! Closing: writing is over at once, and the call waits for the peer.

use std::task::Poll;

use flow_core::{Bytes, FlowExt, Shutdown};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::laws::shutdown::shut;
use crate::laws::write_end::expect_closed;
use crate::moves::{BOUND, drain, feed_in, feed_out, pull, push, push_up_to, tape_in, tape_out};
use crate::pattern::{Feed, Tape};
use crate::peer::{Peer, Recv};

/// From the first poll on, writes are `Closed`.
pub fn close_refuses_later_writes<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let mut close = case.step("a close", flow.close());
    // One poll, whatever it says: that is the point of no return.
    assert!(
        close.poll_once().is_pending(),
        "close was done before the peer had ended"
    );
    for _ in 0..3 {
        expect_closed(
            "a write after the first poll of close",
            case.try_write(&flow, Bytes::from_static(b"late")),
        );
    }
    case.receive_end(&mut peer);
    peer.end();
    assert!(close.finish().is_ok(), "close failed");
}

/// What was taken arrives before the end; what waits to be taken is `Closed` and sent nothing.
pub fn close_finishes_taken_writes<H: Harness>(case: &Case<H>) {
    for dropped in [false, true] {
        let Link { flow, mut peer } = case.tight();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let mut taken = Some(case.park_taken(&flow, &mut feed));
        let mut waiting = case.step(
            "a write that waits to be taken",
            flow.write("nobody shall see this"),
        );
        waiting.park();
        if dropped {
            taken = None;
        }
        let mut close = case.step("a close", flow.close());
        close.park();
        expect_closed("a write that waited to be taken", waiting.finish());
        let whole = feed.at();
        let mut ended = false;
        let result = close.finish_while(|| {
            if tape.at() < whole {
                return drain(&mut peer, &mut tape, whole);
            }
            !std::mem::replace(&mut ended, true) && {
                peer.end();
                true
            }
        });
        assert!(result.is_ok(), "close failed: {result:?}");
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

/// Close is not done before the peer has ended, whatever else the peer sends.
pub fn close_waits_for_the_peer<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let mut feed = feed_in();
    let mut close = case.step("a close", flow.close());
    close.still_waits("while the peer is silent");
    for len in [1, 1, 1000] {
        case.send(&mut peer, &mut feed, len);
        close.still_waits("while the peer sends");
    }
    case.receive_end(&mut peer);
    close.still_waits("while the peer has seen the end and not ended itself");
    peer.end();
    let result = close.finish();
    assert!(result.is_ok(), "close failed: {result:?}");
}

/// Close completes when the peer ends although up to 64 KiB of input are unread, and they stay readable.
pub fn close_sees_end_past_unread_input<H: Harness>(case: &Case<H>) {
    for len in [1, 5000, 65_536_u64] {
        for before in [false, true] {
            let Link { flow, mut peer } = case.link();
            let (mut feed, mut tape) = (feed_in(), tape_in());
            let mut close = case.step("a close with unread input", flow.close());
            if !before {
                close.park();
            }
            let mut ended = false;
            let result = close.finish_while(|| {
                if feed.at() < len {
                    return push_up_to(&mut peer, &mut feed, len);
                }
                !std::mem::replace(&mut ended, true) && {
                    peer.end();
                    true
                }
            });
            assert!(result.is_ok(), "close failed: {result:?}");
            case.read_up_to(&flow, &mut tape, feed.at());
            case.read_end(&flow);
        }
    }
    // What was read meanwhile is not unread, however much it was.
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    let mut close = case.step("a close behind a slow reader", flow.close());
    close.park();
    while tape.at() < 40 * 1024 {
        while feed.at() < tape.at() + 32 * 1024 {
            case.send(&mut peer, &mut feed, 1024);
            case.settle();
            if close.is_woken() {
                close.still_waits("while the peer has not ended");
            }
        }
        let chunk = case.read(&flow).expect("more than the end");
        tape.check(&chunk);
    }
    case.send(&mut peer, &mut feed, 1024);
    peer.end();
    let result = close.finish();
    assert!(result.is_ok(), "close failed: {result:?}");
    case.read_up_to(&flow, &mut tape, feed.at());
    case.read_end(&flow);
}

/// Reads work while close waits.
pub fn close_spares_reading<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    let mut parked = case.park_read(&flow);
    let mut close = case.step("a close", flow.close());
    close.park();
    case.settle();
    case.send(&mut peer, &mut feed, 10);
    match parked.finish() {
        Ok(Some(chunk)) => tape.check(&chunk),
        other => panic!("a read parked before close gave {other:?}"),
    }
    while tape.at() < 300_000 {
        let mut read = case.step("a read while close waits", flow.read());
        match read.finish_while(|| push_up_to(&mut peer, &mut feed, 300_000)) {
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!(
                "while close waits a read gave {other:?} at {} bytes",
                tape.at()
            ),
        }
    }
    close.still_waits("while the peer has not ended");
    peer.end();
    case.read_end(&flow);
    assert!(close.finish().is_ok(), "close failed");
}

/// While close waits and nobody reads, what is taken in of what the peer sends is bounded.
pub fn close_back_pressure<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    let mut close = case.step("a close while the peer sends", flow.close());
    close.park();
    let mut fill = |peer: &mut dyn Peer, feed: &mut Feed, tape: &Tape, bound: u64| {
        let mut idle = 0;
        while idle < 3 {
            let sent = push(peer, feed, 64 * 1024);
            case.settle();
            let woken = close.is_woken();
            if woken && let Poll::Ready(result) = close.poll() {
                panic!("a close while the peer sends is done: {result:?}");
            }
            idle = if sent > 0 || woken { 0 } else { idle + 1 };
            let unread = feed.at() - tape.at();
            assert!(
                unread <= bound,
                "{unread} bytes were taken in while nobody reads"
            );
        }
        feed.at() - tape.at()
    };
    let mut full = fill(&mut peer, &mut feed, &tape, BOUND as u64);
    // Whoever reads a little makes room for a little.
    for reads in 0..12 {
        let mut read = case.step("a read of what was taken in", flow.read());
        // What is on the way in a network stays so for as long as the network likes: it may have looked full, and all that was there was read.
        match read.finish_while(|| push(&mut peer, &mut feed, 1) > 0) {
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!("a read of what was taken in gave {other:?}"),
        }
        if reads < 3 {
            full = full.max(fill(&mut peer, &mut feed, &tape, BOUND as u64));
        } else {
            fill(&mut peer, &mut feed, &tape, 2 * full + 128 * 1024);
        }
    }
    // A peer that is a flow may have to go on with what it was given.
    let all = feed.at();
    while tape.at() < all {
        let mut read = case.step("a read of what was taken in", flow.read());
        match read.finish_while(|| push_up_to(&mut peer, &mut feed, all)) {
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!("a read of what was taken in gave {other:?}"),
        }
    }
    peer.end();
    let result = close.finish();
    assert!(result.is_ok(), "close failed: {result:?}");
}

/// A reader that meets the end wakes a waiting close.
pub fn close_woken_by_reader<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    let mut close = case.step("a close that a reader completes", flow.close());
    close.park();
    // More than close may read ahead, so that where the end cannot be seen otherwise, only a reader finds it.
    const ALL: u64 = 1024 * 1024;
    let mut ended = false;
    while tape.at() < ALL {
        let mut read = case.step("the reader", flow.read());
        let result = read.finish_while(|| {
            if feed.at() < ALL {
                return push_up_to(&mut peer, &mut feed, ALL);
            }
            if !ended {
                ended = true;
                peer.end();
            }
            false
        });
        match result {
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!(
                "while close waits a read gave {other:?} at {} bytes",
                tape.at()
            ),
        }
    }
    if !ended {
        peer.end();
    }
    case.read_end(&flow);
    case.wait(
        "the close that a reader completes",
        || close.is_woken(),
        || false,
    );
    let result = close.finish();
    assert!(result.is_ok(), "close failed: {result:?}");
}

/// After `shutdown(Read)` close reads and discards up to the peer's end.
pub fn close_discards_after_shutdown_read<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    shut(case, &flow, Shutdown::Read);
    let mut feed = feed_in();
    let mut ended = false;
    const ALL: u64 = 4 * 1024 * 1024;
    let mut close = case.step("a close that discards input", flow.close());
    let result = close.finish_while(|| {
        if feed.at() < ALL {
            return push_up_to(&mut peer, &mut feed, ALL);
        }
        !std::mem::replace(&mut ended, true) && {
            peer.end();
            true
        }
    });
    assert!(result.is_ok(), "close failed: {result:?}");
    assert!(
        ended,
        "close was done when the peer had sent {} of {ALL} bytes",
        feed.at()
    );
}

/// Close may be repeated, and called from several tasks.
pub fn close_twice_is_ok<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let mut closes: Vec<_> = (0..3)
        .map(|_| {
            let mut close = case.step("one of several closes", flow.close());
            close.park();
            close
        })
        .collect();
    peer.end();
    for close in &mut closes {
        let result = close.finish();
        assert!(result.is_ok(), "one of several closes gave {result:?}");
    }
    for when in ["", " and the peer's leaving"] {
        let result = case.step("a late close", flow.close()).finish();
        assert!(result.is_ok(), "a close after close{when} gave {result:?}");
        let result = case
            .step("a late shutdown", flow.shutdown(Shutdown::Both))
            .finish();
        assert!(
            result.is_ok(),
            "a shutdown after close{when} gave {result:?}"
        );
        peer.vanish();
        case.settle();
    }
}

/// Both sides may close at once.
pub fn close_from_both_sides<H: Harness>(case: &Case<H>) {
    for round in 0..4 {
        let (a, b) = case.pair();
        let mut ours = case.step("our close", a.close());
        let mut theirs = case.step("their close", b.close());
        // One waits when the other begins, or is settled in its wait.
        let _ = ours.poll();
        if round % 2 == 1 {
            case.settle();
        }
        let _ = if round < 2 {
            theirs.poll()
        } else {
            Poll::Pending
        };
        drop((ours, theirs));
        let mut ours = case.step("our close", a.close());
        let mut theirs = case.step("their close", b.close());
        let mut done = false;
        let result = ours.finish_while(|| {
            if done || (theirs.polls() > 0 && !theirs.is_woken()) {
                return false;
            }
            if let Poll::Ready(result) = theirs.poll() {
                assert!(result.is_ok(), "their close failed: {result:?}");
                done = true;
            }
            true
        });
        assert!(result.is_ok(), "our close failed: {result:?}");
        if !done {
            let result = theirs.finish();
            assert!(result.is_ok(), "their close failed: {result:?}");
        }
        case.read_end(&a);
        case.read_end(&b);
    }
}

/// A peer that vanishes completes close when nothing is owed.
pub fn close_completed_by_reset<H: Harness>(case: &Case<H>) {
    for reset in [false, true] {
        for parked in [false, true] {
            for unread in [false, true] {
                let Link { flow, mut peer } = case.link();
                if unread {
                    // What makes the peer's leaving abrupt; it was accepted, so nothing of it is owed.
                    case.write(&flow, Bytes::from_static(b"unread"));
                    case.settle();
                }
                let mut close = case.step("a close", flow.close());
                if parked {
                    close.park();
                }
                if reset {
                    peer.reset()
                } else {
                    peer.vanish()
                }
                case.settle();
                let result = close.finish();
                assert!(
                    result.is_ok(),
                    "close gave {result:?} when the peer went and nothing was owed"
                );
            }
        }
    }
}

/// A close that was polled once and dropped has ended writing.
pub fn close_dropped_is_still_closing<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let mut close = case.step("a close to be dropped", flow.close());
    assert!(
        close.poll_once().is_pending(),
        "close was done before the peer had ended"
    );
    drop(close);
    expect_closed(
        "a write after a dropped close",
        case.try_write(&flow, Bytes::from_static(b"late")),
    );
    // Reading went on all the time; whatever call comes next moves the end along.
    let mut read = case.park_read(&flow);
    case.receive_end(&mut peer);
    peer.end();
    assert!(
        matches!(read.finish(), Ok(None)),
        "a read did not meet the peer's end"
    );
    assert!(
        case.step("a close", flow.close()).finish().is_ok(),
        "close failed"
    );
}

/// Releasing a closed flow with unread input destroys nothing that was sent.
pub fn close_done_stays_done<H: Harness>(case: &Case<H>) {
    for early in [false, true] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        // Input that nobody ever reads.
        case.send(&mut peer, &mut feed_in(), 1);
        case.settle();
        // The peer does not read, so that some of what was accepted is still on the way when close is done.
        case.write(&flow, feed.next(60_000));
        if early {
            peer.end();
        }
        let mut close = case.step("a close with unread input", flow.close());
        if !early {
            close.park();
            case.send(&mut peer, &mut feed_in(), 10);
            peer.end();
        }
        let result = close.finish();
        assert!(result.is_ok(), "close failed: {result:?}");
        drop(close);
        drop(flow);
        case.settle();
        let mut left = true;
        case.wait(
            "what was sent before close",
            || {
                left = left && tape.at() < feed.at() && {
                    pull(&mut peer, &mut tape, 1000);
                    true
                };
                !left
            },
            || true,
        );
        assert_eq!(
            case.receive(&mut peer, "the end"),
            Recv::End,
            "the peer of a closed flow met a torn stream"
        );
    }
}
