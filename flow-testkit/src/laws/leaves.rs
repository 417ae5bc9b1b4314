//! What is left of flows that are gone: nothing. Counted for the whole process, so the law has to be alone in it.

use flow_core::{Flow, FlowExt, Shutdown};

use crate::case::Case;
use crate::census::Census;
use crate::harness::{Harness, Link};
use crate::moves::{MUCH, feed_in, feed_out};

/// Once a flow is dropped no descriptor, thread or task of it is left, whatever state it was in.
pub fn drop_leaves_nothing<H: Harness>(case: &Case<H>) {
    const STATES: [&str; 10] = [
        "that was not used",
        "with a parked read",
        "with a dropped read and input",
        "with an unfinished write",
        "after the peer's end",
        "whose peer is gone",
        "shut down",
        "in a close",
        "closed",
        "aborted",
    ];
    // What a runtime makes once and keeps is made before, the kit's own flow for settling too.
    case.settle();
    drop(case.tight());
    case.settle();
    let before = case.census();
    for state in STATES {
        let Link { flow, mut peer } = case.tight();
        match state {
            "with a parked read" => drop(case.park_read(&flow)),
            "with a dropped read and input" => {
                let read = case.park_read(&flow);
                case.send(&mut peer, &mut feed_in(), 10);
                drop(read);
            }
            "with an unfinished write" => drop(case.park_taken(&flow, &mut feed_out())),
            "after the peer's end" => {
                peer.end();
                case.read_end(&flow);
            }
            "whose peer is gone" => {
                peer.vanish();
                let mut write = case.step("a write to nobody", flow.write(vec![1; MUCH]));
                let _ = write.poll();
            }
            "shut down" => {
                let mut shutdown = case.step("a shutdown", flow.shutdown(Shutdown::Write));
                assert!(shutdown.finish().is_ok(), "shutdown failed");
            }
            "in a close" => drop(case.step("a close", flow.close()).park()),
            "closed" => {
                peer.end();
                let mut close = case.step("a close", flow.close());
                assert!(close.finish().is_ok(), "close failed");
            }
            "aborted" => flow.abort(),
            _ => {}
        }
        drop(flow);
        drop(peer);
        case.settle();
        if let Some(left) = Census::left_since(&before) {
            panic!("of a flow {state} is left: {left}");
        }
    }
}
