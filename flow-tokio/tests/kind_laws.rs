//! Every kind of descriptor as a flow, by the laws of the table of kinds.

#![no_main]
#![allow(unsafe_code, reason = "a C main must be exported")]

#[path = "../../flow-testkit/tests/heap/mod.rs"]
mod heap;
mod support;

use std::os::fd::OwnedFd;
use std::process::Stdio;

#[path = "../../flow-unix/tests/backends/kind_laws/mod.rs"]
mod kind_laws;

use support::backend::TokioReadiness as Watch;

/// A runtime that looks after child processes as well.
fn run_with_child<T>(test: impl Future<Output = T>) -> T {
    support::runtime().block_on(test)
}

/// What a child process of the runtime writes, and what it reads.
fn child(program: &str) -> (OwnedFd, OwnedFd, tokio::process::Child) {
    let mut command = tokio::process::Command::new(program);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let (output, input) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let (output, input) = (output.into_owned_fd(), input.into_owned_fd());
    (output.unwrap(), input.unwrap(), child)
}

// SAFETY: the only `main` of the program, which so has SIGPIPE as the system has it.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    kind_laws::main()
}
