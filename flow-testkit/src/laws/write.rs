//! Writing: whole, in order, with back-pressure, and what ends it.

use std::task::Poll;

use flow_core::{Bytes, Flow, FlowExt, Shutdown, WriteError};

use crate::case::{BOUND, Case, MUCH, feed_in, feed_out, pull, tape_in, tape_out};
use crate::harness::{Harness, Link};
use crate::pattern::{Feed, Tape};
use crate::peer::{Peer, Recv};

/// The result must be `Closed`.
#[track_caller]
pub(crate) fn expect_closed<E: std::fmt::Debug>(what: &str, result: Result<(), WriteError<E>>) {
    match result {
        Err(WriteError::Closed) => {}
        other => panic!("{what} gave {other:?} instead of `Closed`"),
    }
}

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
        case.receive_end(&mut peer);
    }
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
    // Room comes byte by byte, in the kernel's portions, and all at once.
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
    let mut first = case.park_taken(&flow, &mut feed);
    let mut waiting: Vec<_> = (0..5)
        .map(|n| {
            // A large one among small ones.
            let len = if n == 2 { 50_000 } else { 3 };
            let mut write = case.step("a write in line", flow.write(feed.next(len)));
            write.park();
            write
        })
        .collect();
    // Polled again without reason, and the last first: that moves nobody forward.
    for write in waiting.iter_mut().rev() {
        assert!(
            write.poll().is_pending(),
            "a write overtook the one before it"
        );
    }
    assert!(
        first
            .finish_while(|| pull(&mut peer, &mut tape, 4096))
            .is_ok(),
        "the first write failed"
    );
    for write in &mut waiting {
        assert!(
            write
                .finish_while(|| pull(&mut peer, &mut tape, 4096))
                .is_ok(),
            "a write in line failed"
        );
    }
    case.receive_up_to(&mut peer, &mut tape, feed.at());
}

