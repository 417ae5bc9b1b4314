//! What can be counted keeps its bounds: one case for each.
//!
//! Instructions are those of a release build, which is made here if there is none; so where there is no valgrind, nothing is built.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use flow_bench::counts::{BOUNDS, Bound, Missing, Verdict, What};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let trials = BOUNDS.iter().map(|bound| {
        let lacking = bound.what.tool().filter(|tool| !is_there(tool));
        // Where everything has to be checked, the case runs, and says what it lacks.
        let ignored = lacking.is_some() && std::env::var_os("FLOW_REQUIRE_PEERS").is_none();
        let trial = Trial::test(bound.name, move || check(bound)).with_ignored_flag(ignored);
        match lacking {
            Some(tool) => trial.with_kind(format!("NOT CHECKED without {tool}")),
            None => trial,
        }
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn is_there(tool: &str) -> bool {
    let version = Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

fn check(bound: &Bound) -> Result<(), Failed> {
    let program = match bound.what {
        What::Instructions => released().as_deref().map_err(ToString::to_string)?,
        // The same whatever the compiler does, and there already.
        _ => Path::new(env!("CARGO_BIN_EXE_flow-bench")),
    };
    let counted = bound.count(program).map_err(|why| match why {
        Missing::Tool(_) => format!("NOT CHECKED: {why}"),
        Missing::Failed(why) => why,
    })?;
    let said = format!(
        "{}: {counted}, at most {} wanted, {} the aim",
        bound.name, bound.floor, bound.aim
    );
    let gap = bound.gap.map_or_else(String::new, |gap| {
        format!(
            "; known not to hold, and no worse than {}: {}",
            gap.worst, gap.why
        )
    });
    match bound.judge(&counted) {
        Verdict::Holds => Ok(()),
        Verdict::KnownGap => {
            // Not to be lost among what tests print.
            let _ = writeln!(io::stderr(), "\nKNOWN GAP: {said}{gap}");
            Ok(())
        }
        Verdict::Broken => Err(format!("{said}{gap}").into()),
        Verdict::GapIsOver => Err(format!(
            "{said}: it holds now, so take `gap` from its entry in flow-bench/src/counts/table.rs"
        )
        .into()),
    }
}

/// Builds the program as it is released, once.
fn released() -> &'static Result<PathBuf, String> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--release", "--locked", "-q", "-p", "flow-bench"])
            .args([
                "--bin",
                "flow-bench",
                "--message-format=json-render-diagnostics",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| e.to_string())?;
        if !output.status.success() {
            return Err("flow-bench was not built".to_owned());
        }
        // The program is the last of what was built, and all that can be run.
        let said = String::from_utf8_lossy(&output.stdout);
        let path = said
            .lines()
            .filter_map(|line| line.split_once(r#""executable":""#)?.1.split_once('"'))
            .next_back();
        path.map(|(path, _)| PathBuf::from(path))
            .ok_or_else(|| "cargo did not say where the program is".to_owned())
    })
}
