//! Reading: bytes in order and once, the end, and errors.

use std::error::Error as _;
use std::task::Poll;

use flow_core::{Bytes, Flow, FlowExt, Shutdown};

use crate::case::Case;
use crate::harness::{Harness, Link, Room};
use crate::laws::shutdown::shut;
use crate::laws::write_end::write_until_closed;
use crate::moves::{EDGES, IN, MUCH, feed_in, feed_out, push, push_up_to, tape_in, tape_out};
use crate::peer::Peer;

/// Bytes arrive once and in order, none lost, repeated or foreign.
pub fn read_in_order_once<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    // One by one, so that a buffer is longer than what arrived, and as long, and shorter.
    for len in [1, 4095, 1, 4096, 4097, 3] {
        case.send(&mut peer, &mut feed, len);
        case.settle();
        // What follows shows that something is missing before it.
        case.send(&mut peer, &mut feed, 8);
        case.read_up_to(&flow, &mut tape, feed.at());
    }
    // Of every size at which a buffer may be full, or a count may not fit.
    for len in EDGES {
        let to = feed.at() + len as u64;
        while tape.at() < to {
            let mut read = case.step("a read", flow.read());
            match read.finish_while(|| push_up_to(&mut peer, &mut feed, to)) {
                Ok(Some(chunk)) => tape.check(&chunk),
                other => panic!("{other:?} came after {} of {to} bytes", tape.at()),
            }
        }
        case.settle();
    }
    // And as fast as it goes.
    let total = feed.at() + 300_000;
    while tape.at() < total {
        let mut read = case.step("a read", flow.read());
        match read.finish_while(|| {
            let to = total.min(feed.at() + 10_007);
            push_up_to(&mut peer, &mut feed, to)
        }) {
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!("{other:?} came after {} of {total} bytes", tape.at()),
        }
    }
    assert_eq!(
        tape.at(),
        feed.at(),
        "the reader got more bytes than were sent"
    );
}

/// A chunk has at least one byte; nothing but the end is `None`.
pub fn read_chunk_not_empty<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    for _ in 0..50 {
        // Asked before there is anything, and again without reason.
        let mut read = case.step("a read", flow.read());
        for _ in 0..3 {
            match read.poll() {
                Poll::Pending => {}
                Poll::Ready(Ok(Some(chunk))) if chunk.is_empty() => panic!("an empty chunk"),
                Poll::Ready(other) => panic!("{other:?} came though nothing was sent"),
            }
        }
        case.send(&mut peer, &mut feed, 1);
        match read.finish() {
            Ok(Some(chunk)) if chunk.is_empty() => panic!("an empty chunk"),
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!("{other:?} came instead of a byte"),
        }
    }
    peer.end();
    case.read_end(&flow);
}

/// A chunk that is kept stays as it was, whatever the flow does later.
pub fn read_chunk_never_changes<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let mut feed = feed_in();
    let mut kept: Vec<Bytes> = Vec::new();
    let mut sizes = [1, 2, 63, 64, 65, 500, 1000].into_iter().cycle();
    while kept.len() < 1000 {
        // A read is dropped half-way each time, and so may be what was prepared for it.
        drop(case.park_read(&flow));
        case.send(&mut peer, &mut feed, sizes.next().expect("endless"));
        let mut got: u64 = kept.iter().map(|c| c.len() as u64).sum();
        while got < feed.at() {
            let chunk = case.read(&flow).expect("the end came before the last byte");
            got += chunk.len() as u64;
            kept.push(chunk);
        }
    }
    peer.end();
    case.read_end(&flow);
    let _ = case.step("a close", flow.close()).finish();
    drop(flow);
    let mut at = 0;
    for (index, chunk) in kept.iter().enumerate() {
        if let Some(fault) = IN.diagnose(at, chunk) {
            panic!(
                "chunk {index} of {} changed while it was kept: {fault}",
                kept.len()
            );
        }
        at += chunk.len() as u64;
    }
}

