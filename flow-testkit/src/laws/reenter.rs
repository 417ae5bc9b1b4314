//! Wakers that use the flow from inside the wake, and what uses it while it is dropped.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use flow_core::{Bytes, CloseOp, Flow, FlushOp, ReadOp, Shutdown, ShutdownOp, WriteOp};

use super::tasks::noop;
use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::moves::{MUCH, feed_in, feed_out, tape_in};
use crate::peer::{Peer, Recv};
use crate::step::YIELDS;

thread_local! {
    /// What the wakers of this thread do. Taken out while it runs.
    static ACTS: RefCell<HashMap<u64, Box<dyn FnMut()>>> = RefCell::default();
}

/// Lets go of what the wakers of this thread do, and with that of the flows that they hold.
struct Forget;

impl Drop for Forget {
    fn drop(&mut self) {
        drop(ACTS.take());
    }
}

/// Runs its act inside the wake, on the law's thread. Woken on another thread it leaves that to the law.
struct Reenter {
    id: u64,
    home: std::thread::ThreadId,
    late: AtomicBool,
}

impl Reenter {
    fn new(act: impl FnMut() + 'static) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        ACTS.with_borrow_mut(|acts| acts.insert(id, Box::new(act)));
        Arc::new(Self {
            id,
            home: std::thread::current().id(),
            late: AtomicBool::new(false),
        })
    }

    fn act(&self) {
        // Woken again by what it does itself, or at the very end of the thread, it has nothing more to do.
        let take = |acts: &RefCell<HashMap<_, _>>| acts.borrow_mut().remove(&self.id);
        let taken: Option<Box<dyn FnMut()>> = ACTS.try_with(take).ok().flatten();
        if let Some(mut act) = taken {
            act();
            ACTS.with_borrow_mut(|acts| acts.insert(self.id, act));
        }
    }

    /// Acts if woken elsewhere.
    fn act_if_late(&self) {
        if self.late.swap(false, Ordering::SeqCst) {
            self.act();
        }
    }
}

impl Wake for Reenter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if std::thread::current().id() == self.home {
            self.act();
        } else {
            self.late.store(true, Ordering::SeqCst);
        }
    }
}

type Kept<T> = Rc<RefCell<T>>;

/// A wake that came where nobody could poll.
#[derive(Default)]
struct Missed(AtomicBool);

impl Wake for Missed {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What a re-entering reader needs in reach: the flow, its call, and what it got.
struct Reader<F> {
    flow: Rc<F>,
    op: Kept<ReadOp>,
    got: Kept<Vec<Bytes>>,
    ended: Kept<bool>,
    missed: Arc<Missed>,
}

impl<F> Clone for Reader<F> {
    fn clone(&self) -> Self {
        Self {
            flow: Rc::clone(&self.flow),
            op: Rc::clone(&self.op),
            got: Rc::clone(&self.got),
            ended: Rc::clone(&self.ended),
            missed: Arc::clone(&self.missed),
        }
    }
}

impl<F: Flow> Reader<F> {
    fn new(flow: &Rc<F>) -> Self {
        Self {
            flow: Rc::clone(flow),
            op: Kept::default(),
            got: Kept::default(),
            ended: Kept::default(),
            missed: Arc::default(),
        }
    }

