//! The flows that are looked at: each crate's own harnesses, taken from its tests so that nothing is said twice.

use flow_core::memory::MemoryFlow;
use flow_testkit::completion::Completion;
use flow_testkit::plain::Plain;
use flow_testkit::{Harness, Subject, Suite, broken};

#[path = "../../flow-async-std/tests/flows/mod.rs"]
mod of_async_std;
#[path = "../../flow-core/tests/flows/mod.rs"]
mod of_core;
#[path = "../../examples/tls/tests/flows/mod.rs"]
mod of_tls;
#[path = "../../flow-tokio/tests/flows/mod.rs"]
mod of_tokio;

/// What every law is run on.
pub(crate) fn shipped() -> Suite {
    let suite = of_core::add_to(Suite::new());
    let suite = suite
        .flow::<Plain<false>>("plain/unix")
        .flow::<Plain<true>>("plain/tcp")
        .flow::<Completion>("completion");
    of_tls::add_to(of_async_std::add_to(of_tokio::add_to(suite)))
}

/// The broken flow of that name, to see a failure.
pub(crate) fn broken(name: &str) -> Option<Subject> {
    let name = format!("broken/{name}");
    all_broken().find(|subject| subject.name() == name)
}

/// Whatever may have to be run: what a process is asked for that was started for one law.
pub(crate) fn all() -> Suite {
    all_broken().fold(shipped(), |suite, subject| {
        // A flow that two laws must reject is there once.
        let known = suite.subjects().iter().any(|s| s.name() == subject.name());
        if known { suite } else { suite.subject(subject) }
    })
}

fn all_broken() -> impl Iterator<Item = Subject> {
    let crashing = Subject::of::<Crashes>("broken/Crashes");
    let of_kit = broken::all().into_iter().map(|broken| broken.subject());
    of_kit.chain([crashing])
}

/// Takes its process with it.
#[derive(Default)]
struct Crashes;

impl Harness for Crashes {
    type Flow = MemoryFlow;

    fn pair(&self) -> (MemoryFlow, MemoryFlow) {
        eprintln!("no pair <today> & no other day");
        std::process::abort();
    }
}
