//! Switches: one handle that ends many flows.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use flow_core::{FlowExt, Shutdown, Switch};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::moves::{feed_in, feed_out};
use crate::peer::{Peer, Recv};
use crate::step::Counter;

/// A link tied to `switch`.
pub fn tied<H: Harness>(case: &Case<H>, switch: &Switch) -> Link<H::Flow> {
    let harness = case.harness();
    let made = harness
        .enter(|| harness.link_with(switch))
        .expect("this law needs `Switch`");
    made.unwrap_or_else(|_| panic!("a switch that is on refused a flow"))
}

/// Turns the switch off, which needs nobody's help.
pub fn turn_off(switch: &Switch) {
    let (_, waker) = Counter::new();
    let off = pin!(switch.turn_off());
    match off.poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(result) => assert!(result.is_ok(), "turn_off failed: {result:?}"),
        Poll::Pending => panic!("turn_off waits though there are only flows to abort"),
    }
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
    // And those behind them.
    let mut reads: Vec<_> = (0..2).map(|_| case.park_read(flow("reading"))).collect();
    let mut behind = case.step("a write in line at turn_off", flow("writing").write("x"));
    behind.park();
    let mut flush = case.step("a flush parked at turn_off", flow("writing").flush());
    flush.park();
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
    for read in &mut reads {
        let result = read.finish();
        assert!(result.is_err(), "a read parked at turn_off gave {result:?}");
    }
    for result in [behind.finish(), flush.finish()] {
        assert!(result.is_err(), "a call parked at turn_off gave {result:?}");
    }
    for (state, link) in &links {
        let result = case.step("a read after turn_off", link.flow.read()).poll();
        assert!(
            matches!(result, Poll::Ready(Err(_))),
            "turn_off did not abort a flow that was {state}: {result:?}"
        );
    }
    drop((read, write, close, reads, behind, flush));
    for (state, link) in &mut links {
        if *state != "failed" {
            case.receive_gone(&mut link.peer);
        }
    }
    turn_off(&switch);
}

/// Attaching to a switch that is off fails and gives the descriptor back.
pub fn switch_off_refuses<H: Harness>(case: &Case<H>) {
    let switch = Switch::new();
    turn_off(&switch);
    for _ in 0..2 {
        refused(case, &switch, "that is off");
    }
    // As is one that is being turned off: its flows have been aborted, and a new one would be forgotten.
    let switch = Switch::new();
    let gate = Arc::new(Gate::default());
    let hook = Arc::clone(&gate);
    let added = switch.add_async_hook(move || poll_fn(move |cx| hook.poll(cx)));
    assert!(added.is_ok(), "a switch that is on refused a hook");
    let (_, waker) = Counter::new();
    let mut off = pin!(switch.turn_off());
    let first = off.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(
        first.is_pending(),
        "turn_off did not wait for its hook: {first:?}"
    );
    refused(case, &switch, "that runs its hooks");
    gate.open();
    let last = off.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(last.is_ready(), "turn_off is not done after its last hook");
    refused(case, &switch, "that has run its hooks");
}

/// What a hook waits for.
#[derive(Default)]
struct Gate(Mutex<(bool, Option<Waker>)>);

impl Gate {
    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut gate = self.0.lock().expect("not poisoned");
        if gate.0 {
            return Poll::Ready(());
        }
        gate.1 = Some(cx.waker().clone());
        Poll::Pending
    }

    fn open(&self) {
        let mut gate = self.0.lock().expect("not poisoned");
        gate.0 = true;
        let waker = gate.1.take();
        drop(gate);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The switch must refuse a flow, and give back what it was to be made of.
fn refused<H: Harness>(case: &Case<H>, switch: &Switch, state: &str) {
    let harness = case.harness();
    match harness
        .enter(|| harness.link_with(switch))
        .expect("this law needs `Switch`")
    {
        Ok(_) => panic!("a switch {state} accepted a flow"),
        Err(mut refused) => {
            case.settle();
            let met = refused.peer.recv(&mut [0]);
            assert_eq!(
                met,
                Recv::Empty,
                "what a switch refused was not given back whole"
            );
            drop(refused.back);
            case.receive_gone(&mut refused.peer);
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
        case.receive_gone(&mut peer);
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
