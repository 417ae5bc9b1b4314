//! Every kind of descriptor that is no socket.

mod support;

#[path = "../../flow-unix/tests/backends/kinds.rs"]
mod kinds;