    /// Polls, from wherever. Woken inside that very poll, it is for [`poll_if_missed`](Self::poll_if_missed) to poll again.
    fn poll(&self, cx: &mut Context<'_>) {
        let Ok(mut op) = self.op.try_borrow_mut() else {
            self.missed.wake_by_ref();
            return;
        };
        match self.flow.poll_read(cx, &mut op) {
            Poll::Ready(Ok(Some(chunk))) => self.got.borrow_mut().push(chunk),
            Poll::Ready(Ok(None)) => *self.ended.borrow_mut() = true,
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
    }

    /// Polls inside a wake.
    fn poll_inside(&self) {
        let waker = Waker::from(Arc::clone(&self.missed));
        self.poll(&mut Context::from_waker(&waker));
    }

    /// Polls if a poll inside a wake was put off: a flow may wake and answer pending to let others have their turn.
    fn poll_if_missed(&self) -> bool {
        let missed = self.missed.0.swap(false, Ordering::SeqCst);
        if missed {
            self.poll_inside();
        }
        missed
    }

    /// Drops the call, from wherever.
    fn cancel(&self) {
        if let Ok(mut op) = self.op.try_borrow_mut() {
            let gone = std::mem::take(&mut *op);
            drop(op);
            drop(gone);
        }
    }
}

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

/// A waker that does nothing but use the flow when it is dropped.
struct DroppedWaker(Arc<Reenter>);

impl Wake for DroppedWaker {
    fn wake(self: Arc<Self>) {}
}

impl Drop for DroppedWaker {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}

/// A buffer that uses the flow when it is dropped.
struct DroppedBuffer(Arc<Reenter>);

impl AsRef<[u8]> for DroppedBuffer {
    fn as_ref(&self) -> &[u8] {
        static ZEROES: [u8; MUCH] = [0; MUCH];
        &ZEROES
    }
}

impl Drop for DroppedBuffer {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}

/// A waker or a buffer that the flow lets go of may use the flow while it is dropped.
pub fn tasks_drop_may_reenter<H: Harness>(case: &Case<H>) {
    let _forget = Forget;
    for how in ["sent", "cancelled", "aborted", "failed"] {
        buffer_reenters(case, how);
    }
    for closing in [false, true] {
        discarded_buffer_reenters(case, closing);
    }
    wakers_reenter(case);
}

/// Does what re-enters: reads, writes nothing, and flushes.
fn uses<F: Flow + 'static>(reader: &Reader<F>) -> (Arc<Reenter>, Kept<usize>) {
    let (inner, ran) = (reader.clone(), Kept::<usize>::default());
    let count = Rc::clone(&ran);
    let reenter = Reenter::new(move || {
        *count.borrow_mut() += 1;
        inner.poll(&mut noop());
        let _ = inner
            .flow
            .poll_write(&mut noop(), &mut WriteOp::from(Bytes::new()));
        let _ = inner.flow.poll_flush(&mut noop(), &mut FlushOp::new());
    });
    (reenter, ran)
}

/// In how many rounds a buffer has to be let go of: there is little room, and a round may move no more than that.
const ROUNDS: usize = 200_000;

/// A large write is begun, and its buffer is let go of when it has been sent, or will not be.
fn buffer_reenters<H: Harness>(case: &Case<H>, how: &str) {
    let Link { flow, mut peer } = case.tight();
    let reader = Reader::new(&Rc::new(flow));
    let (reenter, ran) = uses(&reader);
    let buffer = Bytes::from_owner(DroppedBuffer(Arc::clone(&reenter)));
    let mut write = WriteOp::from(buffer);
    case.at("a write whose buffer uses the flow when it is dropped");
    let begun = case
        .harness()
        .enter(|| reader.flow.poll_write(&mut noop(), &mut write));
    assert!(begun.is_pending(), "a large write was done: {begun:?}");
    match how {
        "sent" => {}
        "failed" => {
            // By now it is the flow's, also where others had their turn first.
            for _ in 0..=YIELDS {
                let _ = case
                    .harness()
                    .enter(|| reader.flow.poll_write(&mut noop(), &mut write));
            }
            peer.vanish();
        }
        "cancelled" => case.harness().enter(|| write = WriteOp::from(Bytes::new())),
        _ => case.harness().enter(|| {
            reader.flow.abort();
            write = WriteOp::from(Bytes::new());
        }),
    }
    let gone = || {
        reenter.act_if_late();
        *ran.borrow() > 0
    };
    let mut buf = vec![0; 64 * 1024];
    // Not a wait: with layers between, much may move that neither end sees.
    for _ in 0..ROUNDS {
        if gone() {
            return;
        }
        let done = case.harness().enter(|| {
            let _ = reader.flow.poll_write(&mut noop(), &mut write);
            reader.flow.poll_flush(&mut noop(), &mut FlushOp::new())
        });
        // Whoever has nothing to send any more lets go of it when the call is gone.
        if done.is_ready() {
            write = WriteOp::from(Bytes::new());
        }
        while how != "failed" && matches!(peer.recv(&mut buf), Recv::Data(_)) {}
        case.harness().turn();
    }
    panic!("the buffer of a write that was {how} is not let go of");
}

/// What the other end wrote is let go of by `shutdown(Read)`, whether or not a close has read it ahead.
fn discarded_buffer_reenters<H: Harness>(case: &Case<H>, closing: bool) {
    const LEN: usize = 1000;
    let (flow, other) = case.pair();
    let reader = Reader::new(&Rc::new(flow));
    let (reenter, ran) = uses(&reader);
    let buffer = Bytes::from_owner(DroppedBuffer(Arc::clone(&reenter))).slice(..LEN);
    case.at("input whose buffer uses the flow when it is dropped");
    case.write(&other, buffer);
    case.settle();
    case.harness().enter(|| {
        if closing {
            let _ = reader.flow.poll_close(&mut noop(), &mut CloseOp::new());
        }
    });
    for _ in 0..ROUNDS {
        reenter.act_if_late();
        if *ran.borrow() > 0 {
            return;
        }
        case.harness().enter(|| {
            let mut shutdown = ShutdownOp::new(Shutdown::Read);
            let _ = reader.flow.poll_shutdown(&mut noop(), &mut shutdown);
            let _ = reader.flow.poll_flush(&mut noop(), &mut FlushOp::new());
        });
        case.harness().turn();
    }
    panic!("the buffer of input that is discarded is not let go of");
}

/// Wakers are displaced by later polls, let go of with their calls, and by an abort.
fn wakers_reenter<H: Harness>(case: &Case<H>) {
    let Link { flow, peer: _peer } = case.tight();
    let reader = Reader::new(&Rc::new(flow));
    let (reenter, ran) = uses(&reader);
    let waker = || Waker::from(Arc::new(DroppedWaker(Arc::clone(&reenter))));
    case.at("calls whose wakers use the flow when they are dropped");
    case.harness().enter(|| {
        let (mut read, mut flush) = (ReadOp::new(), FlushOp::new());
        let mut write = WriteOp::from(feed_out().next(8 * MUCH));
        for _ in 0..3 {
            // A waker for each call: the last to let go of one is whoever keeps it for that call.
            let (for_read, for_write, for_flush) = (waker(), waker(), waker());
            let mut cx = Context::from_waker(&for_read);
            let read = reader.flow.poll_read(&mut cx, &mut read);
            drop(for_read);
            let mut cx = Context::from_waker(&for_write);
            let write = reader.flow.poll_write(&mut cx, &mut write);
            drop(for_write);
            let mut cx = Context::from_waker(&for_flush);
            let flush = reader.flow.poll_flush(&mut cx, &mut flush);
            drop(for_flush);
            // Nothing may have been taken yet, and then the flush has nothing to wait for.
            let _ = flush;
            assert!(
                read.is_pending() && write.is_pending(),
                "a call on a full, silent flow was done"
            );
        }
        drop(flush);
        reader.flow.abort();
    });
    case.wait(
        "wakers that are let go of",
        || {
            reenter.act_if_late();
            *ran.borrow() > 0
        },
        || false,
    );
}
