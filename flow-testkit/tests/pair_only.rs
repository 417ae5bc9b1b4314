//! A harness that has nothing but a pair, as on the kit's page: the second flow plays the peer, and every law can still be run.

mod pair {
    use flow_core::memory::{self, MemoryFlow};
    use flow_testkit::Harness;

    #[derive(Default)]
    struct Pair;

    impl Harness for Pair {
        type Flow = MemoryFlow;

        fn pair(&self) -> (MemoryFlow, MemoryFlow) {
            memory::pair(64 * 1024)
        }
    }

    flow_testkit::conformance!(
        Pair,
        lacks {
            Reset: "bytes in memory are not lost when the peer leaves",
            Descriptors: "there is no descriptor",
            Failing: "there is nothing below that could fail",
            Switch: "this harness has nothing but a pair",
            Runtime: "there is no runtime",
            Threads: "this harness has nothing but a pair",
            Allocated: "this binary does not count its heap",
        },
    );
}
