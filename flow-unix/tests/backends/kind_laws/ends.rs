//! What signals our end, and what shows theirs.

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::far::Far;
use super::kinds::{Input, Kind, OurEnd, Output, TheirEnd};
use super::law::{Law, unless};
use super::lies::{Lie, Subject};
use super::steps::{closed, finish, gather, joined, park, same, stuck, to_the_end, until, woken};
use crate::support::backend::{ErrorKind, Flow as _, FlowExt as _, Shutdown, WriteError};
use crate::support::{run, settle};

pub(crate) const LAWS: &[Law] = &[
    Law {
        name: "shutdown_write_is_shown",
        promise: "shutdown(Write) shows the end after the last byte while the flow lives, and reading goes on.",
        not_for: |kind| {
            unless(
                kind.our_end == OurEnd::Shown,
                "nobody to show it to, or no way to",
            )
        },
        run: shutdown_is_shown,
        broken: &[
            (Lie::ShutdownSaysOk, "unix"),
            (Lie::ShutdownSaysOk, "two-pipes"),
        ],
    },
    Law {
        name: "shutdown_write_without_a_peer_is_done",
        promise: "Where there is nobody to show it to, shutdown(Write) is done when all is stored, and closes the flow for writing.",
        not_for: |kind| {
            let done = matches!(kind.our_end, OurEnd::Done | OurEnd::None);
            unless(done, "there is somebody to show it to")
        },
        run: shutdown_is_done,
        broken: &[(Lie::ShutdownSaysOk, "memfd")],
    },
    Law {
        name: "shutdown_write_is_unsupported",
        promise: "Where the directions end together, shutdown(Write) says `Unsupported` and changes nothing; close and abort work.",
        not_for: |kind| {
            unless(
                kind.our_end == OurEnd::Unsupported,
                "its directions end apart",
            )
        },
        run: shutdown_is_unsupported,
        broken: &[
            (Lie::ShutdownSaysOk, "pty-slave"),
            (Lie::ShutdownSaysOk, "pty-master"),
            (Lie::ShutdownSaysOk, "fifo-both"),
        ],
    },
    Law {
        name: "shutdown_read_is_ours_alone",
        promise: "shutdown(Read) ends reading here; the far end does not notice, and writing goes on.",
        not_for: |kind| unless(kind.input == Input::Live, "nothing waits to be read"),
        run: shutdown_read,
        broken: &[(Lie::ShutdownSaysOk, "pty-slave")],
    },
    Law {
        name: "close_shows_the_end",
        promise: "close shows the end after the last byte; what has no half-close shows it once the flow is gone.",
        not_for: |kind| unless(kind.waits_to_write(), "nobody receives"),
        run: close_shows,
        broken: &[
            (Lie::CloseSaysOk, "tcp"),
            (Lie::CloseSaysOk, "pipe-writer"),
            (Lie::LeaksDescriptor, "pty-slave"),
        ],
    },
    Law {
        name: "abort_is_seen_at_once",
        promise: "The far end sees an abort while the flow object lives, and parked calls end.",
        not_for: |kind| unless(kind.has_far_end(), "nobody is there"),
        run: abort_is_seen,
        broken: &[
            (Lie::AbortDoesNothing, "unix"),
            (Lie::AbortDoesNothing, "pty-master"),
            (Lie::LeaksDescriptor, "pipe-reader"),
        ],
    },
    Law {
        name: "abort_is_seen_past_a_duplicate",
        promise: "An abort ends a socket for the far end although somebody else holds the open file, also after our end; what was accepted arrives, also if the far end sends meanwhile.",
        not_for: |kind| {
            unless(
                kind.has_socket(),
                "it ends when the last who holds it closes it",
            )
        },
        run: abort_past_a_duplicate,
        broken: &[
            (Lie::AbortDoesNothing, "tcp"),
            (Lie::AbortDoesNothing, "socket-and-file"),
            (Lie::AbortDoesNothing, "socket-and-pipe"),
        ],
    },
    Law {
        name: "drop_is_seen",
        promise: "The far end sees that the flow was dropped, also with calls under way.",
        not_for: |kind| unless(kind.has_far_end(), "nobody is there"),
        run: drop_is_seen,
        broken: &[
            (Lie::LeaksDescriptor, "pty-slave"),
            (Lie::LeaksDescriptor, "fifo-writer"),
        ],
    },
    Law {
        name: "their_end_is_final",
        promise: "The far end's end comes after its last byte, and stays.",
        not_for: |kind| {
            unless(
                kind.their_end != TheirEnd::None,
                "never ends, or never reads",
            )
        },
        run: their_end,
        broken: &[
            (Lie::EndIsNotFinal, "fifo-reader"),
            (Lie::EndIsNotFinal, "pty-master"),
            (Lie::ReadsNothing, "dev-null"),
        ],
    },
    Law {
        name: "their_end_leaves_writing",
        promise: "After the far end has said that it is done, writing goes on.",
        not_for: |kind| {
            let can = kind.their_end == TheirEnd::Said && kind.writes();
            unless(can, "both directions end together, or one only")
        },
        run: their_end_leaves_writing,
        broken: &[(Lie::ForgetsHalf, "two-pipes")],
    },
];

