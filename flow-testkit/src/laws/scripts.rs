//! Any sequence of calls: scripts drawn at random, and every call in every state.

use flow_core::Shutdown;

use crate::case::Case;
use crate::harness::{Harness, Room};
use crate::row::Row;
use crate::script::{Act, Order, Script, Search, Stage};

/// Which of the ways to run a law this is.
fn number<H: Harness>(case: &Case<H>) -> usize {
    let is_this = |row: &Row| *row == case.row();
    Row::ALL.iter().position(is_this).unwrap_or(0)
}

/// Whatever calls are made, dropped and polled in whatever order, and whatever the peer does meanwhile, every answer is one that this contract allows and no call is forgotten.
pub fn random_calls_follow_the_model<H: Harness>(case: &Case<H>) {
    let whole = Search::from_env();
    // Each way to run a law tries scripts of its own, and the plainest way the most.
    let search = match number(case) {
        0 => whole,
        number => Search {
            seed: whole.seed.wrapping_add(number as u64),
            cases: whole.cases.div_ceil(Row::ALL.len() as u32),
        },
    };
    if let Err(mut found) = Stage::new(case).search(search) {
        // Whoever asks for the same again asks for all of it, in this way.
        found.search = whole;
        panic!("{found}");
    }
}

/// How each state of the contract's table is reached.
fn states() -> Vec<(&'static str, Vec<Act>)> {
    use Act::{
        Abort, Close, Drop, PeerEnds, PeerReceives, PeerResets, PeerSends, PeerVanishes, Read,
        Settle, Write, WriteMuch,
    };
    let shut = Act::Shutdown;
    vec![
        ("open", vec![]),
        ("bytes unread", vec![PeerSends(9), Settle]),
        (
            "peer ended, bytes unread",
            vec![PeerSends(9), PeerEnds, Settle],
        ),
        ("peer ended, all read", vec![PeerEnds, Read, Settle]),
        ("peer gone", vec![PeerVanishes, Settle]),
        (
            "peer gone, bytes unread",
            vec![PeerSends(9), PeerVanishes, Settle],
        ),
        ("peer gone by a reset", vec![PeerResets, Settle]),
        (
            "reading over, peer gone",
            vec![PeerVanishes, Read, Settle, Read, Settle],
        ),
        (
            "a write failed",
            vec![PeerVanishes, Write(9), Settle, Write(9), Settle],
        ),
        ("read parked", vec![Read, Settle]),
        ("reads parked", vec![Read, Read, Read, Drop(1), Settle]),
        ("write parked", vec![WriteMuch, Write(9)]),
        ("write parked and dropped", vec![WriteMuch, Drop(0)]),
        (
            "write parked, peer receives",
            vec![WriteMuch, PeerReceives(50)],
        ),
        ("after shutdown(Read)", vec![shut(Shutdown::Read), Settle]),
        (
            "after shutdown(Read), input",
            vec![shut(Shutdown::Read), PeerSends(9), Settle],
        ),
        ("after shutdown(Write)", vec![shut(Shutdown::Write), Settle]),
        ("after shutdown(Both)", vec![shut(Shutdown::Both), Settle]),
        (
            "shutdown(Write) parked",
            vec![WriteMuch, shut(Shutdown::Write)],
        ),
        ("closing", vec![Close, Settle]),
        ("closing, bytes unread", vec![Close, PeerSends(9), Settle]),
        ("closing, call dropped", vec![Close, Drop(0)]),
        ("closing, writes parked", vec![WriteMuch, Write(9), Close]),
        ("closed", vec![PeerEnds, Close, Settle]),
        (
            "closed, bytes unread",
            vec![PeerSends(9), PeerEnds, Close, Settle],
        ),
        ("aborted", vec![Abort]),
        ("aborted, bytes unread", vec![PeerSends(9), Settle, Abort]),
        (
            "aborted, calls parked",
            vec![Read, WriteMuch, Write(9), Close, Abort],
        ),
    ]
}

/// What may come between a state and a call.
fn moves() -> Vec<Act> {
    let peer = [
        Act::PeerSends(9),
        Act::PeerReceives(9),
        Act::PeerEnds,
        Act::PeerVanishes,
        Act::Drop(0),
        Act::Settle,
    ];
    calls().into_iter().chain(peer).collect()
}

/// Each operation.
fn calls() -> [Act; 9] {
    [
        Act::Read,
        Act::Write(9),
        Act::WriteNothing,
        Act::Flush,
        Act::Shutdown(Shutdown::Read),
        Act::Shutdown(Shutdown::Write),
        Act::Shutdown(Shutdown::Both),
        Act::Close,
        Act::Abort,
    ]
}

/// In each state of the table below, each operation answers what the table says, also when it comes right after another one.
pub fn every_call_in_every_state<H: Harness>(case: &Case<H>) {
    let stage = Stage::new(case);
    let run = |state: &str, acts: Vec<Act>| {
        let script = Script {
            room: Room::Tight,
            order: Order::OldestFirst,
            acts,
        };
        if let Err(broken) = stage.run(&script) {
            panic!("in the state \"{state}\" {broken}\n{script}");
        }
    };
    let mut runs = 0;
    // Each way to run a law tries an eighth.
    let number = number(case);
    for (state, acts) in states() {
        for first in moves() {
            for call in calls() {
                runs += 1;
                if runs % Row::ALL.len() == number {
                    run(state, [&acts[..], &[first.clone(), call]].concat());
                }
            }
        }
    }
}
