//! The engine under every interleaving of a few threads, over flows in memory.
//!
//! Each model has a mutant, a line of the engine left out, that it must reject: as a deadlock, an assertion, or a search that
//! does not end. Run with `RUSTFLAGS="--cfg loom" cargo test --release -p flow-core --test loom_engine`.
#![cfg(loom)]

mod model;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use flow_core::combinators::Counted;
use flow_core::memory::{self, MemoryFlow, Received, Wire};
use flow_core::{
    Bytes, Chunks, Engine, Flow, FlowExt, FlushOp, PeerEnd, ReadOp, Shutdown, Switch, Transport,
    WriteError, WriteOp,
};
use loom::sync::atomic::{AtomicBool, Ordering::SeqCst};
use loom::thread;

use model::block_on;

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Receives exactly that many bytes, waiting by giving way.
fn take(wire: &mut Wire, count: usize) -> Vec<u8> {
    let (mut got, mut buffer) = (Vec::new(), [0; 8]);
    while got.len() < count {
        let room = (count - got.len()).min(buffer.len());
        match wire.recv(&mut buffer[..room]) {
            Received::Data(n) => got.extend_from_slice(&buffer[..n]),
            Received::Nothing => thread::yield_now(),
            other => panic!("{other:?} after {got:?}"),
        }
    }
    got
}

fn shared(capacity: usize) -> (Arc<MemoryFlow>, Wire) {
    let (flow, wire) = memory::with_wire(capacity);
    (Arc::new(flow), wire)
}

#[test]
fn a_wake_between_asking_and_parking_is_not_lost() {
    model::run(
        "a_wake_between_asking_and_parking_is_not_lost",
        || {
            let (flow, mut wire) = shared(4);
            let reader = thread::spawn(move || block_on(flow.read()).unwrap());
            wire.send(b"x");
            assert_eq!(reader.join().unwrap().as_deref(), Some(&b"x"[..]));
        },
        &["park_does_not_look"],
    );
}

#[test]
fn a_dropped_head_hands_its_wake_on() {
    model::run(
        "a_dropped_head_hands_its_wake_on",
        || {
            let (flow, mut wire) = shared(4);
            let mut head = ReadOp::new();
            assert!(flow.poll_read(&mut noop(), &mut head).is_pending());
            let reader = thread::spawn(move || block_on(flow.read()).unwrap());
            wire.send(b"x");
            drop(head);
            assert_eq!(reader.join().unwrap().as_deref(), Some(&b"x"[..]));
        },
        &["leave_keeps_the_wake"],
    );
}

#[test]
fn a_dropped_write_is_driven_by_a_reader() {
    model::run(
        "a_dropped_write_is_driven_by_a_reader",
        || {
            let (flow, mut wire) = shared(1);
            let mut op = WriteOp::from("ab");
            assert!(flow.poll_write(&mut noop(), &mut op).is_pending());
            let reader = thread::spawn(move || block_on(flow.read()).unwrap());
            drop(op);
            assert_eq!(take(&mut wire, 2), b"ab");
            wire.send(b"x");
            assert_eq!(reader.join().unwrap().as_deref(), Some(&b"x"[..]));
        },
        &["reader_does_not_drive"],
    );
}

#[test]
fn a_taken_write_is_not_overtaken() {
    model::run(
        "a_taken_write_is_not_overtaken",
        || {
            let (flow, mut wire) = shared(1);
            let mut op = WriteOp::from("aaa");
            assert!(flow.poll_write(&mut noop(), &mut op).is_pending());
            drop(op);
            let writer = thread::spawn(move || {
                block_on(flow.write("b")).unwrap();
                flow
            });
            assert_eq!(take(&mut wire, 4), b"aaab");
            drop(writer.join().unwrap());
        },
        &["write_overtakes"],
    );
}

#[test]
fn two_readers_are_both_served() {
    model::run(
        "two_readers_are_both_served",
        || {
            let (flow, mut wire) = shared(4);
            let other = Arc::clone(&flow);
            let reader = thread::spawn(move || block_on(other.read()).unwrap());
            wire.send(b"x");
            wire.send(b"y");
            let here = block_on(flow.read()).unwrap();
            let there = reader.join().unwrap();
            let mut got = [here, there].map(|chunk| chunk.unwrap());
            got.sort();
            assert_eq!(got, [&b"x"[..], b"y"]);
        },
        &["park_does_not_look"],
    );
}

