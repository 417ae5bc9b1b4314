//! Flows in memory keep every clause that they can be asked about.

mod wire {
    use flow_testkit::memory::Memory;

    flow_testkit::conformance!(
        Memory,
        lacks {
            Reset: "bytes in memory are not lost when the peer leaves",
            Descriptors: "there is no descriptor",
            Failing: "there is nothing below that could fail",
            Runtime: "there is no runtime",
            Allocated: "this binary does not count its heap",
        },
    );
}
