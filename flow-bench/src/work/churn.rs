//! Pairs that are made, used once and ended.

use futures_lite::future::zip;

use super::{Done, WARM_UP, data};
use crate::clock::Clock;
use crate::links::Link;
use crate::maker::{Maker, Wire};

const LEN: usize = 64;

/// `count` times: a pair is made, one end sends 64 bytes and its end, the other reads both and ends too. By `close` both ends end
/// in the way that their stream has for that; otherwise by ending writing and reading to the end.
pub(crate) async fn churn<M: Maker>(wire: Wire, close: bool, count: u64) -> Done {
    for _ in 0..WARM_UP {
        cycle::<M>(wire, close).await;
    }
    let begun = Clock::start();
    for _ in 0..count {
        cycle::<M>(wire, close).await;
    }
    Done {
        operations: count,
        took: begun.took(),
        ..Done::default()
    }
}

async fn cycle<M: Maker>(wire: Wire, close: bool) {
    let (mut near, mut far) = M::pair(wire, 4096);
    let asks = async {
        near.send(data(LEN)).await;
        finish(&mut near, close).await;
    };
    let answers = async {
        let mut left = LEN;
        while left > 0 {
            left -= far.receive().await;
        }
        finish(&mut far, close).await;
    };
    zip(asks, answers).await;
}

async fn finish(link: &mut impl Link, close: bool) {
    if close {
        link.close().await;
    } else {
        link.end().await;
        assert_eq!(link.receive().await, 0);
    }
}
