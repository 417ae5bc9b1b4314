//! The flags of descriptors: those handed in stay as they were, those made are close-on-exec and non-blocking.

mod support;

#[path = "../../flow-unix/tests/backends/flags.rs"]
mod flags;
