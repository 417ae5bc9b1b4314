//! Sessions for every law: over flows in memory, and over sockets on tokio.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use flow_core::memory;
use flow_core::{Flow, Switch};
use flow_testkit::fd::Wires;
use flow_testkit::memory::WirePeer;
use flow_testkit::{End, Harness, Link, Need, Peer, Refused, Room, Suite};
use flow_tls::TlsFlow;
use flow_tokio::TokioFlow;
use rustix::net::sockopt;
use tokio::runtime::{Builder, Runtime};

#[path = "../support/mod.rs"]
mod support;

use support::breakable::{Breakable, breakable};
use support::keys;
use support::peer::{Shared, TlsPeer};

/// What sessions are made over.
trait Carrier: Harness<Flow: Flow<Error: Clone> + Send + Sync> {
    const LACKED: &'static [(Need, &'static str)];

    /// Nothing can be written to this one from here on. False if that cannot be.
    fn break_down(flow: &Self::Flow) -> bool {
        let _ = flow;
        false
    }
}

/// Sessions over the flows of another harness; the far end is rustls over the far end of that.
#[derive(Default)]
struct Tls<H> {
    below: H,
    peers: RefCell<Vec<Weak<RefCell<FarEnd>>>>,
}

type FarEnd = TlsPeer<Box<dyn Peer>>;

type Session<H> = TlsFlow<<H as Harness>::Flow>;

impl<H: Carrier> Tls<H> {
    /// Polls `handshake` until it is done, while `drive` moves the other side.
    fn shaken_hands<T>(&self, handshake: impl Future<Output = T>, mut drive: impl FnMut()) -> T {
        let mut handshake = pin!(handshake);
        for _ in 0..10_000 {
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready(session) = handshake.as_mut().poll(&mut cx) {
                return session;
            }
            drive();
            self.below.turn();
        }
        panic!("the handshake does not end");
    }

    fn over_link(&self, Link { flow, peer }: Link<H::Flow>) -> Link<Session<H>> {
        // The flow that is looked at is the client, or the server.
        let (mut peer, handshake) = match End::current() {
            End::First => (
                TlsPeer::server(peer),
                flow_tls::connect(flow, keys::client(), keys::name()),
            ),
            End::Second => (
                TlsPeer::client(peer),
                flow_tls::accept(flow, keys::server()),
            ),
        };
        let drive = || _ = peer.drive();
        let session = self.shaken_hands(handshake, drive).expect("a handshake");
        while peer.connection().is_handshaking() {
            peer.drive();
        }
        // Tickets, which come after it.
        while peer.drive() {}
        let peer = Rc::new(RefCell::new(peer));
        let mut peers = self.peers.borrow_mut();
        peers.retain(|peer| peer.strong_count() > 0);
        peers.push(Rc::downgrade(&peer));
        Link::new(session, Shared(peer))
    }
}

impl<H: Carrier + Default> Harness for Tls<H> {
    type Flow = Session<H>;

    const LACKS: &'static [(Need, &'static str)] = H::LACKED;

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (here, there) = self.below.pair();
        let mut accept = pin!(flow_tls::accept(there, keys::server()));
        let mut accepted = None;
        let mut cx = Context::from_waker(Waker::noop());
        let connect = flow_tls::connect(here, keys::client(), keys::name());
        let connected = self.shaken_hands(connect, || {
            if accepted.is_none()
                && let Poll::Ready(session) = accept.as_mut().poll(&mut cx)
            {
                accepted = Some(session.expect("a handshake"));
            }
        });
        let accepted =
            accepted.unwrap_or_else(|| self.shaken_hands(accept, || {}).expect("a handshake"));
        (connected.expect("a handshake"), accepted)
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        self.over_link(self.below.link(room))
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<Self::Flow>, Refused>> {
        let Link { flow, peer } = self.link(Room::Tight);
        Some(match flow.attach(switch) {
            Ok(()) => Ok(Link { flow, peer }),
            Err(_) => Err(Refused {
                peer,
                back: Box::new(flow),
            }),
        })
    }

    fn failing(&self) -> Option<Self::Flow> {
        let Link { flow, peer } = self.link(Room::Ample);
        // Its writes fail although the peer is there.
        std::mem::forget(peer);
        H::break_down(flow.transport().below()).then_some(flow)
    }

    fn turn(&self) -> bool {
        let peers = self.peers.borrow();
        let peers = peers.iter().filter_map(Weak::upgrade);
        let moved = peers
            .filter(|peer| peer.borrow_mut().send_records())
            .count();
        self.below.turn() || moved > 0
    }

    fn settle(&self) -> bool {
        self.below.settle()
    }

    fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
        self.below.enter(call)
    }

    fn end_runtime(&self) -> bool {
        self.below.end_runtime()
    }

    fn tasks(&self) -> usize {
        self.below.tasks()
    }

    fn shared<'f>(&'f self, flow: &'f Self::Flow) -> Option<flow_testkit::Shared<'f, Self::Flow>> {
        Some(Box::new(flow))
    }

    fn allocated(&self) -> Option<usize> {
        Some(crate::heap::allocated())
    }
}