/// What is there is handed out without waiting for more.
pub fn read_does_not_wait_for_more<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    // A buffer that is just full is no sign of more to come.
    let sizes = EDGES.into_iter().filter(|len| *len < 60_000);
    for len in [1, 100, 1, 5000, 1].into_iter().chain(sizes) {
        // There before the read, and there after it.
        case.send(&mut peer, &mut feed, len);
        case.read_up_to(&flow, &mut tape, feed.at());
        let mut read = case.park_read(&flow);
        case.send(&mut peer, &mut feed, len);
        match read.finish() {
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!("{other:?} came instead of bytes"),
        }
        case.read_up_to(&flow, &mut tape, feed.at());
    }
    // Nor is it a sign that nothing is left, however large it has become: all that there is room for is there before the flow looks,
    // and nothing comes after it.
    for parked in [false, true] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_in(), tape_in());
        let read = parked.then(|| case.park_read(&flow));
        // Twice: from a buffer as it is at first, and as it has become.
        for read in [read, None] {
            push(&mut peer, &mut feed, MUCH);
            case.settle();
            drop(read);
            while tape.at() < feed.at() {
                // A peer that is a flow goes on with what it has taken.
                match case
                    .step("a read", flow.read())
                    .finish_while(|| peer.send(&[]) > 0)
                {
                    Ok(Some(chunk)) => tape.check(&chunk),
                    other => panic!("{other:?} came instead of bytes"),
                }
            }
        }
    }
}

/// Bytes received before a failure are delivered before it.
pub fn read_data_before_failure<H: Harness>(case: &Case<H>) {
    for len in [4, 20_000] {
        for reset in [false, true] {
            let Link { flow, mut peer } = case.link();
            let (mut feed, mut tape) = (feed_in(), tape_in());
            // The peer leaves with input unread: a failure on every kind that has one.
            case.write(&flow, Bytes::from_static(b"unread"));
            case.send(&mut peer, &mut feed, len);
            case.settle();
            if reset {
                peer.reset()
            } else {
                peer.vanish()
            }
            case.settle();
            case.read_up_to(&flow, &mut tape, feed.at());
            if let Ok(Some(_)) = case.try_read(&flow) {
                panic!("bytes came after the last");
            }
        }
    }
}

/// `None` comes after the last byte, and always comes.
pub fn read_end_after_last_byte<H: Harness>(case: &Case<H>) {
    for len in [0, 1, 10, 4096, 60_000] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_in(), tape_in());
        // Bytes and end are both there before the first poll: one event for two facts.
        case.send(&mut peer, &mut feed, len);
        peer.end();
        case.settle();
        while tape.at() < feed.at() {
            match case.read(&flow) {
                Some(chunk) => tape.check(&chunk),
                None => panic!("the end came after {} of {len} bytes", tape.at()),
            }
            // A reader that pauses, so that the flow hears of nothing but the end.
            case.settle();
        }
        case.read_end(&flow);
    }
    // They come together to a read that waits.
    for len in [1, 5000] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_in(), tape_in());
        let mut read = case.park_read(&flow);
        case.send(&mut peer, &mut feed, len);
        peer.end();
        case.settle();
        match read.finish() {
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!("{other:?} came to a parked read before the last byte"),
        }
        case.read_up_to(&flow, &mut tape, feed.at());
        case.read_end(&flow);
    }
}

/// After `None` always `None`, at once.
pub fn read_end_is_final<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    case.send(&mut peer, &mut feed_in(), 10);
    peer.end();
    case.read_up_to(&flow, &mut tape_in(), 10);
    case.read_end(&flow);
    let still_ended = |when: &str| {
        for again in 1..=3 {
            match case.step("a read after the end", flow.read()).poll() {
                Poll::Ready(Ok(None)) => {}
                other => panic!("read {again} after the end {when} gave {other:?}"),
            }
        }
    };
    still_ended("came");
    let mut write = case.step("a write", flow.write("x"));
    assert!(write.finish().is_ok(), "write failed after the peer's end");
    still_ended("and a write");
    assert!(
        case.step("a shutdown", flow.shutdown(Shutdown::Write))
            .finish()
            .is_ok(),
        "shutdown failed"
    );
    still_ended("and a shutdown");
    assert!(
        case.step("a close", flow.close()).finish().is_ok(),
        "close failed"
    );
    still_ended("and a close");
    peer.vanish();
    still_ended("and the peer's leaving");
}