#[test]
fn an_abort_ends_a_read_and_is_seen_at_once() {
    model::run(
        "an_abort_ends_a_read_and_is_seen_at_once",
        || {
            let (flow, mut wire) = shared(4);
            let reading = Arc::clone(&flow);
            let reader = thread::spawn(move || block_on(reading.read()));
            flow.abort();
            assert!(reader.join().unwrap().is_err());
            assert_eq!(wire.recv(&mut [0; 4]), Received::End);
        },
        &["abort_wakes_nobody"],
    );
}

#[test]
fn an_abort_beside_a_write_releases_the_transport() {
    model::run(
        "an_abort_beside_a_write_releases_the_transport",
        || {
            let (flow, mut wire) = shared(4);
            let writing = Arc::clone(&flow);
            let writer = thread::spawn(move || block_on(writing.write("x")));
            flow.abort();
            let written = writer.join().unwrap();
            let mut buffer = [0; 4];
            match wire.recv(&mut buffer) {
                Received::End => assert!(written.is_err()),
                Received::Data(1) => assert_eq!(wire.recv(&mut buffer), Received::End),
                other => panic!("{other:?}, {written:?}"),
            }
        },
        &["holder_forgets_the_abort"],
    );
}

#[test]
fn close_sees_an_end_that_comes_while_it_parks() {
    model::run(
        "close_sees_an_end_that_comes_while_it_parks",
        || {
            let (flow, mut wire) = shared(4);
            let closer = thread::spawn(move || block_on(flow.close()));
            wire.end();
            assert_eq!(closer.join().unwrap().map(drop), Ok(()));
        },
        &["close_parks_late"],
    );
}

/// A flow in memory that cannot see the peer's end past unread input, sees one once its own side has aborted, as a socket does, and minds being
/// asked to send after its end.
struct Blind {
    below: memory::Memory,
    /// The model's threads run one at a time, and what is asked is asked under locks of theirs.
    aborted: std::sync::atomic::AtomicBool,
}

fn blind(capacity: usize) -> (Arc<Engine<Blind>>, Wire) {
    let (flow, wire) = memory::with_wire(capacity);
    let parts = flow.into_parts().unwrap();
    (
        Arc::new(Engine::new(
            Blind {
                below: parts.transport,
                aborted: false.into(),
            },
            parts.rx,
            (parts.tx, false),
        )),
        wire,
    )
}

impl Transport for Blind {
    type Error = memory::MemoryError;
    type Rx = memory::Rx;
    type Tx = (memory::Tx, bool);

