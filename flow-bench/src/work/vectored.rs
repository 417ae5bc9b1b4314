//! Messages of many small buffers in one direction, from one task to another.

use super::{Done, WARM_UP, data};
use crate::clock::Clock;
use crate::host::Host;
use crate::links::Link;
use crate::maker::{Maker, Wire};

/// How much is read at most.
const ROOM: usize = 64 * 1024;

/// `count` messages of `parts` buffers of `len` bytes each.
pub(crate) async fn vectored<M: Maker>(
    host: &M::Host,
    wire: Wire,
    parts: usize,
    len: usize,
    count: u64,
) -> Done {
    let (mut near, mut far) = M::pair(wire, ROOM);
    let message = vec![data(len); parts];
    let size = (parts * len) as u64;
    let writing = host.spawn_boxed(async move {
        for _ in 0..WARM_UP + count {
            near.send_parts(&message).await;
        }
        near.end().await;
    });
    let reading = host.spawn_boxed(async move {
        let mut came = 0;
        while came < WARM_UP * size {
            came += far.receive().await as u64;
        }
        let begun = Clock::start();
        while came < (WARM_UP + count) * size {
            came += far.receive().await as u64;
        }
        let took = begun.took();
        assert_eq!(far.receive().await, 0);
        took
    });
    let took = reading.await;
    writing.await;
    Done {
        operations: count,
        took,
        bytes: count * size,
        ..Done::default()
    }
}
