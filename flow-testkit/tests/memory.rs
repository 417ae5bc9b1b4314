//! Flows in memory keep every clause that they can be asked about.

mod heap;

mod wire {
    use flow_core::Switch;
    use flow_core::memory::MemoryFlow;
    use flow_testkit::memory::Memory;
    use flow_testkit::{Harness, Link, Refused, Room};

    use super::heap;

    /// The kit's own harness, in a binary that counts its heap.
    #[derive(Default)]
    struct Counted(Memory);

    impl Harness for Counted {
        type Flow = MemoryFlow;

        fn pair(&self) -> (MemoryFlow, MemoryFlow) {
            self.0.pair()
        }

        fn link(&self, room: Room) -> Link<MemoryFlow> {
            self.0.link(room)
        }

        fn link_with(&self, switch: &Switch) -> Option<Result<Link<MemoryFlow>, Refused>> {
            self.0.link_with(switch)
        }

        fn abort_elsewhere(&self, flow: &MemoryFlow) -> bool {
            self.0.abort_elsewhere(flow)
        }

        fn allocated(&self) -> Option<usize> {
            Some(heap::allocated())
        }
    }

    flow_testkit::conformance!(
        Counted,
        lacks {
            Reset: "bytes in memory are not lost when the peer leaves",
            Descriptors: "there is no descriptor",
            Failing: "there is nothing below that could fail",
            Runtime: "there is no runtime",
        },
    );
}
