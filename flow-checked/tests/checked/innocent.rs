//! Answers that look like a breach, and may be a good flow's, are not reported.

use flow_checked::Checked;
use flow_core::{Bytes, Chunks, Outside, ReadOp, Shutdown, WriteOp};

use crate::breaches::{Act, Wrap, X, reports};
use crate::script::Answer::{Closed, Done, End, Lost, Refused, Spin, Take, Wait, WaitAlone};
use crate::script::{Answer, task};

/// A byte outside of memory that cannot be had any more.
#[derive(Debug)]
pub(crate) struct LostByte;

impl Outside for LostByte {
    fn len(&self) -> usize {
        1
    }

    fn bring_in(&mut self) -> Option<Bytes> {
        None
    }
}

/// What looks like a breach, and may come of a good flow.
const GOOD: &[(&[Answer], Wrap, Act)] = &[
    // A switch was turned off after the end: errors from then on.
    (
        &[X, End, Refused, Refused],
        |c| c,
        |f| {
            for _ in 0..4 {
                f.read();
            }
        },
    ),
    // The same, known to be ours.
    (&[End, Refused, Refused], Checked::nobody_else_aborts, |f| {
        f.read();
        f.abort();
        f.read();
        f.read();
    }),
    // An abort changes the error.
    (
        &[Lost, Lost, Refused, Refused],
        |c| c,
        |f| {
            for _ in 0..4 {
                f.read();
            }
        },
    ),
    // `shutdown(Read)` is the end, also after an error.
    (
        &[Lost, Done, End],
        |c| c,
        |f| {
            f.read();
            f.shutdown(Shutdown::Read);
            f.read();
        },
    ),
    // A read that waited may have been served before another met the end.
    (&[Wait, End, X], Checked::watch_wakes, |f| {
        let (task, mut op) = (task(), ReadOp::new());
        f.read_on(&task, &mut op);
        f.read();
        f.read_on(&task, &mut op);
    }),
    // A taken write is finished by a close.
    (
        &[Take, Wait, Done, Closed, Done],
        |c| c,
        |f| {
            let mut op = WriteOp::from("x");
            f.write_on(&mut op);
            f.close();
            f.write_on(&mut op);
            f.write("x");
            f.close();
        },
    ),
    // A write that is refused because this side ends is no failure.
    (
        &[Done, Closed, Done, Done, Done],
        |c| c,
        |f| {
            f.shutdown(Shutdown::Write);
            f.write("x");
            f.flush();
            f.shutdown(Shutdown::Write);
            f.close();
        },
    ),
    // Bytes that are lost are refused, and nothing else is.
    (
        &[Closed, Done, Done, Done],
        |c| c,
        |f| {
            f.write_on(&mut WriteOp::new(Chunks::outside(LostByte)));
            f.write("x");
            f.flush();
            f.close();
        },
    ),
    // A flow that cannot half-close says so, and goes on.
    (
        &[Refused, Done, Refused, Done],
        |c| c,
        |f| {
            f.shutdown(Shutdown::Write);
            f.write("x");
            f.shutdown(Shutdown::Both);
            f.write("x");
        },
    ),
    // Closed by a switch after it was done.
    (
        &[Done, Closed, Closed],
        |c| c,
        |f| {
            f.close();
            f.close();
            f.close();
        },
    ),
    // A taken write that was accepted before the abort.
    (
        &[Take, Done],
        |c| c,
        |f| {
            let mut op = WriteOp::from("x");
            f.write_on(&mut op);
            f.abort();
            f.write_on(&mut op);
        },
    ),
    // The head's own task goes first.
    (&[Wait, X, Wait], Checked::watch_wakes, |f| {
        let (task, mut op) = (task(), ReadOp::new());
        f.read_on(&task, &mut op);
        f.read_on(&task, &mut ReadOp::new());
        f.read_on(&task, &mut op);
    }),
    // Given something that it had not come for yet.
    (&[Wait, X, X], Checked::watch_wakes, |f| {
        let (task, mut op) = (task(), ReadOp::new());
        f.read_on(&task, &mut op);
        f.read();
        f.read_on(&task, &mut op);
    }),
    // The same, by a flow that yields first.
    (&[Wait, X, Spin, X], Checked::watch_wakes, |f| {
        let (task, mut op) = (task(), ReadOp::new());
        f.read_on(&task, &mut op);
        f.read();
        f.read_on(&task, &mut op);
        f.read_on(&task, &mut op);
    }),
    // Ready on a spurious poll: the wake may be on its way.
    (&[Wait, X], Checked::watch_wakes, |f| {
        let (task, mut op) = (task(), ReadOp::new());
        f.read_on(&task, &mut op);
        f.read_on(&task, &mut op);
    }),
    // It was quiet, and something happened.
    (&[Wait, Done, X], Checked::watch_wakes, |f| {
        let (task, mut op) = (task(), ReadOp::new());
        f.read_on(&task, &mut op);
        let _quiet = f.0.quiet();
        f.write("x");
        f.read_on(&task, &mut op);
    }),
    // Dropped with the waker of another.
    (&[Wait, WaitAlone], Checked::watch_wakes, |f| {
        let (mut first, mut second) = (ReadOp::new(), ReadOp::new());
        f.read_on(&task(), &mut first);
        drop(first);
        f.read_on(&task(), &mut second);
        f.0.audit();
    }),
    // Spinning, as long as nobody asked.
    (&[Spin, Spin, Spin, Spin], Checked::watch_wakes, |f| {
        let (task, mut op) = (task(), ReadOp::new());
        for _ in 0..4 {
            f.read_on(&task, &mut op);
        }
    }),
];

#[test]
fn what_a_good_flow_may_answer_is_not_reported() {
    for (answers, wrap, act) in GOOD {
        let reports = reports(answers, *wrap, *act);
        assert!(reports.is_empty(), "for {answers:?}: {}", reports[0].1);
    }
}
