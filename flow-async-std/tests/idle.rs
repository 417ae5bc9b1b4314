//! A flow that is idle, in whatever state, wakes nobody and lets the reactor sleep.

mod support;

#[path = "../../flow-unix/tests/backends/idle.rs"]
mod idle;
