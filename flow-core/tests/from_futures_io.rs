//! Flows over streams of `futures-io`, which are scripted: each call is answered by a step, and waits while there is none.

#![cfg(all(feature = "futures-io", not(loom)))]

#[path = "from_futures_io/scripted.rs"]
mod scripted;
mod step;

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use flow_core::memory::{self, Received};
use flow_core::{
    Bytes, Chunks, Flow, FlowExt, FuturesIo, SharedError, Shutdown, WriteError, from_futures_io,
};
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future::block_on};
use scripted::{Script, Stream, scripted};
use step::{Wakes, poll, ready};

fn kind<E: std::ops::Deref<Target = SharedError>>(error: E) -> ErrorKind {
    error.downcast_ref::<io::Error>().unwrap().kind()
}

/// Buffers of their own.
fn chunks<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> Chunks {
    let copy = |part: T| Bytes::copy_from_slice(part.as_ref().as_bytes());
    parts.into_iter().map(copy).collect()
}

#[test]
fn what_a_read_finds_is_one_chunk_and_the_end_is_final() {
    let (script, flow, wakes) = scripted();
    let mut read = flow.read();
    assert!(poll(&wakes, &mut read).is_pending());
    script.read([Ok(3), Ok(2)]);
    assert_eq!(wakes.take(), 1);
    assert_eq!(ready(read).unwrap().as_deref(), Some(&b"aaa"[..]));
    assert_eq!(ready(flow.read()).unwrap().as_deref(), Some(&b"bb"[..]));
    script.read([Ok(0), Ok(5)]);
    for _ in 0..3 {
        assert_eq!(ready(flow.read()).unwrap(), None);
    }
}

#[test]
fn kept_chunks_never_change_and_big_reads_grow_up_to_a_bound() {
    let (script, flow, _) = scripted();
    let small = [1, 5, 300, 3000];
    script.read(small.map(Ok));
    script.read([Ok(usize::MAX); 10]);
    script.read([Ok(7)]);
    let kept: Vec<_> = (0..15)
        .map(|_| ready(flow.read()).unwrap().unwrap())
        .collect();
    let lengths: Vec<_> = kept.iter().map(Bytes::len).collect();
    assert_eq!(lengths[..4], small);
    assert_eq!(lengths[12..], [65_536, 65_536, 7]);
    for (letter, chunk) in (b'a'..).zip(&kept) {
        assert!(chunk.iter().all(|b| *b == letter), "{letter}: {chunk:?}");
    }
}

#[test]
fn interrupted_calls_are_tried_again_and_seen_by_nobody() {
    let (script, flow, wakes) = scripted();
    let again = Err(ErrorKind::Interrupted);
    script.read([again, again, Ok(1)]);
    let mut read = flow.read();
    let mut polls = 0;
    let chunk = loop {
        if let Poll::Ready(chunk) = poll(&wakes, &mut read) {
            break chunk.unwrap().unwrap();
        }
        polls += 1;
        assert!(wakes.take() > 0, "after {polls} polls");
    };
    assert_eq!(chunk.len(), 1);
    script.write([again, Ok(1), again, Ok(1)]);
    script.flush([again, Ok(0)]);
    script.close([again, Ok(0)]);
    block_on(flow.write("xy")).unwrap();
    block_on(flow.shutdown(Shutdown::Write)).unwrap();
    assert_eq!(script.sent(), "xy|.");
}

#[test]
fn short_writes_go_on_and_every_write_is_flushed() {
    let (script, flow, _) = scripted();
    script.flush([Ok(0), Ok(0)]);
    for size in [1, 2, 1, 1, 9] {
        script.write([Ok(size)]);
    }
    ready(flow.write("single")).unwrap();
    assert_eq!(script.sent(), "single|");

    let letters: Vec<String> = (0..40).map(|i| format!("{i},")).collect();
    for size in [30, 1, 50, 100] {
        script.write([Ok(size)]);
    }
    ready(flow.write_chunks(chunks(&letters))).unwrap();
    assert_eq!(script.sent(), format!("single|{}|", letters.concat()));
    assert!(script.with(|s| s.bufs) > 1, "buffers go out together");
}

#[test]
fn a_write_that_the_stream_has_not_begun_is_not_sent() {
    let (script, flow, wakes) = scripted();
    let mut never = flow.write("never");
    assert!(poll(&wakes, &mut never).is_pending());
    assert_eq!(never.cancel().unwrap().first(), b"never");
    script.write([Ok(9)]);
    script.flush([Ok(0)]);
    ready(flow.write("sent")).unwrap();
    assert_eq!(script.sent(), "sent|");
}

