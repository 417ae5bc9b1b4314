//! Flows in memory keep every clause that they can be asked about.

mod heap;

use flow_core::Switch;
use flow_core::memory::MemoryFlow;
use flow_testkit::memory::Memory;
use flow_testkit::{Harness, Link, Need, Refused, Room, Shared};

/// The kit's own harness, in a binary that counts its heap.
#[derive(Default)]
struct Counted(Memory);

impl Harness for Counted {
    type Flow = MemoryFlow;

    const LACKS: &'static [(Need, &'static str)] = &[
        (
            Need::Reset,
            "bytes in memory are not lost when the peer leaves",
        ),
        (Need::Descriptors, "there is no descriptor"),
        (Need::Failing, "there is nothing below that could fail"),
        (Need::Runtime, "there is no runtime"),
    ];

    fn pair(&self) -> (MemoryFlow, MemoryFlow) {
        self.0.pair()
    }

    fn link(&self, room: Room) -> Link<MemoryFlow> {
        self.0.link(room)
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<MemoryFlow>, Refused>> {
        self.0.link_with(switch)
    }

    fn shared<'f>(&'f self, flow: &'f MemoryFlow) -> Option<Shared<'f, MemoryFlow>> {
        self.0.shared(flow)
    }

    fn allocated(&self) -> Option<usize> {
        Some(heap::allocated())
    }
}

fn main() {
    flow_testkit::main::<Counted>();
}
