//! Reads that leave the bytes outside of memory, and writes of what they gave.

use std::cell::Cell;
use std::error::Error;
use std::future::poll_fn;
use std::task::{Context, Poll};

use flow_core::{Bytes, Chunks, Flow, FlowExt, ReadOp, Shutdown, WriteOp};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::laws::shutdown::shut;
use crate::laws::write_end::expect_closed;
use crate::moves::{IN, MUCH, feed_in, feed_out, push_up_to, tape_in};
use crate::pattern::{Feed, Tape};
use crate::peer::{Peer, Recv};

/// So much pays wherever anything does.
const WORTH: usize = 64 * 1024;

/// After so many times that it would have paid, a flow that has given nothing directly never will.
const TRIES: usize = 64;

const WRITE: &str = "a write of what was read directly";

/// What a read gave.
#[derive(Debug)]
enum Got {
    Direct(Chunks),
    Ordinary(Option<Bytes>),
}

/// One try of a direct read.
#[track_caller]
fn poll_direct<F: Flow>(flow: &F, cx: &mut Context<'_>, op: &mut ReadOp) -> Option<Chunks> {
    let given = flow.direct()?.read_direct(cx, op);
    if let Some(chunks) = &given {
        assert!(!chunks.is_empty(), "a direct read gave a chunk of no bytes");
    }
    given
}

/// A read as `copy` makes it: directly where that gives anything, and otherwise in the ordinary way.
#[track_caller]
fn poll_either<F: Flow>(
    flow: &F,
    cx: &mut Context<'_>,
    op: &mut ReadOp,
) -> Poll<Result<Got, F::Error>> {
    if let Some(chunks) = poll_direct(flow, cx, op) {
        return Poll::Ready(Ok(Got::Direct(chunks)));
    }
    flow.poll_read(cx, op).map_ok(Got::Ordinary)
}

#[track_caller]
fn well<T, E: Error>(read: Result<T, E>) -> T {
    read.unwrap_or_else(|e| panic!("read failed: {e}"))
}

#[track_caller]
fn read_either<H: Harness>(case: &Case<H>, flow: &H::Flow) -> Got {
    let mut op = ReadOp::new();
    let read = poll_fn(|cx| poll_either(flow, cx, &mut op));
    well(
        case.step("a direct read, or an ordinary one", read)
            .finish(),
    )
}

/// A direct read must give nothing.
#[track_caller]
fn gives_nothing<H: Harness>(case: &Case<H>, flow: &H::Flow, when: &str) {
    let mut op = ReadOp::new();
    let mut read = case.step(
        "a direct read",
        poll_fn(|cx| Poll::Ready(poll_direct(flow, cx, &mut op))),
    );
    if let Poll::Ready(Some(chunks)) = read.poll_once() {
        panic!("a direct read gave {} bytes {when}", chunks.len());
    }
}

/// The bytes of a direct read.
#[track_caller]
fn bring_in(mut chunks: Chunks) -> Vec<u8> {
    assert!(
        chunks.bring_in(),
        "the bytes of a direct read cannot be had, or are other than as many as it said"
    );
    chunks.slices().collect::<Vec<_>>().concat()
}

/// Checks what a read gave; whether it was direct.
#[track_caller]
fn check(tape: &mut Tape, got: Got) -> bool {
    match got {
        Got::Direct(chunks) => {
            tape.check(&bring_in(chunks));
            true
        }
        Got::Ordinary(Some(chunk)) => {
            tape.check(&chunk);
            false
        }
        Got::Ordinary(None) => panic!("{} met the end at {}", tape.who(), tape.at()),
    }
}

/// What the next direct read of this flow gives, and from where in the stream it is.
#[track_caller]
fn given<H: Harness>(
    case: &Case<H>,
    link: &mut Link<H::Flow>,
    feed: &mut Feed,
    tape: &mut Tape,
) -> (Chunks, Bytes) {
    for _ in 0..=TRIES {
        // What an earlier one has left comes first.
        while tape.at() < feed.at() {
            match read_either(case, &link.flow) {
                Got::Direct(chunks) => {
                    let bytes = IN.bytes(tape.at(), chunks.len());
                    tape.check(&bytes);
                    return (chunks, bytes);
                }
                got => _ = check(tape, got),
            }
        }
        case.send(&mut link.peer, feed, WORTH);
    }
    panic!("{TRIES} times there were {WORTH} bytes, and direct reads gave none of them");
}

