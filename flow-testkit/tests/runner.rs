//! The runner itself: names, filters and flags; a crash, a hang and a leak that cost one verdict each; what is excluded wrongly.
//!
//! This program is both: started plainly it is the test, and started with a flow's name in its environment it is a conformance test of that flow,
//! which the test looks at from outside.

use std::env;
use std::marker::PhantomData;
use std::process::Command;
use std::task::{Context, Poll};

use flow_core::memory::{MemoryError, MemoryFlow};
use flow_core::{Bytes, CloseOp, Flow, FlushOp, ReadOp, ShutdownOp, WriteError, WriteOp};
use flow_testkit::memory::Memory;
use flow_testkit::{Harness, Link, Need, Room, Suite, laws};
use libtest_mimic::{Arguments, Failed, Trial};

const VARIABLE: &str = "RUNNER_FLOW";

type DonePoll = Poll<Result<(), WriteError<MemoryError>>>;

/// What is wrong with a flow, or its harness.
trait Wrong: 'static {
    const LACKS: &'static [(Need, &'static str)] = &[
        (Need::Reset, "bytes in memory are not lost"),
        (Need::Descriptors, "there is no descriptor"),
        (Need::Failing, "nothing could fail"),
        (Need::Switch, "not forwarded"),
        (Need::Runtime, "there is no runtime"),
        (Need::Threads, "not forwarded"),
        (Need::Allocated, "not counted"),
    ];
    const KNOWN: &'static [(&'static str, &'static str)] = &[];
    fn read(chunk: Bytes) -> Bytes {
        chunk
    }
    fn abort() {}
    fn close() {}
    fn release() {}
}

struct Flawed<W>(MemoryFlow, PhantomData<W>);

impl<W: Wrong> Flow for Flawed<W> {
    type Error = MemoryError;

    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, MemoryError>> {
        self.0.poll_read(cx, op).map_ok(|chunk| chunk.map(W::read))
    }

    fn poll_write(&self, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        self.0.poll_write(cx, op)
    }

    fn poll_flush(&self, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        self.0.poll_flush(cx, op)
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>, op: &mut ShutdownOp) -> DonePoll {
        self.0.poll_shutdown(cx, op)
    }

    fn poll_close(&self, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        W::close();
        self.0.poll_close(cx, op)
    }

    fn abort(&self) {
        W::abort();
        self.0.abort();
    }
}

impl<W> Drop for Flawed<W> {
    fn drop(&mut self) {
        // Whatever `W` is, this is called for all, and does something for one.
        if env::var(VARIABLE).is_ok_and(|name| name == "leaks") {
            Leaks::release();
        }
    }
}

struct Wrapped<W>(PhantomData<W>);

impl<W> Default for Wrapped<W> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<W: Wrong> Harness for Wrapped<W> {
    type Flow = Flawed<W>;

    const LACKS: &'static [(Need, &'static str)] = W::LACKS;
    const KNOWN: &'static [(&'static str, &'static str)] = W::KNOWN;

    fn pair(&self) -> (Flawed<W>, Flawed<W>) {
        let (a, b) = Memory.pair();
        (Flawed(a, PhantomData), Flawed(b, PhantomData))
    }

    fn link(&self, room: Room) -> Link<Flawed<W>> {
        Memory.link(room).map(|flow| Flawed(flow, PhantomData))
    }
}

struct Good;
impl Wrong for Good {}

struct Crashes;
impl Wrong for Crashes {
    fn abort() {
        eprintln!("last words");
        std::process::abort();
    }
}

struct Hangs;
impl Wrong for Hangs {
    fn close() {
        loop {
            std::thread::park();
        }
    }
}

struct Leaks;
impl Wrong for Leaks {
    fn release() {
        std::mem::forget(std::fs::File::open("/dev/null").expect("/dev/null"));
    }
}

