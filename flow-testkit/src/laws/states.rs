//! The table of states and operations: what every call answers in every state, each asked three times.

use std::fmt::Debug;
use std::future::Future;

use flow_core::{Flow, FlowExt, Shutdown, WriteError};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::laws::shutdown::shut;
use crate::laws::write_end::write_until_closed;
use crate::moves::{feed_in, feed_out, tape_in};
use crate::peer::Peer as _;
use crate::step::Step;

/// What a call answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It has to wait.
    Waits,
    /// It is done.
    Done,
    /// The bytes that are there.
    Chunk,
    /// `None`.
    End,
    /// `WriteError::Closed`.
    Closed,
    /// An error of the flow's kind.
    Error,
    /// `None`, or an error that says that the peer reset.
    EndOrReset,
    /// Not asked: how many writes a peer that is gone still takes is not promised.
    Unasked,
}

use Answer::{Chunk, Closed, Done, End, EndOrReset, Error, Unasked, Waits};

/// One row of the contract's table: read, write, empty write, flush, shutdown of each direction, close.
type Row = [Answer; 7];

const CALLS: [&str; 7] = [
    "read",
    "write",
    "an empty write",
    "flush",
    "shutdown(Read)",
    "shutdown(Write)",
    "close",
];

const ROWS: [(&str, Row); 13] = [
    ("open", [Waits, Done, Done, Done, Done, Done, Waits]),
    (
        "whose peer has ended with bytes unread",
        [Chunk, Done, Done, Done, Done, Done, Done],
    ),
    (
        "whose peer's end was read",
        [End, Done, Done, Done, Done, Done, Done],
    ),
    (
        "whose peer is gone",
        [EndOrReset, Unasked, Done, Done, Done, Done, Done],
    ),
    (
        "whose peer has reset",
        [EndOrReset, Unasked, Done, Done, Done, Done, Done],
    ),
    (
        "after shutdown(Read)",
        [End, Done, Done, Done, Done, Done, Waits],
    ),
    (
        "after shutdown(Write)",
        [Waits, Closed, Closed, Done, Done, Done, Waits],
    ),
    (
        "after shutdown(Both)",
        [End, Closed, Closed, Done, Done, Done, Waits],
    ),
    (
        "that is closing",
        [Waits, Closed, Closed, Done, Done, Done, Waits],
    ),
    (
        "that is closed, with bytes unread",
        [Chunk, Closed, Closed, Done, Done, Done, Done],
    ),
    (
        "that is closed",
        [End, Closed, Closed, Done, Done, Done, Done],
    ),
    (
        "on which a write has failed",
        [EndOrReset, Closed, Closed, Closed, Done, Closed, Closed],
    ),
    (
        "that was aborted",
        [Error, Closed, Closed, Closed, Closed, Closed, Closed],
    ),
];

/// In every state every operation answers what the table of states says, however often it is asked.
pub fn states_answer_as_listed<H: Harness>(case: &Case<H>) {
    for (state, row) in ROWS {
        for (call, answer) in CALLS.into_iter().zip(row) {
            if answer == Unasked {
                continue;
            }
            let link = put_into(case, state);
            for again in 1..=3 {
                // What was there has been read.
                let answer = match answer {
                    Chunk if again > 1 => End,
                    answer => answer,
                };
                ask(case, &link.flow, call, again, answer, state);
            }
        }
    }
}

/// A link whose flow is in this state.
fn put_into<H: Harness>(case: &Case<H>, state: &str) -> Link<H::Flow> {
    let mut link = case.link();
    let Link { flow, peer } = &mut link;
    match state {
        "whose peer has ended with bytes unread" => {
            case.send(peer, &mut feed_in(), 10);
            peer.end();
        }
        "whose peer's end was read" => {
            case.send(peer, &mut feed_in(), 10);
            peer.end();
            case.read_up_to(flow, &mut tape_in(), 10);
            case.read_end(flow);
        }
        "whose peer is gone" => peer.vanish(),
        "whose peer has reset" => peer.reset(),
        "after shutdown(Read)" => shut(case, flow, Shutdown::Read),
        "after shutdown(Write)" => shut(case, flow, Shutdown::Write),
        "after shutdown(Both)" => shut(case, flow, Shutdown::Both),
        "that is closing" => {
            case.step("a close", flow.close()).park();
        }
        "that is closed, with bytes unread" | "that is closed" => {
            if state.ends_with("unread") {
                case.send(peer, &mut feed_in(), 10);
            }
            peer.end();
            let closed = case.step("a close", flow.close()).finish();
            assert!(closed.is_ok(), "close failed: {closed:?}");
        }
        "on which a write has failed" => {
            peer.vanish();
            write_until_closed(case, flow, false);
        }
        "that was aborted" => {
            case.send(peer, &mut feed_in(), 10);
            case.settle();
            flow.abort();
        }
        _ => assert_eq!(state, "open", "a state of the list"),
    }
    case.settle();
    link
}

/// Makes the call, an operation of its own each time, and compares.
fn ask<H: Harness>(
    case: &Case<H>,
    flow: &H::Flow,
    call: &'static str,
    again: usize,
    expected: Answer,
    state: &str,
) {
    let got = match call {
        "read" if expected == Chunk => {
            case.read_up_to(flow, &mut tape_in(), 10);
            Chunk
        }
        "read" => {
            let mut read = case.step(call, flow.read());
            if expected == Waits {
                read.still_waits(&format!("on a flow {state}"));
                return;
            }
            match read.finish() {
                Ok(Some(_)) => Chunk,
                Ok(None) if expected == EndOrReset => EndOrReset,
                Ok(None) => End,
                Err(_) if expected == EndOrReset => EndOrReset,
                Err(_) => Error,
            }
        }
        "write" => told(
            case.step(call, flow.write(feed_out().next(10))),
            expected,
            state,
        ),
        "an empty write" => told(case.step(call, flow.write("")), expected, state),
        "flush" => told(case.step(call, flow.flush()), expected, state),
        "shutdown(Read)" => told(
            case.step(call, flow.shutdown(Shutdown::Read)),
            expected,
            state,
        ),
        "shutdown(Write)" => told(
            case.step(call, flow.shutdown(Shutdown::Write)),
            expected,
            state,
        ),
        _ => told(case.step(call, flow.close()), expected, state),
    };
    assert!(
        got == expected,
        "{call} {again} on a flow {state} gave {got:?} instead of {expected:?}"
    );
}

/// What the call answers, unless it should wait and does.
fn told<H: Harness, C, T: Debug, E: Debug>(
    mut step: Step<'_, H, C>,
    expected: Answer,
    state: &str,
) -> Answer
where
    C: Future<Output = Result<T, WriteError<E>>> + Unpin,
{
    if expected == Waits {
        step.still_waits(&format!("on a flow {state}"));
        return Waits;
    }
    match step.finish() {
        Ok(_) => Done,
        Err(WriteError::Closed) => Closed,
        Err(_) => Error,
    }
}
