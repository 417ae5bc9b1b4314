//! How seldom a flow may wake and be asked, and how often it must let others run.

use std::future::Future;
use std::task::{Context, Poll};

use flow_core::{Flow, FlowExt, ReadOp, Shutdown, WriteOp};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::moves::{MUCH, feed_in, feed_out, pull, push, tape_in, tape_out};
use crate::step::{Counter, Step};

/// How many wakes for nothing are let pass, of any number of events.
const FEW: usize = 20;

/// A thousand parked operations are as quiet as one.
pub fn tasks_parked_are_quiet<H: Harness>(case: &Case<H>) {
    beside_the_other_direction(case);
    beside_those_that_go(case);
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
            wakes <= FEW,
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
        let mut idle = case.idle();
        while seen.at() < room {
            let moved = pull(&mut peer, &mut seen, 4096);
            case.settle();
            idle.after(moved);
            assert!(
                !idle.for_good(),
                "a large write stopped at {} bytes",
                seen.at()
            );
            if full.is_woken() || !moved {
                assert!(full.poll().is_pending(), "a large write was done early");
            }
        }
        let wakes = writes.iter().map(Step::wakes).sum::<usize>() - before;
        assert!(
            wakes <= FEW,
            "room for one write woke the {many} behind it {wakes} times"
        );
    }
}

