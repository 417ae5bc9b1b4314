//! Flows that fail half-way, for a reason that is not the peer's.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flow_core::{Bytes, Flow, FlowExt, Shutdown, WriteError, WriteOp};

use crate::case::Case;
use crate::fragile::Break;
use crate::harness::{Harness, Link, Room};
use crate::laws::shutdown::shut;
use crate::moves::{MUCH, feed_in, feed_out, pull, tape_in, tape_out};
use crate::pattern::Tape;
use crate::peer::{Peer, Recv};

/// How many bytes of writes before are accepted, and how many of the one that fails.
const PARTS: [(usize, usize); 5] = [(0, 0), (100, 0), (0, 1), (0, 100), (100, 300)];

fn breaking<H: Harness>(case: &Case<H>, room: Room, at: Break) -> Link<H::Flow> {
    let harness = case.harness();
    let link = harness.enter(|| harness.breaking(room, at));
    link.expect("this law needs `Breaking`")
}

/// Polls this write until it fails, while `others` go on.
#[track_caller]
fn fails<H: Harness>(
    case: &Case<H>,
    flow: &H::Flow,
    op: &mut WriteOp,
    others: impl FnMut() -> bool,
) {
    let write = poll_fn(|cx| flow.poll_write(cx, op));
    match case.step("a write that fails", write).finish_while(others) {
        Err(WriteError::Transport(_)) => {}
        other => panic!("a write to a transport that fails gave {other:?}"),
    }
}

/// The bytes that this write gives back.
fn given_back(op: WriteOp) -> Option<Vec<u8>> {
    let chunks = op.cancel()?;
    Some(chunks.slices().collect::<Vec<_>>().concat())
}

/// A write that failed gives its bytes back if the transport accepted none of them, and otherwise no part of them.
pub fn write_failed_gives_all_back_or_none<H: Harness>(case: &Case<H>) {
    for (before, part) in PARTS {
        let Link { flow, mut peer } = breaking(case, Room::Ample, Break::Sending(before + part));
        let (mut feed, mut tape) = (feed_out(), tape_out());
        if before > 0 {
            case.write(&flow, feed.next(before));
        }
        let data = feed.next(1000);
        let mut op = WriteOp::from(data.clone());
        fails(case, &flow, &mut op, || false);
        match given_back(op) {
            None => assert!(part > 0, "a write that was not sent is not given back"),
            Some(back) => {
                assert!(
                    part == 0,
                    "{} bytes of a write are given back, of which {part} were sent",
                    back.len()
                );
                assert!(
                    back == data,
                    "other bytes than those of the write are given back"
                );
            }
        }
        // Nobody takes those that come later.
        let mut late = WriteOp::from(data.clone());
        fails(case, &flow, &mut late, || false);
        assert!(
            given_back(late).is_some_and(|back| back == data),
            "a write after a failed one is not given back"
        );
        case.receive_up_to(&mut peer, &mut tape, (before + part) as u64);
    }
    // One that was taken before it failed, and one behind it.
    let Link { flow, mut peer } = breaking(case, Room::Tight, Break::Sending(MUCH));
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut op = WriteOp::from(feed.next(2 * MUCH));
    case.step("a write", poll_fn(|cx| flow.poll_write(cx, &mut op)))
        .park();
    let mut behind = WriteOp::from("nobody shall see this");
    case.step(
        "a write in line",
        poll_fn(|cx| flow.poll_write(cx, &mut behind)),
    )
    .park();
    fails(case, &flow, &mut op, || pull(&mut peer, &mut tape, MUCH));
    let back = given_back(op);
    assert_eq!(back, None, "a write of which a part was sent is given back");
    fails(case, &flow, &mut behind, || {
        pull(&mut peer, &mut tape, MUCH)
    });
    assert_eq!(
        given_back(behind).as_deref(),
        Some(&b"nobody shall see this"[..]),
        "a write behind a failed one is not given back"
    );
    case.receive_up_to(&mut peer, &mut tape, MUCH as u64);
}