fn shutdown_is_shown(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        assert!(!far.sees_the_end());
        let receiving = far.receiving_all();
        finish(&mut flow.write("last")).await.unwrap();
        finish(&mut flow.shutdown(Shutdown::Write)).await.unwrap();
        same(&joined("the end", receiving).await, b"last");
        closed(finish(&mut flow.write("more")).await);
        finish(&mut flow.shutdown(Shutdown::Write)).await.unwrap();
        if kind.reads() {
            far.send(b"answer");
            same(&gather(&flow, 6).await, b"answer");
        }
    });
}

fn shutdown_is_done(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        // A dropped write is the flow's business still.
        let stored = kind.output == Output::Stored;
        let sent = stored.then(|| stuck(kind, &flow).2);
        finish(&mut flow.shutdown(Shutdown::Write)).await.unwrap();
        if let Some(sent) = sent {
            same(&joined("what is stored", far.receiving(0)).await, &sent);
        }
        closed(finish(&mut flow.write("more")).await);
        if kind.reads() {
            far.send(b"still read");
            same(&gather(&flow, 10).await, b"still read");
        }
    });
}

fn shutdown_is_unsupported(kind: &Kind) {
    run(async {
        let (flow, mut far) = kind.link();
        for how in [Shutdown::Write, Shutdown::Both] {
            let refused = finish(&mut flow.shutdown(how)).await;
            let kind = match &refused {
                Err(WriteError::Transport(e)) => Some(e.kind()),
                _ => None,
            };
            assert_eq!(kind, Some(ErrorKind::Unsupported), "{refused:?}");
            if how == Shutdown::Write {
                let mut read = flow.read();
                let reader = park(&mut read);
                far.send(b"typed");
                woken(&reader).await;
                same(&finish(&mut read).await.unwrap().unwrap(), b"typed");
            }
            finish(&mut flow.write("shown")).await.unwrap();
        }
        if kind.waits_to_write() {
            same(
                &joined("what was written", far.receiving(10)).await,
                b"shownshown",
            );
        }
        finish(&mut flow.close()).await.unwrap();
        closed(finish(&mut flow.write("more")).await);
        flow.abort();
        until("the abort is seen", || far.sees_the_end()).await;
        far.end();
    });
}

fn shutdown_read(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let mut read = flow.read();
        let reader = park(&mut read);
        finish(&mut flow.shutdown(Shutdown::Read)).await.unwrap();
        woken(&reader).await;
        assert_eq!(finish(&mut read).await.unwrap(), None);
        far.send(b"unheard");
        assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
        settle().await;
        assert!(!far.sees_the_end());
        if kind.waits_to_write() {
            finish(&mut flow.write("heard")).await.unwrap();
            same(
                &joined("what was written", far.receiving(5)).await,
                b"heard",
            );
        }
    });
}

fn close_shows(kind: &Kind) {
    run(async {
        let (flow, mut far) = kind.link();
        let mut shown = &b"last"[..];
        if kind.name.starts_with("pty-master") {
            // What a slave has not read is lost when the master goes, so here it is read first.
            finish(&mut flow.write("last")).await.unwrap();
            same(&joined("what was written", far.receiving(4)).await, b"last");
            shown = b"";
        }
        let receiving = far.receiving_all();
        if !shown.is_empty() {
            finish(&mut flow.write("last")).await.unwrap();
        }
        let mut close = flow.close();
        if kind.close_waits() {
            park(&mut close);
            same(&joined("the end", receiving).await, b"last");
            far.end();
            finish(&mut close).await.unwrap();
            return;
        }
        finish(&mut close).await.unwrap();
        drop(close);
        if kind.our_end == OurEnd::Shown {
            same(&joined("the end", receiving).await, b"last");
            return;
        }
        drop(flow);
        same(&joined("the end", receiving).await, shown);
    });
}

