//! Concurrency: many calls under way at once, each in a task of its own.

use std::task::{Context, Poll, Waker};

use flow_core::future::Read;
use flow_core::{Bytes, Flow, FlowExt, Shutdown};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::moves::{IN, MUCH, feed_in, feed_out, pull, push, push_up_to, tape_in, tape_out};
use crate::step::{Counter, Step, YIELDS};

/// Reading never delays writing, nor writing reading.
pub fn tasks_full_duplex<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.tight();
    let (mut out, mut seen) = (feed_out(), tape_out());
    let (mut back, mut got) = (feed_in(), tape_in());
    // A parked read, and writing goes on. (The end of the parked read comes last.)
    let mut read = case.park_read(&flow);
    let mut write = case.step("a write beside a parked read", flow.write(out.next(MUCH)));
    let result = write.finish_while(|| pull(&mut peer, &mut seen, 4096));
    assert!(result.is_ok(), "write failed: {result:?}");
    case.receive_up_to(&mut peer, &mut seen, out.at());
    // A parked write, and reading goes on.
    let mut write = case.park_taken(&flow, &mut out);
    while got.at() < 100_000 {
        match read.finish_while(|| push_up_to(&mut peer, &mut back, 100_000)) {
            Ok(Some(chunk)) => got.check(&chunk),
            other => panic!(
                "beside a parked write a read gave {other:?} at {} bytes",
                got.at()
            ),
        }
        read = case.step("a read beside a parked write", flow.read());
    }
    drop(read);
    case.receive_while(&mut write, &mut peer, &mut seen, out.at());
}

/// Every byte goes to exactly one reader.
pub fn tasks_each_byte_to_one_reader<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    let mut readers: Vec<_> = (0..3).map(|_| case.park_read(&flow)).collect();
    while tape.at() < 2000 {
        if feed.at() < 2000 {
            push(&mut peer, &mut feed, 50);
        }
        case.wait(
            "one of several readers",
            || readers.iter().any(Step::is_woken),
            || false,
        );
        for reader in &mut readers {
            if reader.is_woken() {
                match reader.poll() {
                    Poll::Ready(Ok(Some(chunk))) => {
                        tape.check(&chunk);
                        *reader = case.park_or_take(&flow, &mut tape);
                    }
                    Poll::Ready(other) => panic!("one of several readers got {other:?}"),
                    Poll::Pending => {}
                }
            }
        }
    }
    assert_eq!(tape.at(), 2000, "the readers got too many bytes");
    peer.end();
    // They wait in a line that is not the order of our list: whoever is woken is asked.
    while !readers.is_empty() {
        case.wait(
            "one of several readers",
            || readers.iter().any(Step::is_woken),
            || false,
        );
        readers.retain_mut(|reader| match reader.is_woken().then(|| reader.poll()) {
            Some(Poll::Ready(result)) => {
                assert!(
                    matches!(result, Ok(None)),
                    "one of several readers met {result:?} at the end"
                );
                false
            }
            Some(Poll::Pending) | None => true,
        });
    }
}

/// Waiting operations are served in the order in which they came.
pub fn tasks_served_in_order<H: Harness>(case: &Case<H>) {
    const READERS: usize = 9;
    let Link { flow, mut peer } = case.link();
    let mut readers: Vec<_> = (0..READERS).map(|_| case.park_read(&flow)).collect();
    let mut feed = feed_in();
    for turn in 0..READERS {
        case.send(&mut peer, &mut feed, 1);
        case.settle();
        // Whoever asks without having been woken does not go first.
        for (index, reader) in readers.iter_mut().enumerate().skip(turn + 1).rev() {
            let result = reader.poll();
            assert!(
                result.is_pending(),
                "reader {index} was served before reader {turn}: {result:?}"
            );
        }
        // Nor does whoever comes only now, though the one whose turn it is has been woken and has not asked yet.
        let late = case.step("a read that comes late", flow.read()).poll();
        assert!(
            late.is_pending(),
            "a read that came late was served before reader {turn}: {late:?}"
        );
        match readers[turn].finish() {
            Ok(Some(chunk)) => {
                let fault = IN.diagnose(turn as u64, &chunk);
                assert_eq!(fault, None, "reader {turn} was served out of order");
            }
            other => panic!("reader {turn} got {other:?}"),
        }
    }
    drop(readers);
    turns_last_beside_a_close(case);
}

