//! Flows as streams of `futures-io`. The peer is moved by hand.

#![cfg(all(feature = "futures-io", not(loom)))]

mod step;

use std::error::Error;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use flow_core::memory::{self, MemoryError, MemoryFlow, Received, Wire};
use flow_core::{
    Aborted, Bytes, Flow, FlowExt, FuturesIo, SharedError, WriteError, from_async_fns,
};
use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt, future::block_on};
use step::{Wakes, ready};

/// One poll of `io` with a waker that counts.
fn with<F: Flow, R>(
    wakes: &Arc<Wakes>,
    io: &mut FuturesIo<F>,
    poll: impl FnOnce(Pin<&mut FuturesIo<F>>, &mut Context<'_>) -> R,
) -> R {
    let waker = Waker::from(wakes.clone());
    poll(Pin::new(io), &mut Context::from_waker(&waker))
}

fn write<F: Flow>(
    wakes: &Arc<Wakes>,
    io: &mut FuturesIo<F>,
    data: &[u8],
) -> Poll<io::Result<usize>> {
    with(wakes, io, |io, cx| io.poll_write(cx, data))
}

fn flush<F: Flow>(wakes: &Arc<Wakes>, io: &mut FuturesIo<F>) -> Poll<io::Result<()>> {
    with(wakes, io, |io, cx| io.poll_flush(cx))
}

#[track_caller]
fn ok<T>(result: Poll<io::Result<T>>) -> T {
    match result {
        Poll::Ready(result) => result.unwrap(),
        Poll::Pending => panic!("should be ready"),
    }
}

#[track_caller]
fn failed<T: std::fmt::Debug>(result: Poll<io::Result<T>>) -> io::Error {
    match result {
        Poll::Ready(result) => result.unwrap_err(),
        Poll::Pending => panic!("should be ready"),
    }
}

/// What the peer gets now, up to what there is.
fn received(peer: &mut Wire) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 1024];
    while let Received::Data(count) = peer.recv(&mut buffer) {
        all.extend_from_slice(&buffer[..count]);
    }
    all
}

/// A stream whose flow holds four bytes in each direction.
fn narrow() -> (FuturesIo<MemoryFlow>, Wire) {
    let (flow, peer) = memory::with_wire(4);
    (FuturesIo::new(flow), peer)
}

#[test]
fn reading_hands_out_of_one_chunk_at_a_time() {
    let (flow, mut peer) = memory::with_wire(64);
    let mut io = FuturesIo::new(flow);
    peer.send(b"abcdef");
    peer.send(b"gh");
    let mut two = [0; 2];
    block_on(io.read_exact(&mut two)).unwrap();
    assert_eq!((&two, io.buffer()), (b"ab", &b"cdef"[..]));

    let (mut a, mut b, mut c) = ([0; 1], [0; 2], [0; 9]);
    let mut bufs = [&mut a[..], &mut [], &mut b, &mut c].map(IoSliceMut::new);
    let wakes = Wakes::new();
    assert_eq!(
        ok(with(&wakes, &mut io, |io, cx| io
            .poll_read_vectored(cx, &mut bufs))),
        4
    );
    assert_eq!((&a, &b, &c[..1]), (b"c", b"de", &b"f"[..]));

    assert_eq!(block_on(io.read(&mut c)).unwrap(), 2);
    assert_eq!(&c[..2], b"gh");
    peer.end();
    for _ in 0..3 {
        assert_eq!(block_on(io.read(&mut c)).unwrap(), 0);
        assert_eq!(
            ok(with(&wakes, &mut io, |io, cx| io
                .poll_fill_buf(cx)
                .map_ok(<[u8]>::len))),
            0
        );
    }
}

#[test]
fn fill_buf_shows_the_chunk_itself() {
    let (flow, peer) = memory::pair(64);
    let mut io = FuturesIo::new(flow);
    let chunk = Bytes::from(b"some bytes".to_vec());
    ready(peer.write(chunk.clone())).unwrap();
    let shown = block_on(io.fill_buf()).unwrap();
    assert_eq!((shown.as_ptr(), shown.len()), (chunk.as_ptr(), chunk.len()));
    Pin::new(&mut io).consume(5);
    assert_eq!(block_on(io.fill_buf()).unwrap(), b"bytes");
    assert!(!chunk.is_unique());
    Pin::new(&mut io).consume(5);
    assert!(chunk.is_unique(), "a chunk that is used up is let go");
}

