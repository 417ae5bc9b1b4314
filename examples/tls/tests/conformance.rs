//! Every law of the contract on sessions.

mod flows;

fn main() {
    flows::add_to(flow_testkit::Suite::new()).main();
}
