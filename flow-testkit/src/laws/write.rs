//! Writing: whole, in order, and with back-pressure.

use std::task::Poll;

use flow_core::{Bytes, FlowExt};

use crate::case::Case;
use crate::harness::{Harness, Link, Room};
use crate::moves::{BOUND, EDGES, MUCH, feed_in, feed_out, pull, tape_out};
use crate::peer::{Peer, Recv};
use crate::step::Step;

/// `Ok` only when the transport has accepted every byte; whatever the sizes of what it takes at a time.
pub fn write_accepts_every_byte<H: Harness>(case: &Case<H>) {
    for step in [1, 777, 4096, MUCH] {
        let Link { flow, mut peer } = case.tight();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let len = if step == 1 { 10_000 } else { MUCH };
        let mut write = case.step("a write", flow.write(feed.next(len)));
        let result = write.finish_while(|| pull(&mut peer, &mut tape, step));
        assert!(result.is_ok(), "write failed: {result:?}");
        // Whoever drops the flow now has lost nothing.
        drop(write);
        drop(flow);
        case.receive_up_to(&mut peer, &mut tape, feed.at());
        // An end in order, or a torn stream: for some kinds a drop is a cut.
        case.receive_gone(&mut peer);
    }
    // One after the other, of every size at which a count may not fit; that the peer has sent something is no reason to stop.
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    case.send(&mut peer, &mut feed_in(), 10);
    for len in EDGES {
        let mut write = case.step("a write", flow.write(feed.next(len)));
        let result = write.finish_while(|| pull(&mut peer, &mut tape, MUCH));
        assert!(result.is_ok(), "a write of {len} bytes failed: {result:?}");
        case.receive_up_to(&mut peer, &mut tape, feed.at());
    }
}

/// However slowly the peer reads, a write waits for it and does not fail.
pub fn write_waits_for_slow_reader<H: Harness>(case: &Case<H>) {
    const ALL: u64 = 2 * 1024 * 1024;
    // Many portions, however small they are.
    const PORTIONS: usize = 2000;
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut write = case.park_taken(&flow, &mut feed);
    for _ in 0..PORTIONS {
        if tape.at() >= ALL {
            break;
        }
        // The reader takes a portion, and is gone for so long that everything else comes to rest.
        pull(&mut peer, &mut tape, 16 * 1024);
        case.settle();
        if write.is_woken()
            && let Poll::Ready(result) = write.poll()
        {
            assert!(
                result.is_ok(),
                "a write to a slow reader gave {result:?} after {} bytes",
                tape.at()
            );
            write = case.step("a write to a slow reader", flow.write(feed.next(MUCH)));
            let first = write.poll();
            assert!(
                !matches!(first, Poll::Ready(Err(_))),
                "a write to a slow reader gave {first:?} after {} bytes",
                tape.at()
            );
            if first.is_ready() {
                write = case.park_taken(&flow, &mut feed);
            }
        }
    }
    case.receive_while(&mut write, &mut peer, &mut tape, feed.at());
}

/// Accepted bytes reach the peer without further calls.
pub fn write_moves_by_itself<H: Harness>(case: &Case<H>) {
    for reading in [false, true] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let mut read = case.step("a parked read", flow.read());
        if reading {
            read.park();
        }
        for len in [1, 10, 5000] {
            case.write(&flow, feed.next(len));
            case.wait(
                "bytes that were accepted",
                || peer.queued() >= len,
                || false,
            );
            case.receive_up_to(&mut peer, &mut tape, feed.at());
        }
    }
}

/// While the peer does not read, writing waits; what is accepted is bounded.
pub fn write_back_pressure<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut accepted = 0;
    let mut parked = loop {
        let mut write = case.step("a write", flow.write(feed.next(64 * 1024)));
        match write.poll() {
            Poll::Ready(Ok(())) => accepted += 64 * 1024,
            Poll::Ready(Err(e)) => panic!("write failed: {e}"),
            Poll::Pending => {
                case.settle();
                if write.poll().is_pending() {
                    break write;
                }
                accepted += 64 * 1024;
            }
        }
        assert!(
            accepted <= BOUND,
            "{accepted} bytes were accepted while the peer does not read"
        );
    };
    parked.still_waits("while the peer does not read");
    let result = parked.finish_while(|| pull(&mut peer, &mut tape, MUCH));
    assert!(result.is_ok(), "write failed: {result:?}");
    case.receive_up_to(&mut peer, &mut tape, feed.at());
}