#[test]
fn an_empty_read_waits_for_nothing_and_takes_nothing() {
    let (mut io, mut peer) = narrow();
    let wakes = Wakes::new();
    let mut byte = [0];
    assert_eq!(
        ok(with(&wakes, &mut io, |io, cx| io.poll_read(cx, &mut []))),
        0
    );
    assert_eq!(
        ok(with(&wakes, &mut io, |io, cx| io.poll_read_vectored(cx, &mut []))),
        0
    );
    peer.send(b"x");
    assert_eq!(
        ok(with(&wakes, &mut io, |io, cx| io.poll_read(cx, &mut []))),
        0
    );
    assert_eq!(
        ok(with(&wakes, &mut io, |io, cx| io.poll_read(cx, &mut byte))),
        1
    );
    assert_eq!(&byte, b"x");
}

#[test]
fn a_dropped_read_loses_nothing() {
    let (mut io, mut peer) = narrow();
    let wakes = Wakes::new();
    let mut buffer = [0; 8];
    assert!(with(&wakes, &mut io, |io, cx| io.poll_read(cx, &mut buffer)).is_pending());
    peer.send(b"here");
    assert_eq!(wakes.take(), 1);
    // Given up there; the next read has another buffer.
    let mut later = [0; 4];
    block_on(io.read_exact(&mut later)).unwrap();
    assert_eq!(&later, b"here");
}

#[test]
fn a_pending_write_promises_nothing_and_may_change() {
    let (mut io, mut peer) = narrow();
    let wakes = Wakes::new();
    assert_eq!(ok(write(&wakes, &mut io, b"full")), 4);
    assert!(write(&wakes, &mut io, b"never sent").is_pending());
    assert!(write(&wakes, &mut io, b"xy").is_pending());
    // A flush is not for it.
    ok(flush(&wakes, &mut io));
    assert_eq!(received(&mut peer), b"full");
    assert_eq!(wakes.take(), 1);
    ok(flush(&wakes, &mut io));
    assert_eq!(peer.queued(), 0, "nothing goes out but by the next write");
    assert_eq!(ok(write(&wakes, &mut io, b"ab")), 2);
    assert_eq!(received(&mut peer), b"ab");
}

#[test]
fn a_pending_write_keeps_its_place_in_line() {
    let (flow, mut peer) = memory::with_wire(4);
    let flow = Arc::new(flow);
    let mut io = FuturesIo::new(flow.clone());
    let (first, second) = (Wakes::new(), Wakes::new());
    assert_eq!(ok(write(&first, &mut io, b"full")), 4);
    assert!(write(&first, &mut io, b"1111").is_pending());
    let mut other = flow.write("2222");
    assert!(step::poll(&second, &mut other).is_pending());
    assert!(write(&first, &mut io, b"3333").is_pending());
    assert_eq!(received(&mut peer), b"full");
    assert_eq!((first.take(), second.take()), (1, 0));
    assert!(step::poll(&second, &mut other).is_pending());
    assert_eq!(ok(write(&first, &mut io, b"3333")), 4);
    assert_eq!(received(&mut peer), b"3333");
    assert_eq!(second.take(), 1);
    ready(other).unwrap();

    // Dropping the stream gives the place up.
    let mut other = flow.write("4444");
    assert!(write(&first, &mut io, b"5555").is_pending());
    assert!(step::poll(&second, &mut other).is_pending());
    assert_eq!(received(&mut peer), b"2222");
    drop(io);
    assert_eq!(second.take(), 1);
    ready(other).unwrap();
    assert_eq!(received(&mut peer), b"4444");
}

#[test]
fn a_taken_write_is_reported_and_sent_before_the_next() {
    let (mut io, mut peer) = narrow();
    let wakes = Wakes::new();
    let mut sent = Vec::new();
    // Only four bytes fit, but no other four can take their place any more.
    assert_eq!(ok(write(&wakes, &mut io, b"0123456789")), 10);
    assert!(write(&wakes, &mut io, b"xyz").is_pending());
    assert!(flush(&wakes, &mut io).is_pending());
    sent.extend(received(&mut peer));
    assert_eq!(wakes.take(), 1);
    assert!(write(&wakes, &mut io, b"XYZ").is_pending());
    sent.extend(received(&mut peer));
    assert!(wakes.take() > 0);
    assert_eq!(ok(write(&wakes, &mut io, b"abc")), 3);
    assert!(flush(&wakes, &mut io).is_pending());
    sent.extend(received(&mut peer));
    ok(flush(&wakes, &mut io));
    sent.extend(received(&mut peer));
    assert_eq!(sent, b"0123456789abc");
}