#[test]
fn a_dropped_write_goes_on_where_the_stream_stopped() {
    let (script, flow, wakes) = scripted();
    script.write([Ok(2)]);
    let mut write = flow.write_chunks(chunks(["abc", "def"]));
    assert!(poll(&wakes, &mut write).is_pending());
    assert!(write.is_taken());
    drop(write);
    let mut read = flow.read();
    assert!(poll(&wakes, &mut read).is_pending());
    script.write([Ok(3)]);
    assert!(wakes.take() > 0);
    assert!(poll(&wakes, &mut read).is_pending());
    script.write([Ok(9)]);
    assert!(wakes.take() > 0);
    assert!(poll(&wakes, &mut read).is_pending());
    assert_eq!(script.sent(), "abcdef");

    // All is written, the flush is what is left, and nothing is sent twice.
    let mut next = flow.write("g");
    assert!(poll(&wakes, &mut next).is_pending());
    assert!(!next.is_taken());
    script.flush([Ok(0)]);
    assert!(wakes.take() > 0);
    script.write([Ok(1)]);
    script.flush([Ok(0)]);
    ready(next).unwrap();
    assert_eq!(script.sent(), "abcdef|g|");
}

#[test]
fn the_two_directions_are_woken_apart() {
    let (script, flow, reader) = scripted();
    let writer = Wakes::new();
    let (mut read, mut write) = (flow.read(), flow.write("x"));
    assert!(poll(&reader, &mut read).is_pending());
    assert!(poll(&writer, &mut write).is_pending());
    script.write([Ok(1)]);
    assert_eq!((reader.take(), writer.take()), (0, 1));
    assert!(poll(&writer, &mut write).is_pending());
    script.read([Ok(1)]);
    assert_eq!((reader.take(), writer.take()), (1, 0));
    script.flush([Ok(0)]);
    assert_eq!((reader.take(), writer.take()), (0, 1));
    ready(write).unwrap();
    ready(read).unwrap();
}

#[test]
fn shutdown_closes_the_stream_once_and_after_everything() {
    let (script, flow, wakes) = scripted();
    script.write([Ok(4)]);
    let mut write = flow.write("last");
    assert!(poll(&wakes, &mut write).is_pending());
    drop(write);
    let mut shutdown = flow.shutdown(Shutdown::Write);
    assert!(poll(&wakes, &mut shutdown).is_pending());
    script.close([Ok(0)]);
    assert!(poll(&wakes, &mut shutdown).is_pending());
    assert_eq!(script.sent(), "last");
    script.flush([Ok(0)]);
    ready(shutdown).unwrap();
    assert_eq!(script.sent(), "last|.");
    script.close([Ok(0)]);
    ready(flow.shutdown(Shutdown::Write)).unwrap();
    assert_eq!(script.sent(), "last|.");
    script.read([Ok(3)]);
    assert_eq!(ready(flow.read()).unwrap().unwrap().len(), 3);
    assert!(!script.with(|s| s.dropped));
}

#[test]
fn close_waits_for_the_peer_and_spares_unread_input() {
    let (script, flow, wakes) = scripted();
    script.close([Ok(0)]);
    script.read([Ok(6)]);
    let mut close = flow.close();
    assert!(poll(&wakes, &mut close).is_pending());
    script.read([Ok(0)]);
    assert!(wakes.take() > 0);
    ready(close).unwrap();
    assert_eq!(ready(flow.read()).unwrap().as_deref(), Some(&b"aaaaaa"[..]));
    assert_eq!(ready(flow.read()).unwrap(), None);
}

#[test]
fn errors_keep_their_identity_and_are_final() {
    let (script, flow, _) = scripted();
    script.read([Ok(1), Err(ErrorKind::TimedOut), Ok(1)]);
    ready(flow.read()).unwrap();
    for _ in 0..3 {
        assert_eq!(kind(&ready(flow.read()).unwrap_err()), ErrorKind::TimedOut);
    }

    for (answer, expected) in [
        (Err(ErrorKind::StorageFull), ErrorKind::StorageFull),
        (Ok(0), ErrorKind::WriteZero),
    ] {
        let (script, flow, _) = scripted();
        script.write([answer, Ok(1)]);
        script.flush([Ok(0)]);
        for _ in 0..2 {
            match ready(flow.write("x")).unwrap_err() {
                WriteError::Transport(error) => assert_eq!(kind(&error), expected),
                other => panic!("{other:?}"),
            }
        }
        assert!(ready(flow.shutdown(Shutdown::Write)).is_err());
        assert_eq!(
            script.sent(),
            "",
            "a torn stream does not end in an orderly way"
        );
    }
}

#[test]
fn a_peer_that_is_gone_is_closed_and_a_reset_is_read_too() {
    let (script, flow, _) = scripted();
    script.write([Err(ErrorKind::BrokenPipe)]);
    script.read([Ok(1), Ok(0)]);
    assert!(ready(flow.write("x")).unwrap_err().is_closed());
    assert_eq!(ready(flow.read()).unwrap().unwrap().len(), 1);
    assert_eq!(ready(flow.read()).unwrap(), None);

    for reset in [
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::NotConnected,
    ] {
        let (script, flow, _) = scripted();
        script.write([Ok(1)]);
        script.flush([Err(reset)]);
        script.read([Ok(1), Ok(0)]);
        assert!(ready(flow.write("x")).unwrap_err().is_closed());
        assert_eq!(ready(flow.read()).unwrap().unwrap().len(), 1);
        assert_eq!(kind(&ready(flow.read()).unwrap_err()), reset);
    }
}

