//! Descriptors are released: when a flow is dropped, when it is aborted though the object lives on, and when something failed.

mod support;

#[path = "../../flow-unix/tests/backends/release.rs"]
mod release;
