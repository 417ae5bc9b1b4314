//! Copying that does not bring the bytes into memory: what arrives, what is counted, and what is left when it ends early.
#![cfg(target_os = "linux")]

mod support;

#[path = "../../flow-unix/tests/backends/direct/mod.rs"]
mod direct;
