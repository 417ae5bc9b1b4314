//! Pages of the documentation that tests hold in step with the source, and write when `FLOW_TESTKIT_BLESS` is set.

use std::fs;
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// A file of the repository.
pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Compares a page with what it should be, or makes it so.
pub(crate) fn check(name: &str, expected: &str) {
    if std::env::var_os("FLOW_TESTKIT_BLESS").is_some() {
        return fs::write(path(name), expected).expect("the page");
    }
    let found = read(name);
    let mut lines = expected.lines().zip(found.lines()).enumerate();
    let differs = lines.find(|(_, (expected, found))| expected != found);
    if let Some((number, (expected, found))) = differs {
        let number = number + 1;
        panic!(
            "{name}:{number}: expected\n{expected}\nfound\n{found}\n(FLOW_TESTKIT_BLESS=1 writes it)"
        );
    }
    assert_eq!(found, expected, "{name} is cut off, or goes on");
}
