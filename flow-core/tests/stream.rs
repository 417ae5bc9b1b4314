//! `Stream` and `Sink` of bytes, both ways: polled by hand, against the bare wire and sinks that do what a script says.
#![cfg(all(feature = "stream", not(loom)))]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use flow_core::memory::{self, Received, Wire};
use flow_core::{
    ByteStream, Bytes, Chunks, FlowExt as _, SharedError, Shutdown, WriteError, from_byte_stream,
    from_byte_stream_with,
};
use futures_util::sink::Sink;
use futures_util::stream::{self, FusedStream as _, Stream};

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn drain(wire: &mut Wire) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 256]);
    while let Received::Data(len) = wire.recv(&mut buffer) {
        all.extend_from_slice(&buffer[..len]);
    }
    all
}

fn next<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut cx())
}

/// Feeds as a careful caller does; says whether there was room.
fn feed<K: Sink<Bytes> + Unpin>(sink: &mut K, item: impl Into<Bytes>) -> Result<bool, K::Error> {
    match Pin::new(&mut *sink).poll_ready(&mut cx()) {
        Poll::Pending => Ok(false),
        Poll::Ready(ready) => {
            ready?;
            Pin::new(sink).start_send(item.into())?;
            Ok(true)
        }
    }
}

fn flush<K: Sink<Bytes> + Unpin>(sink: &mut K) -> Poll<Result<(), K::Error>> {
    Pin::new(sink).poll_flush(&mut cx())
}

fn close<K: Sink<Bytes> + Unpin>(sink: &mut K) -> Poll<Result<(), K::Error>> {
    Pin::new(sink).poll_close(&mut cx())
}

/// Buffers of their own.
fn chunks<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> Chunks {
    let copy = |part: T| Bytes::copy_from_slice(part.as_ref().as_bytes());
    parts.into_iter().map(copy).collect()
}

#[test]
fn items_are_the_chunks_and_the_end_is_the_end() {
    let (flow, mut wire) = memory::with_wire(64);
    let mut items = ByteStream::new(flow);
    assert!(next(&mut items).is_pending());
    wire.send(b"one");
    assert_eq!(next(&mut items), Poll::Ready(Some(Ok("one".into()))));
    assert!(!items.is_terminated());
    wire.end();
    for _ in 0..3 {
        assert_eq!(next(&mut items), Poll::Ready(None));
    }
    assert!(items.is_terminated());
    assert_eq!(items.size_hint(), (0, Some(0)));
}

#[test]
fn an_error_is_the_last_item() {
    let (flow, mut wire) = memory::with_wire(64);
    let mut items = ByteStream::new(flow);
    wire.send(b"half");
    wire.tear();
    assert_eq!(next(&mut items), Poll::Ready(Some(Ok("half".into()))));
    assert!(matches!(next(&mut items), Poll::Ready(Some(Err(_)))));
    assert_eq!(next(&mut items), Poll::Ready(None));
}

#[test]
fn a_chunk_is_not_copied() {
    let (here, there) = memory::pair(64);
    let sent = Bytes::from(vec![7; 32]);
    let mut items = ByteStream::new(here);
    assert!(feed(&mut items, sent.clone()).unwrap());
    assert!(flush(&mut items).is_ready());
    let Poll::Ready(Some(Ok(got))) = next(&mut ByteStream::new(there)) else {
        panic!("nothing came");
    };
    assert_eq!(got.as_ptr(), sent.as_ptr());
}

#[test]
fn what_is_fed_goes_out_when_it_is_flushed_and_not_before() {
    let (flow, mut wire) = memory::with_wire(64);
    let mut items = ByteStream::new(flow);
    for item in ["a", "", "bc"] {
        assert!(feed(&mut items, item).unwrap());
    }
    assert_eq!(drain(&mut wire), b"");
    assert!(flush(&mut items).is_ready());
    assert_eq!(drain(&mut wire), b"abc");
}

#[test]
fn there_is_room_for_64_items_or_64_kib_while_the_flow_is_full() {
    for (len, most) in [(1, 64), (1024, 64), (4096, 16), (100_000, 1)] {
        let (flow, _wire) = memory::with_wire(1);
        let mut items = ByteStream::new(flow);
        // The first lot is the write under way, and the second is held.
        let mut fed = 0;
        while feed(&mut items, vec![0; len]).unwrap() {
            fed += 1;
            assert!(fed <= 2 * most, "no end of items of {len} bytes");
        }
        assert!(fed >= most, "only {fed} items of {len} bytes");
    }
}

