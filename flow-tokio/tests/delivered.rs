//! What became of what was written: `delivered`, and what `close` answers.

mod support;

#[path = "../../flow-unix/tests/backends/delivered.rs"]
mod delivered;