/// A write of which a part was accepted before it failed keeps what was not, if that was asked for. Otherwise the flow lets go of it.
pub fn write_failed_keeps_the_unsent<H: Harness>(case: &Case<H>) {
    const LEN: usize = 2 * MUCH;
    for keeps in [true, false] {
        // In the very call that fails.
        for (before, part) in PARTS.into_iter().filter(|(_, part)| *part > 0) {
            let Link { flow, peer: _peer } =
                breaking(case, Room::Ample, Break::Sending(before + part));
            let mut feed = feed_out();
            if before > 0 {
                case.write(&flow, feed.next(before));
            }
            let data = feed.next(1000);
            let mut op = asking(data.clone(), keeps);
            fails(case, &flow, &mut op, || false);
            unsent(op, &data[part..], keeps);
        }
        // Taken before: it is the write itself that meets the failure, or another call, or nobody waits for the write any more.
        for meets in ["the write", "a flush", "a flush after it was dropped"] {
            let Link { flow, mut peer } = breaking(case, Room::Tight, Break::Sending(MUCH));
            let (mut feed, mut tape) = (feed_out(), tape_out());
            let data = feed.next(LEN);
            let (buffer, gone) = watched(data.clone());
            let mut op = asking(buffer, keeps);
            case.step("a write", poll_fn(|cx| flow.poll_write(cx, &mut op)))
                .park();
            assert!(op.is_taken(), "an empty flow took nothing of a large write");
            let mut op = (meets != "a flush after it was dropped").then_some(op);
            if meets != "the write" {
                let mut flush = case.step("a flush of a write that fails", flow.flush());
                let flushed = flush.finish_while(|| pull(&mut peer, &mut tape, MUCH));
                assert!(flushed.is_err(), "a write that fails was flushed");
            } else if let Some(op) = &mut op {
                fails(case, &flow, op, || pull(&mut peer, &mut tape, MUCH));
            }
            if !keeps || op.is_none() {
                case.wait(
                    "the buffer of a write that failed, to be let go of",
                    || gone.load(Ordering::SeqCst),
                    || false,
                );
            }
            if let Some(mut op) = op {
                if meets != "the write" {
                    fails(case, &flow, &mut op, || false);
                }
                unsent(op, &data[MUCH..], keeps);
            }
            case.receive_up_to(&mut peer, &mut tape, MUCH as u64);
        }
    }
}

/// A write of this, which asks for what is not sent or does not.
fn asking(data: Bytes, keeps: bool) -> WriteOp {
    let op = WriteOp::from(data);
    if keeps { op.keeping_unsent() } else { op }
}

/// What this write has kept must be just that, or nothing where nothing was asked for.
#[track_caller]
fn unsent(op: WriteOp, expected: &[u8], asked: bool) {
    let Some(kept) = op.into_unsent() else {
        assert!(!asked, "a write that failed lost what it was asked to keep");
        return;
    };
    assert!(
        asked,
        "a write that failed kept {} bytes that nobody asked for",
        kept.len()
    );
    assert!(
        kept.slices().collect::<Vec<_>>().concat() == expected,
        "a write that failed kept {} bytes, which are not the {} that were not sent",
        kept.len(),
        expected.len()
    );
}

/// A buffer that says when it is let go of.
struct Watched {
    data: Bytes,
    gone: Arc<AtomicBool>,
}

/// These bytes in a buffer that says when it is let go of.
fn watched(data: Bytes) -> (Bytes, Arc<AtomicBool>) {
    let gone = Arc::<AtomicBool>::default();
    let watched = Watched {
        data,
        gone: Arc::clone(&gone),
    };
    (Bytes::from_owner(watched), gone)
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
    }
}

/// After a write has failed, an abort is no orderly end if a part of that write was accepted, and an orderly one if none was.
pub fn abort_tells_a_failed_write<H: Harness>(case: &Case<H>) {
    for (before, part) in PARTS {
        for dropped in [false, true] {
            let Link { flow, mut peer } =
                breaking(case, Room::Ample, Break::Sending(before + part));
            let (mut feed, mut tape) = (feed_out(), tape_out());
            if before > 0 {
                case.write(&flow, feed.next(before));
            }
            fails(case, &flow, &mut WriteOp::from(feed.next(1000)), || false);
            let kept = if dropped {
                drop(flow);
                None
            } else {
                flow.abort();
                Some(flow)
            };
            let expected = if part > 0 { Recv::Torn } else { Recv::End };
            ends(case, &mut peer, &mut tape, before + part, expected);
            drop(kept);
        }
    }
    // Nobody asks any more for the one that fails.
    let Link { flow, mut peer } = breaking(case, Room::Tight, Break::Sending(MUCH));
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut write = case.step("a write", flow.write(feed.next(2 * MUCH)));
    write.park();
    drop(write);
    let mut flush = case.step("a flush", flow.flush());
    let flushed = flush.finish_while(|| pull(&mut peer, &mut tape, MUCH));
    assert!(
        flushed.is_err(),
        "a flush of a write that failed gave {flushed:?}"
    );
    drop(flush);
    drop(flow);
    ends(case, &mut peer, &mut tape, MUCH, Recv::Torn);
}

