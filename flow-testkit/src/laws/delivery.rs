//! What became of what was written: nothing that the far end does not know better is claimed.

use std::cell::Cell;

use flow_core::{Bytes, Delivered, Flow, FlowExt, Shutdown};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::laws::shutdown::shut;
use crate::moves::{drain, feed_in, feed_out, pull, tape_out};
use crate::pattern::{Feed, Tape};
use crate::peer::Peer;

/// What the far end knows: how far it has read.
fn is_read(peer: &dyn Peer, tape: &Tape, feed: &Feed) -> bool {
    tape.at() + peer.held() as u64 == feed.at()
}

/// The flow may not claim more than its peer knows.
#[track_caller]
fn expect_true<F: Flow>(flow: &F, peer: &mut dyn Peer, tape: &Tape, feed: &Feed, when: &str) {
    match flow.delivered() {
        Delivered::Yes => assert!(
            is_read(peer, tape, feed),
            "delivered is Yes {when}, and the peer has read {} of {} bytes",
            tape.at(),
            feed.at()
        ),
        Delivered::Arrived => {
            let arrived = tape.at() + peer.queued() as u64;
            assert_eq!(
                arrived,
                feed.at(),
                "delivered is Arrived {when}, and not every byte has"
            );
        }
        Delivered::No | Delivered::Unknown => {}
    }
}

/// `Yes` is answered only once the peer has read every byte, `Arrived` only once its system has every byte, and `No` not for ever when it has
/// read them.
pub fn delivered_is_true<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    for sizes in [&[1][..], &[1000], &[10, 20, 30], &[5000, 1]] {
        for size in sizes {
            case.write(&flow, feed.next(*size));
            expect_true(&flow, &mut peer, &tape, &feed, "after a write");
        }
        case.settle();
        expect_true(&flow, &mut peer, &tape, &feed, "while nobody reads");
        // Up to the last byte but one, the last byte being one of a whole buffer or all of one.
        for left in [3, 2, 1] {
            let to = feed.at().saturating_sub(left).max(tape.at());
            read_up_to(case, &mut peer, &mut tape, to);
            expect_true(&flow, &mut peer, &tape, &feed, "before the last byte");
        }
        let all = feed.at();
        read_up_to(case, &mut peer, &mut tape, all);
        case.wait(
            "another answer than No when all was read",
            || !flow.delivered().is_no(),
            || false,
        );
    }

    // The end says nothing of what is before it, nor does the peer's own.
    case.write(&flow, feed.next(50));
    shut(case, &flow, Shutdown::Write);
    expect_true(&flow, &mut peer, &tape, &feed, "after shutdown(Write)");
    peer.end();
    let close = case.step("a close", flow.close()).finish();
    let claims = matches!(close, Ok(Delivered::Yes)) && !is_read(&peer, &tape, &feed);
    assert!(
        !claims,
        "close answered Yes, and the peer has read {} of {} bytes",
        tape.at(),
        feed.at()
    );
    expect_true(&flow, &mut peer, &tape, &feed, "after close");
    let all = feed.at();
    read_up_to(case, &mut peer, &mut tape, all);
    // The end, if it comes: that is for other laws to say.
    let _ = peer.recv(&mut [0; 1]);
    case.wait(
        "another answer than No when all and the end was read",
        || !flow.delivered().is_no(),
        || false,
    );

    // What was taken and is still here has not arrived, although the peer has read all that did.
    for dropped in [false, true] {
        let Link { flow, mut peer } = case.tight();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let mut taken = Some(case.park_taken(&flow, &mut feed));
        expect_true(&flow, &mut peer, &tape, &feed, "with a write half taken");
        if dropped {
            taken = None;
        }
        while drain(&mut peer, &mut tape, feed.at()) {
            expect_true(&flow, &mut peer, &tape, &feed, "with a write half taken");
            case.settle();
        }
        expect_true(&flow, &mut peer, &tape, &feed, "with a write half taken");
        flow.abort();
        expect_true(&flow, &mut peer, &tape, &feed, "with a write cut off");
        drop(taken);
    }

    // A peer that has left reads no more.
    for reset in [false, true] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        case.write(&flow, feed.next(1000));
        case.settle();
        pull(&mut peer, &mut tape, 10);
        let read = is_read(&peer, &tape, &feed);
        if reset {
            peer.reset();
        } else {
            peer.vanish();
        }
        case.settle();
        for when in ["", " and a read", " and a write", " and a close"] {
            match when {
                " and a read" => drop(case.try_read(&flow)),
                " and a write" => drop(case.try_write(&flow, Bytes::from_static(b"to nobody"))),
                " and a close" => drop(case.step("a close", flow.close()).finish()),
                _ => {}
            }
            assert!(
                read || flow.delivered() != Delivered::Yes,
                "delivered is Yes after the peer's leaving{when}, and it had read {} of {} bytes",
                tape.at(),
                feed.at()
            );
        }
    }
}

