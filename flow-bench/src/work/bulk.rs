//! Much in one direction, from one task to another.

use super::{Done, data};
use crate::clock::Clock;
use crate::host::Host;
use crate::links::Link;
use crate::maker::{Maker, Wire};

/// How much is read at most.
const ROOM: usize = 64 * 1024;

/// What goes before the clock starts.
const WARM_UP: u64 = 4 << 20;

/// `count` chunks of `len` bytes, each written by one call.
pub(crate) async fn bulk<M: Maker>(host: &M::Host, wire: Wire, len: usize, count: u64) -> Done {
    let (mut near, mut far) = M::pair(wire, ROOM);
    let before = WARM_UP / len as u64;
    let writing = host.spawn_boxed(async move {
        for _ in 0..before + count {
            near.send(data(len)).await;
        }
        near.end().await;
    });
    let reading = host.spawn_boxed(async move {
        let mut came = 0;
        while came < before * len as u64 {
            came += far.receive().await as u64;
        }
        let begun = Clock::start();
        let first = came;
        loop {
            match far.receive().await {
                0 => return (came - first, begun.took()),
                more => came += more as u64,
            }
        }
    });
    let (bytes, took) = reading.await;
    writing.await;
    Done {
        operations: count,
        took,
        bytes,
        ..Done::default()
    }
}
