//! tokio's `UnixStream` and `DuplexStream`, through tokio-util's `Compat`.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;

use flow_core::{Engine, FuturesIoTransport, from_futures_io};
use flow_testkit::{Harness, Link, Room, Shared};
use tokio::io::DuplexStream;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use crate::io_peer::IoPeer;

/// Sockets on a runtime of one thread, turned by the law itself.
#[derive(Debug)]
pub(crate) struct Unix(RefCell<Option<Runtime>>);

impl Default for Unix {
    fn default() -> Self {
        let runtime = Builder::new_current_thread().enable_io().build();
        Self(RefCell::new(Some(runtime.expect("a runtime"))))
    }
}

impl Harness for Unix {
    type Flow = Engine<FuturesIoTransport<Compat<UnixStream>>>;

    fn over(&self, fd: OwnedFd) -> Option<Self::Flow> {
        let stream = StdStream::from(fd);
        // What `from_std` asks for.
        stream.set_nonblocking(true).expect("O_NONBLOCK");
        let stream = UnixStream::from_std(stream).expect("a connected socket");
        Some(from_futures_io(stream.compat()))
    }

    fn turn(&self) -> bool {
        match &*self.0.borrow() {
            Some(runtime) => runtime.block_on(tokio::task::yield_now()),
            None => return false,
        }
        true
    }

    fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
        let handle = self.0.borrow().as_ref().map(|r| r.handle().clone());
        let _inside = handle.as_ref().map(|handle| handle.enter());
        call()
    }

    fn end_runtime(&self) -> bool {
        self.0.take().is_some()
    }

    fn shared<'f>(&'f self, flow: &'f Self::Flow) -> Option<Shared<'f, Self::Flow>> {
        Some(Box::new(flow))
    }
}

/// Pairs in memory: no reactor, and the far end is the other half of the pair, polled by hand.
#[derive(Debug, Default)]
pub(crate) struct Duplex;

impl Duplex {
    fn connected(capacity: usize) -> (<Self as Harness>::Flow, Compat<DuplexStream>) {
        let (ours, theirs) = tokio::io::duplex(capacity);
        (from_futures_io(ours.compat()), theirs.compat())
    }
}

impl Harness for Duplex {
    type Flow = Engine<FuturesIoTransport<Compat<DuplexStream>>>;

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (flow, other) = Self::connected(64 * 1024);
        (flow, from_futures_io(other))
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        let (flow, other) = Self::connected(match room {
            Room::Ample => 64 * 1024,
            Room::Tight => 97,
        });
        Link::new(flow, IoPeer::new(other))
    }

    fn shared<'f>(&'f self, flow: &'f Self::Flow) -> Option<Shared<'f, Self::Flow>> {
        Some(Box::new(flow))
    }
}
