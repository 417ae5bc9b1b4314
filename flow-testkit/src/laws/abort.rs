//! Abort and drop: at once, from anywhere, and never mistaken for an orderly end.

use std::task::Poll;
use std::thread;

use flow_core::{Bytes, Flow, FlowExt, ReadOp, Shutdown, WriteOp};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::laws::tasks::noop;
use crate::laws::write_end::expect_closed;
use crate::moves::{MUCH, feed_in, feed_out, pull, tape_out};
use crate::peer::{Peer, Recv};

/// Pending and later reads fail with `Aborted`, never `None`.
pub fn abort_fails_reads<H: Harness>(case: &Case<H>) {
    for queued in [0, 1000] {
        let Link { flow, mut peer } = case.link();
        case.send(&mut peer, &mut feed_in(), queued);
        case.settle();
        let mut parked: Vec<_> = if queued == 0 {
            (0..3).map(|_| case.park_read(&flow)).collect()
        } else {
            vec![]
        };
        flow.abort();
        for read in &mut parked {
            let result = read.finish();
            assert!(
                result.is_err(),
                "a read parked at the abort gave {result:?}"
            );
        }
        for _ in 0..3 {
            match case.step("a read after abort", flow.read()).poll() {
                Poll::Ready(Err(_)) => {}
                other => panic!("a read after abort gave {other:?}"),
            }
        }
        peer.end();
        case.settle();
        let result = case.try_read(&flow);
        assert!(
            result.is_err(),
            "a read after abort and the peer's end gave {result:?}"
        );
    }
}

/// Pending and later writes, shutdown and close are `Closed`.
pub fn abort_closes_writing<H: Harness>(case: &Case<H>) {
    let Link { flow, peer: _peer } = case.tight();
    let mut taken = case.park_taken(&flow, &mut feed_out());
    let mut waiting = case.step("a write parked at the abort", flow.write("x"));
    waiting.park();
    let mut flush = case.step("a flush parked at the abort", flow.flush());
    flush.park();
    let mut close = case.step("a close parked at the abort", flow.close());
    close.park();
    let mut shutdown = case.step(
        "a shutdown parked at the abort",
        flow.shutdown(Shutdown::Write),
    );
    shutdown.park();
    flow.abort();
    expect_closed("a taken write parked at the abort", taken.finish());
    expect_closed("a write parked at the abort", waiting.finish());
    expect_closed("a flush parked at the abort", flush.finish());
    expect_closed("a close parked at the abort", close.finish());
    expect_closed("a shutdown parked at the abort", shutdown.finish());
    for _ in 0..2 {
        expect_closed(
            "a write after abort",
            case.try_write(&flow, Bytes::from_static(b"x")),
        );
        expect_closed(
            "a flush after abort",
            case.step("a flush", flow.flush()).finish(),
        );
        for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
            expect_closed(
                "a shutdown after abort",
                case.step("a shutdown", flow.shutdown(how)).finish(),
            );
        }
        expect_closed(
            "a close after abort",
            case.step("a close", flow.close()).finish(),
        );
    }
}

/// The peer sees the end at once, while the flow object still lives.
pub fn abort_is_seen_at_once<H: Harness>(case: &Case<H>) {
    for state in ["idle", "reading", "writing", "closing", "read to the end"] {
        let Link { flow, mut peer } = if state == "writing" {
            case.tight()
        } else {
            case.link()
        };
        let read = (state == "reading").then(|| case.park_read(&flow));
        let write = (state == "writing").then(|| case.park_taken(&flow, &mut feed_out()));
        let close = (state == "closing").then(|| {
            let mut close = case.step("a close", flow.close());
            close.park();
            close
        });
        if state == "read to the end" {
            peer.end();
            case.read_end(&flow);
        }
        flow.abort();
        // The calls are there, and are not polled.
        case.receive_gone(&mut peer);
        drop((read, write, close));
        drop(flow);
    }
}

/// What the transport accepted still arrives.
pub fn abort_sends_what_was_accepted<H: Harness>(case: &Case<H>) {
    for len in [1, 60_000] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        case.write(&flow, feed.next(len));
        flow.abort();
        case.receive_up_to(&mut peer, &mut tape, feed.at());
        case.receive_gone(&mut peer);
    }
}

/// With a taken write unfinished, the peer sees no orderly end.
pub fn abort_torn_is_not_orderly<H: Harness>(case: &Case<H>) {
    for dropped in [false, true] {
        let Link { flow, mut peer } = case.tight();
        let mut tape = tape_out();
        let write = case.park_taken(&flow, &mut feed_out());
        let kept = if dropped { None } else { Some(write) };
        flow.abort();
        let mut buf = [0; 4096];
        let mut met = Recv::Empty;
        let receive = || {
            met = peer.recv(&mut buf);
            if let Recv::Data(count) = met {
                tape.check(&buf[..count]);
            }
            matches!(met, Recv::End | Recv::Torn)
        };
        case.wait("the end of a torn stream", receive, || true);
        assert_eq!(
            met,
            Recv::Torn,
            "a stream cut off in a write looked like one that ended, at {} bytes",
            tape.at()
        );
        drop(kept);
    }
    // The last owner's leaving is the same.
    let Link { flow, mut peer } = case.tight();
    drop(case.park_taken(&flow, &mut feed_out()));
    drop(flow);
    let mut met = Recv::Empty;
    let receive = || {
        met = peer.recv(&mut [0; 4096]);
        matches!(met, Recv::End | Recv::Torn)
    };
    case.wait("the end of a torn stream", receive, || true);
    assert_eq!(
        met,
        Recv::Torn,
        "a stream cut off by drop looked like one that ended"
    );
}

