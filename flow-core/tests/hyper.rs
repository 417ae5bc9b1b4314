//! Flows as hyper's streams, without a runtime. The peer is moved by hand.

#![cfg(all(feature = "hyper", not(loom)))]

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use flow_core::memory::{self, Received, Wire};
use flow_core::{Flow, FuturesIo};
use hyper::rt::{Read, ReadBuf, Write};

/// One poll of `io`.
fn with<F: Flow, R>(
    io: &mut FuturesIo<F>,
    poll: impl FnOnce(Pin<&mut FuturesIo<F>>, &mut Context<'_>) -> R,
) -> R {
    poll(Pin::new(io), &mut Context::from_waker(Waker::noop()))
}

/// Reads once, with that much room.
fn read<F: Flow>(io: &mut FuturesIo<F>, room: usize) -> Poll<io::Result<Vec<u8>>> {
    let mut space = vec![0; room];
    let mut buf = ReadBuf::new(&mut space);
    with(io, |io, cx| io.poll_read(cx, buf.unfilled())).map_ok(|()| buf.filled().to_vec())
}

fn received(peer: &mut Wire) -> Vec<u8> {
    let mut space = [0; 64];
    match peer.recv(&mut space) {
        Received::Data(count) => space[..count].to_vec(),
        other => panic!("no data but {other:?}"),
    }
}

#[track_caller]
fn ok<T>(polled: Poll<io::Result<T>>) -> T {
    match polled {
        Poll::Ready(result) => result.unwrap(),
        Poll::Pending => panic!("should be ready"),
    }
}

#[test]
fn a_read_fills_the_room_and_keeps_the_rest() {
    let (flow, mut peer) = memory::with_wire(64);
    let mut io = FuturesIo::new(flow);
    assert!(read(&mut io, 4).is_pending());
    peer.send(b"abcde");
    assert_eq!(ok(read(&mut io, 2)), b"ab");
    assert_eq!(io.buffer(), b"cde");
    assert_eq!(ok(read(&mut io, 16)), b"cde");
    assert!(read(&mut io, 4).is_pending());
    peer.end();
    assert_eq!(ok(read(&mut io, 4)), b"");
}

#[test]
fn a_read_into_nothing_takes_nothing() {
    let (flow, mut peer) = memory::with_wire(64);
    let mut io = FuturesIo::new(flow);
    assert_eq!(ok(read(&mut io, 0)), b"", "although nothing is there");
    peer.send(b"x");
    assert_eq!(ok(read(&mut io, 0)), b"");
    assert_eq!(ok(read(&mut io, 1)), b"x");
}

#[test]
fn all_slices_are_one_write() {
    let (flow, mut peer) = memory::with_wire(64);
    let mut io = FuturesIo::new(flow);
    assert!(Write::is_write_vectored(&io));
    let parts = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"message"),
    ];
    let written = with(&mut io, |io, cx| Write::poll_write_vectored(io, cx, &parts));
    assert_eq!(ok(written), 11);
    assert_eq!(received(&mut peer), b"one message");
}

#[test]
fn a_flush_waits_for_what_was_reported() {
    let (flow, mut peer) = memory::with_wire(4);
    let mut io = FuturesIo::new(flow);
    let written = with(&mut io, |io, cx| Write::poll_write(io, cx, b"request"));
    assert_eq!(ok(written), 7);
    assert!(with(&mut io, Write::poll_flush).is_pending());
    assert_eq!(received(&mut peer), b"requ");
    ok(with(&mut io, Write::poll_flush));
    assert_eq!(received(&mut peer), b"est");
}

#[test]
fn shutting_down_is_the_end_for_the_peer_and_leaves_reading() {
    let (flow, mut peer) = memory::with_wire(64);
    let mut io = FuturesIo::new(flow);
    ok(with(&mut io, Write::poll_shutdown));
    assert_eq!(peer.recv(&mut [0; 1]), Received::End);
    peer.send(b"answer");
    assert_eq!(ok(read(&mut io, 16)), b"answer");
    let late = with(&mut io, |io, cx| Write::poll_write(io, cx, b"late"));
    let Poll::Ready(Err(late)) = late else {
        panic!("{late:?}");
    };
    assert_eq!(late.kind(), ErrorKind::BrokenPipe);
}
