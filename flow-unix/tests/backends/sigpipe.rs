//! Writing to a peer that has left kills nobody, and the process's way with SIGPIPE is left alone.
//!
//! For a program without Rust's `main`, which would have SIGPIPE ignored before any test began.

use flow_core::combinators::copy;
use flow_core::{Bytes, Chunks};

use crate::support::backend::{FdFlow, Flow as _, FlowExt as _, Shutdown};
use crate::support::{KINDS, Kind, Peer, finish, park, pattern, put, run, settle};

const SIGPIPE: u32 = 13;

/// What of the process has to do with SIGPIPE: whether it is ignored, caught, blocked, or waits to be delivered.
fn disposition() -> Vec<(String, bool)> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let masks = ["SigIgn", "SigCgt", "SigBlk", "SigPnd", "ShdPnd"];
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(name, _)| masks.contains(name))
        .map(|(name, mask)| {
            let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
            (name.to_owned(), mask & (1 << (SIGPIPE - 1)) != 0)
        })
        .collect()
}

/// A flow of each kind whose peer leaves, and has left.
struct Left {
    flow: FdFlow,
    kind: Kind,
}

impl Left {
    fn now(kind: Kind) -> Self {
        Self::after(kind, |_, _| ())
    }

    /// The peer leaves after this was done.
    fn after(kind: Kind, before: impl FnOnce(&FdFlow, &Peer)) -> Self {
        let (ours, peer) = (kind.pair)();
        let flow = ours.flow();
        before(&flow, &peer);
        drop(peer);
        Self { flow, kind }
    }

    /// Writes until a write fails: over TCP the first may still be accepted, and is answered by a reset.
    async fn write_until_it_fails(&self, parts: usize, len: usize) {
        for _ in 0..WRITES {
            let parts: Chunks = (0..parts).map(|_| Bytes::from(vec![0; len])).collect();
            if finish(&mut self.flow.write_chunks(parts)).await.is_err() {
                return;
            }
            std::thread::yield_now();
        }
        panic!("{}: nobody is there, and writing goes on", self.kind.name);
    }
}

/// More writes than a kernel accepts after its peer has left.
const WRITES: usize = 1_000_000;

pub(crate) fn writing_to_a_peer_that_left_raises_nothing() {
    let before = disposition();
    assert_eq!(before.len(), 5, "this test would show nothing: {before:?}");
    assert!(
        before.iter().all(|(_, set)| !set),
        "this test would show nothing: {before:?}"
    );
    for kind in KINDS {
        run(every_way_to_write(kind));
        run(copying_to(kind));
        assert_eq!(disposition(), before, "{}", kind.name);
    }
}

async fn every_way_to_write(kind: Kind) {
    // Small, in parts, in more parts than one call takes, and large.
    for (parts, len) in [(1, 1), (2, 1000), (3000, 3), (1, 4 << 20), (2, 4 << 20)] {
        Left::now(kind).write_until_it_fails(parts, len).await;
    }

    // One that has been taken in part, and what drives it: itself, a flush, a shutdown, a close, a read.
    for way in 0..5 {
        let (ours, peer) = (kind.pair)();
        let flow = ours.flow();
        let mut write = flow.write(pattern(16 << 20));
        park(&mut write);
        drop(peer);
        match way {
            0 => drop(finish(&mut write).await.expect_err("nobody is there")),
            1 => drop(finish(&mut flow.flush()).await),
            2 => drop(finish(&mut flow.shutdown(Shutdown::Write)).await),
            3 => drop(finish(&mut flow.close()).await),
            _ => drop(finish(&mut flow.read()).await),
        }
        drop(write);
        // Whatever was left of it.
        _ = finish(&mut flow.flush()).await;
        flow.abort();
    }

    // With nothing to send: each ending, and writing after it.
    for way in 0..4 {
        let Left { flow, .. } = Left::now(kind);
        match way {
            0 => drop(finish(&mut flow.flush()).await),
            1 => drop(finish(&mut flow.shutdown(Shutdown::Write)).await),
            2 => drop(finish(&mut flow.close()).await),
            _ => flow.abort(),
        }
        if way > 0 {
            finish(&mut flow.write("x")).await.unwrap_err();
        }
        _ = finish(&mut flow.close()).await;
    }

    // What was accepted and never read; and input that is never read.
    let left = Left::after(kind, |flow, peer| {
        now(&mut flow.write("never read"));
        put(peer, b"never read");
    });
    left.write_until_it_fails(1, 100).await;
    drop(left);
}

/// Bytes that come from a pipe of the copy's own, where the kind takes such.
async fn copying_to(kind: Kind) {
    const LEN: usize = 60_000;

    let (from, feed) = (KINDS[0].pair)();
    let (to, peer) = (kind.pair)();
    let (src, dst) = (from.flow(), to.flow());
    for flow in [&src, &dst] {
        flow.with_fd(|fd| rustix::io::ioctl_fionbio(fd, true).unwrap());
    }
    let mut copying = copy(&src, &dst);
    put(&feed, &pattern(LEN));
    while copying.stats().written_bytes < LEN as u64 {
        park(&mut copying);
        settle().await;
    }
    let direct = cfg!(target_os = "linux") && kind.name != "two pipes";
    assert_eq!(copying.stats().direct_bytes > 0, direct, "{}", kind.name);
    drop(peer);
    for _ in 0..WRITES {
        put(&feed, &pattern(LEN));
        let written = copying.stats().written_bytes;
        loop {
            match crate::support::poll(&mut copying, &crate::support::Count::new()) {
                std::task::Poll::Ready(result) => {
                    result.unwrap_err();
                    return;
                }
                _ if copying.stats().written_bytes >= written + LEN as u64 => break,
                std::task::Poll::Pending => settle().await,
            }
        }
    }
    panic!("{}: nobody is there, and copying goes on", kind.name);
}

/// Polls once what needs no second time.
fn now<F: Future<Output: std::fmt::Debug> + Unpin>(future: &mut F) {
    let polled = crate::support::poll(future, &crate::support::Count::new());
    assert!(polled.is_ready(), "should not wait");
}