struct Shortens;
impl Wrong for Shortens {
    fn read(chunk: Bytes) -> Bytes {
        chunk.slice(..chunk.len().min(50))
    }
}

struct LacksNothing;
impl Wrong for LacksNothing {
    const LACKS: &'static [(Need, &'static str)] = &[
        (Need::Reset, "bytes in memory are not lost"),
        (Need::Descriptors, "there is no descriptor"),
        (Need::Failing, "nothing could fail"),
        (Need::Switch, "not forwarded"),
        (Need::Runtime, "there is no runtime"),
        (Need::Threads, "not forwarded"),
        (Need::Allocated, "not counted"),
        (Need::TornAbort, "wrongly said: the bare far end can tell"),
    ];
}

struct KnownWrongly;
impl Wrong for KnownWrongly {
    const KNOWN: &'static [(&'static str, &'static str)] =
        &[("read_end_is_final", "it was broken once")];
}

struct WithoutReason;
impl Wrong for WithoutReason {
    const KNOWN: &'static [(&'static str, &'static str)] = &[("read_end_is_final", " ")];
}

struct NoSuchLaw;
impl Wrong for NoSuchLaw {
    const KNOWN: &'static [(&'static str, &'static str)] = &[("read_nothing", "it is hard")];
}

/// The conformance test of the flow of that name.
fn conformance_of(name: &str) {
    match name {
        "good" => flow_testkit::main::<Wrapped<Good>>(),
        "crashes" => flow_testkit::main::<Wrapped<Crashes>>(),
        "hangs" => flow_testkit::main::<Wrapped<Hangs>>(),
        "leaks" => flow_testkit::main::<Wrapped<Leaks>>(),
        "shortens" => flow_testkit::main::<Wrapped<Shortens>>(),
        "lacks nothing" => flow_testkit::main::<Wrapped<LacksNothing>>(),
        "known wrongly" => flow_testkit::main::<Wrapped<KnownWrongly>>(),
        "without reason" => flow_testkit::main::<Wrapped<WithoutReason>>(),
        "no such law" => flow_testkit::main::<Wrapped<NoSuchLaw>>(),
        "two" => Suite::new()
            .flow::<Wrapped<Good>>("good")
            .flow::<Wrapped<Crashes>>("crashes")
            .main(),
        _ => panic!("no flow has the name {name}"),
    }
}

/// What the conformance test of a flow prints, and how it ends.
struct Seen {
    text: String,
    code: Option<i32>,
}

fn run(flow: &str, args: &[&str]) -> Seen {
    run_with(flow, args, &[])
}

fn run_with(flow: &str, args: &[&str], variables: &[(&str, &str)]) -> Seen {
    let output = Command::new(env::current_exe().expect("this program"))
        .env(VARIABLE, flow)
        .env_remove("FLOW_TESTKIT_FAIL_FAST")
        .envs(variables.iter().copied())
        .args(args)
        .output()
        .expect("this program starts");
    let text = [output.stdout, output.stderr].concat();
    Seen {
        text: String::from_utf8_lossy(&text).into_owned(),
        code: output.status.code(),
    }
}

impl Seen {
    #[track_caller]
    fn ends_with(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}", self.text);
        self
    }

    #[track_caller]
    fn says(&self, words: &str) -> &Self {
        assert!(self.text.contains(words), "no {words:?} in:\n{}", self.text);
        self
    }

    #[track_caller]
    fn is_silent_about(&self, words: &str) -> &Self {
        assert!(!self.text.contains(words), "{words:?} in:\n{}", self.text);
        self
    }
}

