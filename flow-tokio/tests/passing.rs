//! Descriptors that travel with bytes.

mod support;

#[path = "../../flow-unix/tests/backends/passing.rs"]
mod passing;
