//! What the variables of the environment ask for. What cannot be understood is never taken for what was not asked.

use std::collections::hash_map::RandomState;
use std::env;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;
use std::time::Duration;

use crate::row::Row;

pub(crate) const ROW: &str = "FLOW_TESTKIT_ROW";
pub(crate) const SEED: &str = "FLOW_TESTKIT_SEED";
pub(crate) const CASES: &str = "FLOW_TESTKIT_CASES";
pub(crate) const ROUNDS: &str = "FLOW_TESTKIT_ROUNDS";
const WATCHDOG: &str = "FLOW_TESTKIT_WATCHDOG";

/// Panics if any of the variables cannot be understood: to be called before anything is run.
pub(crate) fn check() {
    let _ = (row(), seed(), cases(), rounds(), watchdog());
}

/// The one way in which laws are to be run.
pub(crate) fn row() -> Option<usize> {
    let last = Row::ALL.len() - 1;
    number(ROW, &format!("the number of a way, from 0 to {last}"))
        .map(|number| usize::try_from(number).unwrap_or(usize::MAX))
        .inspect(|&row| assert!(row <= last, "{ROW} is {row}, and the last way is {last}"))
}

/// What random sequences follow from. One that is to be `random` is drawn once; the processes that run laws are told which it is, and so is whoever
/// wants to see the same again.
pub(crate) fn seed() -> Option<u64> {
    static DRAWN: OnceLock<u64> = OnceLock::new();

    if env::var_os(SEED).is_some_and(|value| value == "random") {
        // The standard library's own source of numbers that differ from run to run.
        return Some(*DRAWN.get_or_init(|| RandomState::new().build_hasher().finish()));
    }
    number(SEED, "a number, or `random`")
}

/// How many random sequences are tried.
pub(crate) fn cases() -> Option<u32> {
    number(CASES, "a number").map(|cases| cases.try_into().unwrap_or(u32::MAX))
}

/// How often laws on two threads do what they do.
pub(crate) fn rounds() -> Option<usize> {
    number(ROUNDS, "a number").map(|rounds| rounds.try_into().unwrap_or(usize::MAX))
}

/// After how long without any event a call hangs.
pub(crate) fn watchdog() -> Option<Duration> {
    let value = text(WATCHDOG)?;
    let seconds = value.parse().ok().map(Duration::try_from_secs_f32);
    match seconds {
        Some(Ok(time)) => Some(time),
        _ => panic!("{WATCHDOG} is {value:?}, and should be a number of seconds"),
    }
}

fn number(name: &str, what: &str) -> Option<u64> {
    let value = text(name)?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is {value:?}, and should be {what}")))
}

fn text(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
