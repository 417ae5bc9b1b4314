//! A flow as people write it first: no engine, no lines of waiters, the rest of a write in the call that writes it.
//!
//! What is wrong with it is what the engine is for.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use flow_core::memory::MemoryError;
use flow_core::{Aborted, CloseOp, Flow, FlushOp, ReadOp, ShutdownOp, WriteError, WriteOp};

use super::Broken;
use super::over_memory::{
    DonePoll, NO_ALLOCATED, NO_DESCRIPTORS, NO_FAILING, NO_RESET, NO_RUNTIME, NO_SWITCH,
    NO_THREADS, ReadPoll,
};
use crate::harness::{Harness, Link, Need, Room};
use crate::peer::{Peer, Recv};

/// What a naive flow does where it has a choice of faults.
pub(super) trait Naive: 'static {
    /// Whether the rest of a write that is dropped is kept, for the next write.
    const KEEPS_THE_REST: bool = false;
    /// Whether shutdown shows the end before the rest has gone.
    const ENDS_FIRST: bool = false;
}

/// The rest of a write is in its call, and whoever is woken writes.
pub(super) struct ForgetsTheRest;

impl Naive for ForgetsTheRest {}

/// The rest is kept, and the end overtakes it.
pub(super) struct EndOvertakes;

impl Naive for EndOvertakes {
    const KEEPS_THE_REST: bool = true;
    const ENDS_FIRST: bool = true;
}

/// One direction.
#[derive(Default)]
struct Lane {
    bytes: VecDeque<u8>,
    capacity: usize,
    ended: bool,
    gone: bool,
    waiting: Vec<Waker>,
}

impl Lane {
    fn wait(&mut self, cx: &Context<'_>) {
        self.waiting.push(cx.waker().clone());
    }

    fn push(&mut self, data: &[u8]) -> usize {
        let count = data
            .len()
            .min(self.capacity.saturating_sub(self.bytes.len()));
        self.bytes.extend(&data[..count]);
        count
    }
}

/// Wakes everybody who waits for anything.
fn wake(lane: &RefCell<Lane>) {
    let waiting = std::mem::take(&mut lane.borrow_mut().waiting);
    waiting.into_iter().for_each(Waker::wake);
}

type Shared = Rc<RefCell<Lane>>;

pub(super) struct NaiveFlow<N> {
    input: Shared,
    output: Shared,
    rest: RefCell<VecDeque<u8>>,
    naive: PhantomData<N>,
}

impl<N: Naive> NaiveFlow<N> {
    fn new(input: Shared, output: Shared) -> Self {
        Self {
            input,
            output,
            rest: RefCell::default(),
            naive: PhantomData,
        }
    }

    fn drive(&self) {
        let mut rest = self.rest.borrow_mut();
        let mut output = self.output.borrow_mut();
        while let Some(&byte) = rest.front() {
            if output.push(&[byte]) == 0 {
                break;
            }
            rest.pop_front();
        }
    }

    fn end(&self) {
        self.output.borrow_mut().ended = true;
        wake(&self.output);
    }
}

impl<N: Naive> Flow for NaiveFlow<N> {
    type Error = MemoryError;

    fn poll_read(&self, cx: &mut Context<'_>, _: &mut ReadOp) -> ReadPoll {
        let mut input = self.input.borrow_mut();
        if !input.bytes.is_empty() {
            let chunk: Vec<u8> = input.bytes.drain(..).collect();
            return Poll::Ready(Ok(Some(chunk.into())));
        }
        if input.gone {
            return Poll::Ready(Err(Aborted.into()));
        }
        if input.ended {
            return Poll::Ready(Ok(None));
        }
        input.wait(cx);
        Poll::Pending
    }

