//! The kit's own flow over descriptors keeps every clause: known-good over a real kernel, with a reactor, on one thread.

use flow_testkit::Suite;
use flow_testkit::plain::Plain;

fn main() {
    Suite::new()
        .flow::<Plain<false>>("unix")
        .flow::<Plain<true>>("tcp")
        .main()
}
