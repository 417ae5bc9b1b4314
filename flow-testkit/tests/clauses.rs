//! The contract, the laws and the broken flows are in step.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use flow_testkit::{Need, broken, laws};

/// The clauses of the contract: name and promise.
fn clauses() -> BTreeMap<String, String> {
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../CONTRACT.md");
    let text = fs::read_to_string(contract).expect("CONTRACT.md");
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.trim_end_matches('`').to_owned();
        // Other tables have other columns.
        matches!(cells.next()?, "must" | "kind").then_some(())?;
        Some((name, cells.next()?.to_owned()))
    });
    let mut clauses = BTreeMap::new();
    for (name, promise) in rows {
        assert!(
            clauses.insert(name.clone(), promise).is_none(),
            "{name} is there twice"
        );
    }
    clauses
}

/// The doc comment of each law, in one line.
fn doc_comments() -> BTreeMap<String, String> {
    let mut comments = BTreeMap::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/laws");
    for file in fs::read_dir(folder).expect("src/laws").flatten() {
        let text = fs::read_to_string(file.path()).expect("a file of laws");
        let mut comment = String::new();
        for line in text.lines() {
            if let Some(part) = line.strip_prefix("///") {
                comment.push_str(part);
            } else if let Some((name, _)) = line
                .strip_prefix("pub fn ")
                .and_then(|rest| rest.split_once("<H: Harness>"))
            {
                comments.insert(name.to_owned(), comment.trim().to_owned());
                comment.clear();
            } else {
                comment.clear();
            }
        }
    }
    comments
}

#[test]
fn every_clause_has_a_law_and_every_law_a_clause() {
    let clauses: BTreeSet<String> = clauses().into_keys().collect();
    let laws: BTreeSet<String> = laws::all().iter().map(|law| law.name.to_owned()).collect();
    let missing: Vec<_> = clauses.difference(&laws).collect();
    assert!(missing.is_empty(), "clauses without a law: {missing:?}");
    let stray: Vec<_> = laws.difference(&clauses).collect();
    assert!(stray.is_empty(), "laws without a clause: {stray:?}");
    assert_eq!(laws.len(), laws::all().len(), "a law is listed twice");
}

#[test]
fn every_law_says_what_its_clause_says() {
    let comments = doc_comments();
    for (name, promise) in clauses() {
        assert_eq!(
            comments.get(&name),
            Some(&promise),
            "the doc comment of {name}"
        );
    }
}

#[test]
fn laws_that_every_flow_must_keep_need_nothing() {
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../CONTRACT.md");
    let text = fs::read_to_string(contract).expect("CONTRACT.md");
    for law in laws::all() {
        let kind = text.contains(&format!("| `{}` | kind |", law.name));
        // Counting the heap is a matter of the test binary, not of the flow.
        let asks = law
            .needs
            .iter()
            .any(|need| !need.is_of_runner() && *need != Need::Allocated);
        assert_eq!(kind, asks, "the level of {} and what it needs", law.name);
    }
}

#[test]
fn every_law_has_a_broken_flow() {
    let rejected: BTreeSet<&str> = broken::all().iter().map(|broken| broken.law).collect();
    let all = laws::all();
    let unproved: Vec<_> = all
        .iter()
        .map(|law| law.name)
        .filter(|name| !rejected.contains(name))
        .collect();
    assert!(
        unproved.is_empty(),
        "laws that nobody has seen fail: {unproved:?}"
    );
    for name in rejected {
        assert!(
            all.iter().any(|law| law.name == name),
            "no law has the name {name}"
        );
    }
}

#[test]
fn every_narrow_flow_has_a_wider_one() {
    let all = broken::all();
    let names: BTreeSet<&str> = all.iter().map(|broken| broken.name).collect();
    for narrow in &all {
        if let Some(wider) = narrow.wider {
            assert!(names.contains(wider), "{} narrows {wider}", narrow.name);
            assert_ne!(wider, narrow.name);
        }
    }
}
