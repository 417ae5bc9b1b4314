//! A fault in a transport in memory, under the good engine.

use std::marker::PhantomData;
use std::task::{Context, Poll};

use flow_core::memory::{self, Memory as Wire, MemoryError, MemoryFlow};
use flow_core::{Chunks, Delivered, Engine, PeerEnd, Transport};

use super::Broken;
use super::over_memory::{
    DonePoll, NO_ALLOCATED, NO_DESCRIPTORS, NO_FAILING, NO_RESET, NO_RUNTIME, NO_SWITCH,
    NO_THREADS, ReadPoll,
};
use crate::harness::{Harness, Link, Need, Room};
use crate::memory::Memory;

/// One fault: the methods that it does not have are the good transport's.
pub(super) trait WireFault: Default + 'static {
    fn poll_send(
        &self,
        wire: &Wire,
        tx: &mut memory::Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> DonePoll {
        wire.poll_send(tx, cx, data)
    }

    fn delivered(&self, wire: &Wire) -> Delivered {
        wire.delivered()
    }

    fn abort(&self, wire: &Wire, torn: bool) {
        wire.abort(torn);
    }
}

/// A transport in memory with a fault.
pub(super) struct Bent<X> {
    wire: Wire,
    fault: X,
}

impl<X: WireFault> Transport for Bent<X> {
    type Error = MemoryError;
    type Rx = memory::Rx;
    type Tx = memory::Tx;

    fn poll_recv(&self, rx: &mut memory::Rx, cx: &mut Context<'_>) -> ReadPoll {
        self.wire.poll_recv(rx, cx)
    }

    fn poll_send(&self, tx: &mut memory::Tx, cx: &mut Context<'_>, data: &mut Chunks) -> DonePoll {
        self.fault.poll_send(&self.wire, tx, cx, data)
    }

    fn poll_finish(&self, tx: &mut memory::Tx, cx: &mut Context<'_>) -> DonePoll {
        self.wire.poll_finish(tx, cx)
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        self.wire.poll_peer_end(cx)
    }

    fn delivered(&self) -> Delivered {
        self.fault.delivered(&self.wire)
    }

    fn abort(&self, torn: bool) {
        self.fault.abort(&self.wire, torn);
    }
}

/// Makes flows over transports with the fault `X`.
pub(super) struct OverWire<X>(PhantomData<X>);

impl<X> Default for OverWire<X> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<X: WireFault> Harness for OverWire<X> {
    type Flow = Engine<Bent<X>>;

    const LACKS: &'static [(Need, &'static str)] = &[
        NO_RESET,
        NO_DESCRIPTORS,
        NO_FAILING,
        NO_RUNTIME,
        NO_SWITCH,
        NO_THREADS,
        NO_ALLOCATED,
    ];

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = Memory.pair();
        (bend(a), bend(b))
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        Memory.link(room).map(bend)
    }
}

/// The flow with a fault in its transport.
fn bend<X: WireFault>(flow: MemoryFlow) -> Engine<Bent<X>> {
    let parts = flow.into_parts().expect("a new flow comes apart");
    let bent = Bent {
        wire: parts.transport,
        fault: X::default(),
    };
    Engine::new(bent, parts.rx, parts.tx)
}

/// An entry of the table.
pub(super) fn flow<X: WireFault>(law: &'static str, words: &'static str) -> Broken {
    Broken::new::<X, OverWire<X>>(law, words)
}
