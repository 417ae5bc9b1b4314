//! Many flows on one thread, through their whole life, and descriptors with high numbers.

mod support;

#[path = "../../flow-unix/tests/backends/scale.rs"]
mod scale;
