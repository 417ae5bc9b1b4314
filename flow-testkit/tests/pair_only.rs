//! A harness that has nothing but a pair, as on the kit's page: the second flow plays the peer, and every law can still be run.

use flow_core::memory::{self, MemoryFlow};
use flow_testkit::{Harness, Need};

#[derive(Default)]
struct Pair;

impl Harness for Pair {
    type Flow = MemoryFlow;

    const LACKS: &'static [(Need, &'static str)] = &[
        (
            Need::Reset,
            "bytes in memory are not lost when the peer leaves",
        ),
        (Need::Descriptors, "there is no descriptor"),
        (Need::Failing, "there is nothing below that could fail"),
        (Need::Switch, "this harness has nothing but a pair"),
        (Need::Runtime, "there is no runtime"),
        (Need::Threads, "this harness has nothing but a pair"),
        (Need::Allocated, "this binary does not count its heap"),
    ];

    fn pair(&self) -> (MemoryFlow, MemoryFlow) {
        memory::pair(64 * 1024)
    }
}

fn main() {
    flow_testkit::main::<Pair>();
}
