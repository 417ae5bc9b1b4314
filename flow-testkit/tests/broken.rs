//! Every broken flow is rejected by its law, for the reason that the table states.

mod heap;

use std::panic;
use std::time::Duration;

use flow_testkit::Verdict;
use flow_testkit::broken::{self, Broken, Expect};

/// What is wrong with the verdict, if anything is.
fn complaint(broken: &Broken, verdict: &Verdict) -> Option<String> {
    let Broken { name, law, .. } = broken;
    match (broken.expect, verdict) {
        (Expect::Fails(words), Verdict::Broken(why)) if why.contains(words) => None,
        (Expect::Hangs, Verdict::Hang(_)) => None,
        (expect, verdict) => Some(format!(
            "{law} on {name}: expected {expect:?}, got {verdict:?}"
        )),
    }
}

#[test]
fn every_broken_flow_is_rejected_for_the_stated_reason() {
    broken::count_heap_with(heap::allocated);
    let watchdog = Duration::from_secs(2);
    // The laws are meant to panic here, and say why in their verdicts.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let wrong: Vec<String> = broken::all()
        .iter()
        .filter_map(|broken| complaint(broken, &broken.run(watchdog)))
        .collect();
    panic::set_hook(hook);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
