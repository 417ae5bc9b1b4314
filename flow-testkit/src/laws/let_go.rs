//! Wakers and buffers that use the flow while the flow lets go of them.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use flow_core::{Bytes, CloseOp, Flow, FlushOp, ReadOp, Shutdown, ShutdownOp, WriteOp};

use super::inside::{Forget, Kept, Reader, Reenter};
use super::tasks::noop;
use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::moves::{MUCH, feed_out};
use crate::peer::{Peer, Recv};
use crate::step::YIELDS;

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