#[test]
fn where_the_peer_has_gone_first_there_is_nobody_to_tell_the_end() {
    for gone in [
        ErrorKind::BrokenPipe,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::NotConnected,
    ] {
        let (script, flow, _) = scripted();
        script.write([Ok(1)]);
        script.flush([Ok(0)]);
        script.close([Err(gone)]);
        ready(flow.write("x")).unwrap();
        ready(flow.shutdown(Shutdown::Write)).unwrap();
        assert_eq!(script.sent(), "x|");
    }
    // Any other failure to tell it is one.
    let (script, flow, _) = scripted();
    script.close([Err(ErrorKind::PermissionDenied)]);
    assert!(ready(flow.shutdown(Shutdown::Write)).is_err());
}

#[test]
fn a_session_that_is_cut_off_completes_a_close_and_fails_the_reader() {
    let (script, flow, _) = scripted();
    script.close([Ok(0)]);
    script.read([Ok(1), Err(ErrorKind::UnexpectedEof)]);
    ready(flow.close()).unwrap();
    assert_eq!(ready(flow.read()).unwrap().unwrap().len(), 1);
    assert_eq!(
        kind(&ready(flow.read()).unwrap_err()),
        ErrorKind::UnexpectedEof
    );
}

#[test]
fn the_stream_is_dropped_on_abort_and_with_the_flow() {
    let (script, flow, wakes) = scripted();
    let mut read = flow.read();
    assert!(poll(&wakes, &mut read).is_pending());
    flow.abort();
    assert!(script.with(|s| s.dropped), "while the flow still lives");
    assert_eq!(wakes.take(), 1);
    assert!(ready(read).unwrap_err().is_aborted());

    let (script, flow, _) = scripted();
    drop(flow);
    assert!(script.with(|s| s.dropped));
    assert_eq!(script.sent(), "", "which is no orderly end");
}

#[test]
fn a_stream_need_not_be_send() {
    struct Local(
        Stream,
        #[expect(dead_code, reason = "makes it local")] Rc<()>,
    );
    impl AsyncRead for Local {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }
    impl AsyncWrite for Local {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_close(cx)
        }
    }
    fn thread_safe(_: &(impl Send + Sync + 'static)) {}

    let script = Script::default();
    let flow = from_futures_io(Local(Stream(script.clone()), Rc::default()));
    script.read([Ok(1)]);
    assert_eq!(ready(flow.read()).unwrap().unwrap().len(), 1);
    thread_safe(&scripted().1);
}

#[test]
fn a_flow_that_went_through_both_adapters_is_that_flow() {
    let (end, mut peer) = memory::with_wire(4);
    let flow = from_futures_io(FuturesIo::new(end));
    let wakes = Wakes::new();
    let mut buffer = [0; 16];

    // Taken and dropped, sent whole.
    let mut long = flow.write("0123456789");
    assert!(poll(&wakes, &mut long).is_pending());
    assert!(long.is_taken());
    drop(long);
    let mut waits = flow.write("never");
    assert!(poll(&wakes, &mut waits).is_pending());
    assert_eq!(waits.cancel().unwrap().first(), b"never");
    let mut shutdown = flow.shutdown(Shutdown::Write);
    let mut got = Vec::new();
    while poll(&wakes, &mut shutdown).is_pending() {
        let Received::Data(count) = peer.recv(&mut buffer) else {
            panic!("stuck after {got:?}");
        };
        got.extend_from_slice(&buffer[..count]);
        assert!(wakes.take() > 0);
    }
    while let Received::Data(count) = peer.recv(&mut buffer) {
        got.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(got, b"0123456789");
    assert_eq!(peer.recv(&mut buffer), Received::End);

    // A dropped read loses nothing, and the other direction is as it was.
    let mut read = flow.read();
    assert!(poll(&wakes, &mut read).is_pending());
    drop(read);
    peer.send(b"back");
    assert_eq!(ready(flow.read()).unwrap().as_deref(), Some(&b"back"[..]));
    let mut close = flow.close();
    assert!(poll(&wakes, &mut close).is_pending());
    peer.end();
    ready(close).unwrap();

    let (end, peer) = memory::with_wire(4);
    let flow = from_futures_io(FuturesIo::new(end));
    drop(peer);
    assert!(ready(flow.write("x")).unwrap_err().is_closed());
    assert_eq!(ready(flow.read()).unwrap(), None);
}

#[test]
fn a_stream_that_went_through_both_adapters_is_that_stream() {
    let (script, flow, _) = scripted();
    let mut stream = FuturesIo::new(flow);
    script.read([Ok(3), Ok(4), Ok(0)]);
    let mut all = String::new();
    block_on(stream.read_to_string(&mut all)).unwrap();
    assert_eq!(all, "aaabbbb");
    script.write([Ok(2), Ok(9)]);
    script.flush([Ok(0)]);
    block_on(stream.write_all(b"written")).unwrap();
    script.close([Ok(0)]);
    block_on(stream.close()).unwrap();
    assert_eq!(script.sent(), "written|.");

    let (script, flow, _) = scripted();
    let mut stream = FuturesIo::new(flow);
    script.write([Err(ErrorKind::StorageFull)]);
    let error = block_on(stream.write(b"x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
}
