//! That `generated/calculator_capnp.rs` is what the schema says.
//!
//! Only a machine with the `capnp` compiler of the same version can tell; elsewhere the case is shown as ignored, or fails with `FLOW_REQUIRE_PEERS=1`
//! in the environment. With `UPDATE_GENERATED=1` it writes the file anew.

use std::path::Path;
use std::process::{self, Command};
use std::{env, fs};

use libtest_mimic::{Arguments, Failed, Trial};

const HERE: &str = env!("CARGO_MANIFEST_DIR");
const GENERATED: &str = "generated/calculator_capnp.rs";
const VERSION: &str = "// capnp binary version: ";

fn main() {
    let update = env::var_os("UPDATE_GENERATED").is_some_and(|v| v == "1");
    let required = env::var_os("FLOW_REQUIRE_PEERS").is_some_and(|v| v == "1");
    let is = version();
    let made_by = kept()
        .lines()
        .find_map(|line| line.strip_prefix(VERSION))
        .map(str::to_owned);
    let missing = match &is {
        None => Some("there is no capnp".to_owned()),
        Some(_) if is == made_by || update => None,
        Some(is) => Some(format!("capnp is {is}, the code was made by {made_by:?}")),
    };
    let trial = match missing {
        None => Trial::test("the_generated_code_is_up_to_date", move || compare(update)),
        Some(why) => {
            let body = why.clone();
            Trial::test("the_generated_code_is_up_to_date", move || Err(body.into()))
                .with_kind(why)
                .with_ignored_flag(!required)
        }
    };
    let code = libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code();
    process::exit(i32::from(code != process::ExitCode::SUCCESS) * 101);
}

fn kept() -> String {
    fs::read_to_string(Path::new(HERE).join(GENERATED)).unwrap_or_default()
}

/// The compiler's version, if there is one.
fn version() -> Option<String> {
    let said = Command::new("capnp").arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    said.split_whitespace().next_back().map(str::to_owned)
}

fn compare(update: bool) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let schema = Path::new(HERE).join("schema");
    capnpc::CompilerCommand::new()
        .src_prefix(&schema)
        .file(schema.join("calculator.capnp"))
        .output_path(folder.path())
        .run()?;
    let made = fs::read_to_string(folder.path().join("calculator_capnp.rs"))?;
    if update {
        fs::write(Path::new(HERE).join(GENERATED), made)?;
    } else if made != kept() {
        let how = "run this test with UPDATE_GENERATED=1, and commit the file";
        return Err(format!("{GENERATED} is not what the schema says: {how}").into());
    }
    Ok(())
}
