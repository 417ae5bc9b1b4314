//! Writing to a peer that has left kills nobody, and the process's way with SIGPIPE is left alone.

#![no_main]
#![allow(unsafe_code, reason = "a C main must be exported")]

mod support;

#[path = "../../flow-unix/tests/backends/sigpipe.rs"]
mod sigpipe;

// SAFETY: the only `main` of the program.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    sigpipe::writing_to_a_peer_that_left_raises_nothing();
    0
}