const DESCRIPTORS: (Need, &str) = (
    Need::Descriptors,
    "a session is over another flow, and its far end has to shake hands",
);
const DELIVERY: (Need, &str) = (
    Need::Delivery,
    "what the peer's session has taken is not known to be read there",
);

#[derive(Default)]
struct InMemory;

impl Harness for InMemory {
    type Flow = Breakable;

    fn pair(&self) -> (Breakable, Breakable) {
        let (a, b) = memory::pair(64 * 1024);
        (breakable(a), breakable(b))
    }

    fn link(&self, room: Room) -> Link<Breakable> {
        let (flow, wire) = memory::with_wire(match room {
            Room::Ample => 64 * 1024,
            // A record goes through it in a few pieces.
            Room::Tight => 997,
        });
        Link::new(breakable(flow), WirePeer::new(wire))
    }
}

impl Carrier for InMemory {
    const LACKED: &'static [(Need, &'static str)] = &[
        DESCRIPTORS,
        DELIVERY,
        (Need::Runtime, "there is no runtime"),
    ];

    fn break_down(flow: &Breakable) -> bool {
        flow.transport().fill();
        true
    }
}

/// Flows of tokio over a pair of Unix sockets, or a TCP connection; the far end is the bare socket.
struct Tokio<W>(RefCell<Option<Runtime>>, PhantomData<W>);

trait Wired: 'static {
    const WIRES: Wires;
}

struct Unix;

impl Wired for Unix {
    const WIRES: Wires = Wires::Unix;
}

struct Tcp;

impl Wired for Tcp {
    const WIRES: Wires = Wires::Tcp;
}

impl<W> Default for Tokio<W> {
    fn default() -> Self {
        let runtime = Builder::new_current_thread().enable_io().build();
        Self(RefCell::new(Some(runtime.expect("a runtime"))), PhantomData)
    }
}

impl<W: Wired> Harness for Tokio<W> {
    type Flow = TokioFlow;

    fn over(&self, fd: OwnedFd) -> Option<TokioFlow> {
        Some(flow_tokio::connect(fd).expect("a connected socket"))
    }

    fn wires(&self) -> Wires {
        W::WIRES
    }

    fn link(&self, room: Room) -> Link<TokioFlow> {
        let (ours, theirs) = W::WIRES.link(room);
        // However little room this side has, a record of the peer's goes out in one piece.
        sockopt::set_socket_send_buffer_size(theirs.fd(), 256 * 1024).expect("SO_SNDBUF");
        Link::new(flow_tokio::connect(ours).expect("a socket"), theirs)
    }

    fn turn(&self) -> bool {
        let runtime = self.0.borrow();
        let Some(runtime) = &*runtime else {
            return false;
        };
        // A task that yields lets the reactor be asked without waiting.
        runtime.block_on(tokio::task::yield_now());
        true
    }

    fn tasks(&self) -> usize {
        let runtime = self.0.borrow();
        let tasks = runtime.as_ref().map(|r| r.metrics().num_alive_tasks());
        tasks.unwrap_or(0)
    }

    fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
        let handle = self.0.borrow().as_ref().map(|r| r.handle().clone());
        let _inside = handle.as_ref().map(|handle| handle.enter());
        call()
    }

    fn end_runtime(&self) -> bool {
        self.0.take().is_some()
    }
}

impl<W: Wired> Carrier for Tokio<W> {
    const LACKED: &'static [(Need, &'static str)] = &[
        DESCRIPTORS,
        DELIVERY,
        (
            Need::Failing,
            "a socket that has carried a handshake fails in no other way that could be provoked here",
        ),
    ];
}

/// The flows of this crate.
pub(crate) fn add_to(suite: Suite) -> Suite {
    let suite = suite
        .flow::<Tls<InMemory>>("tls/memory")
        .flow::<Tls<Tokio<Unix>>>("tls/tokio/unix");
    // As many processes again, of which nearly all find what those over Unix sockets find.
    match std::env::var_os("FLOW_TLS_TCP") {
        Some(_) => suite.flow::<Tls<Tokio<Tcp>>>("tls/tokio/tcp"),
        None => suite,
    }
}
