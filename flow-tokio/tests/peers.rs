//! Peers that are not Rust: Python's socket module, and pipelines of the shell.

mod support;

#[path = "../../flow-unix/tests/backends/peers/mod.rs"]
mod peers;

fn main() -> std::process::ExitCode {
    peers::main()
}
