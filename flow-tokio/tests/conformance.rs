//! Every law of the contract, on the runtimes of this backend.

mod flows;

fn main() {
    flows::add_to(flow_testkit::Suite::new()).main();
}
