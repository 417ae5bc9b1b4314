//! Every law of the contract on sessions.

mod flows;
#[path = "../../../flow-testkit/tests/heap/mod.rs"]
mod heap;

fn main() {
    flows::add_to(flow_testkit::Suite::new()).main();
}
