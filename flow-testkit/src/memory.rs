//! Flows in memory under the laws: the plainest good flow, and what most broken ones are made of.

use flow_core::Switch;
use flow_core::memory::{self, MemoryFlow, Received, Wire};

use crate::harness::{Harness, Link, Need, Refused, Room, Shared, engine_remade};
use crate::peer::{Peer, Recv};

/// Bytes that a flow in memory holds in each direction.
const fn capacity(room: Room) -> usize {
    match room {
        Room::Ample => 64 * 1024,
        // No power of two, and no divisor of anything.
        Room::Tight => 97,
    }
}

/// Makes flows in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory;

impl Harness for Memory {
    type Flow = MemoryFlow;

    const OFFERS: &'static [Need] = &[Need::Remade];

    fn pair(&self) -> (MemoryFlow, MemoryFlow) {
        memory::pair(capacity(Room::Ample))
    }

    fn link(&self, room: Room) -> Link<MemoryFlow> {
        let (flow, wire) = memory::with_wire(capacity(room));
        Link::new(flow, WirePeer::new(wire))
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<MemoryFlow>, Refused>> {
        let link = self.link(Room::Tight);
        Some(match link.flow.attach(switch) {
            Ok(()) => Ok(link),
            Err(_) => Err(Refused {
                peer: link.peer,
                back: Box::new(link.flow),
            }),
        })
    }

    fn shared<'f>(&'f self, flow: &'f MemoryFlow) -> Option<Shared<'f, MemoryFlow>> {
        Some(Box::new(flow))
    }

    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        engine_remade(flow)
    }
}

/// The bare far end of a flow in memory.
#[derive(Debug)]
pub struct WirePeer(Option<Wire>);

impl WirePeer {
    /// This wire as a far end.
    #[must_use]
    pub const fn new(wire: Wire) -> Self {
        Self(Some(wire))
    }

    /// Leaves in the middle of something, as [`Wire::tear`] does: the flow reads what was sent, then an error.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// use flow_core::memory::{self, MemoryError};
    /// use flow_core::{Flow, ReadOp};
    /// use flow_testkit::Peer as _;
    /// use flow_testkit::memory::WirePeer;
    ///
    /// let (flow, wire) = memory::with_wire(100);
    /// let mut peer = WirePeer::new(wire);
    /// peer.send(b"half a mess");
    /// peer.tear();
    ///
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let mut read = || flow.poll_read(&mut cx, &mut ReadOp::new());
    /// assert_eq!(read(), Poll::Ready(Ok(Some("half a mess".into()))));
    /// assert_eq!(read(), Poll::Ready(Err(MemoryError::Torn)));
    /// ```
    pub fn tear(&mut self) {
        self.0.take().expect("the peer has left").tear();
    }

    fn wire(&mut self) -> &mut Wire {
        self.0.as_mut().expect("the peer has left")
    }
}

impl Peer for WirePeer {
    fn send(&mut self, data: &[u8]) -> usize {
        self.wire().send(data)
    }

    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        match self.wire().recv(buf) {
            Received::Data(count) => Recv::Data(count),
            Received::Nothing => Recv::Empty,
            Received::End => Recv::End,
            Received::Torn => Recv::Torn,
        }
    }

    fn queued(&mut self) -> usize {
        self.wire().queued()
    }

    fn end(&mut self) {
        self.wire().end();
    }

    fn vanish(&mut self) {
        self.0 = None;
    }
}
