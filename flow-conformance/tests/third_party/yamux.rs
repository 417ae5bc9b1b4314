//! Substreams of rust-yamux: two connections over a pipe in memory, driven by the law itself.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use flow_core::memory::{self, MemoryFlow};
use flow_core::{Engine, FuturesIo, FuturesIoTransport, from_futures_io};
use flow_testkit::{Harness, Link, Room, Shared};
use futures_io::{AsyncRead as _, AsyncWrite as _};
use yamux::{Config, Connection, Mode, Stream};

use crate::io_peer::IoPeer;

/// The carrier is a flow of ours: what it does is held by its own tests.
type Carrier = FuturesIo<MemoryFlow>;

/// A connection, and whether it wants to be polled.
#[derive(Debug)]
struct Driven {
    connection: Connection<Carrier>,
    woken: Arc<Flag>,
}

#[derive(Debug)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Driven {
    fn new(carrier: MemoryFlow, mode: Mode) -> Self {
        Self {
            connection: Connection::new(FuturesIo::new(carrier), Config::default(), mode),
            woken: Arc::new(Flag(AtomicBool::new(true))),
        }
    }

    /// Polls the connection, if it was woken; then also the stream that the other side has opened.
    fn turn(&mut self) -> Option<Option<Stream>> {
        if !self.woken.0.swap(false, Ordering::SeqCst) {
            return None;
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        match self
            .connection
            .poll_next_inbound(&mut Context::from_waker(&waker))
        {
            Poll::Ready(Some(Ok(stream))) => {
                self.woken.0.store(true, Ordering::SeqCst);
                Some(Some(stream))
            }
            Poll::Ready(Some(Err(e))) => panic!("the connection failed: {e}"),
            Poll::Ready(None) | Poll::Pending => Some(None),
        }
    }
}

/// Makes substreams, each on a connection of its own.
#[derive(Debug, Default)]
pub(crate) struct Yamux(RefCell<Vec<Driven>>);

impl Yamux {
    fn connected(&self) -> (Stream, Stream) {
        let (here, there) = memory::pair(64 * 1024);
        let mut client = Driven::new(here, Mode::Client);
        let mut server = Driven::new(there, Mode::Server);
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(mut ours)) = client.connection.poll_new_outbound(&mut cx) else {
            panic!("no stream could be opened");
        };
        // A stream is opened with its first frame.
        let opened = Pin::new(&mut ours).poll_write(&mut cx, b"!");
        assert!(matches!(opened, Poll::Ready(Ok(1))));
        let mut theirs = loop {
            client.turn();
            if let Some(Some(stream)) = server.turn() {
                break stream;
            }
        };
        let first = Pin::new(&mut theirs).poll_read(&mut cx, &mut [0; 2]);
        assert!(matches!(first, Poll::Ready(Ok(1))));
        self.0.borrow_mut().extend([client, server]);
        (ours, theirs)
    }
}

impl Harness for Yamux {
    type Flow = Engine<FuturesIoTransport<Stream>>;

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (here, there) = self.connected();
        (from_futures_io(here), from_futures_io(there))
    }

    fn link(&self, _: Room) -> Link<Self::Flow> {
        // The window cannot be made smaller than the 256 KiB of the protocol.
        let (ours, theirs) = self.connected();
        Link::new(from_futures_io(ours), IoPeer::new(theirs))
    }

    fn turn(&self) -> bool {
        let mut connections = self.0.borrow_mut();
        let mut turn = || {
            // Each is turned, also after one that has moved.
            let turned = connections.iter_mut().map(Driven::turn);
            turned.fold(false, |any, one| any | one.is_some())
        };
        let any = turn();
        while turn() {}
        any
    }

    fn shared<'f>(&'f self, flow: &'f Self::Flow) -> Option<Shared<'f, Self::Flow>> {
        Some(Box::new(flow))
    }
}
