//! monoio's `UnixStream`, on the driver over io_uring, where the kernel permits that.

use std::future::poll_fn;
use std::io::{ErrorKind, Write as _};
use std::pin::pin;
use std::task::Poll;

use ::monoio::io::AsyncReadRent as _;
use ::monoio::net::UnixStream;
use ::monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

use crate::by_hand::{leave_abruptly, pair, poll, released};

/// What a second read gets, after one was dropped for which the bytes `first` had come.
async fn after_a_dropped_read() -> Vec<u8> {
    let (ours, mut peer) = pair();
    ours.set_nonblocking(true).expect("O_NONBLOCK");
    let mut stream = UnixStream::from_std(ours).expect("a socket");
    // A second socket says when the runtime has seen what happened on the first.
    let (other, mut beside) = pair();
    other.set_nonblocking(true).expect("O_NONBLOCK");
    let mut other = UnixStream::from_std(other).expect("a socket");
    {
        let mut read = pin!(stream.read(Vec::with_capacity(64)));
        poll_fn(|cx| {
            assert!(read.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        peer.write_all(b"first").expect("room");
        for _ in 0..3 {
            beside.write_all(b"x").expect("room");
            other.read(Vec::with_capacity(1)).await.0.expect("a byte");
        }
        // A timeout, a `select`: the future is not polled again.
    }
    peer.write_all(b"second").expect("room");
    let (count, got) = stream.read(Vec::with_capacity(64)).await;
    count.expect("bytes");
    got
}

#[test]
fn monoio_loses_what_a_dropped_read_had_read() {
    match RuntimeBuilder::<IoUringDriver>::new().build() {
        Ok(mut runtime) => assert_eq!(runtime.block_on(after_a_dropped_read()), b"second"),
        Err(e) => println!("not shown: this kernel does not permit io_uring ({e})"),
    }
}

#[test]
fn monoio_without_io_uring_loses_nothing() {
    let runtime = RuntimeBuilder::<LegacyDriver>::new().build();
    let got = runtime.expect("a runtime").block_on(after_a_dropped_read());
    assert_eq!(got, b"firstsecond");
}

#[test]
fn monoio_reads_an_abrupt_leave_as_an_error() {
    let runtime = RuntimeBuilder::<LegacyDriver>::new().build();
    runtime.expect("a runtime").block_on(async {
        let (ours, peer) = pair();
        ours.set_nonblocking(true).expect("O_NONBLOCK");
        leave_abruptly(&ours, peer, b"tail");
        let mut stream = UnixStream::from_std(ours).expect("a socket");
        let (_, tail) = stream.read(Vec::with_capacity(64)).await;
        assert_eq!(tail, b"tail");
        let (end, _) = stream.read(Vec::with_capacity(64)).await;
        assert_eq!(end.expect_err("the end").kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn monoio_blocks_its_thread_without_o_nonblock() {
    let (ours, mut peer) = pair();
    peer.write_all(b"1").expect("room");
    let polled = released(
        move |there| {
            let runtime = RuntimeBuilder::<LegacyDriver>::new().build();
            runtime.expect("a runtime").block_on(async {
                // As it came, in blocking mode.
                let mut stream = UnixStream::from_std(ours).expect("a socket");
                stream.read(Vec::with_capacity(1)).await.0.expect("a byte");
                there.send(()).expect("somebody waits");
                let mut read = pin!(stream.read(Vec::with_capacity(1)));
                // There is nothing to read: a poll that does not block is pending.
                poll(read.as_mut()).is_ready()
            })
        },
        || peer.write_all(b"2").expect("room"),
    );
    assert_eq!(
        polled,
        Some(true),
        "the poll came back before there was anything to read"
    );
}
