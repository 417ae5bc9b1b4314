//! Every broken flow is rejected by its law, for the reason that the table states.

mod heap;

use std::panic;
use std::time::Duration;

use flow_testkit::broken::{self, Broken, Expect};
use flow_testkit::{Verdict, laws};

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
    // A hang is waited for only where it is the verdict that is expected.
    let watchdog = |broken: &Broken| match broken.expect {
        Expect::Hangs => Duration::from_millis(300),
        Expect::Fails(_) => Duration::from_secs(20),
    };
    // The laws are meant to panic here, and say why in their verdicts.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let wrong: Vec<String> = broken::all()
        .iter()
        .filter_map(|broken| {
            let runs = broken.runs();
            let complaint = |_| complaint(broken, &broken.run(watchdog(broken)));
            let complaints: Vec<_> = (0..runs).map_while(complaint).collect();
            (complaints.len() == runs).then(|| complaints.join(", and again: "))
        })
        .collect();
    panic::set_hook(hook);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Run with `--ignored --nocapture`.
#[test]
#[ignore = "measures, and rejects nothing"]
fn how_often_a_fault_on_two_threads_is_met() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    for broken in broken::all().iter().filter(|b| b.runs() > 1) {
        let verdicts = (0..broken.runs()).map(|_| broken.run(Duration::from_secs(20)));
        let met = verdicts.filter(|verdict| complaint(broken, verdict).is_none());
        println!("{}: {} of {}", broken.name, met.count(), broken.runs());
    }
    panic::set_hook(hook);
}

/// A flow that is not asked by its law is not rejected by it.
#[test]
fn no_broken_flow_lacks_what_its_law_needs() {
    for broken in broken::all() {
        let law = laws::find(broken.law).expect("tests/clauses.rs sees to that");
        let lacking = broken.subject().lacking(&law);
        assert_eq!(lacking, None, "{} on {}", broken.law, broken.name);
    }
}
