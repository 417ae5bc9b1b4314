//! The page that lists what holds for which kind, written from the rows and the laws: `FLOW_TESTKIT_BLESS=1` puts it there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::kinds::{Input, KINDS, Kind, OurEnd, Output, TheirEnd};
use super::{laws, singles};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kinds.md");

const HEAD: &str = "\
# Every kind of descriptor

What a descriptor does as a flow, by its kind. Both backends run every case below: `cargo test -p flow-tokio --test kind_laws` and the same of
`flow-async-std`. A test keeps this page in step with the laws in `flow-unix/tests/backends/kind_laws`; `FLOW_TESTKIT_BLESS=1` writes it.

Names that say nothing of `O_NONBLOCK` are of blocking open files; each is also run with the flag set, and changed meanwhile.
";

/// Whether the page says what the code says.
pub(crate) fn check() -> Result<(), String> {
    let page = page();
    if std::env::var_os("FLOW_TESTKIT_BLESS").is_some() {
        return std::fs::write(PATH, page).map_err(|e| e.to_string());
    }
    match std::fs::read_to_string(PATH) {
        Ok(found) if found == page => Ok(()),
        _ => Err("docs/kinds.md is out of step: FLOW_TESTKIT_BLESS=1 writes it".to_owned()),
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    kinds(&mut page);
    results(&mut page);
    promises(&mut page);
    others(&mut page);
    page
}

fn kinds(page: &mut String) {
    page.push_str("\n## What each can do\n\n");
    page.push_str("| kind | reads | writes | what `shutdown(Write)` shows | what shows their end | `close` waits for it |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for kind in KINDS {
        let waits = if kind.close_waits() { "yes" } else { "no" };
        writeln!(
            page,
            "| {} | {} | {} | {} | {} | {waits} |",
            kind.name,
            input(kind),
            output(kind),
            our_end(kind),
            their_end(kind),
        )
        .unwrap();
    }
}

fn input(kind: &Kind) -> &'static str {
    match kind.input {
        Input::Nothing => "no",
        Input::Live => "what is sent",
        Input::Stored => "what is stored, by the pool",
        Input::Made => "what the device makes, at once",
        Input::Refused => "`EIO`",
    }
}

fn output(kind: &Kind) -> &'static str {
    match kind.output {
        Output::Nowhere => "no",
        Output::Live => "to somebody",
        Output::Stored => "into a file, by the pool",
        Output::Swallowed => "away",
        Output::Refused => "`ENOSPC`",
        Output::Itself => "to itself",
    }
}

fn our_end(kind: &Kind) -> &'static str {
    match kind.our_end {
        OurEnd::None => "nothing, it does not write",
        OurEnd::Shown => "the end, while the flow lives",
        OurEnd::Done => "nobody is there; done when all is stored",
        OurEnd::Unsupported => "`Unsupported`; the end is shown once the flow is gone",
    }
}

fn their_end(kind: &Kind) -> &'static str {
    match kind.their_end {
        TheirEnd::None => "nothing ever",
        TheirEnd::Said => "they end sending, or leave",
        TheirEnd::Gone => "they leave, all of them",
        TheirEnd::Stored => "the end of what is stored",
    }
}

fn results(page: &mut String) {
    page.push_str("\n## Which law holds for which kind\n\n");
    page.push_str("The numbers are those of the laws below; \"ok\" is a case that passes on both backends, a letter is why it cannot be asked.\n\n|");
    let mut letters = BTreeMap::new();
    let mut reasons = vec![];
    for (index, _) in laws().enumerate() {
        write!(page, " | {}", index + 1).unwrap();
    }
    page.push_str(" |\n| ---");
    laws().for_each(|_| page.push_str(" | ---"));
    page.push_str(" |\n");
    for kind in KINDS {
        write!(page, "| {}", kind.name).unwrap();
        for law in laws() {
            match (law.not_for)(kind) {
                None => page.push_str(" | ok"),
                Some(why) => {
                    let letter = *letters.entry(why).or_insert_with(|| {
                        reasons.push(why);
                        char::from(b'a' + (reasons.len() - 1) as u8)
                    });
                    write!(page, " | {letter}").unwrap();
                }
            }
        }
        page.push_str(" |\n");
    }
    page.push('\n');
    for why in &reasons {
        writeln!(page, "- {}: {why}", letters[why]).unwrap();
    }
}

fn promises(page: &mut String) {
    page.push_str(
        "\n## The laws\n\n| | law | promise | flows that it rejects |\n| --- | --- | --- | --- |\n",
    );
    for (index, law) in laws().enumerate() {
        let broken: Vec<_> = law
            .broken
            .iter()
            .map(|(lie, kind)| format!("`{lie:?}` ({kind})"))
            .collect();
        writeln!(
            page,
            "| {} | `{}` | {} | {} |",
            index + 1,
            law.name,
            law.promise,
            broken.join(", ")
        )
        .unwrap();
    }
}

fn others(page: &mut String) {
    page.push_str(
        "\n## What is told of one kind alone\n\n| test | flows that it rejects |\n| --- | --- |\n",
    );
    for single in singles::all() {
        let broken: Vec<_> = single
            .broken
            .iter()
            .map(|lie| format!("`{lie:?}`"))
            .collect();
        writeln!(page, "| `{}` | {} |", single.name, broken.join(", ")).unwrap();
    }
}
