//! Writing many buffers, and none.

use std::task::Poll;

use flow_core::{Bytes, Flow, FlowExt, Shutdown, WriteError};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::moves::{COUNTS, EDGES, MUCH, feed_out, pull, tape_out};
use crate::pattern::{Feed, Tape};
use crate::peer::{Peer, Recv};

/// The flow writes `buffers` of these lengths, vectored, and the peer must get them whole.
fn vectored<H: Harness>(
    case: &Case<H>,
    link: &mut Link<H::Flow>,
    feed: &mut Feed,
    tape: &mut Tape,
    lengths: &[usize],
) {
    let buffers: Vec<Bytes> = lengths.iter().map(|&len| feed.next(len)).collect();
    let mut write = case.step("a vectored write", link.flow.write_chunks(buffers));
    let result = write.finish_while(|| pull(&mut link.peer, tape, 64 * 1024));
    assert!(
        result.is_ok(),
        "a write of {} buffers failed: {result:?}",
        lengths.len()
    );
    case.receive_up_to(&mut link.peer, tape, feed.at());
}

/// Any number of buffers of any length are one write, in order.
pub fn writev_any_count<H: Harness>(case: &Case<H>) {
    for tight in [false, true] {
        let mut link = if tight { case.tight() } else { case.link() };
        let (mut feed, mut tape) = (feed_out(), tape_out());
        for count in COUNTS {
            vectored(case, &mut link, &mut feed, &mut tape, &vec![1; count]);
        }
        // Portions of the transport that end inside a buffer, on a boundary, and behind several.
        for lengths in [
            &[1, 4095, 4096, 4097, 7][..],
            &[4480, 4480],
            &[4479, 2, 4479],
            &[97, 97, 1, 96],
            &[100_000, 1, 30_000],
            // More small ones than whatever they may be copied into on the way holds.
            &[100; 700],
            &EDGES,
        ] {
            vectored(case, &mut link, &mut feed, &mut tape, lengths);
        }
    }
}

/// Empty buffers among others have no effect.
pub fn writev_empty_entries<H: Harness>(case: &Case<H>) {
    let mut link = case.link();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    for empties in [0, 1, 1023, 1024, 1025, 2000] {
        let mut lengths = vec![0; empties];
        lengths.extend([5, 0, 0, 7, 0]);
        vectored(case, &mut link, &mut feed, &mut tape, &lengths);
    }
    assert_eq!(link.peer.queued(), 0, "empty buffers sent something");
}

/// Empty buffers and lists succeed at once, also on a full flow, and send nothing.
pub fn write_empty_is_immediate<H: Harness>(case: &Case<H>) {
    let at_once = |flow: &H::Flow, when: &str| {
        let writes = [
            case.step("an empty write", flow.write("")).poll(),
            case.step("an empty list", flow.writev(Vec::<Bytes>::new()))
                .poll(),
            case.step(
                "a list of empties",
                flow.write_chunks(vec![Bytes::new(); 1025]),
            )
            .poll(),
        ];
        for result in writes {
            match result {
                Poll::Ready(Ok(())) => {}
                other => panic!("an empty write on {when} gave {other:?}"),
            }
        }
    };
    let Link { flow, mut peer } = case.link();
    at_once(&flow, "a fresh flow");
    case.settle();
    assert_eq!(peer.queued(), 0, "an empty write sent something");
    assert_eq!(
        peer.recv(&mut [0]),
        Recv::Empty,
        "an empty write was seen by the peer"
    );
    peer.end();
    case.read_end(&flow);
    at_once(&flow, "a flow whose peer has ended");

    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut full = case.park_taken(&flow, &mut feed);
    let mut behind = case.step("a write in line", flow.write(feed.next(3)));
    behind.park();
    at_once(&flow, "a full flow");
    assert!(
        full.finish_while(|| pull(&mut peer, &mut tape, MUCH))
            .is_ok(),
        "write failed"
    );
    assert!(
        behind
            .finish_while(|| pull(&mut peer, &mut tape, MUCH))
            .is_ok(),
        "write failed"
    );
    case.receive_up_to(&mut peer, &mut tape, feed.at());
}

/// On a flow closed for writing they are `Closed`.
pub fn write_empty_after_close<H: Harness>(case: &Case<H>) {
    let refused = |flow: &H::Flow, after: &str| {
        let writes = [
            case.step("an empty write", flow.write("")).poll(),
            case.step("an empty list", flow.writev(Vec::<Bytes>::new()))
                .poll(),
            case.step(
                "a list of empties",
                flow.write_chunks(vec![Bytes::new(); 2]),
            )
            .poll(),
        ];
        for result in writes {
            match result {
                Poll::Ready(Err(WriteError::Closed)) => {}
                other => panic!("an empty write after {after} gave {other:?} instead of `Closed`"),
            }
        }
    };
    let Link { flow, peer: _peer } = case.link();
    assert!(
        case.step("a shutdown", flow.shutdown(Shutdown::Write))
            .finish()
            .is_ok(),
        "shutdown failed"
    );
    refused(&flow, "shutdown");

    let Link { flow, peer: _peer } = case.link();
    case.step("a close", flow.close()).park();
    refused(&flow, "the first poll of close");

    let Link { flow, peer: _peer } = case.link();
    flow.abort();
    refused(&flow, "abort");
}
