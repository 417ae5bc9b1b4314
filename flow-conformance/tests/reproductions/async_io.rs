//! `UnixStream` of async-std, and `Async<UnixStream>` of async-io.

use std::io::{self, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use ::async_io::{Async, block_on};
use async_std::os::unix::net::UnixStream as AsyncStdStream;
use futures_io::{AsyncRead, AsyncWrite};

use crate::by_hand::{is_nonblocking, leave_abruptly, pair, received, released};

fn async_io(stream: UnixStream) -> Async<UnixStream> {
    Async::new(stream).expect("a socket")
}

fn async_std(stream: UnixStream) -> AsyncStdStream {
    stream.into()
}

async fn read(stream: &mut (impl AsyncRead + Unpin), buf: &mut [u8]) -> io::Result<usize> {
    std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, buf)).await
}

fn close_is_not_seen<S: AsyncWrite + Unpin>(make: fn(UnixStream) -> S) {
    let (ours, peer) = pair();
    let std = ours.try_clone().expect("dup");
    let mut stream = make(ours);
    block_on(std::future::poll_fn(|cx| {
        Pin::new(&mut stream).poll_close(cx)
    }))
    .expect("closed");
    // Nothing yet: neither bytes nor the end.
    assert_eq!(
        received(&peer).expect_err("the end").kind(),
        ErrorKind::WouldBlock
    );
    // The descriptor could have said it.
    std.shutdown(std::net::Shutdown::Write).expect("a socket");
    assert_eq!(received(&peer).expect("the end"), b"");
    drop(stream);
}

#[test]
fn async_std_close_is_not_seen() {
    close_is_not_seen(async_std);
}

#[test]
fn async_io_close_is_not_seen() {
    close_is_not_seen(async_io);
}

fn an_abrupt_leave_is_an_error<S: AsyncRead + Unpin>(make: fn(UnixStream) -> S) {
    let (ours, peer) = pair();
    leave_abruptly(&ours, peer, b"tail");
    let mut stream = make(ours);
    let mut buf = [0; 64];
    assert_eq!(block_on(read(&mut stream, &mut buf)).expect("bytes"), 4);
    let error = block_on(read(&mut stream, &mut buf)).expect_err("the end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn async_std_reads_an_abrupt_leave_as_an_error() {
    an_abrupt_leave_is_an_error(async_std);
}

#[test]
fn async_io_reads_an_abrupt_leave_as_an_error() {
    an_abrupt_leave_is_an_error(async_io);
}

fn sets_o_nonblock<S>(make: fn(UnixStream) -> S) {
    let (ours, _peer) = pair();
    // As another process has it, which shares the flag.
    let shared = ours.try_clone().expect("dup");
    assert!(!is_nonblocking(&shared));
    let _stream = make(ours);
    assert!(is_nonblocking(&shared));
}

#[test]
fn async_std_sets_o_nonblock() {
    sets_o_nonblock(async_std);
}

#[test]
fn async_io_sets_o_nonblock() {
    sets_o_nonblock(async_io);
}

fn blocks_without_o_nonblock<S: AsyncRead + Unpin + 'static>(make: fn(UnixStream) -> S) {
    let (ours, mut peer) = pair();
    let shared = ours.try_clone().expect("dup");
    let polled = released(
        move |there| {
            let mut stream = make(ours);
            shared.set_nonblocking(false).expect("O_NONBLOCK");
            there.send(()).expect("somebody waits");
            let mut cx = Context::from_waker(Waker::noop());
            // There is nothing to read: a poll that does not block is pending.
            matches!(
                Pin::new(&mut stream).poll_read(&mut cx, &mut [0; 1]),
                Poll::Ready(Ok(1))
            )
        },
        || peer.write_all(b"1").expect("room"),
    );
    assert_eq!(
        polled,
        Some(true),
        "the poll came back before there was anything to read"
    );
}

#[test]
fn async_std_blocks_its_thread_without_o_nonblock() {
    blocks_without_o_nonblock(async_std);
}

#[test]
fn async_io_blocks_its_thread_without_o_nonblock() {
    blocks_without_o_nonblock(async_io);
}
