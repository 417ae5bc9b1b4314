//! Scripts of calls: what is found is small, and found again. (That nothing else finds it is in `kill_matrix.rs`.)

use std::time::Duration;

use flow_testkit::{Verdict, broken};

const RANDOM: &str = "random_calls_follow_the_model";
const EVERY: &str = "every_call_in_every_state";
const WATCHDOG: Duration = Duration::from_secs(20);

/// What this law says of that broken flow.
fn said(law: &str, name: &str) -> String {
    let mut all = broken::all().into_iter();
    let broken = all.find(|broken| broken.name == name).expect("the table");
    match broken.run_law(law, WATCHDOG) {
        Verdict::Broken(why) => why,
        other => panic!("{law} says of {name}: {other:?}"),
    }
}

/// The acts of a printed script.
fn acts(said: &str) -> Vec<&str> {
    let numbered = |line: &&str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
    said.lines().filter(numbered).collect()
}

#[test]
fn what_random_calls_find_is_small_and_named() {
    let said = said(RANDOM, "FailedWriteKeepsReading");
    let acts = acts(&said);
    assert_eq!(acts.len(), 3, "{said}");
    // Whichever way it leaves.
    assert!(acts[0].starts_with("   1 the peer "), "{said}");
    assert_eq!(acts[1..], ["   2 write 1 bytes", "   3 shutdown(Read)"]);
    assert!(
        said.starts_with("`shutdown_read_spares_writing` is broken in act 3: "),
        "{said}"
    );
}

#[test]
fn what_was_found_is_found_again() {
    let first = said(RANDOM, "CutsVectorsBesideReads");
    assert!(first.contains("\nreplay: FLOW_TESTKIT_SEED="), "{first}");
    assert_eq!(said(RANDOM, "CutsVectorsBesideReads"), first);
}

#[test]
fn a_state_that_fails_is_named() {
    let said = said(EVERY, "NothingAfterAll");
    assert!(
        said.starts_with("in the state \"")
            && said.contains("bytes unread\" `abort_closes_writing`"),
        "{said}"
    );
}
