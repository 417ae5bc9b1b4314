//! Round trips on many pairs at once.

use std::sync::{Arc, OnceLock};

use super::ping_pong::trips;
use super::{Done, gate::Gate};
use crate::clock::{Clock, Took};
use crate::host::Host;
use crate::limits;
use crate::links::Link;
use crate::maker::{Maker, Wire};

const LEN: usize = 64;

/// `count` round trips of 64 bytes in all, spread over `pairs` pairs that are all at it at the same time.
pub(crate) async fn many<M: Maker>(host: &M::Host, wire: Wire, pairs: usize, count: u64) -> Done {
    let pairs = pairs.min(limits::pairs());
    let each = (count / pairs as u64).max(1);
    let begun = Arc::new(OnceLock::new());
    let gate = Arc::new(Gate::new(pairs));
    let mut asking = Vec::with_capacity(pairs);
    let mut echoing = Vec::with_capacity(pairs);
    for (mut near, mut far) in (0..pairs).map(|_| M::pair(wire, M::room(LEN))) {
        echoing.push(host.spawn_boxed(async move { while far.echo().await > 0 {} }));
        let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
        asking.push(host.spawn_boxed(async move {
            trips(&mut near, LEN, 1).await;
            gate.pass(|| begun.set(Clock::start()).expect("once")).await;
            trips(&mut near, LEN, each).await;
            let near: Box<dyn Send> = Box::new(near);
            (near, begun.get().expect("the gate is open").took())
        }));
    }
    let mut took = Took::default();
    let mut links = Vec::with_capacity(pairs);
    for task in asking {
        let (link, until) = task.await;
        if until > took {
            took = until;
        }
        links.push(link);
    }
    drop(links);
    for task in echoing {
        task.await;
    }
    Done {
        operations: each * pairs as u64,
        took,
        ..Done::default()
    }
}