/// The end wakes a read that is parked.
pub fn read_end_wakes_parked_read<H: Harness>(case: &Case<H>) {
    for leave in [false, true] {
        for (len, half_closed) in [(0, false), (10, false), (10, true)] {
            let Link { flow, mut peer } = case.link();
            let (mut feed, mut tape) = (feed_in(), tape_in());
            case.send(&mut peer, &mut feed, len);
            case.read_up_to(&flow, &mut tape, feed.at());
            if half_closed {
                shut(case, &flow, Shutdown::Write);
            }
            let mut read = case.park_read(&flow);
            case.settle();
            if leave {
                peer.vanish()
            } else {
                peer.end()
            }
            match read.finish() {
                Ok(None) => {}
                other => panic!("a parked read gave {other:?} at the end"),
            }
        }
    }
}

/// After the peer's end our writes still work.
pub fn read_end_leaves_writing<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    peer.end();
    case.read_end(&flow);
    let (mut feed, mut tape) = (feed_out(), tape_out());
    for len in [1, 1000, 200_000] {
        let mut write = case.step("a write after the peer's end", flow.write(feed.next(len)));
        let result = write.finish_while(|| crate::moves::pull(&mut peer, &mut tape, 64 * 1024));
        assert!(
            result.is_ok(),
            "a write after the peer's end failed: {result:?}"
        );
        case.receive_up_to(&mut peer, &mut tape, feed.at());
    }
}

/// An error is repeated, the same kind each time, and is never followed by `None`.
pub fn read_error_is_final<H: Harness>(case: &Case<H>) {
    // An error that every flow has, with and without input queued.
    for len in [0, 10] {
        let Link { flow, mut peer } = case.link();
        case.send(&mut peer, &mut feed_in(), len);
        case.settle();
        flow.abort();
        error_stays(case, &flow);
    }
    // And one of the transport's, where there is one.
    let Link { flow, mut peer } = case.link();
    case.write(&flow, Bytes::from_static(b"unread"));
    peer.reset();
    case.settle();
    if case.try_read(&flow).is_err() {
        error_stays(case, &flow);
    }
}

fn error_stays<H: Harness>(case: &Case<H>, flow: &H::Flow) {
    let failed = |again: usize| match case.try_read(flow) {
        Err(e) => e,
        Ok(other) => panic!("read {again} after an error gave {other:?}"),
    };
    let first = failed(0);
    for again in 1..=3 {
        let next = failed(again);
        assert_eq!(next.to_string(), first.to_string(), "the error changed");
        assert_eq!(
            next.source().is_some(),
            first.source().is_some(),
            "the error lost its cause"
        );
    }
}

/// Where the transport may have lost bytes, a reset is an error after what arrived, not `None`.
pub fn read_reset_is_reported<H: Harness>(case: &Case<H>) {
    for parked in [false, true] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_in(), tape_in());
        case.send(&mut peer, &mut feed, 1000);
        case.read_up_to(&flow, &mut tape, feed.at());
        let mut read = case.step("a read", flow.read());
        if parked {
            read.park();
        }
        peer.reset();
        match read.finish() {
            Err(_) => {}
            other => panic!("a reset was read as {other:?}"),
        }
        error_stays(case, &flow);
    }
}

/// An error that a write consumed is reported by read.
pub fn read_reset_eaten_by_write<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    peer.reset();
    let mut writes = 0;
    while case.try_write(&flow, Bytes::from_static(b"x")).is_ok() {
        writes += 1;
        assert!(
            writes < 16,
            "{writes} writes to a peer that has reset were accepted"
        );
        case.settle();
    }
    match case.try_read(&flow) {
        Err(_) => error_stays(case, &flow),
        Ok(other) => panic!("a reset that a write had met was read as {other:?}"),
    }
}

/// Where a peer's abrupt leave cannot lose bytes that it sent (`AF_UNIX`), it is `None`.
pub fn read_clean_reset_is_end<H: Harness>(case: &Case<H>) {
    for (parked, unread, written) in [
        (false, true, false),
        (true, true, false),
        (false, true, true),
        (true, true, true),
        (false, false, true),
    ] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_in(), tape_in());
        // Unread input is what makes the leave abrupt.
        if unread {
            case.write(&flow, Bytes::from_static(b"unread"));
        }
        case.send(&mut peer, &mut feed, 1000);
        case.read_up_to(&flow, &mut tape, feed.at());
        let mut read = case.step("a read", flow.read());
        if parked {
            read.park();
        }
        peer.vanish();
        if written {
            // A write fails by it first, which is no news to a reader.
            write_until_closed(case, &flow, false);
        }
        match read.finish() {
            Ok(None) => {}
            other => panic!("a leave that lost nothing was read as {other:?}"),
        }
        case.read_end(&flow);
    }
}

