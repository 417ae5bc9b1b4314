//! Closing, over and over.

mod support;

#[path = "../../flow-unix/tests/backends/close.rs"]
mod close;