/// Nor when a close has seen that the end comes next.
fn turns_last_beside_a_close<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let mut first = case.park_read(&flow);
    let mut second = case.park_read(&flow);
    let mut close = case.step("a close beside two reads", flow.close());
    close.park();
    case.send(&mut peer, &mut feed_in(), 1);
    peer.end();
    case.settle();
    // What it answers is for other laws.
    let _ = close.poll();
    let early = second.poll();
    assert!(
        early.is_pending(),
        "the second reader was served before the first, beside a close: {early:?}"
    );
    match first.finish() {
        Ok(Some(chunk)) => assert_eq!(IN.diagnose(0, &chunk), None, "the first reader's byte"),
        other => panic!("the first reader got {other:?}"),
    }
    meets_end(&second.finish());
}

/// Only the waker of an operation's latest poll counts, and it is woken.
pub fn tasks_latest_waker_counts<H: Harness>(case: &Case<H>) {
    // A step has a new waker for each poll, and waits for the latest.
    let Link { flow, mut peer } = case.link();
    let mut feed = feed_in();
    for polls in [2, 3, 10] {
        let mut read = case.step("a read polled by a later task", flow.read());
        for _ in 0..polls {
            read.park();
        }
        case.send(&mut peer, &mut feed, 1);
        case.wait("the latest waker of a read", || read.is_woken(), || false);
        assert!(matches!(read.finish(), Ok(Some(_))), "a read failed");
    }
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut write = case.park_taken(&flow, &mut feed);
    write.park().park();
    case.receive_while(&mut write, &mut peer, &mut tape, feed.at());

    let Link { flow, mut peer } = case.link();
    let mut close = case.step("a close polled by a later task", flow.close());
    close.park().park();
    peer.end();
    assert!(close.finish().is_ok(), "close failed");
}

/// No waiting operation is displaced by another.
pub fn tasks_all_waiters_are_served<H: Harness>(case: &Case<H>) {
    for many in [2, 9, 100] {
        let Link { flow, mut peer } = case.tight();
        let (mut out, mut seen) = (feed_out(), tape_out());
        // Reads, writes, flushes and a shutdown, all at once.
        let mut reads: Vec<_> = (0..many).map(|_| case.park_read(&flow)).collect();
        let mut writes = vec![case.park_taken(&flow, &mut out)];
        for _ in 0..many {
            let mut write = case.step("one of many writes", flow.write(out.next(2)));
            write.park();
            writes.push(write);
        }
        let mut flushes: Vec<_> = (0..many)
            .map(|_| {
                let mut flush = case.step("one of many flushes", flow.flush());
                flush.park();
                flush
            })
            .collect();
        let mut feed = feed_in();
        let mut got = tape_in();
        for read in &mut reads {
            case.send(&mut peer, &mut feed, 1);
            match read.finish() {
                Ok(Some(chunk)) => got.check(&chunk),
                other => panic!("one of {many} reads got {other:?}"),
            }
        }
        for write in &mut writes {
            let result = write.finish_while(|| pull(&mut peer, &mut seen, 4096));
            assert!(result.is_ok(), "one of {many} writes got {result:?}");
        }
        for flush in &mut flushes {
            let result = flush.finish_while(|| pull(&mut peer, &mut seen, 4096));
            assert!(result.is_ok(), "one of {many} flushes got {result:?}");
        }
        case.receive_up_to(&mut peer, &mut seen, out.at());

        let mut reads: Vec<_> = (0..many).map(|_| case.park_read(&flow)).collect();
        let mut closes: Vec<_> = (0..many)
            .map(|_| {
                let mut close = case.step("one of many closes", flow.close());
                close.park();
                close
            })
            .collect();
        peer.end();
        for read in &mut reads {
            let result = read.finish();
            assert!(
                matches!(result, Ok(None)),
                "one of {many} reads got {result:?} at the end"
            );
        }
        for close in &mut closes {
            let result = close.finish();
            assert!(result.is_ok(), "one of {many} closes got {result:?}");
        }
    }
}

/// A call that its task keeps and polls no more is passed by the later calls of that task.
pub fn tasks_kept_call_is_passed<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    let (task, waker) = Counter::new();
    let mut kept = case.step("a read that is kept", flow.read());
    park_in(case, &task, &waker, &mut kept);
    // From the second round on it has been woken, and not been polled since.
    for _ in 0..3 {
        let mut later = case.step("a later read of the same task", flow.read());
        park_in(case, &task, &waker, &mut later);
        let mut seen = task.wakes();
        case.send(&mut peer, &mut feed, 10);
        loop {
            case.wait(
                "a later read of the same task",
                || task.wakes() > seen,
                || false,
            );
            seen = task.wakes();
            match later.poll_with(&waker) {
                Poll::Ready(Ok(Some(chunk))) => {
                    tape.check(&chunk);
                    break;
                }
                Poll::Ready(other) => panic!("a later read of the same task got {other:?}"),
                Poll::Pending => {}
            }
        }
        // What is left is not for the next round.
        while tape.at() < feed.at() {
            let read = case.step("what is left", flow.read()).poll_with(&waker);
            match read {
                Poll::Ready(Ok(Some(chunk))) => tape.check(&chunk),
                Poll::Ready(other) => panic!("a later read of the same task got {other:?}"),
                Poll::Pending => {
                    case.harness().turn();
                }
            }
        }
    }
    drop(kept);
    // And it was in nobody's way.
    case.send(&mut peer, &mut feed, 10);
    case.read_up_to(&flow, &mut tape, feed.at());
}

