//! Every broken flow is rejected by its law, for the reason that the table states.

mod heap;

use std::fmt::Write as _;
use std::panic;
use std::time::Duration;

use flow_testkit::broken::{self, Broken, Expect};
use flow_testkit::{Law, Verdict, laws};

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
        .filter_map(|broken| complaint(broken, &broken.run(watchdog(broken))))
        .collect();
    panic::set_hook(hook);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Which laws reject which broken flow: one fault should not look like many. Prints a table; takes minutes.
///
/// Each flow is asked by all laws, also by those about resets and tearing that its kind does not have, which then reject it.
#[test]
#[ignore = "prints a table for people"]
fn kill_matrix() {
    broken::count_heap_with(heap::allocated);
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut table = String::new();
    for broken in broken::all() {
        let laws = laws::all();
        let rejects = |law: &Law| {
            let verdict = broken.run_law(law.name, Duration::from_millis(500));
            // A law that cannot be asked has not been asked.
            let asked = |why: &str| !why.contains("this law needs");
            match verdict {
                Verdict::Kept => None,
                Verdict::Broken(why) | Verdict::Hang(why) => asked(&why).then_some(law.name),
            }
        };
        let rejected: Vec<_> = laws.iter().filter_map(rejects).collect();
        let _ = writeln!(
            table,
            "{:2} {}: {}",
            rejected.len(),
            broken.name,
            rejected.join(" ")
        );
    }
    panic::set_hook(hook);
    println!("{table}");
}