    fn poll_write(&self, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if N::KEEPS_THE_REST {
            self.drive();
        }
        let mut output = self.output.borrow_mut();
        if output.ended || output.gone {
            return Poll::Ready(Err(WriteError::Closed));
        }
        loop {
            if op.chunks().is_empty() && self.rest.borrow().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let count = output.push(op.chunks().first());
            op.chunks().advance(count);
            if count == 0 {
                break;
            }
            op.set_taken(0);
        }
        if N::KEEPS_THE_REST && op.is_taken() {
            while let Some(chunk) = op.chunks().take_first() {
                self.rest.borrow_mut().extend(&chunk);
            }
        }
        output.wait(cx);
        Poll::Pending
    }

    fn poll_flush(&self, cx: &mut Context<'_>, _: &mut FlushOp) -> DonePoll {
        self.drive();
        if self.rest.borrow().is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.output.borrow_mut().wait(cx);
        Poll::Pending
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>, op: &mut ShutdownOp) -> DonePoll {
        if op.how().is_read() {
            self.input.borrow_mut().ended = true;
        }
        if N::ENDS_FIRST {
            self.end();
        }
        let flushed = self.poll_flush(cx, &mut FlushOp::new());
        if flushed.is_ready() {
            self.end();
        }
        flushed
    }

    fn poll_close(&self, cx: &mut Context<'_>, _: &mut CloseOp) -> DonePoll {
        self.end();
        let mut input = self.input.borrow_mut();
        if input.ended {
            return Poll::Ready(Ok(()));
        }
        input.wait(cx);
        Poll::Pending
    }

    fn abort(&self) {
        self.input.borrow_mut().gone = true;
        self.end();
        wake(&self.input);
    }
}

impl<N> Drop for NaiveFlow<N> {
    fn drop(&mut self) {
        self.output.borrow_mut().ended = true;
        wake(&self.output);
    }
}

struct NaivePeer {
    input: Shared,
    output: Shared,
}

impl Peer for NaivePeer {
    fn send(&mut self, data: &[u8]) -> usize {
        let count = self.output.borrow_mut().push(data);
        wake(&self.output);
        count
    }

    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        let mut input = self.input.borrow_mut();
        let count = buf.len().min(input.bytes.len());
        for (to, from) in buf.iter_mut().zip(input.bytes.drain(..count)) {
            *to = from;
        }
        let met = match count {
            0 if input.ended => Recv::End,
            0 => Recv::Empty,
            count => Recv::Data(count),
        };
        drop(input);
        wake(&self.input);
        met
    }

    fn queued(&mut self) -> usize {
        self.input.borrow().bytes.len()
    }

    fn end(&mut self) {
        self.output.borrow_mut().ended = true;
        wake(&self.output);
    }

    fn vanish(&mut self) {
        self.input.borrow_mut().gone = true;
        wake(&self.input);
        self.end();
    }
}

pub(super) struct OverNaive<N>(PhantomData<N>);

impl<N> Default for OverNaive<N> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<N: Naive> Harness for OverNaive<N> {
    type Flow = NaiveFlow<N>;

    const LACKS: &'static [(Need, &'static str)] = &[
        NO_RESET,
        NO_DESCRIPTORS,
        NO_FAILING,
        NO_RUNTIME,
        NO_SWITCH,
        NO_THREADS,
        NO_ALLOCATED,
        (Need::Delivery, "nobody counts what the peer has read"),
        (Need::TornAbort, "an abort looks like an end to the peer"),
    ];

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = lanes(Room::Ample);
        let other = NaiveFlow::new(Rc::clone(&b), Rc::clone(&a));
        (NaiveFlow::new(a, b), other)
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        let (input, output) = lanes(room);
        let peer = NaivePeer {
            input: Rc::clone(&output),
            output: Rc::clone(&input),
        };
        Link::new(NaiveFlow::new(input, output), peer)
    }
}

/// Both directions.
fn lanes(room: Room) -> (Shared, Shared) {
    let capacity = if room == Room::Tight { 97 } else { 64 * 1024 };
    let lane = || {
        Rc::new(RefCell::new(Lane {
            capacity,
            ..Lane::default()
        }))
    };
    (lane(), lane())
}

/// An entry of the table.
pub(super) fn flow<N: Naive>(law: &'static str, words: &'static str) -> Broken {
    Broken::new::<N, OverNaive<N>>(law, words)
}
