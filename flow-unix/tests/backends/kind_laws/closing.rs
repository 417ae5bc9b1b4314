//! Whom close waits for, and errors that stay what they are.

use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::kinds::{Input, Kind, Output, TheirEnd};
use super::law::{Law, unless};
use super::lies::Lie;
use super::steps::{closed, finish, gather, joined, park, same, stuck, until, woken};
use crate::support::backend::{Flow as _, FlowExt as _, Shutdown, WriteError};
use crate::support::{pattern, run, settle};

pub(crate) const LAWS: &[Law] = &[
    Law {
        name: "close_waits_for_their_end",
        promise: "close is done when the far end has ended, not before, although input is unread, be it as much as there is room for; that stays readable.",
        not_for: |kind| unless(kind.close_waits(), "nobody's end is to be waited for"),
        run: close_waits,
        broken: &[
            (Lie::CloseSaysOk, "unix"),
            (Lie::CloseSaysOk, "pipe-reader"),
            (Lie::CloseIsNeverDone, "two-pipes"),
        ],
    },
    Law {
        name: "close_waits_for_nobody",
        promise: "Where there is no end to wait for, close is done when all is out, while whoever may be there stays.",
        not_for: |kind| unless(!kind.close_waits(), "there is an end to wait for"),
        run: close_waits_for_nobody,
        broken: &[
            (Lie::CloseIsNeverDone, "pipe-writer"),
            (Lie::CloseIsNeverDone, "dev-null"),
            (Lie::CloseSaysOk, "file-write"),
        ],
    },
    Law {
        name: "abort_ends_a_parked_close",
        promise: "abort ends a close that waits for the far end.",
        not_for: |kind| unless(kind.close_waits(), "a close waits for nobody"),
        run: abort_ends_close,
        broken: &[(Lie::AbortDoesNothing, "fifo-reader")],
    },
    Law {
        name: "shutdown_tells_what_a_reset_destroyed",
        promise: "shutdown(Write) is `Closed` where the peer's reset has destroyed bytes that the kernel had accepted and not yet brought there.",
        not_for: |kind| unless(kind.name == "tcp", "nothing is lost on the way"),
        run: destroyed,
        broken: &[(Lie::ShutdownSaysOk, "tcp")],
    },
    Law {
        name: "errors_keep_their_identity",
        promise: "No room on the device is said as what it is, each time, and close says it too; so is what cannot be read, which is no end.",
        not_for: |kind| {
            unless(
                kind.output == Output::Refused || kind.input == Input::Refused,
                "no error of its own can be provoked",
            )
        },
        run: errors,
        broken: &[
            (Lie::ErrorsAreClosed, "dev-full"),
            (Lie::CloseSaysOk, "dev-full"),
            (Lie::ErrorsAreTheEnd, "file-unreadable"),
        ],
    },
];

fn close_waits(kind: &Kind) {
    run(async {
        let (flow, mut far) = kind.link();
        far.send(b"unread");
        let mut close = flow.close();
        let closer = park(&mut close);
        settle().await;
        // Whatever it is woken for, it is not done.
        let closer = match closer.get() {
            0 => closer,
            _ => park(&mut close),
        };
        far.send(b" input");
        // Over TCP the end comes behind what there is no room for, and is not to be seen before that is read.
        let more = if kind.name == "tcp" { 0 } else { far.fill() };
        settle().await;
        far.end();
        woken(&closer).await;
        finish(&mut close).await.unwrap();
        same(&gather(&flow, 12 + more).await[..12], b"unread input");
        assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
        finish(&mut flow.close()).await.unwrap();
    });
}

fn close_waits_for_nobody(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let mut sent = vec![];
        let mut receiving = None;
        if kind.writes() {
            let (write, _, written) = stuck(kind, &flow);
            assert!(write.is_taken());
            receiving = kind.waits_to_write().then(|| far.receiving(written.len()));
            sent = written;
        }
        finish(&mut flow.close()).await.unwrap();
        if kind.writes() {
            let receiving = receiving.unwrap_or_else(|| far.receiving(0));
            same(&joined("all has come", receiving).await, &sent);
        }
        closed(finish(&mut flow.write("more")).await);
        finish(&mut flow.close()).await.unwrap();
        if kind.reads() && kind.their_end == TheirEnd::Stored {
            far.send(b"stays readable");
            same(&gather(&flow, 14).await, b"stays readable");
        }
    });
}

fn abort_ends_close(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let mut close = flow.close();
        let closer = park(&mut close);
        flow.abort();
        woken(&closer).await;
        closed(finish(&mut close).await);
        until("the abort is seen", || far.sees_the_end()).await;
    });
}

fn destroyed(kind: &Kind) {
    run(async {
        let (near, far) = (kind.make)();
        let watched = near.dups().remove(0);
        sockopt::set_socket_send_buffer_size(&watched, 1 << 20).unwrap();
        let socket = far.input.as_ref().expect("an input").as_fd();
        sockopt::set_socket_recv_buffer_size(socket, 4096).unwrap();
        let flow = near.connect();
        // More than the peer has room for, and less than the kernel takes here.
        finish(&mut flow.write(pattern(150_000))).await.unwrap();
        sockopt::set_socket_linger(socket, Some(Duration::ZERO)).unwrap();
        drop(far);
        let now = rustix::event::Timespec::default();
        until("the reset has come", || {
            let mut fds = [PollFd::new(&watched, PollFlags::RDHUP)];
            poll(&mut fds, Some(&now)).unwrap();
            fds[0].revents().contains(PollFlags::ERR)
        })
        .await;
        closed(finish(&mut flow.shutdown(Shutdown::Write)).await);
    });
}

fn errors(kind: &Kind) {
    run(async {
        let (flow, _far) = kind.link();
        if kind.input == Input::Refused {
            for _ in 0..3 {
                let read = finish(&mut flow.read()).await;
                let errno = read.expect_err("there is nothing to read").raw_os_error();
                assert_eq!(errno, Some(Errno::IO.raw_os_error()));
            }
            return;
        }
        let no_room = |result| match result {
            Err(WriteError::Transport(e)) => {
                let e: crate::support::backend::Error = e;
                assert_eq!(e.raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
            }
            other => panic!("{other:?}"),
        };
        no_room(finish(&mut flow.write("x")).await);
        no_room(finish(&mut flow.write(pattern(1 << 20))).await);
        no_room(finish(&mut flow.flush()).await);
        no_room(finish(&mut flow.shutdown(Shutdown::Write)).await);
        no_room(finish(&mut flow.close()).await.map(drop));
    });
}
