//! The program from end to end: on flows that keep everything, and on broken ones, in all four outputs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use flow_testkit::laws;
use quick_junit::{NonSuccessKind, TestCaseStatus};
use serde_json::Value;
use tempfile::TempDir;

/// What a run left behind.
struct Ran {
    status: Option<i32>,
    text: String,
    error: String,
    folder: TempDir,
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flow-conformance"));
    for variable in [
        "FLOW_TESTKIT_ROW",
        "FLOW_TESTKIT_SEED",
        "FLOW_TESTKIT_CASES",
        "FLOW_TESTKIT_ROUNDS",
    ] {
        command.env_remove(variable);
    }
    // With backtraces the output of a failure would be long.
    command.env("RUST_BACKTRACE", "0");
    command
}

/// Runs the program with these arguments, and with all its outputs.
fn run(args: &[&str]) -> Ran {
    run_as(program(), args)
}

fn run_as(mut command: Command, args: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    command.args(args);
    for kind in ["json", "junit", "html"] {
        command
            .arg(format!("--{kind}"))
            .arg(folder.path().join(kind));
    }
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the program");
    Ran {
        status: status.code(),
        text: String::from_utf8(stdout).expect("text"),
        error: String::from_utf8(stderr).expect("text"),
        folder,
    }
}

impl Ran {
    fn file(&self, kind: &str) -> String {
        fs::read_to_string(self.folder.path().join(kind)).expect("the file was written")
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.file("json")).expect("JSON")
    }

    fn junit(&self) -> quick_junit::Report {
        quick_junit::Report::deserialize_from_str(&self.file("junit")).expect("JUnit")
    }

    /// The result of a law on a flow, from the JSON.
    fn result(&self, flow: &str, law: &str) -> Value {
        let json = self.json();
        let results = json["results"].as_array().expect("results");
        let found = results
            .iter()
            .find(|result| result["flow"] == flow && result["law"] == law);
        found.expect("a result of the law on the flow").clone()
    }

    /// The status of a law on a flow, from the JUnit document, and what its process printed.
    fn status_of(&self, flow: &str, law: &str) -> (TestCaseStatus, String) {
        let junit = self.junit();
        let suite = junit.test_suites.iter().find(|s| s.name.as_str() == flow);
        let suite = suite.expect("a suite for the flow");
        let case = suite.test_cases.iter().find(|c| c.name.as_str() == law);
        let case = case.expect("a case for the law");
        let printed = case.system_out.as_ref();
        let printed = printed.map_or(String::new(), |out| out.as_str().to_owned());
        (case.status.clone(), printed)
    }
}

/// The text as it is between two tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Whether nothing else is fetched to show the page, and nothing runs on it.
fn assert_self_contained(page: &str) {
    for word in [
        "src=", "<script", "<link", "@import", "url(", "http:", "https:",
    ] {
        assert!(!page.contains(word), "the page has {word}");
    }
    for link in page.split("href=\"").skip(1) {
        assert!(link.starts_with('#'), "the page leads away: {link:.40}");
        let target = link[1..].split('"').next().expect("a target");
        assert!(
            page.contains(&format!("id=\"{target}\"")),
            "nothing on the page has the id {target}"
        );
    }
}