/// Direct reads and ordinary ones together give every byte once and in order; a direct read gives at least one, or nothing.
pub fn direct_reads_in_order_once<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    let (mut direct, mut reads) = (0, 0);
    // An ordinary read among the others.
    let mut next = || {
        reads += 1;
        match reads % 3 {
            0 => Got::Ordinary(case.read(&flow)),
            _ => read_either(case, &flow),
        }
    };
    for round in 0..TRIES {
        // Little now and then, which does not pay; and sometimes it comes while a read waits.
        let len = if round % 5 == 4 { 100 } else { WORTH };
        let mut op = ReadOp::new();
        if round % 3 == 2 {
            let mut read = case.step(
                "a direct read, or an ordinary one",
                poll_fn(|cx| poll_either(&flow, cx, &mut op)),
            );
            read.park();
            case.send(&mut peer, &mut feed, len);
            direct += usize::from(check(&mut tape, well(read.finish())));
        } else {
            case.send(&mut peer, &mut feed, len);
        }
        while tape.at() < feed.at() {
            direct += usize::from(check(&mut tape, next()));
        }
        gives_nothing(case, &flow, "where all had been read");
    }
    assert!(
        direct > 0,
        "{TRIES} times there were {WORTH} bytes, and direct reads gave none of them"
    );
    // What a close has read ahead comes first.
    case.send(&mut peer, &mut feed, WORTH / 2);
    let mut close = case.step("close", flow.close());
    close.park();
    close.still_waits("for the peer");
    for _ in 0..4 {
        let to = feed.at() + WORTH as u64;
        push_up_to(&mut peer, &mut feed, to);
        for _ in 0..2 {
            if tape.at() < feed.at() {
                check(&mut tape, next());
            }
        }
    }
    while tape.at() < feed.at() {
        check(&mut tape, next());
    }
    peer.end();
    let closed = close.finish();
    assert!(closed.is_ok(), "close failed: {closed:?}");
}

/// A direct read gives nothing while it is another read's turn, and leaves its own place in line as it was.
pub fn direct_read_takes_its_turn<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    for round in 0..8 {
        let mut first = case.park_read(&flow);
        case.send(&mut peer, &mut feed, WORTH);
        if round % 2 == 1 {
            case.settle();
        }
        gives_nothing(case, &flow, "that a read waited for that came first");
        match first.finish() {
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!("a read beside a direct one gave {other:?}"),
        }
        while tape.at() < feed.at() {
            check(&mut tape, read_either(case, &flow));
        }
    }
    for len in [100, WORTH] {
        let (directly, mut op) = (Cell::new(false), ReadOp::new());
        let mut first = case.step(
            "a read that is tried directly",
            poll_fn(|cx| {
                if directly.get() {
                    poll_either(&flow, cx, &mut op)
                } else {
                    flow.poll_read(cx, &mut op).map_ok(Got::Ordinary)
                }
            }),
        );
        first.park();
        let mut second = case.park_read(&flow);
        directly.set(true);
        first.park();
        case.send(&mut peer, &mut feed, len);
        case.settle();
        assert!(
            second.poll().is_pending(),
            "a read lost its place in line to the next by a direct read that gave nothing"
        );
        check(&mut tape, well(first.finish()));
        // The next one's turn comes, whatever the first has left.
        case.send(&mut peer, &mut feed, 1);
        match second.finish() {
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!("a read behind a direct one gave {other:?}"),
        }
        while tape.at() < feed.at() {
            check(&mut tape, read_either(case, &flow));
        }
    }
}

/// The end, abort and `shutdown(Read)` are for ordinary reads to tell: there a direct read gives nothing, and takes nothing away.
pub fn direct_read_leaves_the_end<H: Harness>(case: &Case<H>) {
    for len in [0, WORTH] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_in(), tape_in());
        case.send(&mut peer, &mut feed, len);
        peer.end();
        while tape.at() < feed.at() {
            check(&mut tape, read_either(case, &flow));
        }
        for _ in 0..3 {
            gives_nothing(case, &flow, "at the end");
            case.read_end(&flow);
        }
        let mut late = feed_out();
        case.write(&flow, late.next(10));
    }
    for parked in [false, true] {
        // Before a read has told the flow what is there, and after it has waited.
        let ready = || {
            let Link { flow, mut peer } = case.link();
            let read = parked.then(|| case.park_read(&flow));
            drop(read);
            case.send(&mut peer, &mut feed_in(), WORTH);
            case.settle();
            (flow, peer)
        };
        let (flow, _peer) = ready();
        shut(case, &flow, Shutdown::Read);
        gives_nothing(case, &flow, "after shutdown(Read)");
        case.read_end(&flow);

        let (flow, _peer) = ready();
        case.harness().enter(|| flow.abort());
        gives_nothing(case, &flow, "after an abort");
        let read = case.try_read(&flow);
        assert!(read.is_err(), "a read after an abort gave {read:?}");
    }
}