#[test]
fn a_read_drives_what_a_write_left() {
    let (mut io, mut peer) = narrow();
    let (writer, reader) = (Wakes::new(), Wakes::new());
    assert_eq!(ok(write(&writer, &mut io, b"01234567")), 8);
    let mut buffer = [0; 4];
    assert_eq!(received(&mut peer), b"0123");
    assert!(with(&reader, &mut io, |io, cx| io.poll_read(cx, &mut buffer)).is_pending());
    assert_eq!(received(&mut peer), b"4567");
}

#[test]
fn a_write_copies_a_bounded_amount_and_gathers() {
    let (flow, mut peer) = memory::with_wire(1 << 20);
    let mut io = FuturesIo::new(flow);
    let wakes = Wakes::new();
    assert_eq!(ok(write(&wakes, &mut io, &[1; 200_000])), 65_536);
    assert_eq!(received(&mut peer).len(), 65_536);

    let bufs = ["ab", "", "c", "def"].map(|b| IoSlice::new(b.as_bytes()));
    assert_eq!(
        ok(with(&wakes, &mut io, |io, cx| io.poll_write_vectored(cx, &bufs))),
        6
    );
    assert_eq!(received(&mut peer), b"abcdef");

    let (head, tail) = ([2; 65_000], [3; 65_000]);
    let bufs = [
        IoSlice::new(&head),
        IoSlice::new(&tail),
        IoSlice::new(&head),
    ];
    assert_eq!(
        ok(with(&wakes, &mut io, |io, cx| io.poll_write_vectored(cx, &bufs))),
        65_536
    );
    let got = received(&mut peer);
    assert_eq!((&got[..65_000], &got[65_000..]), (&head[..], &tail[..536]));
}

#[test]
fn a_pending_vectored_write_may_change_too() {
    let (mut io, mut peer) = narrow();
    let wakes = Wakes::new();
    let vectored = |io: &mut FuturesIo<_>, bufs: &[&str]| {
        let bufs: Vec<_> = bufs.iter().map(|b| IoSlice::new(b.as_bytes())).collect();
        with(&wakes, io, |io, cx| io.poll_write_vectored(cx, &bufs))
    };
    assert_eq!(ok(vectored(&mut io, &["fu", "ll"])), 4);
    assert!(vectored(&mut io, &["a", "bcd"]).is_pending());
    // The same bytes in other pieces, then others of the same length.
    assert!(vectored(&mut io, &["ab", "", "cd"]).is_pending());
    assert!(vectored(&mut io, &["abc", "e"]).is_pending());
    assert_eq!(received(&mut peer), b"full");
    assert_eq!(ok(vectored(&mut io, &["abc", "e"])), 4);
    assert_eq!(received(&mut peer), b"abce");
}

#[test]
fn an_empty_write_waits_for_nothing_and_tells_whether_writing_is_over() {
    let (mut io, mut peer) = narrow();
    let wakes = Wakes::new();
    assert_eq!(ok(write(&wakes, &mut io, b"01234567")), 8);
    assert_eq!(ok(write(&wakes, &mut io, b"")), 0);
    assert_eq!(
        ok(with(&wakes, &mut io, |io, cx| io.poll_write_vectored(cx, &[]))),
        0
    );
    assert_eq!(received(&mut peer), b"0123");
    ok(flush(&wakes, &mut io));
    ok(with(&wakes, &mut io, |io, cx| io.poll_close(cx)));
    assert_eq!(
        failed(write(&wakes, &mut io, b"")).kind(),
        ErrorKind::BrokenPipe
    );
}

#[test]
fn close_is_shutdown_of_writing_and_may_be_dropped() {
    let (mut io, mut peer) = narrow();
    let wakes = Wakes::new();
    let close = |io: &mut _| {
        with(&wakes, io, |io: Pin<&mut FuturesIo<_>>, cx| {
            io.poll_close(cx)
        })
    };
    assert_eq!(ok(write(&wakes, &mut io, b"last words")), 10);
    let mut got = Vec::new();
    for _ in 0..2 {
        assert!(close(&mut io).is_pending());
        got.extend(received(&mut peer));
        assert!(wakes.take() > 0);
    }
    ok(close(&mut io));
    got.extend(received(&mut peer));
    assert_eq!(got, b"last words");
    assert_eq!(peer.recv(&mut [0]), Received::End);
    ok(close(&mut io));
    ok(flush(&wakes, &mut io));

    peer.send(b"more");
    let mut more = [0; 4];
    block_on(io.read_exact(&mut more)).unwrap();
    assert_eq!(&more, b"more");
    assert_eq!(
        failed(write(&wakes, &mut io, b"no")).kind(),
        ErrorKind::BrokenPipe
    );
}

