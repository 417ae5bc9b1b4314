//! What each kind of descriptor does as a flow: laws with the kind as a dimension, the page that lists them, and what stands beside them.
//!
//! The rows are in [`kinds`], each with what it can do; a law says which rows it is not for, and why. Every case runs in a process of its own,
//! which is this program again: descriptors can be counted there, SIGPIPE is as the system has it, and a case that blocks its thread is a case that failed.

mod bytes;
mod calls;
mod cases;
mod chunks;
mod closing;
mod copies;
mod cut;
mod elsewhere;
mod ends;
mod far;
mod fifos;
mod held;
mod kinds;
mod law;
mod lies;
mod page;
mod parked;
mod process;
mod shared;
mod singles;
mod steps;
mod terminals;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use kinds::KINDS;
use law::Law;
use lies::Lie;

/// Every law, by subject.
pub(crate) fn laws() -> impl Iterator<Item = &'static Law> {
    [
        bytes::LAWS,
        ends::LAWS,
        parked::LAWS,
        closing::LAWS,
        shared::LAWS,
        held::LAWS,
        process::LAWS,
        cut::LAWS,
        chunks::LAWS,
        calls::LAWS,
        copies::LAWS,
    ]
    .into_iter()
    .flatten()
}

/// The main function of the test program.
pub(crate) fn main() -> i32 {
    if let Some(code) = cases::serve() {
        return code;
    }
    let mut args = Arguments::from_args();
    // Cases wait more than they work: those that are to be rejected for as long as they are given.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    args.test_threads.get_or_insert(3 * cores);
    let mut trials = vec![Trial::test("page_is_in_step", || {
        page::check().map_err(Failed::from)
    })];
    for law in laws() {
        for kind in KINDS {
            let case = cases::name(law, kind);
            let kept = case.clone();
            let trial = Trial::test(case, move || cases::kept(&kept).map_err(Failed::from));
            trials.push(match (law.not_for)(kind) {
                // On the page with its reason.
                Some(_) => continue,
                None => trial,
            });
        }
        for &(lie, kind) in law.broken {
            let case = format!("{}::{kind}", law.name);
            trials.push(rejected(case, lie));
        }
    }
    for single in singles::all() {
        let case = single.name.to_owned();
        trials.push(Trial::test(single.name, move || {
            cases::kept(&case).map_err(Failed::from)
        }));
        for &lie in single.broken {
            trials.push(rejected(single.name.to_owned(), lie));
        }
    }
    let conclusion = libtest_mimic::run(&args, trials);
    i32::from(conclusion.exit_code() != ExitCode::SUCCESS) * 101
}

/// A flow that lies does not get through.
fn rejected(case: String, lie: Lie) -> Trial {
    Trial::test(format!("broken::{case}::{lie:?}"), move || {
        cases::rejected(&case, lie).map_err(Failed::from)
    })
}