/// What a direct read gave is written like any other bytes: whole, in order, given back if it was not taken.
pub fn direct_bytes_are_written_whole<H: Harness>(case: &Case<H>) {
    let mut source = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    let mut next = || given(case, &mut source, &mut feed, &mut tape);

    // Among others.
    let mut buf = vec![0; MUCH];
    let Link { flow, mut peer } = case.tight();
    let mut sent = vec![];
    let mut got = vec![];
    for _ in 0..4 {
        let (chunks, bytes) = next();
        let written = [
            Chunks::from(Bytes::from("before")),
            chunks,
            Chunks::from(Bytes::from("behind")),
        ];
        for (chunks, bytes) in written.into_iter().zip([b"before", &bytes[..], b"behind"]) {
            sent.extend_from_slice(bytes);
            let mut write = case.step(WRITE, flow.write_chunks(chunks));
            let written = write.finish_while(|| receive(&mut peer, &mut got, MUCH));
            assert!(written.is_ok(), "{WRITE} failed: {written:?}");
        }
    }
    let all = Cell::new(false);
    let rest = || {
        let moved = receive(&mut peer, &mut got, MUCH);
        all.set(got.len() >= sent.len());
        moved
    };
    case.wait("bytes that should arrive", || all.get(), rest);
    assert!(
        got == sent,
        "what was read directly did not arrive whole and in order among other writes"
    );

    // One that waits, and is given back; one that was taken, and is dropped.
    let (chunks, bytes) = next();
    let mut full = case.park_taken(&flow, &mut feed_out());
    let mut op = WriteOp::new(chunks);
    case.step(
        "a write in line",
        poll_fn(|cx| flow.poll_write(cx, &mut op)),
    )
    .park();
    let back = op.cancel();
    let back = back.expect("a write that was not taken gives its bytes back");
    assert!(
        bring_in(back) == bytes,
        "other bytes than those that were read directly were given back"
    );
    let (chunks, bytes) = next();
    got.clear();
    let done = full.finish_while(|| receive(&mut peer, &mut got, MUCH));
    assert!(done.is_ok(), "write failed: {done:?}");
    let mut write = case.step(WRITE, flow.write_chunks(chunks));
    while write.poll().is_pending() && !write.call().is_taken() {
        let some = Cell::new(false);
        let receive = || {
            some.set(receive(&mut peer, &mut got, 1024));
            some.get()
        };
        case.wait(WRITE, || some.get() || write.is_woken(), receive);
    }
    drop(write);
    let mut flush = case.step("a flush", flow.flush());
    let flushed = flush.finish_while(|| receive(&mut peer, &mut got, MUCH));
    assert!(flushed.is_ok(), "a flush failed: {flushed:?}");
    shut(case, &flow, Shutdown::Write);
    let ended = Cell::new(false);
    let receive = || match peer.recv(&mut buf) {
        Recv::Data(count) => {
            got.extend_from_slice(&buf[..count]);
            true
        }
        met => {
            ended.set(met != Recv::Empty);
            ended.get()
        }
    };
    case.wait("the end that the peer should see", || ended.get(), receive);
    assert!(
        got.ends_with(&bytes),
        "a write of what was read directly is not whole after it was taken and dropped"
    );

    // On a flow that is closed for writing.
    let (chunks, _) = next();
    expect_closed(
        "a write of what was read directly, after shutdown(Write),",
        case.step(WRITE, flow.write_chunks(chunks)).finish(),
    );
}

/// A chunk of a direct read that is kept stays as it was, whatever the flow does later.
pub fn direct_chunk_never_changes<H: Harness>(case: &Case<H>) {
    let mut link = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    let kept: Vec<_> = (0..4)
        .map(|_| given(case, &mut link, &mut feed, &mut tape))
        .collect();
    while tape.at() < feed.at() {
        check(&mut tape, read_either(case, &link.flow));
    }
    case.send(&mut link.peer, &mut feed, WORTH);
    case.settle();
    drop(link);
    for (chunks, bytes) in kept {
        assert!(
            bring_in(chunks) == bytes,
            "a chunk of a direct read changed while it was kept"
        );
    }
}

/// The peer receives at most `len` bytes of what is there; whether there were any.
fn receive(peer: &mut dyn Peer, got: &mut Vec<u8>, len: usize) -> bool {
    let mut buf = vec![0; len];
    match peer.recv(&mut buf) {
        Recv::Data(count) => {
            got.extend_from_slice(&buf[..count]);
            true
        }
        _ => false,
    }
}
