//! The kit's own flow over descriptors keeps every clause: known-good over a real kernel, with a reactor, on one thread.

mod unix {
    use flow_testkit::plain::Plain;

    flow_testkit::conformance!(
        Plain<false>,
        lacks {
            Reset: "a Unix socket loses nothing when the peer leaves",
            TornAbort: "a Unix socket has no way to say that a stream was cut off",
            Switch: "a plain flow stays on one thread",
            Threads: "a plain flow stays on one thread",
            Allocated: "this binary does not count its heap",
        },
    );
}

mod tcp {
    use flow_testkit::plain::Plain;

    flow_testkit::conformance!(
        Plain<true>,
        lacks {
            CleanLeave: "a TCP peer that leaves with input unread resets",
            Switch: "a plain flow stays on one thread",
            Threads: "a plain flow stays on one thread",
            Allocated: "this binary does not count its heap",
        },
    );
}
