//! Reads that are cut short by something else than an empty socket: what follows does not stall.

mod support;

#[path = "../../flow-unix/tests/backends/boundaries.rs"]
mod boundaries;