/// A parked write goes on as soon as there is room.
pub fn write_resumes_with_room<H: Harness>(case: &Case<H>) {
    // However small the steps in which it comes: once all was read there is room.
    for step in [1, 60, 1000] {
        let Link { flow, mut peer } = case.tight();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let mut write = case.park_taken(&flow, &mut feed);
        // A flow that sends by itself makes as much again of what is read: not all of that in the smallest steps.
        let mut budget = 6000;
        let mut receive = || {
            let step = if budget == 0 { MUCH } else { step };
            budget = usize::saturating_sub(budget, 1);
            pull(&mut peer, &mut tape, step)
        };
        while receive() {}
        case.wait("a write with room", || write.is_woken(), receive);
        case.receive_while(&mut write, &mut peer, &mut tape, feed.at());
    }
    // Byte by byte, in the kernel's portions, and all at once.
    for step in [1, 1000, MUCH] {
        let Link { flow, mut peer } = case.tight();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let mut write = case.park_taken(&flow, &mut feed);
        let mut budget = if step == 1 { 6000 } else { usize::MAX };
        let result = write.finish_while(|| {
            let step = if budget == 0 { MUCH } else { step };
            budget = budget.saturating_sub(1);
            pull(&mut peer, &mut tape, step)
        });
        assert!(result.is_ok(), "write failed: {result:?}");
        case.receive_up_to(&mut peer, &mut tape, feed.at());
    }
}

/// Writes are sent in the order of their first polls while they wait in line.
pub fn write_calls_in_order<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut writes = vec![case.park_taken(&flow, &mut feed)];
    for n in 0..5 {
        // A large one among small ones.
        let len = if n == 2 { 50_000 } else { 3 };
        let mut write = case.step("a write in line", flow.write(feed.next(len)));
        write.park();
        writes.push(write);
    }
    while !writes.is_empty() {
        case.wait(
            "writes in line",
            || writes.iter().any(Step::is_woken),
            || pull(&mut peer, &mut tape, 4096),
        );
        // Everybody asks, woken or not, and the last first: that moves nobody forward, as the peer will see. (A write that
        // is done may be told so after the next one.)
        for late in (0..writes.len()).rev() {
            if let Poll::Ready(result) = writes[late].poll() {
                assert!(result.is_ok(), "a write in line failed: {result:?}");
                drop(writes.remove(late));
            }
        }
    }
    case.receive_up_to(&mut peer, &mut tape, feed.at());
}

/// Concurrent writes are never interleaved, also vectored ones beyond `IOV_MAX`.
pub fn write_whole_under_concurrency<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.tight();
    // Units of one letter each: an interleaved unit is one whose letters change.
    let unit = |letter: u8, buffers: usize, len: usize| {
        let buffer = Bytes::from(vec![letter; len]);
        flow.write_chunks(vec![buffer; buffers])
    };
    let units: [(u8, usize, usize); 4] = [
        (b'a', 1500, 5),
        (b'b', 1, 20_000),
        (b'c', 3000, 3),
        (b'd', 2, 10_000),
    ];
    let mut seen = vec![];
    let mut steps: Vec<_> = units
        .iter()
        .map(|&(letter, buffers, len)| {
            (
                case.step("a concurrent write", unit(letter, buffers, len)),
                false,
            )
        })
        .collect();
    let total: usize = units.iter().map(|(_, buffers, len)| buffers * len).sum();
    let (mut turn, mut in_a_row) = (0, 0);
    while steps.iter().any(|(_, done)| !done) || seen.len() < total {
        // Whoever comes last is polled first every other time.
        let order: Vec<usize> = if turn % 2 == 0 {
            (0..4).collect()
        } else {
            (0..4).rev().collect()
        };
        turn += 1;
        let mut moved = false;
        for index in order {
            let (step, done) = &mut steps[index];
            if !*done && (step.polls() == 0 || step.is_woken()) {
                moved = true;
                if let Poll::Ready(result) = step.poll() {
                    assert!(result.is_ok(), "write failed: {result:?}");
                    *done = true;
                }
            }
        }
        in_a_row += 1;
        // Who is woken moves a byte at least, or hands the wake on to who does.
        assert!(
            in_a_row <= units.len() * total,
            "writes that wait wake each other for ever"
        );
        if !moved {
            in_a_row = 0;
            let mut buf = [0; 3000];
            let mut receive = || match peer.recv(&mut buf) {
                Recv::Data(count) => {
                    seen.extend_from_slice(&buf[..count]);
                    true
                }
                Recv::Empty => false,
                other => panic!("the peer met {other:?}"),
            };
            let mut received = false;
            case.wait(
                "concurrent writes",
                || {
                    received = receive();
                    received || steps.iter().any(|(step, done)| !done && step.is_woken())
                },
                || false,
            );
        }
    }
    let mut rest = &seen[..];
    while let Some(&letter) = rest.first() {
        let run = rest.iter().take_while(|b| **b == letter).count();
        let (_, buffers, len) = units
            .iter()
            .find(|(l, ..)| *l == letter)
            .expect("a letter that was sent");
        assert_eq!(
            run,
            buffers * len,
            "unit {:?} was cut by another write",
            char::from(letter)
        );
        rest = &rest[run..];
    }
    assert_eq!(seen.len(), total, "the peer got too many bytes");
}

