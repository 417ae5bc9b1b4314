//! A message goes there and back, between two tasks.

use super::{Done, WARM_UP, data};
use crate::clock::Clock;
use crate::host::Host;
use crate::links::Link;
use crate::maker::{Maker, Wire};

/// `count` round trips of messages of `len` bytes.
pub(crate) async fn ping_pong<M: Maker>(
    host: &M::Host,
    wire: Wire,
    len: usize,
    count: u64,
) -> Done {
    let (mut near, mut far) = M::pair(wire, M::room(len));
    let echo = host.spawn_boxed(async move { while far.echo().await > 0 {} });
    let asking = host.spawn_boxed(async move {
        trips(&mut near, len, WARM_UP).await;
        let begun = Clock::start();
        trips(&mut near, len, count).await;
        let took = begun.took();
        near.end().await;
        took
    });
    let took = asking.await;
    echo.await;
    Done {
        operations: count,
        took,
        ..Done::default()
    }
}

pub(super) async fn trips(link: &mut impl Link, len: usize, count: u64) {
    for _ in 0..count {
        link.send(data(len)).await;
        let mut left = len;
        while left > 0 {
            let came = link.receive().await;
            assert!(0 < came && came <= left, "{came} of {left} bytes");
            left -= came;
        }
    }
}