/// Once a read has met the end, all that wait have it, also behind a call that its task keeps and polls no more.
pub fn tasks_end_is_for_everybody<H: Harness>(case: &Case<H>) {
    for many in [1, 9] {
        let Link { flow, mut peer } = case.link();
        let (task, waker) = Counter::new();
        let mut kept = case.step("a read that is kept", flow.read());
        park_in(case, &task, &waker, &mut kept);
        let mut others: Vec<_> = (0..many)
            .map(|_| {
                case.step("a read of another task", flow.read())
                    .in_own_task()
            })
            .collect();
        for other in &mut others {
            other.park();
        }
        let mut seen = task.wakes();
        peer.end();
        // It passes the one that is kept, of which the task is woken.
        let mut later = case.step("a later read of the same task", flow.read());
        while later
            .poll_with(&waker)
            .map(|end| meets_end(&end))
            .is_pending()
        {
            case.wait(
                "a later read of the same task",
                || task.wakes() > seen,
                || false,
            );
            seen = task.wakes();
        }
        for other in &mut others {
            meets_end(&other.finish());
        }
        let end = kept.poll_with(&waker);
        assert!(
            matches!(end, Poll::Ready(Ok(None))),
            "a read that was kept gave {end:?} after others had met the end"
        );
    }
}

fn meets_end<E: std::fmt::Debug>(read: &Result<Option<Bytes>, E>) {
    assert!(
        matches!(read, Ok(None)),
        "a read at the end gave {read:?} instead of the end"
    );
}

/// Polls in the task of this waker until it waits for something else than its turn.
#[track_caller]
fn park_in<H: Harness, F: Flow>(
    case: &Case<H>,
    task: &Counter,
    waker: &Waker,
    read: &mut Step<'_, H, Read<'_, F>>,
) {
    for _ in 0..=YIELDS {
        let before = task.wakes();
        if let Poll::Ready(read) = read.poll_with(waker) {
            panic!("a read with nothing to read is done: {read:?}");
        }
        case.settle();
        if task.wakes() == before {
            return;
        }
    }
}

/// Polling without a wake changes nothing.
pub fn tasks_spurious_polls_are_harmless<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.tight();
    let (mut out, mut seen) = (feed_out(), tape_out());
    let (mut feed, mut got) = (feed_in(), tape_in());
    let mut write = case.park_taken(&flow, &mut out);
    let mut late = case.step("a write in line", flow.write(out.next(3)));
    let mut flush = case.step("a flush", flow.flush());
    let mut read = case.step("a read", flow.read());
    for _ in 0..50 {
        for result in [write.poll(), late.poll(), flush.poll()] {
            assert!(
                result.is_pending(),
                "a call on a full flow was done by being polled: {result:?}"
            );
        }
        let result = read.poll();
        assert!(
            result.is_pending(),
            "a read was done by being polled: {result:?}"
        );
    }
    case.send(&mut peer, &mut feed, 5);
    match read.finish() {
        Ok(Some(chunk)) => got.check(&chunk),
        other => panic!("a read that was polled often got {other:?}"),
    }
    for write in [&mut write, &mut late] {
        let result = write.finish_while(|| pull(&mut peer, &mut seen, MUCH));
        assert!(
            result.is_ok(),
            "a write that was polled often failed: {result:?}"
        );
    }
    assert!(
        flush
            .finish_while(|| pull(&mut peer, &mut seen, MUCH))
            .is_ok(),
        "flush failed"
    );
    let mut shutdown = case.step("a shutdown", flow.shutdown(Shutdown::Write));
    assert!(shutdown.finish().is_ok(), "shutdown failed");
    let mut close = case.step("a close", flow.close());
    for _ in 0..50 {
        let result = close.poll();
        assert!(
            result.is_pending(),
            "a close was done by being polled: {result:?}"
        );
    }
    case.receive_up_to(&mut peer, &mut seen, out.at());
    case.receive_end(&mut peer);
    peer.end();
    assert!(close.finish().is_ok(), "close failed");
    case.read_up_to(&flow, &mut got, feed.at());
}

/// A waker that does nothing.
pub(super) fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