/// The peer receives until it has come to `to`, and no further.
#[track_caller]
fn read_up_to<H: Harness>(case: &Case<H>, peer: &mut dyn Peer, tape: &mut Tape, to: u64) {
    let at = Cell::new(tape.at());
    let receive = || {
        let left = usize::try_from(to - at.get()).unwrap_or(usize::MAX);
        let moved = left > 0 && pull(peer, tape, left);
        at.set(tape.at());
        moved
    };
    case.wait("bytes that should arrive", || at.get() >= to, receive);
}

/// The flow has to know what its peer knows.
#[track_caller]
fn expect_known<F: Flow>(flow: &F, peer: &dyn Peer, tape: &Tape, feed: &Feed, when: &str) {
    let expected = known(peer, tape, feed);
    let got = flow.delivered();
    assert!(
        got == expected,
        "delivered is {got:?} instead of {expected:?} {when}: the peer has read {} of {} bytes",
        tape.at(),
        feed.at()
    );
}

/// What a flow should know as long as its peer is there.
fn known(peer: &dyn Peer, tape: &Tape, feed: &Feed) -> Delivered {
    if is_read(peer, tape, feed) {
        Delivered::Yes
    } else {
        Delivered::No
    }
}

/// Where a flow can tell, `No` while a byte is unread and `Yes` once none is: before and after the end of either side.
pub fn delivered_is_known<H: Harness>(case: &Case<H>) {
    for (ended, half) in [(false, false), (false, true), (true, false), (true, true)] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        expect_known(&flow, &peer, &tape, &feed, "on a new flow");
        if ended {
            peer.end();
            case.read_end(&flow);
        }
        for size in [10, 1000, 1] {
            case.write(&flow, feed.next(size));
            expect_known(&flow, &peer, &tape, &feed, "after a write");
            case.write(&flow, feed.next(size));
            if half {
                let to = feed.at() - 1;
                read_up_to(case, &mut peer, &mut tape, to);
                expect_known(&flow, &peer, &tape, &feed, "before the last byte");
            }
            let all = feed.at();
            read_up_to(case, &mut peer, &mut tape, all);
            expect_known(&flow, &peer, &tape, &feed, "after the last byte");
        }
        case.write(&flow, feed.next(100));
        shut(case, &flow, Shutdown::Write);
        expect_known(&flow, &peer, &tape, &feed, "after shutdown(Write)");
        let all = feed.at();
        read_up_to(case, &mut peer, &mut tape, all);
        expect_known(&flow, &peer, &tape, &feed, "when all but the end was read");
        case.receive_end(&mut peer);
        expect_known(&flow, &peer, &tape, &feed, "when the end was read");
        peer.vanish();
        case.settle();
        let got = flow.delivered();
        assert!(
            got.is_yes(),
            "delivered is {got:?} when the peer left after all was read"
        );
    }

    // Bytes that are still here have not been read either.
    for dropped in [false, true] {
        let Link { flow, mut peer } = case.tight();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let taken = case.park_taken(&flow, &mut feed);
        let mut taken = (!dropped).then_some(taken);
        drain(&mut peer, &mut tape, feed.at());
        expect_known(&flow, &peer, &tape, &feed, "with a write half taken");
        let to = feed.at();
        if let Some(write) = &mut taken {
            case.receive_while(write, &mut peer, &mut tape, to);
        } else {
            let mut flush = case.step("a flush", flow.flush());
            let flushed = flush.finish_while(|| drain(&mut peer, &mut tape, to));
            assert!(flushed.is_ok(), "flush failed: {flushed:?}");
            case.receive_up_to(&mut peer, &mut tape, to);
        }
        expect_known(&flow, &peer, &tape, &feed, "when the whole write was read");
    }
}

