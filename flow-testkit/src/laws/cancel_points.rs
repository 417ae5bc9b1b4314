//! Cancelling, exhaustively: every operation is dropped after its first poll, after its second, and so on until it gets done.

use std::future::Future;
use std::task::Poll;

use flow_core::{Bytes, FlowExt, Shutdown};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::laws::write_end::expect_closed;
use crate::moves::{MUCH, feed_in, feed_out, pull, push, tape_in, tape_out};
use crate::pattern::{Feed, Tape};
use crate::peer::{Peer, Recv};
use crate::step::Step;

/// What is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Read,
    Write,
    WriteVectored,
    Flush,
    Shutdown(Shutdown),
    Close,
}

impl Call {
    const ALL: [Self; 8] = [
        Self::Read,
        Self::Write,
        Self::WriteVectored,
        Self::Flush,
        Self::Shutdown(Shutdown::Write),
        Self::Shutdown(Shutdown::Read),
        Self::Shutdown(Shutdown::Both),
        Self::Close,
    ];

    /// Whether it ends writing.
    fn ends_writing(self) -> bool {
        matches!(
            self,
            Self::Shutdown(Shutdown::Write | Shutdown::Both) | Self::Close
        )
    }

    /// Whether it ends reading.
    fn ends_reading(self) -> bool {
        matches!(self, Self::Shutdown(Shutdown::Read | Shutdown::Both))
    }
}

/// More polls than a call needs here, unless its transport waits for a timer: then the later ones are alike.
const MOST: usize = 32;
/// Before which move the peer sends something, and how much.
const SENDS_AT: usize = 3;
const SENDS: usize = 7;

/// An operation that is dropped, after however many polls, loses, repeats and breaks nothing.
pub fn cancel_at_every_poll<H: Harness>(case: &Case<H>) {
    let room = room(case);
    for call in Call::ALL {
        // On an empty flow, and behind the rest of a write that was dropped.
        for full in [false, true] {
            let _ = (1..=MOST).find(|&polls| !dropped_after(case, room, call, full, polls));
        }
    }
}

/// How much a tight link holds, roughly.
fn room<H: Harness>(case: &Case<H>) -> usize {
    let Link { flow, mut peer } = case.tight();
    drop(case.park_taken(&flow, &mut feed_out()));
    peer.queued().clamp(1, MUCH)
}

/// More than a link holds: several times as much, unless that is a lot.
const fn several(room: usize) -> usize {
    if room > 32 * 1024 {
        room + room / 2
    } else {
        3 * room
    }
}

/// The far end of a flow one of whose calls is dropped: what it has sent and seen.
struct Far {
    peer: Box<dyn Peer>,
    sent: Feed,
    seen: Tape,
    /// How much is received at a time.
    portion: usize,
    moves: usize,
    met_end: usize,
}

impl Far {
    /// Receives a little, sends something once, and ends a while after it has seen the end.
    fn move_a_little(&mut self) {
        self.moves += 1;
        if self.moves == SENDS_AT {
            push(&mut *self.peer, &mut self.sent, SENDS);
        }
        let mut buf = vec![0; self.portion.min(64 * 1024)];
        if self.met_end == 0 {
            match self.peer.recv(&mut buf) {
                Recv::Data(count) => self.seen.check(&buf[..count]),
                Recv::Empty => {}
                Recv::End => self.met_end = self.moves,
                Recv::Torn => panic!("the peer met a torn stream after {} bytes", self.seen.at()),
            }
        } else if self.moves == self.met_end + 2 {
            self.peer.end();
        }
    }
}

/// Polls once, lets the far end move, and so on. The result, if it was there after at most `polls` polls.
fn poll_until_dropped<H: Harness, C: Future + Unpin>(
    case: &Case<H>,
    step: &mut Step<'_, H, C>,
    polls: usize,
    far: &mut Far,
) -> Option<C::Output> {
    for _ in 0..polls {
        if let Poll::Ready(result) = step.poll_once() {
            return Some(result);
        }
        far.move_a_little();
        case.settle();
    }
    None
}