#[test]
fn dropping_the_stream_is_dropping_the_flow() {
    let (io, mut peer) = narrow();
    drop(io);
    assert_eq!(peer.recv(&mut [0]), Received::End);
    let (mut io, mut peer) = narrow();
    assert_eq!(ok(write(&Wakes::new(), &mut io, b"too long")), 8);
    drop(io);
    assert_eq!(received(&mut peer), b"too ");
    assert_eq!(peer.recv(&mut [0]), Received::Torn);
}

#[test]
fn into_inner_gives_the_flow_back_with_what_was_written() {
    let (mut io, mut peer) = narrow();
    assert_eq!(ok(write(&Wakes::new(), &mut io, b"01234567")), 8);
    assert!(write(&Wakes::new(), &mut io, b"never").is_pending());
    let flow = io.into_inner();
    assert_eq!(received(&mut peer), b"0123");
    ready(flow.flush()).unwrap();
    assert_eq!(received(&mut peer), b"4567");
}

#[test]
fn errors_keep_their_kind_and_their_cause() {
    let (mut io, peer) = narrow();
    drop(peer);
    assert_eq!(
        failed(write(&Wakes::new(), &mut io, b"x")).kind(),
        ErrorKind::BrokenPipe
    );
    assert_eq!(block_on(io.read(&mut [0])).unwrap(), 0);

    let (mut io, mut peer) = narrow();
    peer.send(b"half");
    peer.tear();
    let mut all = Vec::new();
    let error = block_on(io.read_to_end(&mut all)).unwrap_err();
    assert_eq!((&all[..], error.kind()), (&b"half"[..], ErrorKind::Other));
    let inside = error.get_ref().unwrap().downcast_ref::<MemoryError>();
    assert_eq!(inside, Some(&MemoryError::Torn));
    assert_eq!(error.to_string(), MemoryError::Torn.to_string());

    let (flow, _peer) = memory::pair(1);
    let mut io = FuturesIo::with_errors(flow, |e| io::Error::new(ErrorKind::InvalidData, e));
    io.inner_mut().abort();
    assert_eq!(
        block_on(io.read(&mut [0])).unwrap_err().kind(),
        ErrorKind::InvalidData
    );
    assert_eq!(
        block_on(io.write(b"x")).unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
}

#[test]
fn the_kind_is_found_among_the_causes() {
    #[derive(Clone, Debug, thiserror::Error)]
    enum Deep {
        #[error("outside")]
        Io(#[source] Arc<io::Error>),
        #[error("aborted here")]
        Aborted(#[from] Aborted),
    }
    let timed_out = || Arc::new(io::Error::from(ErrorKind::TimedOut));
    let flow = from_async_fns(
        move || async move { Err(Deep::Io(timed_out())) },
        move |_| async move { Err(WriteError::Transport(Deep::Io(timed_out()))) },
        async || Ok(()),
    );
    let mut io = FuturesIo::new(flow);
    let error = block_on(io.read(&mut [0])).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::TimedOut, "outside".into())
    );
    assert_eq!(error.source().unwrap().to_string(), timed_out().to_string());
    assert_eq!(
        block_on(io.write(b"x")).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    io.inner().abort();
    assert_eq!(
        block_on(io.read(&mut [0])).unwrap_err().kind(),
        ErrorKind::ConnectionAborted
    );

    let flow = from_async_fns(
        async || {
            Err(SharedError::from(io::Error::from(
                ErrorKind::HostUnreachable,
            )))
        },
        async |_| Ok(()),
        async || Ok(()),
    );
    let error = block_on(FuturesIo::new(flow).read(&mut [0])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostUnreachable);
}

#[test]
fn helpers_of_futures_lite_work_over_it() {
    let (flow, mut peer) = memory::with_wire(1024);
    let io = FuturesIo::new(&flow);
    peer.send(b"one\ntwo\r\nth");
    peer.send(b"ree");
    peer.end();
    let lines: Vec<_> = block_on(io.lines().try_collect()).unwrap();
    assert_eq!(lines, ["one", "two", "three"]);

    let (source, mut source_peer) = memory::with_wire(1024);
    let mut sink = FuturesIo::new(&flow);
    source_peer.send(b"copied");
    source_peer.end();
    let source = futures_lite::io::BufReader::new(FuturesIo::new(source));
    assert_eq!(
        block_on(futures_lite::io::copy(source, &mut sink)).unwrap(),
        6
    );
    block_on(sink.close()).unwrap();
    assert_eq!(received(&mut peer), b"copied");
    assert_eq!(peer.recv(&mut [0]), Received::End);
}