/// Concurrent writes are never interleaved, also vectored ones beyond `IOV_MAX`.
pub fn write_whole_under_concurrency<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.tight();
    // Units of one letter each: an interleaved unit is one whose letters change.
    let unit = |letter: u8, buffers: usize, len: usize| {
        let buffer = Bytes::from(vec![letter; len]);
        flow.writev(vec![buffer; buffers])
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
    let mut turn = 0;
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
        if !moved {
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

/// The flow writes `buffers` of these lengths, vectored, and the peer must get them whole.
fn vectored<H: Harness>(
    case: &Case<H>,
    link: &mut Link<H::Flow>,
    feed: &mut Feed,
    tape: &mut Tape,
    lengths: &[usize],
) {
    let buffers: Vec<Bytes> = lengths.iter().map(|&len| feed.next(len)).collect();
    let mut write = case.step("a vectored write", link.flow.writev(buffers));
    let result = write.finish_while(|| pull(&mut link.peer, tape, 64 * 1024));
    assert!(
        result.is_ok(),
        "a write of {} buffers failed: {result:?}",
        lengths.len()
    );
    case.receive_up_to(&mut link.peer, tape, feed.at());
}

/// Any number of buffers of any length are one write, in order.
pub fn writev_any_count<H: Harness>(case: &Case<H>) {
    for tight in [false, true] {
        let mut link = if tight { case.tight() } else { case.link() };
        let (mut feed, mut tape) = (feed_out(), tape_out());
        for count in [1, 2, 1023, 1024, 1025, 5000] {
            vectored(case, &mut link, &mut feed, &mut tape, &vec![1; count]);
        }
        // Portions of the transport that end inside a buffer, on a boundary, and behind several.
        for lengths in [
            &[1, 4095, 4096, 4097, 7][..],
            &[4480, 4480],
            &[4479, 2, 4479],
            &[100_000, 1, 30_000],
        ] {
            vectored(case, &mut link, &mut feed, &mut tape, lengths);
        }
    }
}

/// Empty buffers among others have no effect.
pub fn writev_empty_entries<H: Harness>(case: &Case<H>) {
    let mut link = case.link();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    for empties in [0, 1, 1024, 2000] {
        let mut lengths = vec![0; empties];
        lengths.extend([5, 0, 0, 7, 0]);
        vectored(case, &mut link, &mut feed, &mut tape, &lengths);
    }
    assert_eq!(link.peer.queued(), 0, "empty buffers sent something");
}

/// Empty buffers and lists succeed at once, also on a full flow, and send nothing.
pub fn write_empty_is_immediate<H: Harness>(case: &Case<H>) {
    let at_once = |flow: &H::Flow, when: &str| {
        let writes = [
            case.step("an empty write", flow.write("")).poll(),
            case.step("an empty list", flow.writev(Vec::<Bytes>::new()))
                .poll(),
            case.step("a list of empties", flow.writev(vec![Bytes::new(); 1025]))
                .poll(),
        ];
        for result in writes {
            match result {
                Poll::Ready(Ok(())) => {}
                other => panic!("an empty write on {when} gave {other:?}"),
            }
        }
    };
    let Link { flow, mut peer } = case.link();
    at_once(&flow, "a fresh flow");
    case.settle();
    assert_eq!(peer.queued(), 0, "an empty write sent something");
    assert_eq!(
        peer.recv(&mut [0]),
        Recv::Empty,
        "an empty write was seen by the peer"
    );
    peer.end();
    case.read_end(&flow);
    at_once(&flow, "a flow whose peer has ended");

    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut full = case.park_taken(&flow, &mut feed);
    let mut behind = case.step("a write in line", flow.write(feed.next(3)));
    behind.park();
    at_once(&flow, "a full flow");
    assert!(
        full.finish_while(|| pull(&mut peer, &mut tape, MUCH))
            .is_ok(),
        "write failed"
    );
    assert!(
        behind
            .finish_while(|| pull(&mut peer, &mut tape, MUCH))
            .is_ok(),
        "write failed"
    );
    case.receive_up_to(&mut peer, &mut tape, feed.at());
}

/// On a flow closed for writing they are `Closed`.
pub fn write_empty_after_close<H: Harness>(case: &Case<H>) {
    let refused = |flow: &H::Flow, after: &str| {
        let writes = [
            case.step("an empty write", flow.write("")).poll(),
            case.step("an empty list", flow.writev(Vec::<Bytes>::new()))
                .poll(),
            case.step("a list of empties", flow.writev(vec![Bytes::new(); 2]))
                .poll(),
        ];
        for result in writes {
            match result {
                Poll::Ready(Err(WriteError::Closed)) => {}
                other => panic!("an empty write after {after} gave {other:?} instead of `Closed`"),
            }
        }
    };
    let Link { flow, peer: _peer } = case.link();
    assert!(
        case.step("a shutdown", flow.shutdown(Shutdown::Write))
            .finish()
            .is_ok(),
        "shutdown failed"
    );
    refused(&flow, "shutdown");

    let Link { flow, peer: _peer } = case.link();
    case.step("a close", flow.close()).park();
    refused(&flow, "the first poll of close");

    let Link { flow, peer: _peer } = case.link();
    flow.abort();
    refused(&flow, "abort");
}

/// Writes until one fails.
fn write_until_closed<H: Harness>(case: &Case<H>, flow: &H::Flow, vectored: bool) {
    for _ in 0..16 {
        let data = Bytes::from_static(b"to nobody");
        let write = if vectored {
            flow.writev([data.clone(), data])
        } else {
            flow.write(data)
        };
        match case.step("a write to a peer that is gone", write).finish() {
            Ok(()) => case.settle(),
            Err(WriteError::Closed) => return,
            Err(e) => panic!("a write to a peer that is gone gave {e:?} instead of `Closed`"),
        }
    }
    panic!("16 writes to a peer that is gone were accepted");
}

/// When the peer is gone, a write is `Closed`, within a bounded number of writes.
pub fn write_peer_gone_is_closed<H: Harness>(case: &Case<H>) {
    for vectored in [false, true] {
        for reset in [false, true] {
            for read_first in [false, true] {
                let Link { flow, mut peer } = case.link();
                if reset {
                    peer.reset()
                } else {
                    peer.vanish()
                }
                if read_first {
                    let _ = case.try_read(&flow);
                }
                write_until_closed(case, &flow, vectored);
            }
        }
    }
}

/// A parked write ends when the peer goes.
pub fn write_parked_peer_gone<H: Harness>(case: &Case<H>) {
    for reset in [false, true] {
        let Link { flow, mut peer } = case.tight();
        let mut feed = feed_out();
        let mut first = case.park_taken(&flow, &mut feed);
        let mut second = case.step("a write in line", flow.write(feed.next(3)));
        second.park();
        case.settle();
        if reset {
            peer.reset()
        } else {
            peer.vanish()
        }
        expect_closed("a write parked when the peer went", first.finish());
        expect_closed("a write in line when the peer went", second.finish());
    }
}

/// After `shutdown(Write)`, `close` or `abort` writing is `Closed`, never `Ok`.
pub fn write_after_shutdown<H: Harness>(case: &Case<H>) {
    let refused = |flow: &H::Flow, peer: &mut dyn Peer, what: &str| {
        for _ in 0..3 {
            expect_closed(what, case.try_write(flow, Bytes::from_static(b"late")));
            expect_closed(
                what,
                case.step("a late writev", flow.writev([&b"la"[..], b"te"]))
                    .finish(),
            );
        }
        match case.receive(peer, "the end that the peer should see") {
            Recv::End | Recv::Torn => {}
            other => panic!("{what} reached the peer: {other:?}"),
        }
    };
    for how in [Shutdown::Write, Shutdown::Both] {
        let Link { flow, mut peer } = case.link();
        assert!(
            case.step("a shutdown", flow.shutdown(how)).finish().is_ok(),
            "shutdown failed"
        );
        refused(&flow, &mut peer, "a write after shutdown");
    }
    let Link { flow, mut peer } = case.link();
    let mut close = case.step("a close", flow.close());
    close.park();
    refused(&flow, &mut peer, "a write while close waits");
    peer.end();
    assert!(close.finish().is_ok(), "close failed");
    refused(&flow, &mut peer, "a write after close");

    let Link { flow, mut peer } = case.link();
    flow.abort();
    refused(&flow, &mut peer, "a write after abort");
}

/// After a failed write everything on the write side fails, shutdown and close included.
pub fn write_failure_is_final<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    peer.vanish();
    write_until_closed(case, &flow, false);
    for again in 1..=3 {
        let results = [
            ("write", case.step("a write", flow.write("x")).finish()),
            (
                "writev",
                case.step("a writev", flow.writev(["x", "y"])).finish(),
            ),
            ("flush", case.step("a flush", flow.flush()).finish()),
            (
                "shutdown",
                case.step("a shutdown", flow.shutdown(Shutdown::Write))
                    .finish(),
            ),
            ("close", case.step("a close", flow.close()).finish()),
        ];
        for (what, result) in results {
            assert!(
                result.is_err(),
                "{what} {again} after a failed write gave {result:?}"
            );
        }
    }
}

/// A failed write side leaves reading as it was.
pub fn write_failure_spares_reading<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    case.send(&mut peer, &mut feed, 20_000);
    case.settle();
    peer.vanish();
    write_until_closed(case, &flow, false);
    case.read_up_to(&flow, &mut tape, feed.at());
    assert!(
        !matches!(case.try_read(&flow), Ok(Some(_))),
        "bytes came after the last"
    );
}
