//! Copies from flow to flow, which the kernel makes where it can.

use flow_core::combinators::copy;

use super::far::Far;
use super::kinds::{Kind, Output};
use super::law::{Law, unless};
use super::lies::{Lie, Subject};
use super::steps::{finish, joined, park, same, woken};
use crate::support::backend::FlowExt as _;
use crate::support::{pattern, run};

pub(crate) const LAWS: &[Law] = &[
    Law {
        name: "copies_arrive_whole",
        promise: "What is copied from a FIFO, or from a socket, arrives whole and in order, whatever takes it, with `O_NONBLOCK` or without.",
        not_for: |kind| unless(kind.writes(), "nothing can be written"),
        run: whole,
        broken: &[
            (Lie::ForgetsHalf, "unix"),
            (Lie::ForgetsHalf, "file-write"),
            (Lie::LosesBytes, "fifo-writer"),
        ],
    },
    Law {
        name: "copies_go_past_memory",
        promise: "A copy from a FIFO to a socket with `O_NONBLOCK`, or from such a socket to a FIFO, is made by the kernel, of all but the first bytes.",
        not_for: |kind| {
            let moved = matches!(
                kind.name,
                "unix" | "tcp" | "file-and-socket" | "fifo-writer" | "two-fifos"
            );
            unless(moved, "the kernel moves no pages to it")
        },
        run: past_memory,
        broken: &[
            (Lie::CopiesByMemory, "unix"),
            (Lie::CopiesByMemory, "fifo-writer"),
        ],
    },
];

/// The kinds that the kernel can take bytes of.
const FIFO: &str = "fifo-reader";
const SOCKET: &str = "unix";

fn source(name: &str) -> (Subject, Far) {
    let (near, far) = (Kind::named(name).make)();
    near.set_nonblocking(true);
    (near.connect(), far)
}

fn whole(kind: &Kind) {
    let len = if kind.is_terminal() { 20_000 } else { 1 << 20 };
    let ways = [(FIFO, false), (FIFO, true), (SOCKET, false), (SOCKET, true)];
    for (from, nonblocking) in ways {
        run(async {
            let (near, far) = (kind.make)();
            near.set_nonblocking(nonblocking);
            let (dst, (src, feed)) = (near.connect(), source(from));
            let sent = pattern(len);
            let receiving = (kind.output == Output::Live).then(|| far.receiving(len));
            let feeding = feed.sending(vec![sent.clone()]);
            drop(feed);
            let stats = finish(&mut copy(&src, &dst)).await.unwrap();
            joined("all was sent", feeding).await;
            assert_eq!(stats.written_bytes, len as u64);
            finish(&mut dst.flush()).await.unwrap();
            let receiving = receiving.unwrap_or_else(|| far.receiving(0));
            same(&joined("all has come", receiving).await, &sent);
        });
    }
}

fn past_memory(kind: &Kind) {
    const LEN: usize = 8 << 20;
    /// As much as a pipe has room for.
    const PIECE: usize = 64 * 1024;

    run(async {
        let (near, far) = (kind.make)();
        near.set_nonblocking(true);
        // The mark of a packet would go along from pipe to pipe.
        let from = match kind.has_socket() {
            true => FIFO,
            false => SOCKET,
        };
        let (dst, (src, feed)) = (near.connect(), source(from));
        let sent = pattern(LEN);
        let receiving = far.receiving(LEN);
        let mut copying = copy(&src, &dst);
        let progress = copying.live();
        let mut fed = 0;
        for piece in sent.chunks(PIECE) {
            // All of it before the copy looks: little at a time is not worth it.
            feed.send(piece);
            fed += piece.len() as u64;
            let mut count = park(&mut copying);
            while progress.now().written_bytes < fed {
                woken(&count).await;
                count = park(&mut copying);
            }
        }
        drop(feed);
        finish(&mut copying).await.unwrap();
        same(&joined("all has come", receiving).await, &sent);
        // The first piece shows that there is much.
        let least = (LEN - 2 * PIECE) as u64;
        let direct = progress.now().direct_bytes;
        assert!(direct >= least, "{direct} of {LEN} bytes went directly");
    });
}