#[test]
fn nothing_is_lost_or_swapped_however_slowly_the_peer_reads() {
    let (flow, mut wire) = memory::with_wire(5);
    let mut items = ByteStream::new(flow);
    let (mut sent, mut got) = (Vec::new(), Vec::new());
    let mut number = 0_u32;
    while number < 2_000 {
        let item = number.to_be_bytes();
        if feed(&mut items, item.to_vec()).unwrap() {
            sent.extend_from_slice(&item);
            number += 1;
        }
        got.extend(drain(&mut wire));
    }
    while close(&mut items).is_pending() {
        got.extend(drain(&mut wire));
    }
    got.extend(drain(&mut wire));
    assert_eq!(got, sent);
    assert_eq!(wire.recv(&mut [0]), Received::End);
}

#[test]
fn closing_ends_writing_and_nothing_else() {
    let (flow, mut wire) = memory::with_wire(64);
    let mut items = ByteStream::new(flow);
    assert!(feed(&mut items, "last").unwrap());
    assert_eq!(close(&mut items), Poll::Ready(Ok(())));
    assert_eq!(drain(&mut wire), b"last");
    assert_eq!(wire.recv(&mut [0]), Received::End);
    assert_eq!(close(&mut items), Poll::Ready(Ok(())));
    assert_eq!(feed(&mut items, "more"), Err(WriteError::Closed));
    wire.send(b"answer");
    assert_eq!(next(&mut items), Poll::Ready(Some(Ok("answer".into()))));
}

#[test]
fn a_failed_write_is_told_and_drops_what_was_held() {
    let (flow, wire) = memory::with_wire(1);
    let mut items = ByteStream::new(flow);
    while feed(&mut items, "item").unwrap() {}
    drop(wire);
    assert_eq!(flush(&mut items), Poll::Ready(Err(WriteError::Closed)));
    assert_eq!(feed(&mut items, "more"), Err(WriteError::Closed));
    assert_eq!(close(&mut items), Poll::Ready(Err(WriteError::Closed)));
}

#[test]
#[should_panic(expected = "before `poll_ready` was ready")]
fn feeding_without_room_panics() {
    let (flow, _wire) = memory::with_wire(1);
    let mut items = ByteStream::new(flow);
    while feed(&mut items, "item").unwrap() {}
    let _ = Pin::new(&mut items).start_send("one too many".into());
}

/// What the script's sink was asked for, and what it answers.
#[derive(Clone, Default)]
struct Script(Rc<State>);

#[derive(Default)]
struct State {
    /// For how many items there is room.
    room: Cell<usize>,
    flushes: Cell<bool>,
    got: RefCell<Vec<Bytes>>,
    flushed: Cell<usize>,
    closed: Cell<bool>,
    fails_with: Cell<Option<io::ErrorKind>>,
}

impl Sink<Bytes> for Script {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.fails_with.get() {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None if self.0.room.get() == 0 => Poll::Pending,
            None => Poll::Ready(Ok(())),
        }
    }

    fn start_send(self: Pin<&mut Self>, item: Bytes) -> io::Result<()> {
        self.0.room.set(self.0.room.get().checked_sub(1).unwrap());
        self.0.got.borrow_mut().push(item);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.0.flushes.get() {
            return Poll::Pending;
        }
        self.0.flushed.set(self.0.got.borrow().len());
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        assert_eq!(self.0.flushed.get(), self.0.got.borrow().len(), "unflushed");
        self.0.closed.set(true);
        Poll::Ready(Ok(()))
    }
}

type Items = VecDeque<io::Result<Bytes>>;

fn script(
    room: usize,
    items: Items,
) -> (
    Script,
    flow_core::Engine<impl flow_core::Transport<Error = SharedError>>,
) {
    let script = Script::default();
    script.0.room.set(room);
    script.0.flushes.set(true);
    let flow = from_byte_stream(stream::iter(items), script.clone());
    (script, flow)
}

#[test]
fn a_write_is_items_in_order_and_a_flush() {
    let (script, flow) = script(8, Items::new());
    let mut write = pin!(flow.write_chunks(chunks(["a", "", "b", "c"])));
    assert!(write.as_mut().poll(&mut cx()).is_ready());
    assert_eq!(*script.0.got.borrow(), ["a", "b", "c"]);
    assert_eq!(script.0.flushed.get(), 3);
    let mut end = pin!(flow.shutdown(Shutdown::Write));
    assert!(end.as_mut().poll(&mut cx()).is_ready());
    assert!(script.0.closed.get());
}

