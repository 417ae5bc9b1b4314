//! Concurrency: many calls under way at once, each in a task of its own.

use std::task::{Context, Poll, Waker};

use flow_core::{Flow, FlowExt, ReadOp, Shutdown, WriteOp};

use crate::case::{Case, IN, MUCH, feed_in, feed_out, pull, push, tape_in, tape_out};
use crate::harness::{Harness, Link};
use crate::step::{Counter, Step};

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
        let left = 100_000 - usize::try_from(back.at()).expect("small");
        match read.finish_while(|| push(&mut peer, &mut back, left) > 0) {
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
        match readers[turn].finish() {
            Ok(Some(chunk)) => {
                let fault = IN.diagnose(turn as u64, &chunk);
                assert_eq!(fault, None, "reader {turn} was served out of order");
            }
            other => panic!("reader {turn} got {other:?}"),
        }
    }
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

/// A thousand parked operations are as quiet as one.
pub fn tasks_parked_are_quiet<H: Harness>(case: &Case<H>) {
    for many in [9, 1000] {
        let Link { flow, mut peer } = case.tight();
        let (mut feed, mut got) = (feed_in(), tape_in());
        let mut reads: Vec<_> = (0..many).map(|_| case.park_read(&flow)).collect();
        case.settle();
        let before: usize = reads.iter().map(Step::wakes).sum();
        for read in reads.iter_mut().take(5) {
            case.send(&mut peer, &mut feed, 1);
            match read.finish() {
                Ok(Some(chunk)) => got.check(&chunk),
                other => panic!("one of {many} reads got {other:?}"),
            }
        }
        case.settle();
        let wakes = reads.iter().map(Step::wakes).sum::<usize>() - before;
        assert!(
            wakes <= 20,
            "5 messages woke {many} parked reads {wakes} times"
        );
        let polls: usize = reads.iter().skip(5).map(Step::polls).max().unwrap_or(0);
        assert!(polls <= 4, "a parked read was polled {polls} times");

        let (mut out, mut seen) = (feed_out(), tape_out());
        let mut full = case.park_taken(&flow, &mut out);
        let writes: Vec<_> = (0..many)
            .map(|_| {
                let mut write =
                    case.step("one of many writes", flow.write("nobody shall see this"));
                write.park();
                write
            })
            .collect();
        case.settle();
        let before: usize = writes.iter().map(Step::wakes).sum();
        // Room comes many times, and is all for the one that has been taken.
        let room = 100_000;
        while seen.at() < room {
            let moved = pull(&mut peer, &mut seen, 4096);
            case.settle();
            if full.is_woken() || !moved {
                assert!(full.poll().is_pending(), "a large write was done early");
            }
        }
        let wakes = writes.iter().map(Step::wakes).sum::<usize>() - before;
        assert!(
            wakes <= 20,
            "room for one write woke the {many} behind it {wakes} times"
        );
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

/// A flow that is always ready yields within 128 results.
pub fn tasks_always_ready_yields<H: Harness>(case: &Case<H>) {
    const MOST: usize = 128;
    let Link { flow, mut peer } = case.link();
    // One task, so one waker for all of its calls.
    let (counter, waker) = Counter::new();
    let mut cx = Context::from_waker(&waker);
    let mut row = 0;
    let mut yielded = |case: &Case<H>, ready: bool, what: &'static str| {
        if ready {
            row += 1;
            assert!(
                row <= MOST,
                "{row} {what} in a row were ready, and the task could not run anything else"
            );
        } else {
            row = 0;
            let wakes = counter.wakes();
            if wakes == 0 {
                case.wait(what, || counter.wakes() > 0, || false);
            }
        }
    };
    let (mut feed, mut got) = (feed_in(), tape_in());
    let mut op = ReadOp::new();
    for _ in 0..4 * MOST {
        if feed.at() < got.at() + 2 {
            push(&mut peer, &mut feed, 2);
        }
        let result = case.harness().enter(|| flow.poll_read(&mut cx, &mut op));
        yielded(case, result.is_ready(), "reads");
        match result {
            Poll::Ready(Ok(Some(chunk))) => got.check(&chunk),
            Poll::Ready(other) => panic!("a read got {other:?}"),
            Poll::Pending => {}
        }
    }
    drop(op);
    let (mut out, mut seen) = (feed_out(), tape_out());
    let mut op = WriteOp::from(out.next(1));
    row = 0;
    let mut yielded = |case: &Case<H>, ready: bool| {
        row = if ready { row + 1 } else { 0 };
        assert!(
            row <= MOST,
            "{row} writes in a row were ready, and the task could not run anything else"
        );
        if !ready && counter.wakes() == 0 {
            case.wait("writes", || counter.wakes() > 0, || false);
        }
    };
    for _ in 0..4 * MOST {
        let result = case.harness().enter(|| flow.poll_write(&mut cx, &mut op));
        yielded(case, result.is_ready());
        match result {
            Poll::Ready(Ok(())) => op = WriteOp::from(out.next(1)),
            Poll::Ready(Err(e)) => panic!("write failed: {e}"),
            Poll::Pending => {}
        }
        pull(&mut peer, &mut seen, MUCH);
    }
}

/// In no lasting state (end unread, end read, half-closed, after a cancelled read) does an idle flow wake anyone.
pub fn tasks_idle_is_idle<H: Harness>(case: &Case<H>) {
    for state in [
        "fresh",
        "with the peer's end unread",
        "with the peer's end read",
        "with input unread",
        "half closed by us",
        "after a cancelled read",
        "closing with input unread",
    ] {
        let Link { flow, mut peer } = case.tight();
        let mut feed = feed_out();
        let mut steps: Vec<Box<dyn Parked + '_>> = vec![];
        if !matches!(state, "half closed by us" | "closing with input unread") {
            steps.push(Box::new(case.park_taken(&flow, &mut feed)));
            let mut behind = case.step("a write in line", flow.write("x"));
            behind.park();
            steps.push(Box::new(behind));
        }
        match state {
            "fresh" => steps.push(Box::new(case.park_read(&flow))),
            "with the peer's end unread" => peer.end(),
            "with the peer's end read" => {
                peer.end();
                case.read_end(&flow);
            }
            "with input unread" => case.send(&mut peer, &mut feed_in(), 10),
            "half closed by us" => {
                let shut = case
                    .step("a shutdown", flow.shutdown(Shutdown::Write))
                    .finish();
                assert!(shut.is_ok(), "shutdown failed");
                steps.push(Box::new(case.park_read(&flow)));
            }
            "after a cancelled read" => {
                let read = case.park_read(&flow);
                case.send(&mut peer, &mut feed_in(), 10);
                drop(read);
            }
            _ => {
                case.send(&mut peer, &mut feed_in(), 10);
                let mut close = case.step("a close", flow.close());
                close.park();
                steps.push(Box::new(close));
            }
        }
        // What the change of state itself woke is looked at and done with.
        let mut woken = 0;
        for round in 0..15 {
            case.settle();
            for step in &mut steps {
                if step.ask() && round >= 5 {
                    woken += 1;
                }
            }
        }
        assert_eq!(
            woken, 0,
            "a flow {state} woke parked calls {woken} times with nothing to do"
        );
    }
}

/// A parked call of any kind.
trait Parked {
    /// Polls it if it was woken; whether it was.
    fn ask(&mut self) -> bool;
}

impl<H: Harness, C: Future<Output: std::fmt::Debug> + Unpin> Parked for Step<'_, H, C> {
    fn ask(&mut self) -> bool {
        let woken = self.is_woken();
        if woken {
            let result = self.poll_once();
            assert!(
                result.is_pending(),
                "a call on an idle flow was done: {result:?}"
            );
        }
        woken
    }
}

/// A waker that does nothing.
pub(super) fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