/// Drops `call` after that many polls, and looks at both ends. Whether it was dropped: false if it was done before.
fn dropped_after<H: Harness>(
    case: &Case<H>,
    room: usize,
    call: Call,
    full: bool,
    polls: usize,
) -> bool {
    let Link { flow, peer } = case.tight();
    let (mut out, mut got) = (feed_out(), tape_in());
    let mut far = Far {
        peer,
        sent: feed_in(),
        seen: tape_out(),
        portion: room / 2 + 1,
        moves: 0,
        met_end: 0,
    };
    if full {
        // Taken, and dropped after its only poll.
        let len = several(room) + 1;
        let mut rest = case.step("a write to be dropped", flow.write(out.peek(len)));
        let result = rest.poll_once();
        assert!(
            !matches!(result, Poll::Ready(Err(_))),
            "write failed: {result:?}"
        );
        if result.is_ready() || rest.call().is_taken() {
            out.sent(len);
        }
    }
    let buffers = |len: usize| -> Vec<Bytes> {
        let whole = out.peek(len);
        let part = (len / 3).max(1);
        (0..len)
            .step_by(part)
            .map(|at| whole.slice(at..len.min(at + part)))
            .collect()
    };
    let dropped = match call {
        Call::Read => {
            let mut read = case.step("a read to be dropped", flow.read());
            match poll_until_dropped(case, &mut read, polls, &mut far) {
                Some(Ok(Some(chunk))) => {
                    got.check(&chunk);
                    false
                }
                Some(other) => panic!("a read gave {other:?} at its poll {}", read.polls()),
                None => true,
            }
        }
        Call::Write | Call::WriteVectored => {
            let len = several(room) + 5;
            let data = if call == Call::Write {
                flow.write(out.peek(len))
            } else {
                flow.write_chunks(buffers(len))
            };
            let mut write = case.step("a write to be dropped", data);
            let done = poll_until_dropped(case, &mut write, polls, &mut far);
            if let Some(result) = &done {
                assert!(result.is_ok(), "write failed: {result:?}");
            }
            // Of a write that was not taken nothing is sent, and what follows shows it.
            if write.call().is_taken() {
                out.sent(len);
            }
            done.is_none()
        }
        Call::Flush => {
            let mut flush = case.step("a flush to be dropped", flow.flush());
            ends_well(
                "flush",
                poll_until_dropped(case, &mut flush, polls, &mut far),
            )
        }
        Call::Shutdown(how) => {
            let mut shutdown = case.step("a shutdown to be dropped", flow.shutdown(how));
            ends_well(
                "shutdown",
                poll_until_dropped(case, &mut shutdown, polls, &mut far),
            )
        }
        Call::Close => {
            let mut close = case.step("a close to be dropped", flow.close());
            ends_well(
                "close",
                poll_until_dropped(case, &mut close, polls, &mut far),
            )
        }
    };
    look_at_both_ends(case, &flow, call, &mut far, &mut out, &mut got);
    dropped
}

/// Whether it was dropped; if it was done, it must be `Ok`.
fn ends_well<T: std::fmt::Debug, E: std::fmt::Debug>(
    what: &str,
    result: Option<Result<T, E>>,
) -> bool {
    if let Some(result) = &result {
        assert!(result.is_ok(), "{what} failed: {result:?}");
    }
    result.is_none()
}

/// Every byte is where it belongs, and every later call works.
fn look_at_both_ends<H: Harness>(
    case: &Case<H>,
    flow: &H::Flow,
    call: Call,
    far: &mut Far,
    out: &mut Feed,
    got: &mut Tape,
) {
    let Far {
        peer, sent, seen, ..
    } = far;
    if call.ends_writing() {
        expect_closed(
            "a write after a dropped call that ends writing",
            case.try_write(flow, Bytes::from_static(b"late")),
        );
    } else {
        let mut write = case.step("a write after a dropped call", flow.write(out.next(SENDS)));
        case.receive_while(&mut write, peer, seen, out.at());
        let flushed = case
            .step("a flush after a dropped call", flow.flush())
            .finish();
        assert!(
            flushed.is_ok(),
            "a flush after a dropped {call:?} gave {flushed:?}"
        );
    }
    // The end may have been seen already.
    let mut whole = far.met_end > 0;
    let mut shutdown = case.step(
        "a shutdown after a dropped call",
        flow.shutdown(Shutdown::Write),
    );
    let result = shutdown.finish_while(|| !whole && seen.at() < out.at() && pull(peer, seen, MUCH));
    assert!(
        result.is_ok(),
        "a shutdown after a dropped {call:?} gave {result:?}"
    );
    case.receive_up_to(peer, seen, out.at());
    if !whole {
        case.receive_end(peer);
        whole = true;
    }
    assert!(whole, "the peer has seen the end");
    if far.moves < far.met_end + 2 || far.met_end == 0 {
        case.send(peer, sent, SENDS);
        peer.end();
    }
    if !call.ends_reading() {
        case.read_up_to(flow, got, sent.at());
    }
    case.read_end(flow);
    let closed = case
        .step("a close after a dropped call", flow.close())
        .finish();
    assert!(
        closed.is_ok(),
        "a close after a dropped {call:?} gave {closed:?}"
    );
}
