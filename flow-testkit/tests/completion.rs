//! A flow of the completion kind keeps every clause: results arrive late, from a thread that owns the buffers.

use flow_testkit::completion::Completion;

fn main() {
    flow_testkit::main::<Completion>();
}