    fn poll_recv(
        &self,
        rx: &mut Self::Rx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Self::Error>> {
        if self.aborted.load(SeqCst) {
            return Poll::Ready(Ok(None));
        }
        self.below.poll_recv(rx, cx)
    }

    fn poll_send(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        assert!(!tx.1, "asked to send after the end");
        self.below.poll_send(&mut tx.0, cx, data)
    }

    fn poll_finish(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        tx.1 = true;
        self.below.poll_finish(&mut tx.0, cx)
    }

    fn poll_peer_end(&self, _: &mut Context<'_>) -> Poll<PeerEnd> {
        Poll::Ready(PeerEnd::Unknown)
    }

    fn abort(&self, torn: bool) {
        self.aborted.store(true, SeqCst);
        self.below.abort(torn);
    }
}

#[test]
fn close_reads_ahead_up_to_the_end() {
    model::run(
        "close_reads_ahead_up_to_the_end",
        || {
            let (flow, mut wire) = blind(4);
            let closing = Arc::clone(&flow);
            let closer = thread::spawn(move || block_on(closing.close()));
            wire.send(b"x");
            wire.end();
            assert_eq!(closer.join().unwrap().map(drop), Ok(()));
            assert_eq!(block_on(flow.read()).unwrap().as_deref(), Some(&b"x"[..]));
            assert_eq!(block_on(flow.read()).unwrap(), None);
        },
        &["reading_ahead_wakes_nobody"],
    );
}

#[test]
fn a_write_is_refused_or_sent_when_it_meets_a_shutdown() {
    model::run(
        "a_write_is_refused_or_sent_when_it_meets_a_shutdown",
        || {
            let (flow, mut wire) = blind(4);
            let writing = Arc::clone(&flow);
            let writer = thread::spawn(move || block_on(writing.write("x")));
            let mut shutdown = pin!(flow.shutdown(Shutdown::Write));
            block_on(&mut shutdown).unwrap();
            let written = writer.join().unwrap();
            let mut buffer = [0; 4];
            match wire.recv(&mut buffer) {
                Received::End => assert_eq!(written, Err(WriteError::Closed)),
                Received::Data(1) => {
                    assert_eq!(written, Ok(()));
                    assert_eq!(wire.recv(&mut buffer), Received::End);
                }
                other => panic!("{other:?}, {written:?}"),
            }
        },
        &["shutdown_refuses_late"],
    );
}

#[test]
fn what_a_close_reads_ahead_reaches_a_reader() {
    model::run_within(
        2,
        "what_a_close_reads_ahead_reaches_a_reader",
        || {
            let (flow, mut wire) = blind(4);
            let mut close = pin!(flow.close());
            assert!(close.as_mut().poll(&mut noop()).is_pending());
            let reading = Arc::clone(&flow);
            let reader = thread::spawn(move || block_on(reading.read()).unwrap());
            wire.send(b"x");
            assert!(close.as_mut().poll(&mut noop()).is_pending());
            // Nothing more comes before the read is done: no second wake makes up for a lost one.
            assert_eq!(reader.join().unwrap().as_deref(), Some(&b"x"[..]));
            wire.end();
            assert_eq!(block_on(close).map(drop), Ok(()));
        },
        &["read_ahead_leaves_the_line_armed"],
    );
}

#[test]
fn a_woken_head_that_is_dropped_beside_a_read_ahead_hands_its_wake_on() {
    model::run_within(
        1,
        "a_woken_head_that_is_dropped_beside_a_read_ahead_hands_its_wake_on",
        || {
            let (flow, mut wire) = blind(4);
            let mut head = ReadOp::new();
            assert!(flow.poll_read(&mut noop(), &mut head).is_pending());
            let mut close = pin!(flow.close());
            assert!(close.as_mut().poll(&mut noop()).is_pending());
            let reading = Arc::clone(&flow);
            let reader = thread::spawn(move || block_on(reading.read()).unwrap());
            wire.send(b"x");
            assert!(close.as_mut().poll(&mut noop()).is_pending());
            drop(head);
            assert_eq!(reader.join().unwrap().as_deref(), Some(&b"x"[..]));
            wire.end();
            assert_eq!(block_on(close).map(drop), Ok(()));
        },
        &["read_ahead_leaves_the_line_armed"],
    );
}

#[test]
fn a_close_goes_on_with_what_shutdown_read_did_not_discard() {
    model::run(
        "a_close_goes_on_with_what_shutdown_read_did_not_discard",
        || {
            let (flow, mut wire) = blind(8);
            for chunk in [b"1", b"2", b"3", b"4", b"5"] {
                wire.send(chunk);
            }
            wire.end();
            let closing = Arc::clone(&flow);
            let closer = thread::spawn(move || block_on(closing.close()));
            block_on(flow.shutdown(Shutdown::Read)).unwrap();
            assert_eq!(closer.join().unwrap().map(drop), Ok(()));
        },
        &["discarding_is_not_passed_on"],
    );
}

#[test]
fn a_write_goes_on_with_what_shutdown_read_did_not_discard() {
    model::run_within(
        2,
        "a_write_goes_on_with_what_shutdown_read_did_not_discard",
        || {
            let (flow, mut wire) = shared(3);
            block_on(flow.write("abc")).unwrap();
            for chunk in [b"1", b"2", b"3"] {
                wire.send(chunk);
            }
            let writing = Arc::clone(&flow);
            let writer = thread::spawn(move || block_on(writing.write("d")).unwrap());
            block_on(flow.shutdown(Shutdown::Read)).unwrap();
            // The peer reads only once it has sent all of this.
            let mut unsent = &b"xxx"[..];
            while !unsent.is_empty() {
                match wire.send(unsent) {
                    0 => thread::yield_now(),
                    sent => unsent = &unsent[sent..],
                }
            }
            let mut buffer = [0; 4];
            assert_eq!(wire.recv(&mut buffer), Received::Data(3));
            writer.join().unwrap();
            assert_eq!(wire.recv(&mut buffer), Received::Data(1));
        },
        &["discarding_is_not_passed_on"],
    );
}

/// A flow in memory that answers each chunk with one byte: owed until the next send, which puts it in a buffer inside.
struct Answering {
    below: memory::Memory,
    owes: AtomicBool,
}

fn answering(capacity: usize) -> (Arc<Engine<Answering>>, Wire) {
    let (flow, wire) = memory::with_wire(capacity);
    let parts = flow.into_parts().unwrap();
    let transport = Answering {
        below: parts.transport,
        owes: AtomicBool::new(false),
    };
    let tx = (parts.tx, Chunks::new());
    (Arc::new(Engine::new(transport, parts.rx, tx)), wire)
}

impl Transport for Answering {
    type Error = memory::MemoryError;
    type Rx = memory::Rx;
    type Tx = (memory::Tx, Chunks);

