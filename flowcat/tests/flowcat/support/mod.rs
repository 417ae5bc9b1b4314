//! What the tests share: flowcat as a process that does not outlive its test, and the far ends of its addresses as bare descriptors.

mod end;
mod program;

pub(crate) use end::{Kind, Place, exchange, leave_stale, pattern, same, serve_bridge, until};
pub(crate) use program::{Finished, Program};

/// The runtimes, as the command line has them.
pub(crate) const RUNTIMES: [&str; 2] = ["tokio", "async-std"];

/// Quotes a word for sh.
pub(crate) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