/// Polls a parked call again if it was woken; whether it was.
fn ask<H: Harness, C>(step: &mut Step<'_, H, C>) -> bool
where
    C: Future<Output: std::fmt::Debug> + Unpin,
{
    let woken = step.is_woken();
    if woken {
        step.park();
    }
    woken
}

/// What comes in one direction is nothing to those who wait in the other, but where it leaves them something to do now and then.
fn beside_the_other_direction<H: Harness>(case: &Case<H>) {
    const EVENTS: usize = 100;
    let Link { flow, mut peer } = case.tight();
    let (mut out, mut seen) = (feed_out(), tape_out());
    let (mut feed, mut got) = (feed_in(), tape_in());
    let mut full = case.park_taken(&flow, &mut out);
    let mut flush = case.step("a flush beside reads", flow.flush());
    flush.park();
    let mut wakes = 0;
    for _ in 0..EVENTS {
        let mut read = case.park_or_take(&flow, &mut got);
        case.send(&mut peer, &mut feed, 1);
        match read.finish() {
            Ok(Some(chunk)) => got.check(&chunk),
            other => panic!("a read beside a full flow got {other:?}"),
        }
        wakes += usize::from(ask(&mut full)) + usize::from(ask(&mut flush));
    }
    assert!(
        wakes <= EVENTS * 3 / 4,
        "{EVENTS} messages woke a write and a flush {wakes} times"
    );
    drop(flush);
    let mut read = case.park_read(&flow);
    let (mut rooms, mut wakes) = (0, 0);
    while rooms < EVENTS && seen.at() + (MUCH as u64) / 2 < out.at() {
        rooms += usize::from(pull(&mut peer, &mut seen, 4096));
        case.settle();
        ask(&mut full);
        wakes += usize::from(ask(&mut read));
    }
    assert!(
        wakes <= rooms * 3 / 4,
        "room that came {rooms} times woke a read {wakes} times"
    );
}

/// Whoever goes without having been woken leaves nothing to do to those who stay.
fn beside_those_that_go<H: Harness>(case: &Case<H>) {
    const MANY: usize = 100;
    let Link { flow, peer: _peer } = case.tight();
    let mut out = feed_out();
    let mut full = case.park_taken(&flow, &mut out);
    for reading in [false, true] {
        let mut head = reading.then(|| case.park_read(&flow));
        let reads: Vec<_> = (0..if reading { MANY } else { 0 })
            .map(|_| case.park_read(&flow))
            .collect();
        let writes: Vec<_> = (0..MANY)
            .map(|_| {
                let mut write =
                    case.step("one of many writes", flow.write("nobody shall see this"));
                write.park();
                write
            })
            .collect();
        case.settle();
        let mut wakes = 0;
        let mut look = || {
            wakes += usize::from(ask(&mut full));
            wakes += usize::from(head.as_mut().is_some_and(ask));
        };
        for write in writes {
            drop(write);
            look();
        }
        for read in reads {
            drop(read);
            look();
        }
        assert!(
            wakes <= FEW,
            "calls that were dropped woke those that stay {wakes} times"
        );
    }
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
    what_is_ahead_yields(case, MOST);
    direct_reads_yield(case, MOST);
}

/// Direct reads are results like others, also where ordinary ones come between.
fn direct_reads_yield<H: Harness>(case: &Case<H>, most: usize) {
    // So that chunks that are cut, to be read little by little, are long.
    const MUCH_AHEAD: u64 = 16 * 1024;
    for every in [2, 3] {
        let Link { flow, mut peer } = case.link();
        let Some(direct) = flow.direct() else { return };
        let (mut feed, mut at) = (feed_in(), 0);
        let (counter, waker) = Counter::new();
        let mut cx = Context::from_waker(&waker);
        let mut op = ReadOp::new();
        let mut row = 0;
        for turn in 0..4 * most {
            if feed.at() < at + MUCH_AHEAD {
                push(&mut peer, &mut feed, MUCH_AHEAD as usize);
            }
            let mut read = || {
                if turn % every > 0
                    && let Some(chunks) = direct.read_direct(&mut cx, &mut op)
                {
                    return Poll::Ready(Ok(Some(chunks.len())));
                }
                let read = flow.poll_read(&mut cx, &mut op);
                read.map_ok(|chunk| chunk.map(|chunk| chunk.len()))
            };
            match case.harness().enter(&mut read) {
                Poll::Ready(Ok(Some(len))) => at += len as u64,
                Poll::Ready(other) => panic!("a read got {other:?}"),
                Poll::Pending => {
                    row = 0;
                    case.wait("a read", || counter.wakes() > 0, || false);
                    continue;
                }
            }
            row += 1;
            assert!(
                row <= most,
                "{row} reads in a row, direct ones and others, were ready, and the task could not run anything else"
            );
        }
    }
}

/// What a close has taken in, looking for the peer's end, is read in as many results as it came in.
fn what_is_ahead_yields<H: Harness>(case: &Case<H>, most: usize) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    let mut close = case.step("a close", flow.close());
    close.park();
    // A kernel counts far more than its bytes for each.
    for _ in 0..most + 32 {
        case.send(&mut peer, &mut feed, 2);
        if close.is_woken() {
            close.still_waits("while the peer has not ended");
        }
    }
    case.settle();
    let (counter, waker) = Counter::new();
    let mut op = ReadOp::new();
    let mut row = 0;
    while tape.at() < feed.at() {
        let mut cx = Context::from_waker(&waker);
        match case.harness().enter(|| flow.poll_read(&mut cx, &mut op)) {
            Poll::Ready(Ok(Some(chunk))) => tape.check(&chunk),
            Poll::Ready(other) => panic!("a read beside a close gave {other:?}"),
            Poll::Pending => {
                row = 0;
                case.wait(
                    "a read beside a close",
                    || counter.wakes() > 0,
                    || close.is_woken() && close.poll().is_ready(),
                );
                continue;
            }
        }
        row += 1;
        assert!(
            row <= most,
            "{row} reads in a row of what a close took in were ready, and the task could not run anything else"
        );
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
        "with reading shut and input unread",
        "after a cancelled close",
        "closing",
        "closing with input unread",
        "closing with reading shut",
    ] {
        let Link { flow, mut peer } = case.tight();
        let mut feed = feed_out();
        let mut steps: Vec<Box<dyn Parked + '_>> = vec![];
        if !state.contains("clos") {
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
                shut(case, &flow, Shutdown::Write);
                steps.push(Box::new(case.park_read(&flow)));
            }
            "after a cancelled read" => {
                let read = case.park_read(&flow);
                case.send(&mut peer, &mut feed_in(), 10);
                drop(read);
            }
            "with reading shut and input unread" => {
                shut(case, &flow, Shutdown::Read);
                case.send(&mut peer, &mut feed_in(), 10);
            }
            "after a cancelled close" => {
                steps.push(Box::new(case.park_read(&flow)));
                case.step("a close", flow.close()).park();
            }
            _ => {
                match state {
                    "closing with reading shut" => shut(case, &flow, Shutdown::Read),
                    "closing with input unread" => case.send(&mut peer, &mut feed_in(), 10),
                    _ => steps.push(Box::new(case.park_read(&flow))),
                }
                let mut close = case.step("a close", flow.close());
                close.park();
                steps.push(Box::new(close));
            }
        }
        // What the change of state itself woke is looked at and done with, after everybody has asked once more. A kernel may
        // move bytes of its own accord now and then; a flow that is never idle is woken in every round.
        let mut woken = 0;
        for round in 0..30 {
            case.settle();
            for step in &mut steps {
                if step.ask(round == 0) && round >= 10 {
                    woken += 1;
                }
            }
        }
        assert!(
            woken < 10,
            "a flow {state} woke parked calls {woken} times with nothing to do"
        );
    }
}

fn shut<H: Harness>(case: &Case<H>, flow: &H::Flow, how: Shutdown) {
    let done = case.step("a shutdown", flow.shutdown(how)).finish();
    assert!(done.is_ok(), "shutdown failed");
}

/// A parked call of any kind.
trait Parked {
    /// Polls it if it was woken, or `anyway`; whether it was woken.
    fn ask(&mut self, anyway: bool) -> bool;
}

impl<H: Harness, C: Future<Output: std::fmt::Debug> + Unpin> Parked for Step<'_, H, C> {
    fn ask(&mut self, anyway: bool) -> bool {
        let woken = self.is_woken();
        if woken || anyway {
            let result = self.poll_once();
            assert!(
                result.is_pending(),
                "a call on an idle flow was done: {result:?}"
            );
        }
        woken
    }
}
