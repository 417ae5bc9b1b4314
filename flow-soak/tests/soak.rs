//! The short form: nothing is left behind, and what is left behind on purpose is found.

use std::process::{Command, Output};

fn soak(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flow-soak"));
    command.args(arguments).output().expect("the program runs")
}

fn text(output: &Output) -> String {
    let parts = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(parts).expect("text")
}

#[test]
fn nothing_is_left_behind() {
    let output = soak(&["--cycles", "2000"]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("tokio\n") && text.contains("async-std\n"),
        "{text}"
    );
    assert_eq!(
        text.matches("  cycles                2000 in ").count(),
        2,
        "{text}"
    );
    assert_eq!(
        text.matches("  nothing was left behind\n").count(),
        2,
        "{text}"
    );
}

#[test]
fn a_run_is_as_long_as_asked() {
    let output = soak(&["--seconds", "1", "--runtime", "tokio"]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(!text.contains("async-std"), "{text}");
}

/// What is left behind on purpose is found, on either runtime.
#[cfg(target_os = "linux")]
fn finds(leak: &str, what: &str) {
    for runtime in ["tokio", "async-std"] {
        let output = soak(&["--cycles", "2000", "--runtime", runtime, "--leak", leak]);
        let text = text(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let found = text.lines().find(|line| line.contains("LEFT BEHIND"));
        assert!(found.is_some_and(|line| line.contains(what)), "{text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_leaked_flow_is_found() {
    finds("flow", "descriptors");
}

#[cfg(target_os = "linux")]
#[test]
fn leaked_memory_is_found() {
    finds("memory", "memory");
}

#[cfg(target_os = "linux")]
#[test]
fn a_leaked_thread_is_found() {
    finds("thread", "threads");
}

#[test]
fn a_waker_that_is_kept_is_found() {
    for runtime in ["tokio", "async-std"] {
        let output = soak(&["--cycles", "1", "--runtime", runtime, "--leak", "waker"]);
        let text = text(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("wakers were kept"), "{text}");
    }
}

#[test]
fn a_wrong_command_line_is_told() {
    for wrong in [
        &["--runtime", "none"][..],
        &["--cycles", "1", "--seconds", "1"],
        &["--cycles", "many"],
    ] {
        assert_eq!(soak(wrong).status.code(), Some(2), "{wrong:?}");
    }
}