#[test]
fn what_is_kept_passes_and_is_in_every_output() {
    let ran = run(&["--flow", "memory", "--law", "read_end", "--law", "fd_close"]);
    assert_eq!(ran.status, Some(0), "{}{}", ran.text, ran.error);
    let wanted = |name: &str| name.contains("read_end") || name.contains("fd_close");
    let laws: Vec<_> = laws::all()
        .iter()
        .map(|law| law.name)
        .filter(|name| wanted(name))
        .collect();
    let (json, junit, page) = (ran.json(), ran.junit(), ran.file("html"));
    assert_eq!(json["format"], 1);
    assert_eq!(json["passed"], true);
    let flows = json["flows"].as_array().expect("flows");
    let names: Vec<_> = flows
        .iter()
        .map(|flow| flow["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names[..2], ["memory", "memory/wrapped-twice"]);
    assert!(names.iter().all(|name| name.contains("memory")));
    let results = json["results"].as_array().expect("results");
    assert_eq!(results.len(), names.len() * laws.len());
    assert_eq!(junit.test_suites.len(), names.len());
    assert_eq!(junit.tests, results.len());
    assert_self_contained(&page);
    for law in laws {
        assert!(ran.text.contains(law), "{law} in the text");
        assert!(page.contains(law), "{law} on the page");
        assert!(
            json["laws"]
                .as_array()
                .expect("laws")
                .iter()
                .any(|l| l["name"] == law),
            "{law} in the JSON"
        );
        let (status, _) = ran.status_of("memory", law);
        let result = ran.result("memory", law);
        if law.starts_with("fd_") {
            // Not asked, and everything says why.
            let why = "there is no descriptor";
            assert_eq!(result["outcome"], "lacking");
            assert!(result["message"].as_str().is_some_and(|m| m.contains(why)));
            assert!(
                matches!(status, TestCaseStatus::Skipped { message: Some(m), .. } if m.as_str().contains(why))
            );
            assert!(ran.text.contains(why) && page.contains(why));
        } else {
            assert_eq!(result["outcome"], "kept");
            assert!(result["ways"].as_u64() > Some(1), "{law} in several ways");
            assert!(matches!(status, TestCaseStatus::Success { .. }));
        }
    }
    assert!(!ran.text.contains('\x1b'), "colours without a terminal");
    assert!(
        !ran.error.contains('\r'),
        "a progress line without a terminal"
    );
}

/// Runs a law on a broken flow beside a good one, and looks for all of these words in all outputs.
fn assert_shown(program: Command, broken: &str, law: &str, outcome: &str, words: &[&str]) {
    let flow = format!("broken/{broken}");
    let args = [
        "--broken", broken, "--exact", "--flow", "memory", "--flow", &flow, "--law", law,
    ];
    let ran = run_as(program, &args);
    assert_eq!(ran.status, Some(1), "{}{}", ran.text, ran.error);
    assert_eq!(ran.json()["passed"], false);
    assert_eq!(ran.result("memory", law)["outcome"], "kept");
    let result = ran.result(&flow, law);
    assert_eq!(result["outcome"], outcome);
    let (status, printed) = ran.status_of(&flow, law);
    let TestCaseStatus::NonSuccess {
        kind,
        description: Some(told),
        ..
    } = status
    else {
        panic!("the JUnit document has {status:?}");
    };
    let expected = match outcome {
        "broken" => NonSuccessKind::Failure,
        _ => NonSuccessKind::Error,
    };
    assert_eq!(kind, expected);
    let page = ran.file("html");
    assert_self_contained(&page);
    let replay = format!(
        "cargo run -p flow-conformance -- --broken '{broken}' --exact --flow '{flow}' --law '{law}'"
    );
    let of_json = ran.json().to_string();
    for word in words.iter().copied().chain([replay.as_str()]) {
        assert!(
            ran.text.contains(word),
            "{word:?} in the text: {}",
            ran.text
        );
        assert!(of_json.contains(word), "{word:?} in the JSON: {of_json}");
        assert!(
            told.as_str().contains(word),
            "{word:?} in the JUnit document"
        );
        assert!(page.contains(&escaped(word)), "{word:?} on the page");
    }
    let output = result["failure"]["output"].as_str().expect("output");
    // As far as a document of that kind can say it.
    assert_eq!(printed.trim(), output.trim());
}

#[test]
fn a_broken_flow_is_shown_with_events_and_replay_line() {
    let words = [
        "a write beside a parked read is asleep",
        "flow 0: poll_write answers pending (a write beside a parked read)",
        "the flow itself, a task for each call",
        "Reading never delays writing, nor writing reading.",
        "FLOW_TESTKIT_ROW=0 cargo run",
    ];
    assert_shown(program(), "OneLock", "tasks_full_duplex", "broken", &words);
}

#[test]
fn a_flow_that_crashes_costs_one_verdict() {
    // What it prints would be markup if it were not escaped.
    let words = ["SIGABRT", "no pair <today> & no other day"];
    assert_shown(program(), "Crashes", "read_end_is_final", "crashed", &words);
}

#[test]
fn a_flow_that_hangs_costs_one_verdict() {
    let words = ["hang (watchdog) inside a call", "FLOW_TESTKIT_ROW="];
    // It is waited for.
    let mut program = program();
    program.env("FLOW_TESTKIT_WATCHDOG", "2");
    assert_shown(
        program,
        "LockedWhileWaking",
        "tasks_wake_may_reenter",
        "hang",
        &words,
    );
}

#[test]
fn the_replay_line_runs_one_law_in_one_way_and_fails_again() {
    let ran = run(&[
        "--broken",
        "OneLock",
        "--exact",
        "--flow",
        "broken/OneLock",
        "--law",
        "tasks_full_duplex",
    ]);
    let result = ran.result("broken/OneLock", "tasks_full_duplex");
    let replay = result["failure"]["replay"].as_str().expect("a replay line");
    // A shell reads the line, and finds this build where it would have cargo make one.
    let program = env!("CARGO_BIN_EXE_flow-conformance");
    let line = replay.replace("cargo run -p flow-conformance --", &format!("'{program}'"));
    assert_ne!(line, replay);
    let json = ran.folder.path().join("again");
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{line} --json '{}'", json.display()))
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("a shell")
        .status;
    assert_eq!(status.code(), Some(1));
    let again: Value = serde_json::from_slice(&fs::read(json).expect("a file")).expect("JSON");
    let results = again["results"].as_array().expect("results");
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["ways"], 1, "in one way");
    for field in ["message", "outcome"] {
        assert_eq!(results[0][field], result[field]);
    }
    assert_eq!(results[0]["failure"]["way"], result["failure"]["way"]);
    assert_eq!(results[0]["failure"]["replay"], result["failure"]["replay"]);
}

#[test]
fn a_run_of_no_law_fails() {
    // There is such a law and such a flow, but the flow cannot be asked.
    let ran = run(&["--exact", "--flow", "memory", "--law", "fd_close_on_exec"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.text.contains("no law was run"), "{}", ran.text);
    assert_eq!(ran.json()["passed"], false);
}

#[test]
fn what_cannot_be_run_or_written_is_said_before_anything_is_run() {
    let fails = |args: &[&str], words: &str| {
        let output = program().args(args).output().expect("the program");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(error.contains(words), "{args:?}: {error}");
        assert!(output.stdout.is_empty(), "{args:?} ran something");
    };
    fails(&["--flow", "memory", "--flow", "nosuch"], "no flow");
    fails(&["--law", "read_", "--law", "nosuch"], "no law");
    fails(&["--exact", "--law", "read_end"], "no law");
    fails(&["--broken", "nosuch"], "no broken flow");
    fails(&["--nosuch"], "--nosuch");
    let nowhere = Path::new("no-such-folder").join("file");
    let nowhere = nowhere.to_str().expect("a path");
    for kind in ["--json", "--junit", "--html"] {
        fails(&[kind, nowhere], "cannot write");
    }
}

#[test]
fn a_list_runs_nothing() {
    let output = program()
        .args(["--list", "--flow", "tokio", "--law", "switch"])
        .output()
        .expect("the program");
    assert!(output.status.success());
    let list = String::from_utf8(output.stdout).expect("text");
    let flows = list
        .lines()
        .filter(|line| line.starts_with("flow ") && line.contains("tokio"));
    let laws = list
        .lines()
        .filter(|line| line.starts_with("law ") && line.contains("switch"));
    let (flows, laws) = (flows.count(), laws.count());
    assert!(flows > 1 && laws > 1);
    assert_eq!(list.lines().count(), flows + laws);
}

#[test]
fn every_shipped_flow_and_every_law_is_listed() {
    let output = program().arg("--list").output().expect("the program");
    let list = String::from_utf8(output.stdout).expect("text");
    for law in laws::all() {
        let line = format!("law {}", law.name);
        assert!(list.lines().any(|l| l == line), "{line}");
    }
    // One of each crate.
    for flow in [
        "memory",
        "plain/unix",
        "tokio/multi-thread/tcp",
        "async-std/unix",
        "smol/tcp",
    ] {
        let line = format!("flow {flow}");
        assert!(list.lines().any(|l| l == line), "{line}");
    }
    assert!(!list.contains("broken/"));
}