/// Abort may be repeated, before and after everything else.
pub fn abort_twice_is_harmless<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    for _ in 0..3 {
        flow.abort();
        assert!(
            case.try_read(&flow).is_err(),
            "a read after abort was no error"
        );
    }
    case.receive_gone(&mut peer);

    let Link { flow, mut peer } = case.link();
    peer.end();
    assert!(
        case.step("a close", flow.close()).finish().is_ok(),
        "close failed"
    );
    for _ in 0..2 {
        flow.abort();
    }
    case.receive_gone(&mut peer);
    peer.vanish();
    flow.abort();
}

/// Abort may come from any thread, also while calls are parked.
pub fn abort_from_any_thread<H: Harness>(case: &Case<H>) {
    for twice in [false, true] {
        let Link { flow, mut peer } = case.tight();
        let mut read = case.park_read(&flow);
        let mut write = case.park_taken(&flow, &mut feed_out());
        if twice {
            flow.abort();
        }
        let shared = case.shared(&flow);
        thread::scope(|s| s.spawn(|| shared.abort()).join().expect("abort panicked"));
        let result = read.finish();
        assert!(
            result.is_err(),
            "a read parked at the abort gave {result:?}"
        );
        expect_closed("a write parked at the abort", write.finish());
        case.receive_gone(&mut peer);
    }
}

/// Dropping the last owner is seen by the peer.
pub fn drop_is_seen<H: Harness>(case: &Case<H>) {
    for state in [
        "new",
        "used",
        "full",
        "half closed",
        "after a dropped read",
        "after a dropped close",
    ] {
        let Link { flow, mut peer } = case.tight();
        match state {
            "used" => {
                case.write(&flow, Bytes::from_static(b"hello"));
                case.send(&mut peer, &mut feed_in(), 3);
                let _ = case.read(&flow);
            }
            "full" => drop(case.park_taken(&flow, &mut feed_out())),
            "half closed" => {
                peer.end();
                case.read_end(&flow);
            }
            "after a dropped read" => drop(case.park_read(&flow)),
            "after a dropped close" => {
                case.step("a close", flow.close()).park();
            }
            _ => {}
        }
        drop(flow);
        case.receive_gone(&mut peer);
        let sent = crate::moves::push(&mut peer, &mut feed_in(), 10 * MUCH);
        assert!(
            sent <= MUCH,
            "{sent} bytes could be sent to a flow that is gone"
        );
    }
    // Operations may outlive their flow, and do not hold it.
    let Link { flow, mut peer } = case.tight();
    let (mut read, mut write) = (ReadOp::new(), WriteOp::from(feed_out().next(MUCH)));
    case.at("operations that outlive their flow");
    case.harness().enter(|| {
        let result = flow.poll_read(&mut noop(), &mut read);
        assert!(result.is_pending(), "a read gave {result:?}");
        let result = flow.poll_write(&mut noop(), &mut write);
        assert!(result.is_pending(), "a large write gave {result:?}");
    });
    drop(flow);
    case.receive_gone(&mut peer);
    drop((read, write));
}

/// What the transport accepted before the drop still arrives.
pub fn drop_sends_what_was_accepted<H: Harness>(case: &Case<H>) {
    for (len, unread) in [(1, 0), (60_000, 0), (1, 10), (60_000, 10_000)] {
        let Link { flow, mut peer } = case.link();
        let (mut feed, mut tape) = (feed_out(), tape_out());
        // What the peer sent, and nobody will read, takes nothing along.
        case.send(&mut peer, &mut feed_in(), unread);
        case.settle();
        case.write(&flow, feed.next(len));
        drop(flow);
        case.wait(
            "what was accepted before the drop",
            || !pull_or_done(&mut peer, &mut tape, feed.at()),
            || true,
        );
        assert_eq!(
            tape.at(),
            feed.at(),
            "the peer of a dropped flow got too few bytes"
        );
        case.receive_gone(&mut peer);
    }
}

/// Whether bytes are missing still.
fn pull_or_done(peer: &mut dyn Peer, tape: &mut crate::pattern::Tape, to: u64) -> bool {
    if tape.at() < to {
        pull(peer, tape, 64 * 1024);
    }
    tape.at() < to
}

/// Parked calls end with an error when the runtime is gone; abort and drop still work.
pub fn drop_needs_no_runtime<H: Harness>(case: &Case<H>) {
    let Link {
        flow: parked,
        peer: _silent,
    } = case.tight();
    let Link {
        flow: aborted,
        peer: mut told,
    } = case.link();
    let Link {
        flow: dropped,
        peer: mut left,
    } = case.link();
    let mut read = case.park_read(&parked);
    let mut write = case.park_taken(&parked, &mut feed_out());
    case.settle();
    case.without_fence();
    assert!(case.harness().end_runtime(), "this law needs `Runtime`");
    // Polled outside the runtime: there is none.
    let result = read.finish();
    assert!(
        result.is_err(),
        "a read parked when the runtime ended gave {result:?}"
    );
    let result = write.finish();
    assert!(
        result.is_err(),
        "a write parked when the runtime ended gave {result:?}"
    );
    aborted.abort();
    case.receive_gone(&mut told);
    drop(dropped);
    case.receive_gone(&mut left);
}