#[test]
fn a_write_that_is_dropped_halfway_is_finished_by_the_next_call() {
    let (script, flow) = script(1, Items::new());
    let mut write = Box::pin(flow.write_chunks(chunks(["a", "b"])));
    assert!(write.as_mut().poll(&mut cx()).is_pending());
    drop(write);
    script.0.room.set(9);
    let mut second = pin!(flow.write("c"));
    assert!(second.as_mut().poll(&mut cx()).is_ready());
    assert_eq!(*script.0.got.borrow(), ["a", "b", "c"]);
}

#[test]
fn a_write_that_found_no_room_leaves_nothing() {
    let (script, flow) = script(0, Items::new());
    let mut write = flow.write("never");
    assert!(Pin::new(&mut write).poll(&mut cx()).is_pending());
    assert_eq!(write.cancel().unwrap().first(), b"never");
    script.0.room.set(1);
    let mut second = pin!(flow.write("only"));
    assert!(second.as_mut().poll(&mut cx()).is_ready());
    assert_eq!(*script.0.got.borrow(), ["only"]);
}

#[test]
fn a_flush_that_waits_keeps_the_write_waiting() {
    let (script, flow) = script(1, Items::new());
    script.0.flushes.set(false);
    let mut write = pin!(flow.write("a"));
    assert!(write.as_mut().poll(&mut cx()).is_pending());
    assert_eq!(script.0.got.borrow().len(), 1);
    script.0.flushes.set(true);
    assert!(write.as_mut().poll(&mut cx()).is_ready());
}

#[test]
fn errors_are_told_apart() {
    for (kind, closed) in [
        (io::ErrorKind::BrokenPipe, true),
        (io::ErrorKind::ConnectionReset, true),
        (io::ErrorKind::OutOfMemory, false),
    ] {
        let (script, flow) = script(1, Items::new());
        script.0.fails_with.set(Some(kind));
        let mut write = pin!(flow.write("a"));
        let Poll::Ready(Err(e)) = write.as_mut().poll(&mut cx()) else {
            panic!("{kind}: no error");
        };
        assert_eq!(e.is_closed(), closed, "{kind}");
    }
    let cut = || Err(io::ErrorKind::ConnectionReset.into());
    let (_, flow) = script(1, Items::from([Ok("a".into()), cut()]));
    for expected in [Some("a"), None, None] {
        let mut read = pin!(flow.read());
        match (read.as_mut().poll(&mut cx()), expected) {
            (Poll::Ready(Ok(got)), Some(_)) => assert_eq!(got.as_deref(), Some(&b"a"[..])),
            (Poll::Ready(Err(e)), None) => {
                let e = e.downcast_ref::<io::Error>().unwrap();
                assert_eq!(e.kind(), io::ErrorKind::ConnectionReset);
            }
            (got, _) => panic!("{got:?}"),
        }
    }
}

#[test]
fn the_writers_buffer_is_dropped_outside_of_the_lock() {
    // A buffer's owner is `Send`, and the flow of this test is not: it goes by this way.
    thread_local! {
        static USE: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
        static USED: Cell<usize> = const { Cell::new(0) };
    }
    /// Uses the flow when it goes.
    struct Sent([u8; 4]);
    impl AsRef<[u8]> for Sent {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Sent {
        fn drop(&mut self) {
            USE.with_borrow(|used| used.as_ref().unwrap()());
            USED.set(USED.get() + 1);
        }
    }
    /// Drops each item at once.
    struct Nowhere;
    impl Sink<Bytes> for Nowhere {
        type Error = io::Error;
        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn start_send(self: Pin<&mut Self>, item: Bytes) -> io::Result<()> {
            drop(item);
            Ok(())
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    let nothing = stream::iter(Items::new());
    let flow = Rc::new(from_byte_stream_with(nothing, Nowhere, Into::into, |e| {
        WriteError::Transport(e.into())
    }));
    let same = flow.clone();
    USE.set(Some(Box::new(move || {
        let mut again = pin!(same.write("again"));
        assert!(again.as_mut().poll(&mut cx()).is_ready());
    })));
    let mut write = pin!(flow.write(Bytes::from_owner(Sent(*b"sent"))));
    assert!(write.as_mut().poll(&mut cx()).is_ready());
    assert_eq!(USED.get(), 1, "the buffer was kept");
    USE.set(None);
}