fn laws_are_listed_and_filtered_by_name() {
    let list = run("good", &["--list"]);
    list.ends_with(0);
    for law in laws::all() {
        list.says(&format!("{}: test\n", law.name));
    }
    list.says("[no Reset] read_reset_is_reported: test\n");
    run("good", &["--exact", "read_end_is_final"])
        .ends_with(0)
        .says("1 passed; 0 failed");
    run("two", &["--exact", "good::read_end_is_final"])
        .ends_with(0)
        .says("1 passed; 0 failed");
    run("good", &["read_end_", "--skip", "read_end_is_final"])
        .ends_with(0)
        .is_silent_about("read_end_is_final");
    // Filters that match nothing are no failure: `cargo test NAME` asks every test of a workspace.
    run("good", &["no_law_of_that_name"]).ends_with(0);
}

fn what_is_lacking_is_ignored_with_its_reason() {
    run("good", &["read_reset"])
        .ends_with(0)
        .says("ignored")
        .says("no Reset (2 laws): bytes in memory are not lost");
}

fn a_crash_costs_one_verdict() {
    run("crashes", &["read_end_is_final"]).ends_with(0);
    run("crashes", &["abort_fails_reads"])
        .ends_with(101)
        .says("the process that ran it ended by signal: 6")
        .says("last words");
    run("two", &["abort_fails_reads"])
        .ends_with(101)
        .says("1 passed; 1 failed");
}

fn a_hang_costs_one_verdict_and_says_where() {
    run_with(
        "hangs",
        &["close_waits_for_the_peer"],
        &[("FLOW_TESTKIT_WATCHDOG", "0.3")],
    )
    .ends_with(101)
    .says("hang    hang (watchdog) inside a call, at ")
    .says("0 passed; 1 failed");
    run("hangs", &["write_back_pressure"]).ends_with(0);
}

fn what_is_left_is_found_after_any_law() {
    run("leaks", &["--exact", "read_end_is_final"])
        .ends_with(101)
        .says("broken  drop_leaves_nothing: left are descriptor")
        .says("/dev/null");
}

fn a_failure_can_be_replayed() {
    let law = "drop_leaves_nothing";
    let seen = run("leaks", &["--exact", law]);
    seen.ends_with(101)
        .says("clause  drop_leaves_nothing")
        .says("says    Once a flow is dropped")
        .says("way     0: the flow itself")
        .says("replay  FLOW_TESTKIT_ROW=0 cargo test -p flow-testkit --test runner -- --exact 'drop_leaves_nothing'");
    run_with("leaks", &["--exact", law], &[("FLOW_TESTKIT_ROW", "5")])
        .ends_with(101)
        .says("way     5: ");
}

fn a_random_failure_can_be_replayed() {
    let args = ["--exact", "random_calls_follow_the_model"];
    // Each way tries sequences of its own, which follow from the one seed.
    for way in ["0", "5"] {
        let seen = run_with(
            "shortens",
            &args,
            &[("FLOW_TESTKIT_SEED", "random"), ("FLOW_TESTKIT_ROW", way)],
        );
        seen.ends_with(101);
        let line = |seen: &Seen, what: &str| {
            let line = seen.text.lines().find_map(|line| line.strip_prefix(what));
            line.map(str::to_owned)
                .unwrap_or_else(|| panic!("no line {what:?} in:\n{}", seen.text))
        };
        let replay = line(&seen, "replay  ");
        let variables: Vec<_> = replay
            .split(' ')
            .map_while(|word| word.split_once('='))
            .collect();
        assert!(
            variables.contains(&("FLOW_TESTKIT_ROW", way)),
            "{variables:?}"
        );
        let again = run_with("shortens", &args, &variables);
        again.ends_with(101);
        assert_eq!(line(&again, "replay  "), replay);
        assert_eq!(line(&again, "broken  "), line(&seen, "broken  "));
        // What the search itself says leads to the same.
        let (_, inner) = seen
            .text
            .split_once("replay: ")
            .unwrap_or_else(|| panic!("no search in:\n{}", seen.text));
        let mut inner: Vec<_> = inner
            .split_whitespace()
            .map_while(|word| word.split_once('='))
            .collect();
        assert!(
            inner
                .iter()
                .all(|one| variables.contains(one) || one.0 == "FLOW_TESTKIT_CASES"),
            "{inner:?} is not of {replay}"
        );
        inner.push(("FLOW_TESTKIT_ROW", way));
        let again = run_with("shortens", &args, &inner);
        assert_eq!(line(&again, "broken  "), line(&seen, "broken  "));
    }
}

