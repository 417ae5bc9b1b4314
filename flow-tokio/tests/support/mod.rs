//! Running a test on the backend, and what the tests of all backends share.

#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

use std::future::Future;

pub(crate) use flow_tokio as backend;

#[path = "../../../flow-unix/tests/backends/support.rs"]
mod common;
pub(crate) use common::*;

pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    runtime().block_on(test)
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap()
}
