//! Every law of the contract on our own flow: this file is all that a flow needs.

use flow_testkit::{FlowPeer, Harness, Link, Need, Room, Shared};
use my_flow::MyFlow;

#[derive(Default)]
struct Pipes;

impl Harness for Pipes {
    type Flow = MyFlow;

    const LACKS: &'static [(Need, &'static str)] = &[
        (Need::Reset, "pipes lose nothing"),
        (Need::TornAbort, "a pipe ends in one way only"),
        (Need::Descriptors, "there is no descriptor"),
        (Need::Switch, "no constructor takes a switch"),
        (Need::Failing, "a pipe fails in no other way"),
        (Need::Delivery, "a pipe does not tell what was read of it"),
        (Need::Runtime, "there is no runtime"),
        (Need::Allocated, "this binary does not count its heap"),
    ];

    fn link(&self, room: Room) -> Link<MyFlow> {
        let (flow, peer) = my_flow::pair(if room == Room::Ample { 64 * 1024 } else { 97 });
        Link::new(flow, FlowPeer::new(peer))
    }

    fn pair(&self) -> (MyFlow, MyFlow) {
        my_flow::pair(64 * 1024)
    }

    fn shared<'f>(&'f self, flow: &'f MyFlow) -> Option<Shared<'f, MyFlow>> {
        Some(Box::new(flow))
    }
}

fn main() {
    flow_testkit::main::<Pipes>();
}