fn variables_that_make_no_sense_are_refused() {
    for (name, value) in [
        ("FLOW_TESTKIT_ROW", "8"),
        ("FLOW_TESTKIT_ROW", "first"),
        ("FLOW_TESTKIT_SEED", "some"),
        ("FLOW_TESTKIT_CASES", "-1"),
        ("FLOW_TESTKIT_ROUNDS", ""),
        ("FLOW_TESTKIT_WATCHDOG", "long"),
        ("FLOW_TESTKIT_WATCHDOG", "-1"),
    ] {
        run_with("good", &["read_end_is_final"], &[(name, value)])
            .ends_with(101)
            .says(&format!("{name} is "))
            .is_silent_about("test result");
    }
}

fn a_law_that_is_run_in_no_way_is_not_passed() {
    // It needs a task for each call, and way 1 has one task for all.
    let (law, way) = ("write_calls_in_order", [("FLOW_TESTKIT_ROW", "1")]);
    run_with("good", &["--exact", law], &way)
        .ends_with(0)
        .says("0 passed; 0 failed; 1 ignored");
    run_with("good", &["--exact", law, "--ignored"], &way)
        .ends_with(101)
        .says("is not one of its ways");
}

fn what_is_not_lacking_is_reported() {
    run("lacks nothing", &["what_is_excluded"])
        .ends_with(101)
        .says("TornAbort is said to be lacking, but every law that needs it is kept");
    run("good", &["what_is_excluded"]).ends_with(0);
}

fn what_is_not_broken_is_reported() {
    run("known wrongly", &["what_is_excluded"])
        .ends_with(101)
        .says("read_end_is_final is said to be broken, but is kept");
    run("known wrongly", &["--exact", "read_end_is_final"])
        .ends_with(0)
        .says("1 ignored")
        .says("known to be broken: read_end_is_final: it was broken once");
    // Asked for, it is run.
    run(
        "known wrongly",
        &["--exact", "read_end_is_final", "--ignored"],
    )
    .ends_with(0)
    .says("1 passed");
}

fn an_exclusion_needs_a_law_and_a_reason() {
    run("without reason", &[])
        .ends_with(101)
        .says("read_end_is_final is excluded without a reason");
    run("no such law", &[])
        .ends_with(101)
        .says("no law has the name read_nothing");
}

fn the_first_failure_can_end_the_run() {
    run_with(
        "leaks",
        &["--test-threads", "1"],
        &[("FLOW_TESTKIT_FAIL_FAST", "1")],
    )
    .ends_with(101)
    .says("---- read_in_order_once ----")
    .is_silent_about("test result");
}

fn main() {
    if let Ok(name) = env::var(VARIABLE) {
        return conformance_of(&name);
    }
    macro_rules! trials {
        ($($name:ident)*) => {
            vec![$(Trial::test(stringify!($name), || {
                $name();
                Ok::<(), Failed>(())
            })),*]
        };
    }
    let trials = trials! {
        laws_are_listed_and_filtered_by_name
        what_is_lacking_is_ignored_with_its_reason
        a_crash_costs_one_verdict
        a_hang_costs_one_verdict_and_says_where
        what_is_left_is_found_after_any_law
        a_failure_can_be_replayed
        a_random_failure_can_be_replayed
        variables_that_make_no_sense_are_refused
        a_law_that_is_run_in_no_way_is_not_passed
        what_is_not_lacking_is_reported
        what_is_not_broken_is_reported
        an_exclusion_needs_a_law_and_a_reason
        the_first_failure_can_end_the_run
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
