//! "Test your own flow", done as the page says: its crate is made, its commands are run, and what they print is what the page shows.
//!
//! On the page a comment before a block says what the block is: `file: path` is a file, `more: path` is what is added to one, `instead: path`
//! replaces the item that begins with the same line, and `run` is a command, of which the next block shows what it prints.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A fenced block of the page.
#[derive(Debug)]
struct Block {
    mark: Option<String>,
    language: String,
    text: String,
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/test-your-own-flow.md");
    fs::read_to_string(path).expect("docs/test-your-own-flow.md")
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = vec![];
    let mut mark = None;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let comment = line.strip_prefix("<!-- ");
        if let Some(comment) = comment.and_then(|line| line.strip_suffix(" -->")) {
            mark = Some(comment.to_owned());
        } else if let Some(language) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```");
            blocks.push(Block {
                mark: mark.take(),
                language: language.to_owned(),
                text: text.map(|line| format!("{line}\n")).collect(),
            });
        } else if !line.is_empty() {
            mark = None;
        }
    }
    blocks
}

/// The crate of the page, in a folder of its own.
struct Crate(PathBuf);

impl Crate {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own_flow/my-flow");
        // What was built is kept, and what was written is not.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        // The versions that are there already.
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
        fs::copy(lock, folder.join("Cargo.lock")).expect("Cargo.lock");
        Self(folder)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// The page names versions, and the test means what is here.
    fn write_manifest(&self, text: &str) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut text = text.to_owned();
        for name in ["flow-core", "flow-testkit"] {
            let version = env!("CARGO_PKG_VERSION").rsplit_once('.').expect("a.b.c").0;
            let asked = format!("{name} = \"{version}\"\n");
            assert!(text.contains(&asked), "the page should ask for {asked}");
            let path = here.join("..").join(name);
            text = text.replace(&asked, &format!("{name} = {{ path = {path:?} }}\n"));
        }
        // No member of the workspace above it.
        self.write("Cargo.toml", &format!("{text}\n[workspace]\n"));
    }

    /// Replaces the item that begins with the same line and ends where its brace closes.
    fn replace(&self, path: &str, item: &str) {
        let text = self.read(path);
        let first = item.lines().next().expect("an item");
        let from = text
            .find(&format!("\n{first}\n"))
            .unwrap_or_else(|| panic!("{path} has no {first:?}"))
            + 1;
        let len = text[from..].find("\n}\n").expect("the item's end") + 3;
        let (before, after) = (&text[..from], &text[from + len..]);
        self.write(path, &format!("{before}{item}{after}"));
    }

    /// Runs a command of the page: whether it succeeded, and what it printed.
    fn run(&self, command: &str, shown: &str) -> (bool, String) {
        let words = command.split_whitespace();
        let mut variables = vec![];
        let mut arguments = vec![];
        for word in words {
            match word.split_once('=') {
                Some(variable) if arguments.is_empty() => variables.push(variable),
                _ => arguments.push(word),
            }
        }
        assert_eq!(arguments[..2], ["cargo", "test"], "{command}");
        let kit = env::vars().map(|(name, _)| name);
        // Random laws need not try long here. Where something fails, the replay line would tell what was set.
        if !shown.contains("replay") {
            variables.push(("FLOW_TESTKIT_CASES", "8"));
        }
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for name in kit.filter(|name| name.starts_with("FLOW_TESTKIT_")) {
            cargo.env_remove(name);
        }
        let output = cargo
            .args(["test", "--offline"])
            .args(&arguments[2..])
            .envs(variables)
            .env("CARGO_TARGET_DIR", self.0.with_file_name("target"))
            .env("CARGO_TERM_COLOR", "never")
            .env("RUST_BACKTRACE", "0")
            .current_dir(&self.0)
            .output()
            .expect("cargo");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(printed.contains("test result"), "{command}\n{told}");
        (output.status.success(), printed)
    }
}

/// A line without what differs from run to run: numbers, but for those of laws, and how far columns are apart.
fn shape(line: &str) -> String {
    let counts = ["running ", "test result: ", "no "];
    if counts.iter().any(|begin| line.starts_with(begin)) {
        let (counted, _time) = line.split_once("; finished in ").unwrap_or((line, ""));
        return counted.to_owned();
    }
    let mut shape = String::new();
    for word in line.split_whitespace() {
        let mut digits = false;
        for c in word.chars() {
            if c.is_ascii_digit() {
                if !digits {
                    shape.push('#');
                }
                digits = true;
            } else {
                digits = false;
                shape.push(c);
            }
        }
        shape.push(' ');
    }
    shape
}

/// The first part of what the page shows that was not printed. Parts are divided by `...`, and tests end in any order.
fn missing(shown: &str, printed: &str) -> Option<String> {
    let shapes = |text: &str| text.lines().map(shape).collect::<Vec<_>>();
    let printed = shapes(printed);
    let shown: Vec<&str> = shown.lines().collect();
    shown
        .split(|line| *line == "...")
        .filter(|part| !part.is_empty())
        .find(|part| {
            let part = shapes(&part.join("\n"));
            !printed.windows(part.len()).any(|lines| lines == part)
        })
        .map(|part| part.join("\n"))
}

#[test]
fn the_page_does_what_it_says() {
    let here = Crate::new();
    let page = page();
    let mut blocks = blocks(&page).into_iter();
    let mut runs = 0;
    while let Some(Block {
        mark,
        language,
        text,
    }) = blocks.next()
    {
        let mark = mark.unwrap_or_default();
        match mark.split_once(": ").unwrap_or((&mark, "")) {
            ("file", "Cargo.toml") => here.write_manifest(&text),
            ("file", path) => here.write(path, &text),
            ("more", path) => {
                let before = here.read(path);
                here.write(path, &format!("{before}\n{text}"));
            }
            ("instead", path) => here.replace(path, &text),
            ("run", _) => {
                let shown = blocks.next().expect("what it prints");
                assert_eq!(shown.language, "text", "what {text} prints");
                let (passed, printed) = here.run(&text, &shown.text);
                let missing = missing(&shown.text, &printed);
                if let Some(missing) = missing {
                    panic!("{text}does not print\n{missing}\nbut\n{printed}");
                }
                let fails = shown.text.contains("broken  ");
                assert_eq!(passed, !fails, "{text}{printed}");
                runs += 1;
            }
            // The doc tests have these.
            _ if language.starts_with("rust") => {
                assert!(!language.contains("ignore"), "never compiled:\n{text}");
            }
            _ => assert_eq!(language, "sh", "shown, and never looked at:\n{text}"),
        }
    }
    assert!(runs >= 5, "only {runs} commands were run");
}

#[test]
fn what_is_not_printed_is_missing() {
    let printed = "test a   ... ok\ntest b ... FAILED\n\n  12  flow 0 is made\nresult: 3 passed\n";
    let same = |shown| missing(shown, printed);
    assert_eq!(same("test a ... ok\n...\nresult: 17 passed\n"), None);
    assert_eq!(same("result: 1 passed\n...\ntest a ... ok\n"), None);
    assert_eq!(same("   1  flow 7 is made\nresult: 3 passed"), None);
    let told = |shown: &str| missing(shown, printed).expect("it was not printed");
    assert_eq!(told("...\ntest b ... ok\n"), "test b ... ok");
    let apart = "test a ... ok\nresult: 3 passed";
    assert_eq!(told(apart), apart);
}
