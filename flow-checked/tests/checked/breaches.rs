//! Each clause that can be reported is, by its id, with the events; and answers that only look like a breach are not.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};

use flow_checked::{Checked, clauses};
use flow_core::{Chunks, Flow, ReadOp, Shutdown, WriteOp};

use crate::innocent::LostByte;
use crate::script::Answer::{
    Chunk, Closed, Done, End, Lost, Nibble, Refused, Spin, Take, Untake, Wait, WaitAlone, WaitDeaf,
};
use crate::script::{Answer, Calls, Script, task};

pub(crate) type Wrap = fn(Checked<Script>) -> Checked<Script>;
pub(crate) type Act = fn(&Calls<'_>);

struct Faulty {
    clause: &'static str,
    answers: &'static [Answer],
    wrap: Wrap,
    act: Act,
}

const fn plain(clause: &'static str, answers: &'static [Answer], act: Act) -> Faulty {
    let wrap: Wrap = |checked| checked;
    Faulty {
        clause,
        answers,
        wrap,
        act,
    }
}

const fn alone(clause: &'static str, answers: &'static [Answer], act: Act) -> Faulty {
    let wrap: Wrap = Checked::nobody_else_aborts;
    Faulty {
        clause,
        answers,
        wrap,
        act,
    }
}

const fn watched(clause: &'static str, answers: &'static [Answer], act: Act) -> Faulty {
    let wrap: Wrap = Checked::watch_wakes;
    Faulty {
        clause,
        answers,
        wrap,
        act,
    }
}

pub(crate) const X: Answer = Chunk(b"x");

/// What must be reported, in the last call and not before.
const FAULTY: &[Faulty] = &[
    plain("read_chunk_not_empty", &[X, Chunk(b"")], |f| {
        f.read();
        f.read();
    }),
    plain("read_end_is_final", &[X, End, X], |f| {
        f.read();
        f.read();
        f.read();
    }),
    alone("read_end_is_final", &[End, Lost], |f| {
        f.read();
        f.read();
    }),
    plain("read_error_is_final", &[Lost, End], |f| {
        f.read();
        f.read();
    }),
    plain("read_error_is_final", &[Lost, X], |f| {
        f.read();
        f.read();
    }),
    plain("read_error_is_final", &[Lost, Refused, Lost], |f| {
        f.read();
        f.read();
        f.read();
    }),
    alone("read_error_is_final", &[Lost, Lost, Refused], |f| {
        f.read();
        f.read();
        f.read();
    }),
    plain("write_empty_is_immediate", &[Wait], |f| f.write("")),
    plain("write_empty_after_close", &[Done, Done], |f| {
        f.shutdown(Shutdown::Write);
        f.write("");
    }),
    plain("write_empty_after_close", &[Wait, Done], |f| {
        f.close();
        f.write("");
    }),
    plain("write_after_shutdown", &[Done, Done, Done], |f| {
        f.write("x");
        f.shutdown(Shutdown::Both);
        f.write("x");
    }),
    plain("write_failure_is_final", &[Closed, Done], |f| {
        f.write("x");
        f.write("x");
    }),
    plain("write_failure_is_final", &[Refused, Done], |f| {
        f.write("x");
        f.write("");
    }),
    plain("write_failure_is_final", &[Refused, Done], |f| {
        f.write("x");
        f.flush();
    }),
    plain("write_failure_is_final", &[Refused, Done], |f| {
        f.write("x");
        f.shutdown(Shutdown::Write);
    }),
    plain("write_failure_is_final", &[Refused, Done], |f| {
        f.write("x");
        f.close();
    }),
    plain("write_failure_is_final", &[Wait, Refused, Done], |f| {
        // Only this side's own end makes a write `Closed`; any other error is a failure.
        f.close();
        f.write("x");
        f.close();
    }),
    plain("write_failure_is_final", &[Refused, Done], |f| {
        // Bytes that are lost are `Closed`; any other error is a failure of the flow's.
        f.write_on(&mut WriteOp::new(Chunks::outside(LostByte)));
        f.write("x");
    }),
    plain("cancel_untaken_write_sends_nothing", &[Nibble], |f| {
        f.write("xy");
    }),
    plain("cancel_taken_write_is_whole", &[Take, Untake], |f| {
        let mut op = WriteOp::from("x");
        f.write_on(&mut op);
        f.write_on(&mut op);
    }),
    plain("shutdown_read_ends_reading", &[Done, X], |f| {
        f.shutdown(Shutdown::Read);
        f.read();
    }),
    plain("shutdown_read_ends_reading", &[Done, End, X], |f| {
        f.shutdown(Shutdown::Both);
        f.read();
        f.read();
    }),
    plain("shutdown_twice_is_ok", &[Done, Refused], |f| {
        f.shutdown(Shutdown::Write);
        f.shutdown(Shutdown::Write);
    }),
    alone("shutdown_twice_is_ok", &[Done, Closed], |f| {
        f.shutdown(Shutdown::Write);
        f.shutdown(Shutdown::Write);
    }),
    plain("shutdown_twice_is_ok", &[Done, Closed, Done], |f| {
        f.shutdown(Shutdown::Write);
        f.shutdown(Shutdown::Write);
        f.shutdown(Shutdown::Write);
    }),
    plain("close_refuses_later_writes", &[Wait, Done], |f| {
        f.close();
        f.write("x");
    }),
    plain("close_twice_is_ok", &[Done, Lost], |f| {
        f.close();
        f.close();
    }),
    alone("close_twice_is_ok", &[Done, Closed], |f| {
        f.close();
        f.close();
    }),
    plain("close_twice_is_ok", &[Done, Closed, Done], |f| {
        f.close();
        f.close();
        f.close();
    }),
    plain("abort_fails_reads", &[End], |f| {
        f.abort();
        f.read();
    }),
    plain("abort_fails_reads", &[Wait, X], |f| {
        let mut op = ReadOp::new();
        f.read_on(&task(), &mut op);
        f.abort();
        f.read_on(&task(), &mut op);
    }),
    plain("abort_closes_writing", &[Done], |f| {
        f.abort();
        f.write("x");
    }),
    plain("abort_closes_writing", &[Done], |f| {
        f.abort();
        f.flush();
    }),
    plain("abort_closes_writing", &[Done], |f| {
        f.abort();
        f.shutdown(Shutdown::Read);
    }),
    plain("abort_closes_writing", &[Done], |f| {
        f.abort();
        f.close();
    }),
    watched("tasks_latest_waker_counts", &[WaitDeaf], |f| f.read()),
    watched("tasks_latest_waker_counts", &[WaitDeaf], |f| f.close()),
    watched("tasks_latest_waker_counts", &[X, Wait, X], |f| {
        f.read();
        let (task, mut op) = (task(), ReadOp::new());
        f.read_on(&task, &mut op);
        let _quiet = f.0.quiet();
        f.read_on(&task, &mut op);
    }),
    watched("tasks_all_waiters_are_served", &[Wait, WaitAlone, X], |f| {
        let (mut first, mut second) = (ReadOp::new(), ReadOp::new());
        f.read_on(&task(), &mut first);
        f.read_on(&task(), &mut second);
        // Polled again by a task that was not woken, as `select` does.
        f.read_on(&task(), &mut first);
    }),
    watched("tasks_all_waiters_are_served", &[Wait, WaitAlone], |f| {
        let (mut first, mut second) = (ReadOp::new(), ReadOp::new());
        f.read_on(&task(), &mut first);
        f.read_on(&task(), &mut second);
        f.0.audit();
    }),
    watched("tasks_served_in_order", &[Wait, X, Wait], |f| {
        let (first, mut op) = (task(), ReadOp::new());
        f.read_on(&first, &mut op);
        f.read();
        f.read_on(&first, &mut op);
    }),
    Faulty {
        clause: "tasks_idle_is_idle",
        answers: &[Spin, Spin, Spin, Spin],
        wrap: |checked| checked.spins_at_most(2),
        act: |f| {
            let (task, mut op) = (task(), ReadOp::new());
            for _ in 0..4 {
                f.read_on(&task, &mut op);
            }
        },
    },
];

/// The ids and words that were reported while `act` called a flow with these answers.
pub(crate) fn reports(answers: &[Answer], wrap: Wrap, act: Act) -> Vec<(&'static str, String)> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let checked = wrap(Checked::with_report(Script::new(answers), move |breach| {
        let text = breach.to_string();
        let last = breach.events().last().expect("an event").to_string();
        assert!(text.ends_with(&last), "{last} is not the end of:\n{text}");
        sink.lock().unwrap().push((breach.clause(), text));
    }));
    act(&Calls(&checked));
    drop(checked);
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[test]
fn each_fault_is_reported_by_its_clause_and_nothing_else() {
    for Faulty {
        clause,
        answers,
        wrap,
        act,
    } in FAULTY
    {
        let reports = reports(answers, *wrap, *act);
        let ids: Vec<_> = reports.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [*clause], "for the answers {answers:?}");
        let text = &reports[0].1;
        for part in ["promised: ", "expected: ", "got: ", "events:\n    #1 "] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
    }
}