fn abort_is_seen(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let mut read = flow.read();
        let reader = kind.waits_to_read().then(|| park(&mut read));
        assert!(!far.sees_the_end());
        flow.abort();
        if let Some(reader) = reader {
            woken(&reader).await;
        }
        // A one-way flow that never read is at its end; otherwise an abort is not to look like one.
        let read = finish(&mut read).await;
        let aborted = matches!(&read, Err(e) if e.kind() == ErrorKind::Aborted);
        assert!(aborted, "{read:?}");
        seen(&far).await;
        closed(finish(&mut flow.write("more")).await);
        closed(finish(&mut flow.close()).await);
    });
}

fn abort_past_a_duplicate(kind: &Kind) {
    for ended in [false, true] {
        run(async {
            let (near, far) = (kind.make)();
            let _kept = near.dups();
            let flow = near.connect();
            assert!(!far.sees_the_end());
            let writes = matches!(kind.name, "unix" | "tcp");
            if writes {
                finish(&mut flow.write("accepted")).await.unwrap();
            }
            if ended {
                finish(&mut flow.shutdown(Shutdown::Write)).await.unwrap();
            }
            flow.abort();
            seen(&far).await;
            if writes {
                let input = far.input.as_ref().expect("an input");
                let sent = send(input, b"too late", SendFlags::NOSIGNAL);
                if kind.name == "unix" {
                    assert_eq!(sent, Err(Errno::PIPE), "sent to who has aborted");
                }
                settle().await;
                // No reset, which over TCP would be the answer to input that nobody will read.
                let all = joined("all has come", far.receiving_all()).await;
                same(&all, b"accepted");
            }
        });
    }
}

fn drop_is_seen(kind: &Kind) {
    for parked in [false, true] {
        run(async {
            let (flow, far) = kind.link();
            drop_with(flow, kind, parked);
            seen(&far).await;
        });
    }
}

fn drop_with(flow: Subject, kind: &Kind, parked: bool) {
    if parked && kind.waits_to_read() {
        park(&mut flow.read());
    }
    if parked && kind.waits_to_write() {
        park(&mut flow.write(vec![b'x'; kind.much()]));
    }
}

async fn seen(far: &Far) {
    joined("the end is seen", far.seeing_the_end()).await;
}

fn their_end(kind: &Kind) {
    // The end after bytes, and with nothing before it; found, and waited for.
    for data in [&b""[..], &[b'x'; 3000]] {
        for waits in [false, true] {
            run(async {
                let (flow, far) = kind.link();
                let mut read = flow.read();
                let waits = waits && kind.waits_to_read();
                let mut reader = waits.then(|| park(&mut read));
                if kind.reads() {
                    far.send(data);
                }
                let mut got = Vec::new();
                // What a slave has not read is lost when the master goes.
                if kind.name.starts_with("pty-slave") && !data.is_empty() {
                    let first = finish(&mut read).await.unwrap().unwrap();
                    got = [&first[..], &gather(&flow, data.len() - first.len()).await].concat();
                    read = flow.read();
                    if waits {
                        reader = Some(park(&mut read));
                    }
                }
                let said = kind.their_end != TheirEnd::Gone;
                let far = far.end_or_leave(said);
                if let Some(reader) = reader {
                    woken(&reader).await;
                }
                if let Some(chunk) = finish(&mut read).await.unwrap() {
                    got.extend_from_slice(&chunk);
                }
                got.extend_from_slice(&to_the_end(&flow).await);
                let sent = if kind.reads() { data } else { b"" };
                same(&got, sent);
                drop(far);
            });
        }
    }
}

fn their_end_leaves_writing(kind: &Kind) {
    run(async {
        let (flow, mut far) = kind.link();
        far.end();
        assert_eq!(to_the_end(&flow).await, b"");
        finish(&mut flow.write("after the end")).await.unwrap();
        finish(&mut flow.flush()).await.unwrap();
        same(
            &joined("what was written", far.receiving(13)).await,
            b"after the end",
        );
        finish(&mut flow.close()).await.unwrap();
    });
}