    fn poll_recv(
        &self,
        rx: &mut Self::Rx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Self::Error>> {
        let received = self.below.poll_recv(rx, cx);
        if let Poll::Ready(Ok(Some(_))) = received {
            self.owes.store(true, SeqCst);
        }
        received
    }

    fn poll_send(
        &self,
        (tx, answer): &mut Self::Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        if self.owes.swap(false, SeqCst) {
            *answer = Bytes::from_static(b"!").into();
        }
        if !answer.is_empty() {
            ready!(self.below.poll_send(tx, cx, answer))?;
        }
        self.below.poll_send(tx, cx, data)
    }

    fn poll_finish(
        &self,
        (tx, _): &mut Self::Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        self.below.poll_finish(tx, cx)
    }

    fn owes(&self) -> bool {
        self.owes.load(SeqCst)
    }

    fn abort(&self, torn: bool) {
        self.below.abort(torn);
    }
}

#[test]
fn what_is_owed_leaves_beside_a_reader_and_a_flush() {
    model::run_within(
        2,
        "what_is_owed_leaves_beside_a_reader_and_a_flush",
        || {
            let (flow, mut wire) = answering(1);
            block_on(flow.write("x")).unwrap();
            wire.send(b"?");
            let reading = Arc::clone(&flow);
            let reader = thread::spawn(move || {
                assert!(block_on(reading.read()).unwrap().is_some());
                assert!(block_on(reading.read()).unwrap().is_none());
            });
            assert_eq!(take(&mut wire, 1), b"x");
            block_on(flow.flush()).unwrap();
            assert_eq!(take(&mut wire, 1), b"!");
            wire.end();
            reader.join().unwrap();
        },
        &["owed_is_not_flushed"],
    );
}

#[test]
fn a_reader_takes_over_from_a_flush_that_is_dropped() {
    model::run_within(
        2,
        "a_reader_takes_over_from_a_flush_that_is_dropped",
        || {
            let (flow, mut wire) = shared(1);
            let mut write = WriteOp::from("ab");
            assert!(flow.poll_write(&mut noop(), &mut write).is_pending());
            drop(write);
            let mut flush = FlushOp::new();
            assert!(flow.poll_flush(&mut noop(), &mut flush).is_pending());
            let reader = thread::spawn(move || block_on(flow.read()).unwrap());
            let dropping = thread::spawn(move || drop(flush));
            assert_eq!(take(&mut wire, 2), b"ab");
            wire.send(b"x");
            assert_eq!(reader.join().unwrap().as_deref(), Some(&b"x"[..]));
            dropping.join().unwrap();
        },
        &["leave_ends_the_work"],
    );
}

#[test]
fn a_reader_takes_over_from_a_taken_write_that_is_dropped() {
    model::run_within(
        2,
        "a_reader_takes_over_from_a_taken_write_that_is_dropped",
        || {
            let (flow, mut wire) = shared(1);
            let mut write = WriteOp::from("ab");
            assert!(flow.poll_write(&mut noop(), &mut write).is_pending());
            let reader = thread::spawn(move || block_on(flow.read()).unwrap());
            let dropping = thread::spawn(move || drop(write));
            assert_eq!(take(&mut wire, 2), b"ab");
            wire.send(b"x");
            assert_eq!(reader.join().unwrap().as_deref(), Some(&b"x"[..]));
            dropping.join().unwrap();
        },
        &["leave_ends_the_work"],
    );
}

#[test]
fn an_abort_ends_a_close() {
    model::run(
        "an_abort_ends_a_close",
        || {
            let (flow, mut wire) = shared(4);
            let closing = Arc::clone(&flow);
            let closer = thread::spawn(move || block_on(closing.close()));
            flow.abort();
            assert_eq!(closer.join().unwrap(), Err(WriteError::Closed));
            assert_eq!(wire.send(b"x"), 0);
            assert_eq!(wire.recv(&mut [0; 4]), Received::End);
        },
        &["abort_wakes_nobody"],
    );
}

#[test]
fn an_abort_ends_a_close_that_reads_ahead() {
    model::run(
        "an_abort_ends_a_close_that_reads_ahead",
        || {
            let (flow, mut wire) = blind(4);
            let closing = Arc::clone(&flow);
            let closer = thread::spawn(move || block_on(closing.close()));
            flow.abort();
            assert_eq!(closer.join().unwrap(), Err(WriteError::Closed));
            assert_eq!(wire.recv(&mut [0; 4]), Received::End);
        },
        &["close_tells_the_abort_as_a_failure", "abort_wakes_nobody"],
    );
}

/// A transport to which nothing ever comes, and which tells when its receiving side is released.
struct Silent;

struct Release(Arc<AtomicBool>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

impl Transport for Silent {
    type Error = memory::MemoryError;
    type Rx = Release;
    type Tx = ();

    fn poll_recv(
        &self,
        _: &mut Release,
        _: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Self::Error>> {
        Poll::Pending
    }

    fn poll_send(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
        _: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        Poll::Pending
    }

    fn poll_finish(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        Poll::Pending
    }
}

#[test]
fn an_abort_beside_a_read_releases_the_transport() {
    model::run(
        "an_abort_beside_a_read_releases_the_transport",
        || {
            let released = Arc::new(AtomicBool::new(false));
            let rx = Release(Arc::clone(&released));
            let flow = Arc::new(Engine::new(Silent, rx, ()));
            let reading = Arc::clone(&flow);
            let reader = thread::spawn(move || block_on(reading.read()));
            flow.abort();
            assert!(reader.join().unwrap().is_err());
            assert!(released.load(SeqCst));
        },
        &["reader_forgets_the_abort"],
    );
}

#[test]
fn an_abort_beside_into_parts_is_an_abort_or_too_late() {
    model::run(
        "an_abort_beside_into_parts_is_an_abort_or_too_late",
        || {
            let (flow, mut wire) = memory::with_wire(4);
            let switch = Switch::new();
            flow.attach(&switch).unwrap();
            let turned = thread::spawn(move || block_on(switch.turn_off()).unwrap());
            let parts = flow.into_parts();
            turned.join().unwrap();
            let seen = wire.recv(&mut [0; 4]);
            match parts {
                Ok(_parts) => assert_eq!(seen, Received::Nothing),
                Err(flow) => {
                    assert_eq!(seen, Received::End);
                    assert!(block_on(flow.read()).is_err());
                }
            }
        },
        &["taken_apart_without_a_last_look"],
    );
}

#[test]
fn a_write_that_another_thread_completes_before_it_parks_is_woken() {
    model::run(
        "a_write_that_another_thread_completes_before_it_parks_is_woken",
        || {
            let (flow, mut wire) = shared(1);
            let writing = Arc::clone(&flow);
            let writer = thread::spawn(move || block_on(writing.write("ab")).unwrap());
            assert_eq!(take(&mut wire, 1), b"a");
            let _ = pin!(flow.flush()).poll(&mut noop());
            assert_eq!(take(&mut wire, 1), b"b");
            writer.join().unwrap();
        },
        &["park_misses_being_served"],
    );
}

#[test]
fn what_is_counted_belongs_together() {
    model::run(
        "what_is_counted_belongs_together",
        || {
            let (flow, wire) = memory::with_wire(8);
            let flow = Arc::new(Counted::new(flow));
            let live = flow.live();
            let writers = ["abc", "def"].map(|data| {
                let flow = Arc::clone(&flow);
                thread::spawn(move || block_on(flow.write(data)).unwrap())
            });
            let stats = live.now();
            assert_eq!(stats.written_bytes, 3 * stats.write_ops);
            for writer in writers {
                writer.join().unwrap();
            }
            assert_eq!((live.now().written_bytes, live.now().write_ops), (6, 2));
            drop(wire);
        },
        &["statistics_are_looked_at_once", "bytes_come_before_begun"],
    );
}
