//! Every law of the contract on the flows of this crate.

#[cfg(all(feature = "std", not(loom)))]
mod flows;
#[cfg(all(feature = "std", not(loom)))]
#[path = "../../flow-testkit/tests/heap/mod.rs"]
mod heap;

fn main() {
    #[cfg(all(feature = "std", not(loom)))]
    flows::add_to(flow_testkit::Suite::new()).main();
}
