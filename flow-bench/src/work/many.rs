//! Round trips on many pairs at once.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::ping_pong::{room, trips};
use super::{Done, gate::Gate};
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
    for (mut near, mut far) in (0..pairs).map(|_| M::pair(wire, room(LEN))) {
        echoing.push(host.spawn(async move { while far.echo().await > 0 {} }));
        let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
        asking.push(host.spawn(async move {
            trips(&mut near, LEN, 1).await;
            gate.pass(|| begun.set(Instant::now()).expect("once")).await;
            trips(&mut near, LEN, each).await;
            (near, Instant::now())
        }));
    }
    let mut ended = None;
    let mut links = Vec::with_capacity(pairs);
    for task in asking {
        let (link, at) = task.await;
        ended = ended.max(Some(at));
        links.push(link);
    }
    drop(links);
    for task in echoing {
        task.await;
    }
    let begun = begun.get().copied();
    Done {
        operations: each * pairs as u64,
        took: ended.zip(begun).map(|(e, b)| e - b).unwrap_or_default(),
        ..Done::default()
    }
}