/// Where a flow can tell, bytes that the peer threw away by leaving are `No` for good, whichever call was told of it.
pub fn delivered_loss_is_remembered<H: Harness>(case: &Case<H>) {
    for first in ["nothing", "a read", "a write", "a shutdown", "a close"] {
        for (sent, part) in [(0, 0), (5, 0), (0, 400), (5, 999), (0, 1000), (5, 1000)] {
            let Link { flow, mut peer } = case.link();
            let (mut feed, mut tape) = (feed_out(), tape_out());
            case.write(&flow, feed.next(1000));
            case.settle();
            case.send(&mut peer, &mut feed_in(), sent);
            read_up_to(case, &mut peer, &mut tape, part);
            let expected = known(&peer, &tape, &feed);
            let parked = (first == "a read" && sent == 0).then(|| case.park_read(&flow));
            peer.vanish();
            case.settle();
            let told = |what: &str| {
                let got = flow.delivered();
                assert!(
                    got == expected,
                    "delivered is {got:?} instead of {expected:?} after {what}, the peer having left with {} of 1000 bytes read",
                    tape.at()
                );
            };
            match first {
                "a read" => match parked {
                    Some(mut read) => drop(read.finish()),
                    None => drop(case.try_read(&flow)),
                },
                "a write" => drop(case.try_write(&flow, Bytes::from_static(b"to nobody"))),
                "a shutdown" => drop(
                    case.step("a shutdown", flow.shutdown(Shutdown::Write))
                        .finish(),
                ),
                "a close" => drop(case.step("a close", flow.close()).finish()),
                _ => {}
            }
            told(first);
            for _ in 0..2 {
                let _ = case.try_read(&flow);
                told("a read");
                let _ = case.try_write(&flow, Bytes::from_static(b"to nobody"));
                told("a write");
            }
            if let Ok(got) = case.step("a close", flow.close()).finish() {
                assert!(
                    got == expected,
                    "close answered {got:?} instead of {expected:?} when the peer had left"
                );
            }
        }
    }
}

/// Where a flow can tell, close answers whether the peer has read every byte when it ended.
pub fn close_reports_delivery<H: Harness>(case: &Case<H>) {
    for size in [0, 1, 1000] {
        for part in [size, size / 2, 0] {
            for parked in [false, true] {
                for leaves in [false, true] {
                    let Link { flow, mut peer } = case.link();
                    let (mut feed, mut tape) = (feed_out(), tape_out());
                    case.write(&flow, feed.next(size));
                    let mut close = case.step("a close", flow.close());
                    if parked {
                        close.park();
                    }
                    case.settle();
                    read_up_to(case, &mut peer, &mut tape, part as u64);
                    let expected = known(&peer, &tape, &feed);
                    if leaves {
                        peer.vanish();
                    } else {
                        peer.end();
                    }
                    let result = close.finish();
                    assert!(
                        matches!(&result, Ok(got) if *got == expected),
                        "close gave {result:?} instead of {expected:?}: the peer had read {part} of {size} bytes"
                    );
                    if leaves {
                        continue;
                    }
                    // What is read after it counts when it is asked again.
                    read_up_to(case, &mut peer, &mut tape, size as u64);
                    let again = case.step("another close", flow.close()).finish();
                    assert!(
                        matches!(again, Ok(Delivered::Yes)),
                        "another close gave {again:?} when all was read"
                    );
                }
            }
        }
    }
}
