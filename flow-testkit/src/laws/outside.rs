//! Writes of bytes that lie outside of memory, of a kind that no flow knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flow_core::{Bytes, Chunks, Flow, FlowExt, Outside};

use super::write_end::expect_closed;
use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::moves::{MUCH, feed_out, pull, tape_out};

/// Bytes that can be had once, or no more.
#[derive(Debug)]
struct Elsewhere {
    len: usize,
    bytes: Option<Bytes>,
    asked: Arc<AtomicBool>,
}

impl Elsewhere {
    fn with(bytes: Bytes) -> Chunks {
        Chunks::outside(Self {
            len: bytes.len(),
            bytes: Some(bytes),
            asked: Arc::default(),
        })
    }

    /// So many that are lost, and whether somebody has asked for them.
    fn lost(len: usize) -> (Chunks, Arc<AtomicBool>) {
        let asked = Arc::<AtomicBool>::default();
        let lost = Self {
            len,
            bytes: None,
            asked: Arc::clone(&asked),
        };
        (Chunks::outside(lost), asked)
    }
}

impl Outside for Elsewhere {
    fn len(&self) -> usize {
        self.len
    }

    fn bring_in(&mut self) -> Option<Bytes> {
        self.asked.store(true, Ordering::SeqCst);
        self.bytes.take()
    }
}

/// Bytes outside of memory that a flow cannot send from where they are it brings in first. Those that can be had no more are not sent,
/// and their write is `Closed`.
pub fn write_brings_bytes_in<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    for len in [1, 1000, 100] {
        let outside = Elsewhere::with(feed.next(len));
        if let Some(direct) = flow.direct() {
            assert!(
                !direct.takes(&outside),
                "a flow sends bytes of a kind that it cannot know from where they are"
            );
        }
        let mut write = case.step("a write from outside", flow.write_chunks(outside));
        let written = write.finish();
        assert!(written.is_ok(), "a write from outside failed: {written:?}");
        drop(write);
        case.write(&flow, feed.next(1));
        case.receive_up_to(&mut peer, &mut tape, feed.at());
    }
    let (lost, asked) = Elsewhere::lost(100);
    let mut write = case.step("a write of bytes that are lost", flow.write_chunks(lost));
    expect_closed("a write of bytes that are lost", write.finish());
    drop(write);
    assert!(
        asked.load(Ordering::SeqCst),
        "bytes that are lost were refused unasked"
    );
    // Nothing of it was sent, so what comes behind it is in its place.
    case.write(&flow, feed.next(10));
    case.receive_up_to(&mut peer, &mut tape, feed.at());

    // More than there is room for, and behind others.
    let Link { flow, mut peer } = case.tight();
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut taken = case.park_taken(&flow, &mut feed);
    let from = feed.at();
    let outside = Elsewhere::with(feed.next(MUCH));
    let mut write = case.step("a write from outside", flow.write_chunks(outside));
    write.park();
    case.receive_while(&mut taken, &mut peer, &mut tape, from);
    let written = write.finish_while(|| pull(&mut peer, &mut tape, MUCH));
    assert!(written.is_ok(), "a write from outside failed: {written:?}");
    case.receive_up_to(&mut peer, &mut tape, feed.at());
}
