//! The part of `docs/third-party.md` that is made of the table.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use flow_testkit::laws;

use crate::table::{ALL, Stream};

const BEGIN: &str = "<!-- made of the table: begin -->\n";
const END: &str = "<!-- made of the table: end -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The version of that package in the lock file, which has only one.
fn version(lock: &str, package: &str) -> String {
    let entry = format!("name = \"{package}\"\nversion = \"");
    let mut versions = lock
        .split(&entry)
        .skip(1)
        .map(|rest| rest.split('"').next());
    match (versions.next(), versions.next()) {
        (Some(Some(version)), None) => version.to_owned(),
        _ => panic!("not one version of {package} in Cargo.lock"),
    }
}

/// A link to `owner/repo#number`.
fn link(issue: &str) -> String {
    let (repo, number) = issue.split_once('#').expect("owner/repo#number");
    format!("[{issue}](https://github.com/{repo}/issues/{number})")
}

/// Lines that are the same but for the stream, as one.
struct Row {
    what: &'static str,
    clauses: Vec<String>,
    streams: Vec<&'static str>,
    shown_by: Vec<String>,
    known: Vec<String>,
}

fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = vec![];
    for stream in ALL {
        for fault in stream.faults {
            let names = fault.broken.iter().map(|(law, _)| format!("`{law}`"));
            let clauses: Vec<_> = names.collect();
            let same = |row: &Row| row.what == fault.what && row.clauses == clauses;
            let index = rows.iter().position(same).unwrap_or_else(|| {
                rows.push(Row {
                    what: fault.what,
                    clauses,
                    streams: vec![],
                    shown_by: vec![],
                    known: vec![],
                });
                rows.len() - 1
            });
            let row = &mut rows[index];
            row.streams.push(stream.name);
            row.shown_by
                .extend(fault.shown_by.iter().map(|test| format!("`{test}`")));
            row.known.extend(fault.known.map(link));
            row.known.dedup();
        }
    }
    rows
}

fn write_rows(page: &mut String) -> fmt::Result {
    writeln!(
        page,
        "| streams | in practice | clauses | shown by | known as |"
    )?;
    writeln!(page, "| --- | --- | --- | --- | --- |")?;
    for row in rows() {
        let [streams, clauses, shown_by, known] = [
            row.streams.join(", "),
            row.clauses.join(", "),
            row.shown_by.join(", "),
            row.known.join(", "),
        ];
        let what = row.what;
        writeln!(
            page,
            "| {streams} | {what} | {clauses} | {shown_by} | {known} |"
        )?;
    }
    Ok(())
}

fn made() -> Result<String, fmt::Error> {
    let lock = read("Cargo.lock");
    let mut page = String::new();
    writeln!(page, "## What was run\n")?;
    writeln!(
        page,
        "| stream | versions | made a flow by |\n| --- | --- | --- |"
    )?;
    for stream in ALL {
        let versions = stream.packages.iter();
        let versions: Vec<_> = versions
            .map(|package| format!("{package} {}", version(&lock, package)))
            .collect();
        let (name, through) = (stream.name, stream.through);
        writeln!(page, "| {name} | {} | {through} |", versions.join(", "))?;
    }
    writeln!(page, "\n## What they break\n")?;
    write_rows(&mut page)?;
    let whole = ALL.iter().filter(|s| s.faults.is_empty());
    let whole: Vec<_> = whole.map(|s| s.name).collect();
    let whole = whole.join(", ");
    writeln!(
        page,
        "\nThese keep every clause that they were asked: {whole}."
    )?;
    writeln!(page, "\n## What they were not asked\n")?;
    writeln!(
        page,
        "| laws that need | not asked of | because |\n| --- | --- | --- |"
    )?;
    writeln!(
        page,
        "| `Alone` | all | one process runs all laws of a stream |"
    )?;
    let needs = laws::all().into_iter().flat_map(|law| law.needs);
    let rare = needs.filter(|need| need.is_rare());
    let rare: BTreeSet<_> = rare.map(|need| format!("`{need:?}`")).collect();
    let rare = Vec::from_iter(rare).join(", ");
    writeln!(
        page,
        "| {rare} | all | few flows have what these are about |"
    )?;
    let mut seen = vec![];
    for lack in ALL.iter().flat_map(|stream| stream.lacks) {
        if seen.contains(lack) {
            continue;
        }
        seen.push(*lack);
        let streams = ALL.iter().filter(|stream| stream.lacks.contains(lack));
        let streams: Vec<_> = streams.map(|stream| stream.name).collect();
        let (need, why) = lack;
        writeln!(page, "| `{need:?}` | {} | {why} |", streams.join(", "))?;
    }
    let mut seen = vec![];
    for left_out in ALL.iter().flat_map(|stream| stream.not_run) {
        if seen.contains(left_out) {
            continue;
        }
        seen.push(*left_out);
        let streams = ALL
            .iter()
            .filter(|stream| stream.not_run.contains(left_out));
        let streams: Vec<_> = streams.map(|stream| stream.name).collect();
        let (law, why) = left_out;
        writeln!(
            page,
            "| nothing: `{law}` | {} | {why} |",
            streams.join(", ")
        )?;
    }
    for Stream { name, only, .. } in ALL.iter().filter(|stream| !stream.only.is_empty()) {
        let only = only.join("`, `");
        writeln!(
            page,
            "| anything but `{only}` | {name} | there is a line for the rest |"
        )?;
    }
    Ok(page)
}

#[test]
fn the_page_says_what_the_table_says() {
    let path = root().join("docs/third-party.md");
    let page = read("docs/third-party.md");
    let (head, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (found, tail) = rest.split_once(END).expect("where the table ends");
    let made = format!("\n{}\n", made().expect("a string takes everything"));
    if std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(path, [head, BEGIN, &made, END, tail].concat()).expect("the page");
    } else {
        assert!(
            found == made,
            "docs/third-party.md is not what the table makes: UPDATE_PAGES=1 writes it anew"
        );
    }
}

#[test]
fn what_the_table_names_is_there() {
    let is_law = |name: &str| laws::find(name).is_some();
    let mut shown = String::new();
    for entry in
        fs::read_dir(root().join("flow-conformance/tests/reproductions")).expect("reproductions")
    {
        shown += &read(entry.expect("a file").path());
    }
    for fault in ALL.iter().flat_map(|stream| stream.faults) {
        assert!(!fault.shown_by.is_empty(), "nothing shows: {}", fault.what);
        for test in fault.shown_by {
            let test = format!("#[test]\nfn {test}()");
            assert!(shown.contains(&test), "no reproduction is {test}");
        }
        assert!(
            !fault.broken.is_empty(),
            "it breaks nothing: {}",
            fault.what
        );
        for (name, _) in fault.broken {
            assert!(is_law(name), "no law has the name {name}");
        }
    }
    let not_run = |stream: &&'static Stream| stream.not_run.iter().map(|(name, _)| name);
    let only = ALL.iter().flat_map(|stream| stream.only);
    for name in only.chain(ALL.iter().flat_map(not_run)) {
        assert!(is_law(name), "no law has the name {name}");
    }
}
