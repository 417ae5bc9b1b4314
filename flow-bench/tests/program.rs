//! The program does what its page says.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flow-bench"));
    command.args(args).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_row_runs_and_all_figures_are_written() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let [json, svg, page] =
        ["all.json", "all.svg", "all.md"].map(|name| folder.join(name).display().to_string());
    fs::write(
        &page,
        "before\n<!-- compare -->\nwhat stood there before\n<!-- end of compare -->\nafter\n",
    )
    .expect("written");
    let output = run(&[
        "compare",
        "--rounds",
        "1",
        "--quick",
        "--json",
        &json,
        "--svg",
        &svg,
        "--markdown",
        &page,
    ]);
    let errors = text(&output.stderr);

    let json = fs::read(json).unwrap_or_else(|e| panic!("{e}: {errors}"));
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    let rows = json["rows"].as_array().expect("rows");
    let listed = text(&run(&["list"]).stdout);
    let (_, listed) = listed.split_once("Rows of compare:\n").expect("rows");
    assert_eq!(rows.len(), listed.lines().count());
    for row in rows {
        let name = &row["name"];
        for side in ["ours", "theirs"] {
            let of = |what| row[side][what].as_f64().expect("a number");
            let (least, median, most) = (of("min"), of("median"), of("max"));
            assert!(0.0 < least, "{name} {side}");
            assert!(least <= median && median <= most, "{name} {side}");
        }
    }
    // What it exits with is what it found.
    let expected = if json["holds"] == true { 0 } else { 1 };
    assert_eq!(output.status.code(), Some(expected), "{errors}");

    let chart = fs::read_to_string(svg).expect("a chart");
    let page = fs::read_to_string(page).expect("a page");
    for row in rows {
        let name = row["name"].as_str().expect("a name");
        assert!(chart.contains(&format!(">{name}</text>")), "{name}");
        assert!(page.contains(&format!("\n| {name} |")), "{name}");
    }
    assert!(page.starts_with("before\n<!-- compare -->\n"));
    assert!(page.ends_with("<!-- end of compare -->\nafter\n"));
    assert!(!page.contains("what stood there before"));
    assert!(page.contains("](all.svg)"));
}

#[test]
fn one_run_prints_one_line() {
    let output = run(&["flow-tokio", "ping-pong-64", "10"]);
    assert!(output.status.success());
    let line = text(&output.stdout);
    assert!(
        line.starts_with("flow-tokio ping-pong-64: 10 round trips, "),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn what_there_is_not_is_refused() {
    for (args, why) in [
        (&["flow-tokio", "sleep"][..], "no workload of this name"),
        (&["nobody", "bulk-64k"], "no implementation of this name"),
        (&["epoll", "churn", "1"], "epoll cannot do churn"),
        (&["flow-memory", "tcp-bulk-64k"], "goes over no wire"),
        (
            &["compare", "--only", "nothing"],
            "no row has a name that contains",
        ),
        (&["compare", "--rounds", "0"], "0 is not in"),
        (&[], "Usage"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = text(&output.stderr);
        assert!(said.contains(why), "{args:?}: {said}");
    }
}

#[test]
fn a_run_that_does_not_end_is_killed_and_named() {
    let output = run(&["compare", "--rounds", "1", "--only", "bulk", "--limit", "0"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    let alone = said
        .split_once("not done after 0 s, and killed; to see it alone: ")
        .and_then(|(_, command)| command.trim_end().split_once(' '));
    let (program, alone) = alone.unwrap_or_else(|| panic!("{said}"));
    assert_eq!(program, env!("CARGO_BIN_EXE_flow-bench"));
    // Who, what, how often; and these are the words of a run of its own.
    assert!(said.contains(&format!("{alone}: not done")), "{said}");
    let words: Vec<_> = alone.split(' ').collect();
    let [who, what, count] = words[..] else {
        panic!("{said}")
    };
    assert!(count.parse::<u64>().is_ok(), "{said}");
    assert!(run(&[who, what, "1"]).status.success(), "{said}");
}

#[test]
fn a_page_without_a_place_for_the_table_is_refused() {
    let page = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-place.md");
    fs::write(&page, "nothing").expect("written");
    let output = run(&[
        "compare",
        "--quick",
        "--rounds",
        "1",
        "--only",
        "ping-pong-1",
        "--markdown",
        &page.display().to_string(),
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("has no lines"));
    assert_eq!(fs::read_to_string(page).expect("a page"), "nothing");
}
