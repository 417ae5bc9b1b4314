//! The far end of a link, driven by hand: what laws see of it.

use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll};

use flow_core::{Bytes, Flow, ReadOp, Shutdown, ShutdownOp, WriteOp};

use crate::step::Counter;

/// What a peer met when it received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recv {
    /// That many bytes.
    Data(usize),
    /// Nothing yet.
    Empty,
    /// The orderly end.
    End,
    /// The stream was cut off: a reset, or an abort that can be told from an end.
    Torn,
}

/// The far end of a link. No call waits.
pub trait Peer {
    /// Sends from the front of `data`; how many bytes were accepted, 0 if there is no room or nobody to receive.
    fn send(&mut self, data: &[u8]) -> usize;
    /// Receives what is there.
    fn recv(&mut self, buf: &mut [u8]) -> Recv;
    /// How many bytes wait to be received.
    fn queued(&mut self) -> usize;
    /// How many of these it has taken out of the stream already, so that they count as read there.
    ///
    /// Only for a far end that receives ahead.
    fn held(&self) -> usize {
        0
    }
    /// Ends sending; receiving goes on.
    fn end(&mut self);
    /// Leaves both ways, as a process does that exits. Nothing may be called after it but `vanish`.
    fn vanish(&mut self);
    /// Leaves with a reset, where that differs from [`vanish`](Self::vanish).
    fn reset(&mut self) {
        self.vanish();
    }
}

impl<P: Peer + ?Sized> Peer for Box<P> {
    fn send(&mut self, data: &[u8]) -> usize {
        (**self).send(data)
    }
    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        (**self).recv(buf)
    }
    fn queued(&mut self) -> usize {
        (**self).queued()
    }
    fn held(&self) -> usize {
        (**self).held()
    }
    fn end(&mut self) {
        (**self).end();
    }
    fn vanish(&mut self) {
        (**self).vanish();
    }
    fn reset(&mut self) {
        (**self).reset();
    }
}

/// A flow that plays the peer, for kinds that have no other far end.
///
/// It is a flow under test like the other, so a fault that is the same on both ends may hide: a bare far end finds more.
pub struct FlowPeer<F> {
    flow: Option<F>,
    /// Writes that the flow took and has not finished.
    sending: VecDeque<WriteOp>,
    ending: Option<ShutdownOp>,
    received: VecDeque<u8>,
    over: Option<Recv>,
}

/// How often a call is polled again at once that woke itself: more often than any flow that can go on does so, by chance or otherwise.
const PATIENCE: usize = 16;

/// Polls, and again where that woke itself: a flow that is always ready gives its task back now and then, and so does what is below it.
fn now<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    for _ in 0..PATIENCE {
        let (counter, waker) = Counter::new();
        let result = poll(&mut Context::from_waker(&waker));
        if result.is_ready() || counter.wakes() == 0 {
            return result;
        }
    }
    Poll::Pending
}

impl<F: Flow> FlowPeer<F> {
    /// `flow` as a far end.
    pub const fn new(flow: F) -> Self {
        Self {
            flow: Some(flow),
            sending: VecDeque::new(),
            ending: None,
            received: VecDeque::new(),
            over: None,
        }
    }

    fn flow(&self) -> &F {
        self.flow.as_ref().expect("the peer has left")
    }

    fn drive(&mut self) {
        let flow = self.flow.as_ref().expect("the peer has left");
        while let Some(op) = self.sending.front_mut() {
            if now(|cx| flow.poll_write(cx, op)).is_pending() {
                return;
            }
            self.sending.pop_front();
        }
        if let Some(op) = &mut self.ending
            && now(|cx| flow.poll_shutdown(cx, op)).is_ready()
        {
            self.ending = None;
        }
    }

    fn receive(&mut self) {
        if self.over.is_some() {
            return;
        }
        match now(|cx| self.flow().poll_read(cx, &mut ReadOp::new())) {
            Poll::Ready(Ok(Some(chunk))) => self.received.extend(chunk),
            Poll::Ready(Ok(None)) => self.over = Some(Recv::End),
            Poll::Ready(Err(_)) => self.over = Some(Recv::Torn),
            Poll::Pending => {}
        }
    }
}

impl<F: Flow> Peer for FlowPeer<F> {
    fn send(&mut self, data: &[u8]) -> usize {
        self.drive();
        if !self.sending.is_empty() {
            return 0;
        }
        let mut op = WriteOp::from(Bytes::copy_from_slice(data));
        match now(|cx| self.flow().poll_write(cx, &mut op)) {
            Poll::Ready(Ok(())) => data.len(),
            Poll::Ready(Err(_)) => 0,
            Poll::Pending if op.is_taken() => {
                self.sending.push_back(op);
                data.len()
            }
            Poll::Pending => 0,
        }
    }

    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        self.drive();
        if self.received.is_empty() {
            self.receive();
        }
        if self.received.is_empty() {
            return self.over.unwrap_or(Recv::Empty);
        }
        let count = buf.len().min(self.received.len());
        for (to, from) in buf.iter_mut().zip(self.received.drain(..count)) {
            *to = from;
        }
        Recv::Data(count)
    }

    fn queued(&mut self) -> usize {
        self.drive();
        loop {
            let before = self.received.len();
            self.receive();
            if self.received.len() == before {
                return before;
            }
        }
    }

    fn held(&self) -> usize {
        self.received.len()
    }

    fn end(&mut self) {
        self.ending = Some(ShutdownOp::new(Shutdown::Write));
        self.drive();
    }

    fn vanish(&mut self) {
        self.sending.clear();
        self.ending = None;
        self.flow = None;
    }

    fn reset(&mut self) {
        if let Some(flow) = &self.flow {
            flow.abort();
        }
        self.vanish();
    }
}

impl<F> fmt::Debug for FlowPeer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowPeer").finish_non_exhaustive()
    }
}
