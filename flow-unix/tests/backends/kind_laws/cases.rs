//! Running one case in a process of its own, and what came of it.

use std::env;
use std::process::{Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use super::kinds::Kind;
use super::law::Law;
use super::lies::Lie;
use super::{elsewhere, laws, singles};
use crate::support::WATCHDOG;

const CASE: &str = "FLOW_KIND_CASE";
const LIE: &str = "FLOW_KIND_LIE";

/// Nobody need wait long for a flow that is known to lie.
const PATIENCE_WITH_LIES: Duration = Duration::from_secs(1);

/// The answer of a case that was broken in an orderly way.
const BROKEN: i32 = 101;

/// The answer of a case that this machine, or this user, cannot show.
const NOT_SHOWN: i32 = 77;

/// Ends this process: nothing was shown, of a flow or of one that lies.
pub(crate) fn not_shown(why: &str) -> ! {
    eprintln!("not shown: {why}");
    std::process::exit(NOT_SHOWN);
}

pub(crate) fn name(law: &Law, kind: &Kind) -> String {
    format!("{}::{}", law.name, kind.name)
}

/// The lie that the flows of this process tell.
pub(crate) fn lie() -> Option<Lie> {
    static TOLD: OnceLock<Option<Lie>> = OnceLock::new();

    *TOLD.get_or_init(|| {
        let name = env::var(LIE).ok()?;
        Some(Lie::named(&name).expect("no such lie"))
    })
}

/// How long anything is waited for.
pub(crate) fn patience() -> Duration {
    match lie() {
        Some(_) => PATIENCE_WITH_LIES,
        None => WATCHDOG,
    }
}

/// If this process is to be one case, what came of it.
pub(crate) fn serve() -> Option<i32> {
    if let Some(code) = elsewhere::serve() {
        return Some(code);
    }
    let case = env::var(CASE).ok()?;
    // A thread that is blocked cannot tell. The longest case reads two gibibytes, on whatever machine.
    let most = if lie().is_some() { 2 } else { 9 };
    thread::spawn(move || {
        let (_kept, never) = mpsc::channel::<()>();
        let _ = never.recv_timeout(most * patience());
        eprintln!("the thread of the runtime is blocked, or the case never ends");
        std::process::exit(BROKEN);
    });
    let run = || match singles::all().find(|single| single.name == case) {
        Some(single) => (single.run)(),
        None => {
            let (law, kind) = case.split_once("::").expect("law::kind");
            let law = laws().find(|l| l.name == law).expect("no such law");
            (law.run)(Kind::named(kind));
        }
    };
    // What was raised is told; then the process is over, whatever threads still wait.
    let result = std::panic::catch_unwind(run);
    std::process::exit(if result.is_ok() { 0 } else { BROKEN });
}

fn run(case: &str, lie: Option<Lie>) -> Output {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.env(CASE, case).stdin(Stdio::null());
    if let Some(lie) = lie {
        command.env(LIE, format!("{lie:?}"));
        // Of an expected panic nobody reads it, and it takes longer than the case.
        command.env("RUST_BACKTRACE", "0");
    }
    command.output().expect("this program")
}

pub(crate) fn kept(case: &str) -> Result<(), String> {
    let output = run(case, None);
    match output.status.code() {
        Some(0) => Ok(()),
        Some(NOT_SHOWN) => {
            eprint!("{case}: {}", String::from_utf8_lossy(&output.stderr));
            Ok(())
        }
        _ => Err(told(&output)),
    }
}

pub(crate) fn rejected(case: &str, lie: Lie) -> Result<(), String> {
    let output = run(case, Some(lie));
    match output.status.success() {
        true => Err(format!("{lie:?} was not noticed")),
        // Also where nothing can be shown.
        false => Ok(()),
    }
}

fn told(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    format!("{}\n{said}", output.status)
}
