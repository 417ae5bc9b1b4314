//! Close sees the peer's end past unread input, beside readers, and changes nothing for them.

mod support;

#[path = "../../flow-unix/tests/backends/hang_up.rs"]
mod hang_up;