/// The peer receives up to so many bytes, then this end.
#[track_caller]
fn ends<H: Harness>(
    case: &Case<H>,
    peer: &mut dyn Peer,
    tape: &mut Tape,
    to: usize,
    expected: Recv,
) {
    let mut buf = [0; 4096];
    let met = Cell::new(Recv::Empty);
    let receive = || {
        met.set(peer.recv(&mut buf));
        let Recv::Data(count) = met.get() else {
            return false;
        };
        tape.check(&buf[..count]);
        true
    };
    let ended = || matches!(met.get(), Recv::End | Recv::Torn);
    case.wait("the end of a flow that failed", ended, receive);
    assert_eq!(tape.at(), to as u64, "what was accepted did not arrive");
    assert_eq!(
        met.get(),
        expected,
        "the end of a flow of which a write had failed"
    );
}

/// Reads up to the byte at which it fails, and what it fails with.
#[track_caller]
fn read_to_failure<H: Harness>(case: &Case<H>, flow: &H::Flow, to: usize) -> String {
    let mut tape = tape_in();
    loop {
        match case.try_read(flow) {
            Ok(Some(chunk)) => tape.check(&chunk),
            Ok(None) => panic!("reading that failed was told as the end"),
            Err(e) => {
                assert_eq!(tape.at(), to as u64, "reading failed too early");
                return e.to_string();
            }
        }
    }
}

/// A failed read side leaves writing as it was.
pub fn read_failure_spares_writing<H: Harness>(case: &Case<H>) {
    for at in [0, 50] {
        let Link { flow, mut peer } = breaking(case, Room::Tight, Break::Receiving(at));
        let (mut feed, mut tape) = (feed_out(), tape_out());
        let mut taken = case.park_taken(&flow, &mut feed);
        case.send(&mut peer, &mut feed_in(), 90);
        read_to_failure(case, &flow, at);
        case.receive_while(&mut taken, &mut peer, &mut tape, feed.at());
        case.write(&flow, feed.next(50));
        case.receive_up_to(&mut peer, &mut tape, feed.at());
        shut(case, &flow, Shutdown::Write);
        case.receive_end(&mut peer);
    }
}

/// Close fails with the error that reading failed with, where that is not about the peer.
pub fn close_tells_failed_reading<H: Harness>(case: &Case<H>) {
    for at in [0, 1, 100] {
        let Link { flow, mut peer } = breaking(case, Room::Ample, Break::Receiving(at));
        let (mut feed, mut tape) = (feed_out(), tape_out());
        case.send(&mut peer, &mut feed_in(), 1000);
        let failed = read_to_failure(case, &flow, at);
        case.write(&flow, feed.next(10));
        for ended in [false, true] {
            if ended {
                peer.end();
                case.settle();
            }
            match case.step("a close", flow.close()).finish() {
                Err(WriteError::Transport(e)) => {
                    assert_eq!(e.to_string(), failed, "close gave another error");
                }
                other => panic!("a close after reading had failed gave {other:?}"),
            }
        }
        // The end was signalled all the same.
        case.receive_up_to(&mut peer, &mut tape, feed.at());
        case.receive_end(&mut peer);
    }
    // It is close itself, or a shutdown, that meets the error.
    let Link { flow, mut peer } = breaking(case, Room::Ample, Break::Receiving(100));
    shut(case, &flow, Shutdown::Read);
    let mut close = case.step("a close that discards input", flow.close());
    close.park();
    case.settle();
    case.send(&mut peer, &mut feed_in(), 1000);
    match close.finish() {
        Err(WriteError::Transport(_)) => {}
        other => panic!("a close that met an error in what it discards gave {other:?}"),
    }
}
