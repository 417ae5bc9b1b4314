//! Writing to a peer that has left kills nobody, and the process's way with SIGPIPE is left alone.
//!
//! For a program without Rust's `main`, which would have SIGPIPE ignored before any test began.

use std::os::unix::net::UnixStream;

use crate::support::backend::{FlowExt as _, WriteError, connect};
use crate::support::{run, tcp};

const SIGPIPE: u32 = 13;

/// Whether this process ignores SIGPIPE.
fn is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
    mask & (1 << (SIGPIPE - 1)) != 0
}

pub(crate) fn writing_to_a_peer_that_left_raises_nothing() {
    assert!(!is_ignored(), "this test would show nothing");
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let flow = connect(ours).unwrap();
        drop(theirs);
        let written = flow.write("x").await;
        assert!(matches!(written, Err(WriteError::Closed)), "{written:?}");

        let (ours, theirs) = UnixStream::pair().unwrap();
        let flow = connect(ours).unwrap();
        drop(theirs);
        let written = flow.writev([vec![0; 1000], vec![0; 1000]]).await;
        assert!(matches!(written, Err(WriteError::Closed)), "{written:?}");

        let (ours, theirs) = tcp();
        let flow = connect(ours).unwrap();
        drop(theirs);
        // The first may still be accepted, and is answered by a reset.
        while flow.write("x").await.is_ok() {
            std::thread::yield_now();
        }
    });
    assert!(!is_ignored(), "somebody had SIGPIPE ignored");
}