/// Heap that the flow retains for kept chunks is at most 16 times their bytes plus 64 KiB per flow. (A buffer that the flow hands over as the writer made it is the writer's.)
pub fn read_retention_bounded<H: Harness>(case: &Case<H>) {
    // Messages of one byte, of which all are kept, or every hundredth; and longer ones, of which a short slice is.
    for (len, count, every) in [
        (1, 1000, 1),
        (1, 2000, 100),
        (700, 200, 1),
        (700, 1000, 100),
    ] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_in(), tape_in());
        let mut kept: Vec<Bytes> = Vec::with_capacity(count);
        // Whatever is allocated once is there before the count begins.
        case.send(&mut peer, &mut feed, 1);
        case.read_up_to(&flow, &mut tape, feed.at());
        let before = allocated(case);
        for index in 0..count {
            case.send(&mut peer, &mut feed, len);
            let chunk = case.read(&flow).expect("the end came before the last byte");
            tape.check(&chunk);
            if index % every == 0 {
                kept.push(chunk);
            }
            case.read_up_to(&flow, &mut tape, feed.at());
        }
        holds_little(case, before, &kept);
    }
    // A flow that has taken larger buffers for long messages, and then gets a short one.
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    let mut kept: Vec<Bytes> = Vec::with_capacity(20);
    let mut before = None;
    for _ in 0..20 {
        case.send(&mut peer, &mut feed, 32 * 1024);
        case.read_up_to(&flow, &mut tape, feed.at());
        before.get_or_insert_with(|| allocated(case));
        case.send(&mut peer, &mut feed, 100);
        let chunk = case.read(&flow).expect("the end came before the last byte");
        tape.check(&chunk);
        kept.push(chunk);
        case.read_up_to(&flow, &mut tape, feed.at());
    }
    holds_little(case, before.expect("a burst"), &kept);
}

/// What has been allocated since is in proportion to what is kept.
#[track_caller]
fn holds_little<H: Harness>(case: &Case<H>, before: usize, kept: &[Bytes]) {
    let held = allocated(case).saturating_sub(before);
    let bytes: usize = kept.iter().map(Bytes::len).sum();
    let bound = 16 * bytes + 64 * 1024;
    assert!(
        held <= bound,
        "{} kept chunks of {bytes} bytes hold {held} bytes of heap",
        kept.len()
    );
}

fn allocated<H: Harness>(case: &Case<H>) -> usize {
    case.harness()
        .allocated()
        .expect("this law needs `Allocated`")
}

/// Spurious wakes, `EAGAIN` and `EINTR` never surface.
pub fn read_ignores_false_readiness<H: Harness>(case: &Case<H>) {
    let (ours, mut peer) = case.harness().wires().link(Room::Ample);
    let thief = rustix::io::dup(&ours).expect("dup");
    let flow = case.over(ours);
    let (mut feed, mut tape) = (feed_in(), tape_in());
    for round in 0..20 {
        let mut read = case.park_read(&flow);
        // The flow's runtime hears of a byte that somebody else takes first.
        peer.send(&[0]);
        let mut stolen = [0; 1];
        let mut late = false;
        case.wait(
            "the stolen byte",
            || {
                let dont_wait = rustix::net::RecvFlags::DONTWAIT;
                let got = rustix::net::recv(&thief, &mut stolen, dont_wait).is_ok();
                // A flow of the completion kind has taken it before anybody else could.
                late = !got && read.is_woken();
                got || late
            },
            || true,
        );
        if late {
            let taken = read.finish();
            let one = matches!(&taken, Ok(Some(chunk)) if chunk[..] == [0]);
            assert!(one, "one byte came as {taken:?}");
            continue;
        }
        case.settle();
        read.still_waits("for a byte that was not taken by another");
        case.send(&mut peer, &mut feed, 1 + round);
        match read.finish() {
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!("false readiness surfaced as {other:?}"),
        }
        case.read_up_to(&flow, &mut tape, feed.at());
    }
}
