//! Writing that is over, whoever ended it.

use flow_core::{Bytes, Flow, FlowExt, Shutdown, WriteError};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::moves::{feed_in, feed_out, tape_in};
use crate::peer::{Peer, Recv};

/// The result must be `Closed`.
#[track_caller]
pub(crate) fn expect_closed<T: std::fmt::Debug, E: std::fmt::Debug>(
    what: &str,
    result: Result<T, WriteError<E>>,
) {
    match result {
        Err(WriteError::Closed) => {}
        other => panic!("{what} gave {other:?} instead of `Closed`"),
    }
}

/// Writes until one fails.
pub(super) fn write_until_closed<H: Harness>(case: &Case<H>, flow: &H::Flow, vectored: bool) {
    for _ in 0..16 {
        let data = Bytes::from_static(b"to nobody");
        let write = if vectored {
            flow.write_chunks(vec![data.clone(), data])
        } else {
            flow.write(data)
        };
        match case.step("a write to a peer that is gone", write).finish() {
            Ok(()) => case.settle(),
            Err(WriteError::Closed) => return,
            Err(e) => panic!("a write to a peer that is gone gave {e:?} instead of `Closed`"),
        }
    }
    panic!("16 writes to a peer that is gone were accepted");
}

/// When the peer is gone, a write is `Closed`, within a bounded number of writes.
pub fn write_peer_gone_is_closed<H: Harness>(case: &Case<H>) {
    for vectored in [false, true] {
        for reset in [false, true] {
            for read_first in [false, true] {
                let Link { flow, mut peer } = case.link();
                if reset {
                    peer.reset()
                } else {
                    peer.vanish()
                }
                if read_first {
                    let _ = case.try_read(&flow);
                }
                write_until_closed(case, &flow, vectored);
            }
        }
    }
}

/// A parked write ends when the peer goes.
pub fn write_parked_peer_gone<H: Harness>(case: &Case<H>) {
    for reset in [false, true] {
        for ended_first in [false, true] {
            let Link { flow, mut peer } = case.tight();
            let mut feed = feed_out();
            let mut first = case.park_taken(&flow, &mut feed);
            let mut second = case.step("a write in line", flow.write(feed.next(3)));
            second.park();
            if ended_first {
                // A half-close that somebody has seen is not the last event.
                peer.end();
                case.read_end(&flow);
                second.still_waits("after the peer's end");
            }
            case.settle();
            if reset {
                peer.reset()
            } else {
                peer.vanish()
            }
            expect_closed("a write parked when the peer went", first.finish());
            expect_closed("a write in line when the peer went", second.finish());
        }
    }
}

/// After `shutdown(Write)`, `close` or `abort` writing is `Closed`, never `Ok`.
pub fn write_after_shutdown<H: Harness>(case: &Case<H>) {
    let refused = |flow: &H::Flow, peer: &mut dyn Peer, what: &str| {
        for _ in 0..3 {
            expect_closed(what, case.try_write(flow, Bytes::from_static(b"late")));
            expect_closed(
                what,
                case.step(
                    "a late writev",
                    flow.write_chunks(["la", "te"].map(Bytes::from).to_vec()),
                )
                .finish(),
            );
        }
        match case.receive(peer, "the end that the peer should see") {
            Recv::End | Recv::Torn => {}
            other => panic!("{what} reached the peer: {other:?}"),
        }
    };
    for how in [Shutdown::Write, Shutdown::Both] {
        let Link { flow, mut peer } = case.link();
        assert!(
            case.step("a shutdown", flow.shutdown(how)).finish().is_ok(),
            "shutdown failed"
        );
        refused(&flow, &mut peer, "a write after shutdown");
    }
    let Link { flow, mut peer } = case.link();
    let mut close = case.step("a close", flow.close());
    close.park();
    refused(&flow, &mut peer, "a write while close waits");
    peer.end();
    assert!(close.finish().is_ok(), "close failed");
    refused(&flow, &mut peer, "a write after close");

    let Link { flow, mut peer } = case.link();
    flow.abort();
    refused(&flow, &mut peer, "a write after abort");
}

/// After a failed write everything on the write side fails, shutdown and close included.
pub fn write_failure_is_final<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    peer.vanish();
    write_until_closed(case, &flow, false);
    for again in 1..=3 {
        let results = [
            ("write", case.step("a write", flow.write("x")).finish()),
            (
                "writev",
                case.step(
                    "a writev",
                    flow.write_chunks(["x", "y"].map(Bytes::from).to_vec()),
                )
                .finish(),
            ),
            ("flush", case.step("a flush", flow.flush()).finish()),
            (
                "shutdown",
                case.step("a shutdown", flow.shutdown(Shutdown::Write))
                    .finish(),
            ),
            (
                "close",
                case.step("a close", flow.close()).finish().map(drop),
            ),
        ];
        for (what, result) in results {
            assert!(
                result.is_err(),
                "{what} {again} after a failed write gave {result:?}"
            );
        }
    }
}

/// An error that is not about the peer stays what it is.
pub fn write_keeps_other_errors<H: Harness>(case: &Case<H>) {
    let harness = case.harness();
    let flow = harness
        .enter(|| harness.failing())
        .expect("this law needs `Failing`");
    let mut first = None;
    for again in 0..3 {
        match case.try_write(&flow, Bytes::from_static(b"x")) {
            Err(WriteError::Closed) => {
                panic!("an error that is not about the peer was told as `Closed`")
            }
            Err(WriteError::Transport(e)) => {
                let first = first.get_or_insert_with(|| e.to_string());
                assert_eq!(e.to_string(), *first, "the error changed");
            }
            other => panic!("write {again} on a flow that fails gave {other:?}"),
        }
    }
    let flushed = case.step("a flush", flow.flush()).finish();
    assert!(
        flushed.is_err(),
        "a flush after a failed write gave {flushed:?}"
    );
    let closed = case.step("a close", flow.close()).finish();
    assert!(
        closed.is_err(),
        "a close after a failed write gave {closed:?}"
    );
}

/// A failed write side leaves reading as it was.
pub fn write_failure_spares_reading<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_in(), tape_in());
    case.send(&mut peer, &mut feed, 20_000);
    case.settle();
    peer.vanish();
    write_until_closed(case, &flow, false);
    case.read_up_to(&flow, &mut tape, feed.at());
    assert!(
        !matches!(case.try_read(&flow), Ok(Some(_))),
        "bytes came after the last"
    );
}
