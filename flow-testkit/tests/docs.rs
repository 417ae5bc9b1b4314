//! The pages about the laws are in step with the contract, the laws and the broken flows.
//!
//! What can be told by the kit is written by these tests: `FLOW_TESTKIT_BLESS=1 cargo test -p flow-testkit --test docs` puts it into the pages, and
//! leaves what people wrote as it is. A new law gets an empty section, and is rejected until somebody has filled it.

mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use flow_testkit::{broken, laws};

use crate::page::{check, read};

const PRACTICE: &str = "**In practice.**";
const DETECTED: &str = "**Detected.**";
const UNKNOWN: &str = "No public report known to us";

/// A clause of the contract.
struct Clause {
    group: String,
    name: String,
    level: String,
    promise: String,
}

fn clauses() -> Vec<Clause> {
    let mut group = String::new();
    let mut clauses = vec![];
    for line in read("CONTRACT.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut group);
        }
        let Some(row) = line.strip_prefix("| `") else {
            continue;
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        // Other tables have other columns.
        if let [name, level @ ("must" | "kind"), promise, _] = cells[..] {
            clauses.push(Clause {
                group: group.clone(),
                name: name.trim_end_matches('`').to_owned(),
                level: level.to_owned(),
                promise: promise.to_owned(),
            });
        }
    }
    clauses
}

/// What people wrote about each law, and what stands before the first.
fn written(page: &str) -> (String, BTreeMap<String, String>) {
    let (head, rest) = page.split_once("\n## ").unwrap_or((page, ""));
    let mut bodies = BTreeMap::new();
    for section in rest.split("\n### `").skip(1) {
        let (name, text) = section.split_once("`\n").unwrap_or((section, ""));
        let lines = text
            .lines()
            .take_while(|line| !line.starts_with("## ") && !line.contains("]: https://"))
            .filter(|line| !line.starts_with('>'));
        let body = lines.collect::<Vec<_>>().join("\n");
        let other = bodies.insert(name.to_owned(), body.trim().to_owned());
        assert!(other.is_none(), "{name} is on the page twice");
    }
    (head.trim().to_owned(), bodies)
}

/// The names of broken flows, or of laws, in one line.
fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut seen = BTreeSet::new();
    let names = names.into_iter().filter(|name| seen.insert(*name));
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The public reports that a text cites: `[owner/name#number]`.
fn citations(text: &str) -> BTreeSet<&str> {
    text.split('[')
        .skip(1)
        .filter_map(|rest| rest.split_once(']'))
        .map(|(inside, _)| inside)
        .filter(|inside| {
            let number = inside.split_once('#').map(|(_, number)| number);
            inside.matches('/').count() == 1 && number.is_some_and(|n| n.parse::<u32>().is_ok())
        })
        .collect()
}

#[test]
fn every_law_is_on_its_page() {
    const PAGE: &str = "docs/laws.md";
    let (head, mut bodies) = written(&read(PAGE));
    let (all, broken) = (laws::all(), broken::all());
    let mut expected = format!("{head}\n");
    let mut group = String::new();
    let mut cited = BTreeSet::new();
    for clause in clauses() {
        let Clause {
            name,
            level,
            promise,
            ..
        } = &clause;
        let law = all.iter().find(|law| law.name == name);
        let law = law.unwrap_or_else(|| panic!("no law has the name {name}"));
        if clause.group != group {
            let _ = write!(expected, "\n## {}\n", clause.group);
            group.clone_from(&clause.group);
        }
        let flows = list(
            broken
                .iter()
                .filter(|broken| broken.law == name)
                .map(|broken| broken.name),
        );
        let needs: Vec<_> = law.needs.iter().map(|need| format!("{need:?}")).collect();
        let needs = match list(needs.iter().map(String::as_str)) {
            none if none.is_empty() => String::new(),
            needs => format!(" Needs {needs}."),
        };
        let empty = || format!("{PRACTICE} TODO\n\n{DETECTED} TODO");
        let body = bodies.remove(name).filter(|body| !body.is_empty());
        let body = body.unwrap_or_else(empty);
        let _ = write!(
            expected,
            "\n### `{name}`\n\n> *{level}* {promise}\n>\n> Broken flows: {flows}.{needs}\n\n{body}\n"
        );
        cited.extend(citations(&body).into_iter().map(str::to_owned));
    }
    let gone: Vec<_> = bodies.keys().collect();
    assert!(gone.is_empty(), "{PAGE} has laws that are gone: {gone:?}");
    expected.push('\n');
    for report in cited {
        let (project, number) = report.split_once('#').expect("a citation");
        let _ = writeln!(
            expected,
            "[{report}]: https://github.com/{project}/issues/{number}"
        );
    }
    check(PAGE, &expected);
}