/// flush is done when what was taken before it has been accepted, and not before.
pub fn write_flush_waits_for_taken<H: Harness>(case: &Case<H>) {
    for dropped in [false, true] {
        let Link { flow, mut peer } = case.tight();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let flushed = case.step("a flush of a fresh flow", flow.flush()).poll();
        assert!(
            matches!(flushed, Poll::Ready(Ok(()))),
            "a flush with nothing taken gave {flushed:?}"
        );
        let write = case.park_taken(&flow, &mut feed);
        let kept = if dropped { None } else { Some(write) };
        let mut flush = case.step("a flush", flow.flush());
        flush.still_waits("while bytes that were taken are unsent");
        // Nothing but the flush is polled.
        let result = flush.finish_while(|| pull(&mut peer, &mut tape, MUCH));
        assert!(result.is_ok(), "flush failed: {result:?}");
        drop(kept);
        drop(flush);
        case.receive_up_to(&mut peer, &mut tape, feed.at());
        let flushed = case.step("a second flush", flow.flush()).poll();
        assert!(
            matches!(flushed, Poll::Ready(Ok(()))),
            "a flush with nothing left gave {flushed:?}"
        );
    }
    // What is taken after it is not waited for.
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut write = case.park_taken(&flow, &mut feed);
    let mut flush = case.step("a flush before a later write", flow.flush());
    flush.park();
    case.receive_while(&mut write, &mut peer, &mut tape, feed.at());
    let _later = case.park_taken(&flow, &mut feed);
    let result = flush.finish();
    assert!(result.is_ok(), "flush failed: {result:?}");
    drop(flush);
    // But it is by one that comes after it.
    let mut flush = case.step("a flush after a later write", flow.flush());
    flush.still_waits("while bytes that were taken later are unsent");
    let result = flush.finish_while(|| pull(&mut peer, &mut tape, MUCH));
    assert!(result.is_ok(), "flush failed: {result:?}");
    case.receive_up_to(&mut peer, &mut tape, feed.at());
}

/// Room that somebody else takes first never surfaces.
pub fn write_ignores_false_readiness<H: Harness>(case: &Case<H>) {
    let (ours, mut peer) = case.harness().wires().link(Room::Tight);
    let thief = rustix::io::fcntl_dupfd_cloexec(&ours, 0).expect("dup");
    let flow = case.over(ours);
    let mut feed = feed_out();
    let mut write = case.park_taken(&flow, &mut feed);
    let (mut seen, mut stolen) = (0, 0);
    let mut buf = vec![0; 64 * 1024];
    for _ in 0..5 {
        // No more than what is there: whoever sends from a thread of its own would get everything through.
        let there = peer.queued().min(MUCH / 16);
        if let Recv::Data(count) = peer.recv(&mut buf[..there]) {
            seen += count as u64;
        }
        // The flow's runtime hears of room that is gone again when the flow looks.
        case.settle();
        let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
        while let Ok(count) = rustix::net::send(&thief, &[0; 1000], flags) {
            stolen += count as u64;
        }
        write.still_waits("for room that was not taken by another");
    }
    let result = write.finish_while(|| match peer.recv(&mut buf) {
        Recv::Data(count) => {
            seen += count as u64;
            true
        }
        _ => false,
    });
    assert!(result.is_ok(), "false readiness surfaced as {result:?}");
    let all = feed.at() + stolen;
    case.wait(
        "what was written and what was stolen",
        || {
            if let Recv::Data(count) = peer.recv(&mut buf) {
                seen += count as u64;
            }
            seen >= all
        },
        || true,
    );
    assert_eq!(seen, all, "the peer got more bytes than were sent");
}
