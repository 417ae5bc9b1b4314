//! Wakers that use the flow from inside the wake.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use flow_core::{Flow, WriteOp};

use super::inside::{Forget, Kept, Reader, Reenter};
use super::tasks::noop;
use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::moves::{MUCH, feed_in, feed_out, tape_in};

/// A waker may poll or drop operations of the flow from inside the wake.
pub fn tasks_wake_may_reenter<H: Harness>(case: &Case<H>) {
    let _forget = Forget;
    polls_itself(case);
    drops_another(case);
    inside_a_drop(case);
    inside_the_end(case);
    inside_an_abort(case);
}

/// The waker of a read polls that read at once.
fn polls_itself<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let reader = Reader::new(&Rc::new(flow));
    let inner = reader.clone();
    let reenter = Reenter::new(move || inner.poll_inside());
    let waker = Waker::from(Arc::clone(&reenter));
    let (mut feed, mut tape) = (feed_in(), tape_in());
    for _ in 0..5 {
        case.at("a read that its waker polls");
        case.harness()
            .enter(|| reader.poll(&mut Context::from_waker(&waker)));
        case.send(&mut peer, &mut feed, 3);
        let got = Rc::clone(&reader.got);
        case.wait(
            "a read that its waker polls",
            || !got.borrow().is_empty(),
            || {
                reenter.act_if_late();
                case.harness().enter(|| reader.poll_if_missed())
            },
        );
        for chunk in got.borrow_mut().drain(..) {
            tape.check(&chunk);
        }
        case.read_up_to(&*reader.flow, &mut tape, feed.at());
    }
}

/// The waker of a read drops that read, and the one behind it.
fn drops_another<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let first = Reader::new(&Rc::new(flow));
    let second = Reader::new(&first.flow);
    let (one, two) = (first.clone(), second.clone());
    let reenter = Reenter::new(move || {
        two.cancel();
        one.cancel();
    });
    let waker = Waker::from(reenter);
    case.at("reads that a waker drops");
    case.harness().enter(|| {
        first.poll(&mut Context::from_waker(&waker));
        second.poll(&mut Context::from_waker(&waker));
    });
    let mut feed = feed_in();
    case.send(&mut peer, &mut feed, 3);
    case.settle();
    case.harness().enter(|| {
        first.cancel();
        second.cancel();
    });
    case.read_up_to(&*first.flow, &mut tape_in(), feed.at());
}

/// A read is dropped, which wakes the one behind it, whose waker polls at once.
fn inside_a_drop<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let first = Reader::new(&Rc::new(flow));
    let heir = Reader::new(&first.flow);
    let inner = heir.clone();
    let reenter = Reenter::new(move || inner.poll_inside());
    let waker = Waker::from(Arc::clone(&reenter));
    case.at("a read whose waker is woken by a drop");
    case.harness().enter(|| {
        first.poll(&mut noop());
        heir.poll(&mut Context::from_waker(&waker));
    });
    let mut feed = feed_in();
    case.send(&mut peer, &mut feed, 3);
    case.settle();
    case.harness().enter(|| first.cancel());
    let got = Rc::clone(&heir.got);
    case.wait(
        "a read whose waker is woken by a drop",
        || !got.borrow().is_empty(),
        || {
            reenter.act_if_late();
            case.harness().enter(|| heir.poll_if_missed())
        },
    );
    let mut tape = tape_in();
    for chunk in got.borrow_mut().drain(..) {
        tape.check(&chunk);
    }
    case.read_up_to(&*heir.flow, &mut tape, feed.at());
}

/// A read that meets the peer's end wakes the one behind it, whose waker polls at once.
fn inside_the_end<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let first = Reader::new(&Rc::new(flow));
    let heir = Reader::new(&first.flow);
    let inner = heir.clone();
    let reenter = Reenter::new(move || inner.poll_inside());
    let waker = Waker::from(Arc::clone(&reenter));
    case.at("a read whose waker is woken by the end");
    case.harness().enter(|| {
        first.poll_inside();
        heir.poll(&mut Context::from_waker(&waker));
    });
    peer.end();
    let ended = Rc::clone(&heir.ended);
    case.wait(
        "a read whose waker is woken by the end",
        || *ended.borrow(),
        || {
            reenter.act_if_late();
            case.harness().enter(|| {
                let moved = first.poll_if_missed();
                heir.poll_if_missed() || moved
            })
        },
    );
}

/// An abort wakes a parked read and a parked write, whose wakers poll and abort again.
fn inside_an_abort<H: Harness>(case: &Case<H>) {
    let Link { flow, peer: _peer } = case.tight();
    let reader = Reader::new(&Rc::new(flow));
    let (inner, ran) = (reader.clone(), Kept::<bool>::default());
    let acted = Rc::clone(&ran);
    let reenter = Reenter::new(move || {
        inner.poll_inside();
        inner.flow.abort();
        inner.cancel();
        *acted.borrow_mut() = true;
    });
    let waker = Waker::from(Arc::clone(&reenter));
    let mut write = WriteOp::from(feed_out().next(8 * MUCH));
    case.at("an abort that wakes a waker that aborts");
    case.harness().enter(|| {
        let mut cx = Context::from_waker(&waker);
        reader.poll(&mut cx);
        let result = reader.flow.poll_write(&mut cx, &mut write);
        // A flow that wakes to let others have their turn is aborted before it has taken anything.
        assert!(
            result.is_pending() || *ran.borrow(),
            "a large write was done: {result:?}"
        );
    });
    reader.flow.abort();
    case.wait(
        "an abort that wakes a waker that aborts",
        || *ran.borrow(),
        || {
            reenter.act_if_late();
            false
        },
    );
}
