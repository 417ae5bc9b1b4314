//! `quickstart` as a user runs it.

use std::io::Write as _;
use std::process::{Command, Output};

/// Four runtimes by four transports.
const ROWS: usize = 16;

fn quickstart(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quickstart"))
        .args(arguments)
        .output()
        .expect("runs")
}

/// The rows of the table that say that everything is as it should be, and all rows.
fn rows(output: &Output) -> (usize, usize) {
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = || {
        text.lines()
            .skip_while(|line| !line.starts_with("runtime"))
            .skip(1)
    };
    (
        rows()
            .filter(|row| row.contains("matches  yes   yes"))
            .count(),
        rows().count(),
    )
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("written");
    file
}

#[test]
fn a_file_crosses_every_runtime_and_transport() {
    let bytes: Vec<u8> = (0..1_000_003_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let file = file(&bytes);
    let output = quickstart(&[file.path().to_str().expect("a plain name")]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(rows(&output), (ROWS, ROWS), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1000003 bytes, SHA-256 "));
}

#[test]
fn an_empty_file_is_a_file() {
    let file = file(b"");
    let output = quickstart(&[file.path().to_str().expect("a plain name")]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(rows(&output), (ROWS, ROWS), "{output:?}");
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert!(String::from_utf8_lossy(&output.stdout).contains(nothing));
}

#[test]
fn a_file_that_cannot_be_read_is_named_in_one_line() {
    let output = quickstart(&["no/such/file"]);
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(
        told.contains("no/such/file") && told.contains("No such file"),
        "{told}"
    );
}

#[test]
fn swap_says_the_same_on_every_runtime() {
    let output = Command::new(env!("CARGO_BIN_EXE_swap"))
        .output()
        .expect("runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    assert_eq!(
        told.lines().filter(|line| line.ends_with(" HELLO")).count(),
        3,
        "{told}"
    );
}

/// The program in the README is `swap`.
#[test]
fn the_readme_shows_swap() {
    let (readme, swap) = (
        include_str!("../../README.md"),
        include_str!("../src/bin/swap.rs"),
    );
    let shown = readme
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let program = swap.split_once("\n\n").map(|(_, program)| program);
    assert_eq!(shown, program);
}