#[test]
fn each_fault_is_a_panic_where_that_is_asked_for() {
    for faulty in FAULTY {
        let checked = (faulty.wrap)(Checked::new(Script::new(faulty.answers)));
        let panic = catch_unwind(AssertUnwindSafe(|| (faulty.act)(&Calls(&checked))));
        let text = *panic
            .expect_err(faulty.clause)
            .downcast::<String>()
            .expect("a panic with words");
        assert!(text.contains(&format!("`{}`", faulty.clause)), "{text}");
    }
}

#[test]
fn every_clause_that_can_be_reported_is() {
    let reported: BTreeSet<_> = FAULTY.iter().map(|faulty| faulty.clause).collect();
    let all: BTreeSet<_> = clauses().map(|(id, _)| id).collect();
    assert_eq!(reported, all);
}

#[test]
fn clauses_are_the_contracts() {
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../CONTRACT.md");
    let text = std::fs::read_to_string(contract).expect("CONTRACT.md");
    let rows: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
            let (id, _level) = (cells.next()?.trim_end_matches('`'), cells.next()?);
            Some((id, cells.next()?))
        })
        .collect();
    for (id, promise) in clauses() {
        assert_eq!(rows.get(id), Some(&promise), "{id}");
    }
}

#[test]
fn a_report_has_the_last_twenty_events_and_comes_once() {
    let mut answers = vec![X; 30];
    answers.extend([End, X, X, X]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let checked = Checked::with_report(Script::new(&answers), move |breach| {
        let events: Vec<String> = breach.events().iter().map(ToString::to_string).collect();
        sink.lock().unwrap().push(events);
    });
    for _ in &answers {
        Calls(&checked).read();
    }
    let seen = seen.lock().unwrap();
    let [events] = &seen[..] else {
        panic!("{} reports", seen.len());
    };
    assert_eq!(events.len(), 20);
    assert!(events[0].starts_with("#13 read"), "{}", events[0]);
    assert!(events[18].ends_with(": the end (None)"), "{}", events[18]);
    assert!(
        events[19].ends_with(": a chunk of 1 byte"),
        "{}",
        events[19]
    );
}

#[test]
fn a_report_may_use_the_flow() {
    let checked = Arc::new_cyclic(|this: &std::sync::Weak<Checked<Script>>| {
        let this = this.clone();
        Checked::with_report(Script::new(&[Done, Done]), move |_| {
            let checked = this.upgrade().expect("it lives");
            checked.abort();
        })
    });
    Calls(&checked).shutdown(Shutdown::Write);
    Calls(&checked).write("x");
}
