//! Listeners: who is at a path already, whose path it is, and who gets the next connection.

mod support;

#[path = "../../flow-unix/tests/backends/listen.rs"]
mod listen;
