//! Reads that the system cuts short with more behind them: at a passed descriptor, and at urgent data.

use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, send, sendmsg,
};

use super::kinds::Kind;
use super::law::{Law, unless};
use super::lies::Lie;
use super::steps::{finish, gather, same, to_the_end};
use crate::support::backend::FlowExt as _;
use crate::support::{arrived, pattern, run, settle};

pub(crate) const LAWS: &[Law] = &[
    Law {
        name: "passed_descriptors_do_not_stall",
        promise: "What follows a passed descriptor is read, after few bytes and after many, be the descriptor taken or not.",
        not_for: |kind| unless(kind.name == "unix", "nothing can be passed"),
        run: passed,
        broken: &[(Lie::WaitsBehindChunks, "unix")],
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

fn pass(far: impl AsFd, data: &[u8], fd: &OwnedFd) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let sent = sendmsg(
        far,
        &[IoSlice::new(data)],
        &mut control,
        SendFlags::NOSIGNAL,
    );
    assert_eq!(sent, Ok(data.len()));
}

fn passed(kind: &Kind) {
    for limit in [0, 1, 8] {
        run(async {
            let (flow, mut far) = kind.link();
            flow.inner().receive_fds(limit);
            let null: OwnedFd = File::open("/dev/null").unwrap().into();
            for before in [1, 10, 1000, 40_000, 40_000] {
                let sent = pattern(before + 20);
                // All of it before the flow looks: no event comes after that.
                far.send(&sent[..before]);
                let socket = far.input.as_ref().expect("an input");
                pass(socket, &sent[before..][..10], &null);
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
