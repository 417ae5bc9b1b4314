//! A stream of `futures-io` as a far end, driven by hand.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use flow_testkit::{Peer, Recv};
use futures_io::{AsyncRead, AsyncWrite};

/// The other end of a pair that has no descriptor. Every poll is made because a law asks for it, so nobody waits to be woken.
#[derive(Debug)]
pub(crate) struct IoPeer<S> {
    stream: Option<S>,
    /// Read to be counted, and not yet received.
    received: VecDeque<u8>,
    over: Option<Recv>,
    ending: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> IoPeer<S> {
    pub(crate) const fn new(stream: S) -> Self {
        Self {
            stream: Some(stream),
            received: VecDeque::new(),
            over: None,
            ending: false,
        }
    }

    /// Polls the stream once; `None` if it has to wait.
    fn now<T>(
        &mut self,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Option<io::Result<T>> {
        let stream = self.stream.as_mut().expect("the peer has left");
        match poll(Pin::new(stream), &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// Moves what the stream may hold back, and the end after it.
    fn drive(&mut self) {
        if self.ending {
            self.ending = self.now(|s, cx| s.poll_close(cx)).is_none();
        } else {
            let _ = self.now(|s, cx| s.poll_flush(cx));
        }
    }

    /// Reads what is there.
    fn receive(&mut self) {
        let mut buf = [0; 16 * 1024];
        while self.over.is_none() {
            match self.now(|s, cx| s.poll_read(cx, &mut buf)) {
                Some(Ok(0)) => self.over = Some(Recv::End),
                Some(Ok(count)) => self.received.extend(&buf[..count]),
                Some(Err(_)) => self.over = Some(Recv::Torn),
                None => return,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer for IoPeer<S> {
    fn send(&mut self, data: &[u8]) -> usize {
        self.drive();
        if data.is_empty() {
            return 0;
        }
        let sent = self.now(|s, cx| s.poll_write(cx, data));
        self.drive();
        sent.and_then(Result::ok).unwrap_or(0)
    }

    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        self.drive();
        if self.received.is_empty() && self.over.is_none() {
            // No more than is asked for: what is not read is what holds the flow back.
            match self.now(|s, cx| s.poll_read(cx, buf)) {
                Some(Ok(0)) => self.over = Some(Recv::End),
                Some(Ok(count)) => return Recv::Data(count),
                Some(Err(_)) => self.over = Some(Recv::Torn),
                None => {}
            }
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
        self.receive();
        self.received.len()
    }

    fn end(&mut self) {
        self.ending = true;
        self.drive();
    }

    fn vanish(&mut self) {
        self.stream = None;
    }
}
