//! What peers do in most laws, and what is sent in each direction.

use crate::pattern::{Feed, Pattern, Tape};
use crate::peer::{Peer, Recv};

/// More than any [tight](crate::Room::Tight) link buffers.
pub const MUCH: usize = 256 * 1024;
/// What a flow with a peer that does not read may accept at most: kernel buffers and the flow's own.
pub const BOUND: usize = 16 * 1024 * 1024;

/// Sizes around which streams go wrong: nothing but one byte, what a tight link in memory holds, a page and a pipe, what a Unix socket
/// takes at a time when it is squeezed, the usual buffer of a reader, and what 16 bits can count.
pub const EDGES: [usize; 19] = [
    1, 2, 96, 97, 98, 4095, 4096, 4097, 4479, 4480, 4481, 16_383, 16_384, 16_385, 65_535, 65_536,
    65_537, 131_071, 131_073,
];
/// Numbers of buffers around which vectored writes go wrong: one, and what a system call takes (`IOV_MAX`).
pub const COUNTS: [usize; 7] = [1, 2, 1023, 1024, 1025, 2049, 5000];

/// The peer sends what it can of the next `len` bytes; how many it could send.
pub fn push(peer: &mut dyn Peer, feed: &mut Feed, len: usize) -> usize {
    if len == 0 {
        // A peer that is a flow may have taken more than it has sent: it goes on.
        peer.send(&[]);
    }
    let mut left = len;
    while left > 0 {
        let sent = feed.offer(left, |next| peer.send(next));
        left -= sent;
        if sent == 0 {
            break;
        }
    }
    len - left
}

/// The peer sends what it can, up to `to` bytes in all; whether it could send any.
pub fn push_up_to(peer: &mut dyn Peer, feed: &mut Feed, to: u64) -> bool {
    let left = usize::try_from(to.saturating_sub(feed.at())).unwrap_or(usize::MAX);
    push(peer, feed, left) > 0
}

/// The peer receives at most `len` bytes of what is there; whether there were any. The end is left for later.
#[track_caller]
pub fn pull(peer: &mut dyn Peer, tape: &mut Tape, len: usize) -> bool {
    let mut buf = vec![0; len.min(64 * 1024)];
    match peer.recv(&mut buf) {
        Recv::Data(count) => {
            tape.check(&buf[..count]);
            true
        }
        Recv::Empty => false,
        Recv::End => panic!(
            "{} met the end after {} bytes, before the last",
            tape.who(),
            tape.at()
        ),
        Recv::Torn => panic!(
            "{} met a torn stream after {} bytes, before the last",
            tape.who(),
            tape.at()
        ),
    }
}

/// The peer receives all that is there, up to `to` bytes in all; whether there were any.
#[track_caller]
pub fn drain(peer: &mut dyn Peer, tape: &mut Tape, to: u64) -> bool {
    let before = tape.at();
    while tape.at() < to && pull(peer, tape, 64 * 1024) {}
    tape.at() > before
}

/// The stream from the flow to its peer.
pub const OUT: Pattern = Pattern(1);
/// The stream from the peer to its flow.
pub const IN: Pattern = Pattern(2);

/// What the flow sends.
#[must_use]
pub const fn feed_out() -> Feed {
    Feed::new(OUT)
}

/// What the peer sends.
#[must_use]
pub const fn feed_in() -> Feed {
    Feed::new(IN)
}

/// What the peer expects.
#[must_use]
pub const fn tape_out() -> Tape {
    Tape::new("the peer", OUT)
}

/// What the flow's reader expects.
#[must_use]
pub const fn tape_in() -> Tape {
    Tape::new("the reader", IN)
}
