//! The far end leaves while a call waits, each kind of call.

use super::kinds::{Kind, OurEnd, TheirEnd};
use super::law::{Law, unless};
use super::lies::{Lie, Subject};
use super::steps::{closed, finish, park, stuck, to_the_end, woken};
use crate::support::backend::{FlowExt as _, Shutdown};
use crate::support::{run, settle};

const NEVER_WAITS: &str = "a write waits for nobody";

pub(crate) const LAWS: &[Law] = &[
    Law {
        name: "hang_up_ends_a_parked_read",
        promise: "A read that waits is at the end when the far end leaves.",
        not_for: |kind| {
            let can = kind.waits_to_read() && kind.their_end != TheirEnd::None;
            unless(can, "a read waits for nobody, or for ever")
        },
        run: parked_read,
        broken: &[
            (Lie::Deaf, "pipe-reader"),
            (Lie::Deaf, "pty-slave"),
            (Lie::Deaf, "pty-master"),
        ],
    },
    Law {
        name: "hang_up_ends_a_parked_write",
        promise: "A write that waits is `Closed` when the far end leaves, also one that waits in line.",
        not_for: |kind| unless(kind.waits_to_write(), NEVER_WAITS),
        run: parked_write,
        broken: &[(Lie::Deaf, "pipe-writer"), (Lie::Deaf, "pty-slave")],
    },
    Law {
        name: "write_after_a_hang_up_is_closed",
        promise: "A write to who has left is `Closed`, and not accepted for nobody, with bytes of ours unread there and without.",
        not_for: |kind| unless(kind.waits_to_write(), NEVER_WAITS),
        run: write_after,
        broken: &[
            (Lie::WritesNowhere, "unix"),
            (Lie::WritesNowhere, "pty-master-nonblocking"),
        ],
    },
    Law {
        name: "hang_up_ends_a_parked_flush",
        promise: "A flush that waits for what was taken is `Closed` when the far end leaves.",
        not_for: |kind| unless(kind.waits_to_write(), NEVER_WAITS),
        run: parked_flush,
        broken: &[(Lie::Deaf, "fifo-writer"), (Lie::FlushSaysOk, "unix")],
    },
    Law {
        name: "hang_up_ends_a_parked_shutdown",
        promise: "A shutdown(Write) that owes bytes is `Closed` when the far end leaves.",
        not_for: |kind| unless(kind.our_end == OurEnd::Shown, "a shutdown waits for nobody"),
        run: parked_shutdown,
        broken: &[(Lie::Deaf, "pipe-writer"), (Lie::ShutdownSaysOk, "tcp")],
    },
    Law {
        name: "hang_up_ends_a_parked_close",
        promise: "A close that owes bytes is `Closed` when the far end leaves; one that waits for the end is done.",
        not_for: |kind| {
            unless(
                kind.waits_to_write() || kind.close_waits(),
                "a close waits for nobody",
            )
        },
        run: parked_close,
        broken: &[
            (Lie::Deaf, "two-fifos"),
            (Lie::CloseIsNeverDone, "pipe-reader"),
            (Lie::CloseSaysOk, "pty-master"),
        ],
    },
];

fn parked_read(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let mut read = flow.read();
        let reader = park(&mut read);
        drop(far);
        woken(&reader).await;
        assert_eq!(finish(&mut read).await.unwrap(), None);
        assert_eq!(to_the_end(&flow).await, b"");
    });
}

fn parked_write(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let (mut taken, writer, _) = stuck(kind, &flow);
        let mut waiting = flow.write("in line");
        park(&mut waiting);
        drop(far);
        woken(&writer).await;
        closed(finish(&mut taken).await);
        closed(finish(&mut waiting).await);
        closed(finish(&mut flow.write("later")).await);
    });
}

fn write_after(kind: &Kind) {
    for unread in [false, true] {
        run(async {
            let (flow, far) = kind.link();
            if unread {
                finish(&mut flow.write("unread")).await.unwrap();
            }
            drop(far);
            // Over TCP the first one may be accepted: only the answer to it says that nobody is there.
            let mut written = Ok(());
            for _ in 0..100 {
                settle().await;
                written = finish(&mut flow.write("x")).await;
                if written.is_err() {
                    break;
                }
            }
            closed(written);
            closed(finish(&mut flow.write("later")).await);
        });
    }
}

/// A flow that owes the rest of a write of which nobody waits for the answer.
fn owing(kind: &Kind, flow: &Subject) {
    let (write, _, _) = stuck(kind, flow);
    assert!(write.is_taken());
}

fn parked_flush(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        owing(kind, &flow);
        let mut flush = flow.flush();
        let flusher = park(&mut flush);
        drop(far);
        woken(&flusher).await;
        closed(finish(&mut flush).await);
    });
}

fn parked_shutdown(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        owing(kind, &flow);
        let mut shutdown = flow.shutdown(Shutdown::Write);
        let count = park(&mut shutdown);
        drop(far);
        woken(&count).await;
        closed(finish(&mut shutdown).await);
    });
}

fn parked_close(kind: &Kind) {
    if kind.waits_to_write() {
        run(async {
            let (flow, far) = kind.link();
            owing(kind, &flow);
            let mut close = flow.close();
            let closer = park(&mut close);
            drop(far);
            woken(&closer).await;
            closed(finish(&mut close).await);
        });
    }
    if kind.close_waits() {
        run(async {
            let (flow, far) = kind.link();
            let mut close = flow.close();
            let closer = park(&mut close);
            drop(far);
            woken(&closer).await;
            finish(&mut close).await.unwrap();
        });
    }
}
