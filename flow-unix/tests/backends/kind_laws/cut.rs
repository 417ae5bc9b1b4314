//! Reads that the system cuts short with more behind them: at a passed descriptor, and at urgent data.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::kinds::Kind;
use super::law::{Law, unless};
use super::lies::{Lie, Subject};
use super::steps::{finish, gather, joined, same, to_the_end};
use crate::support::backend::{FlowExt as _, WriteError, socketpair};
use crate::support::{arrived, pass, pattern, receive, run, settle};

pub(crate) const LAWS: &[Law] = &[
    Law {
        name: "passed_descriptors_do_not_stall",
        promise: "What follows a passed descriptor is read, after few bytes and after many, be the descriptor taken or not.",
        not_for: |kind| unless(kind.name == "unix", "nothing can be passed"),
        run: passed,
        broken: &[(Lie::WaitsBehindChunks, "unix")],
    },
    Law {
        name: "descriptors_go_with_their_write",
        promise: "A descriptor goes with the first byte of its write, and once; between flows of `socketpair` what follows it is read.",
        not_for: |kind| unless(kind.name == "unix", "nothing can be passed"),
        run: go_with_their_write,
        broken: &[(Lie::ForgetsHalf, "unix")],
    },
    Law {
        name: "descriptors_are_refused_elsewhere",
        promise: "Where no descriptor can go along, a write with one is refused, nothing of it is sent, and writing goes on.",
        not_for: |kind| {
            let can = matches!(kind.name, "unix" | "file-and-socket");
            unless(kind.writes() && !can, "they go along, or nothing does")
        },
        run: refused_elsewhere,
        broken: &[(Lie::ForgetsHalf, "tcp"), (Lie::ForgetsHalf, "pipe-writer")],
    },
    Law {
        name: "urgent_data_taken_by_the_user_does_not_stall",
        promise: "What follows urgent data is read, also when it was taken out by who had the descriptor lent.",
        not_for: |kind| {
            let can = matches!(kind.name, "unix" | "tcp");
            unless(can, "there is no urgent data")
        },
        run: urgent,
        broken: &[
            (Lie::WaitsBehindChunks, "unix"),
            (Lie::WaitsBehindChunks, "tcp"),
        ],
    },
];

fn null() -> OwnedFd {
    File::open("/dev/null").unwrap().into()
}

fn go_with_their_write(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        finish(&mut flow.write("before")).await.unwrap();
        finish(&mut flow.inner().write_with_fds("with", [null()]))
            .await
            .unwrap();
        finish(&mut flow.write("behind")).await.unwrap();
        let far = far.output.as_ref().expect("an output");
        let mut got = vec![];
        let mut with = None;
        while got.len() < 16 {
            let (data, fds) = receive(far, 100);
            got.extend_from_slice(&data);
            if !fds.is_empty() {
                assert_eq!((fds.len(), with), (1, None), "descriptors that came");
                with = Some(got.len());
            }
        }
        same(&got, b"beforewithbehind");
        // A receive stops behind what came with a descriptor.
        assert_eq!(with, Some(10), "where the descriptor came");

        let (ours, theirs) = socketpair().unwrap();
        let theirs = Subject::new(theirs, vec![]);
        for before in [1, 10, 1000, 40_000, 40_000] {
            let sent = pattern(before + 20);
            // All of it before the flow looks: no event comes after that.
            finish(&mut ours.write(sent[..before].to_vec()))
                .await
                .unwrap();
            let with = sent[before..before + 10].to_vec();
            finish(&mut ours.write_with_fds(with, [null()]))
                .await
                .unwrap();
            finish(&mut ours.write(sent[before + 10..].to_vec()))
                .await
                .unwrap();
            same(&gather(&theirs, sent.len()).await, &sent);
        }
    });
}

fn refused_elsewhere(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let refused = finish(&mut flow.inner().write_with_fds("with", [null()])).await;
        let is_refused = matches!(refused, Err(WriteError::Transport(_)));
        assert!(is_refused, "{refused:?}");
        finish(&mut flow.write("without")).await.unwrap();
        same(&joined("all has come", far.receiving(7)).await, b"without");
    });
}

fn passed(kind: &Kind) {
    for limit in [0, 1, 8] {
        run(async {
            let (flow, mut far) = kind.link();
            flow.inner().receive_fds(limit);
            let null = null();
            for before in [1, 10, 1000, 40_000, 40_000] {
                let sent = pattern(before + 20);
                // All of it before the flow looks: no event comes after that.
                far.send(&sent[..before]);
                let socket = far.input.as_ref().expect("an input");
                pass(socket, &sent[before..][..10], &[&null]);
                far.send(&sent[before + 10..]);
                settle().await;
                same(&gather(&flow, sent.len()).await, &sent);
                assert_eq!(flow.inner().take_fds().len(), limit.min(1));
            }
            far.end();
            same(&to_the_end(&flow).await, b"");
        });
    }
}

fn urgent(kind: &Kind) {
    for lent in [false, true] {
        run(async {
            let (flow, far) = kind.link();
            for _ in 0..3 {
                far.send(b"before");
                let socket = far.input.as_ref().expect("an input");
                send(socket, b"!", SendFlags::OOB).unwrap();
                far.send(b"after");
                if lent {
                    // Before the runtime has seen it.
                    flow.inner().with_fd(|fd| {
                        let mut urgent = [0];
                        while recv(fd, &mut urgent, RecvFlags::OOB | RecvFlags::DONTWAIT).is_err() {
                            std::thread::yield_now();
                        }
                        assert_eq!(&urgent, b"!");
                    });
                } else {
                    flow.inner().with_fd(|fd| arrived(fd, 6));
                }
                let first = finish(&mut flow.read()).await.unwrap().unwrap();
                let rest = gather(&flow, 11 - first.len()).await;
                same(&[&first[..], &rest].concat(), b"beforeafter");
            }
        });
    }
}
