//! Flows that give back what they are made of, and the flows that are made of that.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;

use flow_core::{Flow, FlowExt, Shutdown, Switch};

use crate::case::Case;
use crate::harness::{Harness, Link};
use crate::laws::shutdown::shut;
use crate::laws::switch::{tied, turn_off};
use crate::moves::{MUCH, feed_in, feed_out, pull, tape_in, tape_out};
use crate::pattern::{Feed, Tape};
use crate::peer::{Peer, Recv};
use crate::threads::{chance, times, wait_until};

/// How often a flow that holds nothing of its user's may refuse: some owe the peer a word about what they received.
const TRIES: usize = 64;

/// How often a switch and the taking apart meet.
const ROUNDS: usize = 200;

/// A stream in each direction, and how far they have come.
struct Streams {
    to_peer: Feed,
    at_peer: Tape,
    to_flow: Feed,
    at_flow: Tape,
}

impl Streams {
    const fn new() -> Self {
        Self {
            to_peer: feed_out(),
            at_peer: tape_out(),
            to_flow: feed_in(),
            at_flow: tape_in(),
        }
    }

    /// What is on its way arrives, and then as much in both directions as a tight link takes.
    #[track_caller]
    fn go_on<H: Harness>(&mut self, case: &Case<H>, flow: &H::Flow, peer: &mut dyn Peer) {
        case.send(peer, &mut self.to_flow, 60);
        case.read_up_to(flow, &mut self.at_flow, self.to_flow.at());
        case.write(flow, self.to_peer.next(70));
        case.receive_up_to(peer, &mut self.at_peer, self.to_peer.at());
    }
}

/// Takes the flow apart, and makes one of what comes out.
fn remade<H: Harness>(case: &Case<H>, flow: H::Flow) -> Result<H::Flow, H::Flow> {
    let harness = case.harness();
    harness.enter(|| harness.remade(flow))
}

/// The same of a flow that holds nothing that anybody could lose.
#[track_caller]
fn made_of<H: Harness>(case: &Case<H>, flow: H::Flow, state: &str) -> H::Flow {
    let mut flow = flow;
    for _ in 0..TRIES {
        match remade(case, flow) {
            Ok(made) => return made,
            Err(whole) => flow = whole,
        }
        let flushed = case.step("a flush", flow.flush()).finish();
        assert!(
            flushed.is_ok(),
            "a flow that was not taken apart is no longer whole: {flushed:?}"
        );
        case.settle();
    }
    panic!("a flow that holds no bytes cannot be taken apart: {state}");
}

/// What is made of a flow that is taken apart goes on where that one was: no byte is lost, and the peer sees nothing of it.
pub fn remade_goes_on<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let mut streams = Streams::new();
    let flow = made_of(case, flow, "a fresh one");
    streams.go_on(case, &flow, &mut peer);
    let flow = made_of(case, flow, "one that was used");
    streams.go_on(case, &flow, &mut peer);
    drop(case.park_read(&flow));
    let flow = made_of(case, flow, "one of which a read was dropped");
    streams.go_on(case, &flow, &mut peer);

    // With bytes on the way in both directions.
    case.send(&mut peer, &mut streams.to_flow, 5000);
    case.write(&flow, streams.to_peer.next(400));
    case.settle();
    let flow = made_of(case, flow, "one with bytes on the way");
    case.settle();
    streams.go_on(case, &flow, &mut peer);
    case.send(&mut peer, &mut streams.to_flow, 5000);
    let chunk = case.read(&flow).expect("more than the end");
    streams.at_flow.check(&chunk);
    let flow = made_of(case, flow, "one that is being read");
    streams.go_on(case, &flow, &mut peer);

    // With nothing on the way there is nothing to see, and then what the flow does.
    let flow = made_of(case, flow, "one that is idle");
    case.settle();
    let met = peer.recv(&mut [0]);
    assert_eq!(met, Recv::Empty, "the peer sees that a flow is taken apart");
    peer.end();
    case.read_end(&flow);
    shut(case, &flow, Shutdown::Write);
    case.receive_end(&mut peer);
}

