//! Switches: one handle that ends many flows.

use std::pin::pin;
use std::task::{Context, Poll};

use flow_core::{FlowExt, Shutdown, Switch};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::moves::{feed_in, feed_out};
use crate::peer::{Peer, Recv};
use crate::step::Counter;

/// A link tied to `switch`.
fn tied<H: Harness>(case: &Case<H>, switch: &Switch) -> Link<H::Flow> {
    let harness = case.harness();
    let made = harness
        .enter(|| harness.link_with(switch))
        .expect("this law needs `Switch`");
    made.unwrap_or_else(|_| panic!("a switch that is on refused a flow"))
}

/// Turns the switch off, which needs nobody's help.
fn turn_off(switch: &Switch) {
    let (_, waker) = Counter::new();
    let off = pin!(switch.turn_off());
    match off.poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(result) => assert!(result.is_ok(), "turn_off failed: {result:?}"),
        Poll::Pending => panic!("turn_off waits though there are only flows to abort"),
    }
}

#[track_caller]
fn receive_gone<H: Harness>(case: &Case<H>, peer: &mut dyn Peer, state: &'static str) {
    let _ = state;
    while let Recv::Data(_) = case.receive(peer, "the end after turn_off") {}
}

/// `turn_off` aborts every attached flow, whatever it is doing.
pub fn switch_off_aborts<H: Harness>(case: &Case<H>) {
    let switch = Switch::new();
    let states = [
        "idle",
        "reading",
        "writing",
        "closing",
        "half closed",
        "failed",
        "never used",
    ];
    let mut links: Vec<_> = states
        .iter()
        .map(|&state| (state, tied(case, &switch)))
        .collect();
    for (state, link) in &mut links {
        let Link { flow, peer } = link;
        match *state {
            "idle" => {
                case.send(peer, &mut feed_in(), 1);
                let _ = case.read(flow);
            }
            "half closed" => {
                assert!(
                    case.step("a shutdown", flow.shutdown(Shutdown::Write))
                        .finish()
                        .is_ok(),
                    "shutdown failed"
                );
            }
            "failed" => {
                peer.vanish();
                for _ in 0..16 {
                    let _ = case.step("a write", flow.write("x")).finish();
                    case.settle();
                }
            }
            _ => {}
        }
    }
    let flow = |state: &str| {
        &links
            .iter()
            .find(|(s, _)| *s == state)
            .expect("a state of the list")
            .1
            .flow
    };
    let mut read = case.park_read(flow("reading"));
    let mut write = case.park_taken(flow("writing"), &mut feed_out());
    let mut close = case.step("a close parked at turn_off", flow("closing").close());
    close.park();
    turn_off(&switch);
    let result = read.finish();
    assert!(result.is_err(), "a read parked at turn_off gave {result:?}");
    let result = write.finish();
    assert!(
        result.is_err(),
        "a write parked at turn_off gave {result:?}"
    );
    let result = close.finish();
    assert!(
        result.is_err(),
        "a close parked at turn_off gave {result:?}"
    );
    for (state, link) in &links {
        let result = case.step("a read after turn_off", link.flow.read()).poll();
        assert!(
            matches!(result, Poll::Ready(Err(_))),
            "turn_off did not abort a flow that was {state}: {result:?}"
        );
    }
    drop((read, write, close));
    for (state, link) in &mut links {
        if *state != "failed" {
            receive_gone(case, &mut link.peer, state);
        }
    }
    turn_off(&switch);
}

/// Attaching to a switch that is off fails and gives the descriptor back.
pub fn switch_off_refuses<H: Harness>(case: &Case<H>) {
    let switch = Switch::new();
    turn_off(&switch);
    let harness = case.harness();
    for _ in 0..2 {
        match harness
            .enter(|| harness.link_with(&switch))
            .expect("this law needs `Switch`")
        {
            Ok(_) => panic!("a switch that is off accepted a flow"),
            Err(mut refused) => {
                case.settle();
                let met = refused.peer.recv(&mut [0]);
                assert_eq!(
                    met,
                    Recv::Empty,
                    "what a switch refused was not given back whole"
                );
                drop(refused.back);
                receive_gone(case, &mut refused.peer, "refused");
            }
        }
    }
}

/// A dropped flow leaves nothing in its switch.
pub fn switch_holds_weakly<H: Harness>(case: &Case<H>) {
    let switch = Switch::new();
    for used in [false, true] {
        let Link { flow, mut peer } = tied(case, &switch);
        if used {
            drop(case.park_read(&flow));
        }
        drop(flow);
        // The switch is on, and does not keep the stream open.
        receive_gone(case, &mut peer, "dropped");
    }
    let before = format!("{switch:?}");
    for _ in 0..1000 {
        drop(tied(case, &switch));
    }
    let after = format!("{switch:?}");
    assert_eq!(
        after, before,
        "1000 dropped flows left something in their switch"
    );
    turn_off(&switch);
}
