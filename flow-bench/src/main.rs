//! The program: see the crate's page.

use std::process::ExitCode;

fn main() -> ExitCode {
    flow_bench::main()
}