/// A flow that holds bytes is not taken apart. It comes back as it was, and can be once they are gone.
pub fn remade_only_when_empty<H: Harness>(case: &Case<H>) {
    // The rest of a write.
    let Link { flow, mut peer } = case.tight();
    let mut streams = Streams::new();
    drop(case.park_taken(&flow, &mut streams.to_peer));
    let flow = match remade(case, flow) {
        Ok(_) => panic!("a flow was taken apart that holds the rest of a write"),
        Err(flow) => flow,
    };
    let end = streams.to_peer.at();
    let flushed = case
        .step("a flush of what is held", flow.flush())
        .finish_while(|| pull(&mut peer, &mut streams.at_peer, MUCH));
    assert!(
        flushed.is_ok(),
        "a flow that was not taken apart is no longer whole: {flushed:?}"
    );
    case.receive_up_to(&mut peer, &mut streams.at_peer, end);
    let flow = made_of(case, flow, "one that has sent what it held");
    streams.go_on(case, &flow, &mut peer);

    // What a close may have taken in, looking for the peer's end.
    let Link { flow, mut peer } = case.link();
    let mut streams = Streams::new();
    case.send(&mut peer, &mut streams.to_flow, 1000);
    case.settle();
    case.step("a close", flow.close()).park();
    let flow = match remade(case, flow) {
        Ok(flow) | Err(flow) => flow,
    };
    case.send(&mut peer, &mut streams.to_flow, 1000);
    case.read_up_to(&flow, &mut streams.at_flow, streams.to_flow.at());
    // It has ended writing. What has signalled that by closing a descriptor stays whole.
    let flow = match remade(case, flow) {
        Ok(flow) | Err(flow) => flow,
    };
    case.send(&mut peer, &mut streams.to_flow, 1000);
    case.read_up_to(&flow, &mut streams.at_flow, streams.to_flow.at());
}

/// A flow that was aborted, or of which a write failed, is not taken apart.
pub fn remade_only_while_whole<H: Harness>(case: &Case<H>) {
    for used in [false, true] {
        let Link { flow, mut peer } = case.link();
        if used {
            Streams::new().go_on(case, &flow, &mut peer);
        }
        flow.abort();
        let flow = match remade(case, flow) {
            Ok(_) => panic!("a flow was taken apart that had been aborted"),
            Err(flow) => flow,
        };
        let result = case.try_read(&flow);
        assert!(
            result.is_err(),
            "a flow that was aborted and not taken apart gave {result:?}"
        );
        case.receive_gone(&mut peer);
    }
    let Link { flow, mut peer } = case.link();
    peer.vanish();
    let fails = |_: &usize| {
        case.settle();
        case.try_write(&flow, "x".into()).is_err()
    };
    let failed = (0..TRIES).find(fails);
    assert!(failed.is_some(), "writing to nobody does not fail");
    if remade(case, flow).is_ok() {
        panic!("a flow was taken apart of which a write had failed");
    }
}

/// A switch has no power over what is made of a flow of its, and all of it over a flow that was not taken apart.
pub fn remade_leaves_the_switch<H: Harness>(case: &Case<H>) {
    let switch = Switch::new();
    let (apart, whole) = (tied(case, &switch), tied(case, &switch));
    let Link { flow, mut peer } = apart;
    let flow = made_of(case, flow, "one that is tied to a switch");
    drop(case.park_taken(&whole.flow, &mut feed_out()));
    let whole = match remade(case, whole.flow) {
        Ok(_) => panic!("a flow was taken apart that holds the rest of a write"),
        Err(flow) => flow,
    };
    turn_off(&switch);
    let mut read = case.step("a read after turn_off", flow.read());
    assert!(
        read.poll().is_pending(),
        "a switch has aborted what was made of a flow of its"
    );
    drop(read);
    Streams::new().go_on(case, &flow, &mut peer);
    let result = case.step("a read after turn_off", whole.read()).poll();
    assert!(
        matches!(result, Poll::Ready(Err(_))),
        "turn_off did not abort a flow that was not taken apart: {result:?}"
    );
}

/// Beside a switch that is turned off on another thread a flow is aborted or taken apart, and never both.
pub fn threads_abort_meets_taking_apart<H: Harness>(case: &Case<H>) {
    for round in 0..times(ROUNDS) {
        let switch = Switch::new();
        let Link { flow, mut peer } = tied(case, &switch);
        let (ready, go) = (AtomicBool::new(false), AtomicBool::new(false));
        let (here, there) = (chance(2 * round) % 300, chance(2 * round + 1) % 300);
        let remade = thread::scope(|scope| {
            scope.spawn(|| {
                ready.store(true, Ordering::Release);
                wait_until(&go);
                (0..there).for_each(|_| spin_loop());
                turn_off(&switch);
            });
            wait_until(&ready);
            go.store(true, Ordering::Release);
            (0..here).for_each(|_| spin_loop());
            remade(case, flow)
        });
        match remade {
            Ok(flow) => {
                let read = case.step("a read after taking apart", flow.read()).poll();
                assert!(
                    read.is_pending(),
                    "a flow was both taken apart and aborted: a read of what was made of it gave {read:?}"
                );
                Streams::new().go_on(case, &flow, &mut peer);
            }
            Err(flow) => {
                let result = case.try_read(&flow);
                assert!(
                    result.is_err(),
                    "a flow was neither taken apart nor aborted: a read gave {result:?}"
                );
                drop(flow);
                case.receive_gone(&mut peer);
            }
        }
    }
}
