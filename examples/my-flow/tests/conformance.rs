//! Every law of the contract on our own flow: this file is all that a flow needs.

use flow_core::Flow as _;
use flow_testkit::{FlowPeer, Harness, Link, Room};
use my_flow::MyFlow;

#[derive(Default)]
struct Pipes;

impl Harness for Pipes {
    type Flow = MyFlow;

    fn link(&self, room: Room) -> Link<MyFlow> {
        let (flow, peer) = my_flow::pair(if room == Room::Ample { 64 * 1024 } else { 97 });
        Link::new(flow, FlowPeer::new(peer))
    }

    fn pair(&self) -> (MyFlow, MyFlow) {
        my_flow::pair(64 * 1024)
    }

    fn abort_elsewhere(&self, flow: &MyFlow) -> bool {
        std::thread::scope(|s| s.spawn(|| flow.abort()).join().expect("abort panicked"));
        true
    }
}

flow_testkit::conformance!(
    Pipes,
    lacks {
        Reset: "pipes lose nothing",
        TornAbort: "a pipe ends in one way only",
        Descriptors: "there is no descriptor",
        Switch: "no constructor takes a switch",
        Failing: "a pipe fails in no other way",
        Runtime: "there is no runtime",
        Allocated: "this binary does not count its heap",
    },
);
