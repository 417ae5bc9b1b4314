//! What is particular to TCP: resets destroy bytes, so what was accepted is not to be reset, and what was cut off is.

mod support;

#[path = "../../flow-unix/tests/backends/tcp.rs"]
mod tcp;