#[test]
fn every_law_says_what_goes_wrong_and_how_it_is_found() {
    let (_, bodies) = written(&read("docs/laws.md"));
    let wrong: Vec<String> = bodies
        .iter()
        .filter_map(|(name, body)| {
            let (practice, detected) = body
                .strip_prefix(PRACTICE)
                .and_then(|body| body.split_once(DETECTED))
                .unwrap_or_default();
            let cites = !citations(practice).is_empty()
                || practice.contains("changelog")
                || practice.contains(UNKNOWN);
            let short = |text: &str| text.contains("TODO") || text.split_whitespace().count() < 8;
            if short(practice) || short(detected) {
                Some(format!("{name}: not written yet"))
            } else if !cites {
                Some(format!("{name}: neither a public report nor {UNKNOWN:?}"))
            } else {
                None
            }
        })
        .collect();
    assert!(wrong.is_empty(), "docs/laws.md\n{}", wrong.join("\n"));
    assert_eq!(bodies.len(), laws::all().len());
}

/// The capabilities and what their doc comments say, in the order of the source.
fn needs() -> Vec<(String, String)> {
    let source = read("flow-testkit/src/harness.rs");
    let (_, body) = source.split_once("pub enum Need {\n").expect("Need");
    let mut comment = String::new();
    let mut needs = vec![];
    for line in body.lines().map(str::trim) {
        if line == "}" {
            break;
        } else if let Some(part) = line.strip_prefix("///") {
            comment.push_str(part);
        } else if let Some(need) = line.strip_suffix(',') {
            needs.push((need.to_owned(), plain(comment.trim())));
            comment.clear();
        }
    }
    needs
}

/// Without the links of rustdoc: ``[`a`](b)`` and ``[`a`]`` are `` `a` ``.
fn plain(comment: &str) -> String {
    let mut text = String::new();
    let mut rest = comment;
    while let Some((before, link)) = rest.split_once('[') {
        let (shown, after) = link.split_once(']').expect("the end of a link");
        text.push_str(before);
        text.push_str(shown);
        rest = match after.strip_prefix('(') {
            Some(target) => {
                let (inside, after) = target.split_once(')').expect("the end of a target");
                // The target may have a pair of its own.
                let own = if inside.ends_with('(') { 1 } else { 0 };
                &after[own..]
            }
            None => after,
        };
    }
    text + rest
}

#[test]
fn every_need_is_in_the_table() {
    const PAGE: &str = "docs/test-your-own-flow.md";
    let page = read(PAGE);
    let (begin, end) = (
        "<!-- needs: written by the tests -->\n",
        "<!-- end of needs -->\n",
    );
    let (before, rest) = page.split_once("| `Need` |").expect("the table");
    let (_, after) = rest.split_once(end).expect("the table's end");
    let mut table =
        String::from("| `Need` | what it is | laws that need it |\n| --- | --- | --- |\n");
    let all = laws::all();
    for (need, comment) in needs() {
        let laws = all.iter().filter(|law| {
            let needs = law.needs.iter();
            needs.map(|n| format!("{n:?}")).any(|n| n == need)
        });
        let _ = writeln!(
            table,
            "| `{need}` | {comment} | {} |",
            list(laws.map(|law| law.name))
        );
    }
    let before = before.strip_suffix(begin).unwrap_or(before);
    check(PAGE, &format!("{before}{begin}{table}{end}{after}"));
}

#[test]
fn links_of_rustdoc_are_taken_out() {
    assert_eq!(plain("no link"), "no link");
    assert_eq!(plain("over: [`Harness::over`]."), "over: `Harness::over`.");
    assert_eq!(plain("[`main`](crate::main()) sees"), "`main` sees");
    assert_eq!(plain("([`Row`](crate::Row)), not"), "(`Row`), not");
    assert_eq!(plain("[a](b) and [c](d) ()"), "a and c ()");
}
