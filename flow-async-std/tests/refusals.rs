//! What does not become a flow says why, and comes back as it was.

mod support;

#[path = "../../flow-unix/tests/backends/refusals.rs"]
mod refusals;
