//! tokio's `UnixStream`.

use std::io::{ErrorKind, Write as _};
use std::os::unix::net::UnixStream as UnixSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead as _, AsyncReadExt as _, ReadBuf};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

use crate::by_hand::{leave_abruptly, pair, poll, released, send_urgent, send_with_descriptor};

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_io().build();
    runtime.expect("a runtime")
}

/// Lets the runtime see every event that there is.
fn settle(runtime: &Runtime) {
    for _ in 0..100 {
        runtime.block_on(tokio::task::yield_now());
    }
}

/// The kernel ends a read at the boundary that `first` makes; all is there before that read.
fn stalls_behind_a_boundary(first: impl FnOnce(&UnixSocket)) {
    let runtime = runtime();
    let (ours, mut peer) = pair();
    ours.set_nonblocking(true).expect("O_NONBLOCK");
    let _inside = runtime.enter();
    let mut stream = UnixStream::from_std(ours).expect("a socket");
    let mut buf = [0; 64];
    first(&peer);
    peer.write_all(b"after").expect("room");
    settle(&runtime);
    let count = runtime.block_on(stream.read(&mut buf)).expect("bytes");
    assert_eq!(&buf[..count], b"first");
    // The short read counts as the last: what is queued is not looked at again.
    {
        let mut next = pin!(stream.read(&mut buf));
        assert!(poll(next.as_mut()).is_pending());
        settle(&runtime);
        assert!(poll(next.as_mut()).is_pending());
    }
    peer.write_all(b"!").expect("room");
    let count = runtime.block_on(stream.read(&mut buf)).expect("bytes");
    assert_eq!(&buf[..count], b"after!");
}

#[test]
fn tokio_stalls_behind_a_passed_descriptor() {
    stalls_behind_a_boundary(|peer| send_with_descriptor(peer, b"first"));
}

#[test]
fn tokio_stalls_behind_urgent_data() {
    stalls_behind_a_boundary(|mut peer| {
        peer.write_all(b"first").expect("room");
        send_urgent(peer, b"?");
    });
}

#[test]
fn tokio_reads_an_abrupt_leave_as_an_error() {
    let runtime = runtime();
    let (ours, peer) = pair();
    ours.set_nonblocking(true).expect("O_NONBLOCK");
    leave_abruptly(&ours, peer, b"tail");
    runtime.block_on(async {
        let mut stream = UnixStream::from_std(ours).expect("a socket");
        let mut buf = [0; 64];
        assert_eq!(stream.read(&mut buf).await.expect("bytes"), 4);
        let error = stream.read(&mut buf).await.expect_err("the end");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn tokio_wants_o_nonblock() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let (blocking, _peer) = pair();
    let refused = catch_unwind(AssertUnwindSafe(|| UnixStream::from_std(blocking)));
    assert!(refused.is_err());
}

#[test]
fn tokio_blocks_its_thread_without_o_nonblock() {
    let (ours, mut peer) = pair();
    ours.set_nonblocking(true).expect("O_NONBLOCK");
    // As another process has it, which shares the flag.
    let shared = ours.try_clone().expect("dup");
    peer.write_all(b"1").expect("room");
    let polled = released(
        move |there| {
            let runtime = runtime();
            let mut stream =
                runtime.block_on(async { UnixStream::from_std(ours).expect("a socket") });
            let mut buf = [0; 1];
            runtime.block_on(stream.read(&mut buf)).expect("a byte");
            shared.set_nonblocking(false).expect("O_NONBLOCK");
            there.send(()).expect("somebody waits");
            let mut buf = ReadBuf::new(&mut buf);
            let mut cx = Context::from_waker(Waker::noop());
            let _inside = runtime.enter();
            // There is nothing to read: a poll that does not block is pending.
            matches!(
                Pin::new(&mut stream).poll_read(&mut cx, &mut buf),
                Poll::Ready(Ok(()))
            )
        },
        || peer.write_all(b"2").expect("room"),
    );
    assert_eq!(
        polled,
        Some(true),
        "the poll came back before there was anything to read"
    );
}
