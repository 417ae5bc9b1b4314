//! Pairs that do nothing.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_lite::future::{yield_now, zip};

use super::Done;
use super::ping_pong::trips;
use crate::clock::Clock;
use crate::host::Host;
use crate::links::Link;
use crate::maker::{Maker, Wire};
use crate::{counting, limits};

const LEN: usize = 64;

/// Pairs before anything is counted: what the runtime makes once, and what is kept for the thread.
const FIRST: usize = 8;

/// How much memory each of `count` pairs holds that have exchanged a message: alone, or with a task at each end that waits in a read.
pub(crate) async fn idle<M: Maker>(host: &M::Host, wire: Wire, waiting: bool, count: u64) -> Done {
    let pairs = usize::try_from(count).map_or(limits::pairs(), |n| n.min(limits::pairs() - FIRST));
    let mut first = Vec::with_capacity(FIRST);
    for _ in 0..FIRST {
        first.push(used::<M>(wire).await);
    }
    let mut kept = Vec::with_capacity(2 * pairs);
    let mut tasks = Vec::with_capacity(2 * pairs);
    let before = counting::live();
    let begun = Clock::start();
    for _ in 0..pairs {
        let (near, far) = used::<M>(wire).await;
        kept.extend([near, far]);
    }
    let took = begun.took();
    let mut held = counting::live() - before;
    if waiting {
        let parked = Arc::new(AtomicUsize::new(0));
        for link in kept.drain(..) {
            tasks.push(host.spawn(park(link, Arc::clone(&parked))));
        }
        while parked.load(Ordering::Relaxed) < 2 * pairs {
            yield_now().await;
        }
        // The streams themselves are in the tasks now.
        held = counting::live() - before;
    } else {
        held += i64::try_from(2 * pairs * M::Link::OWN_SIZE).expect("a size");
    }
    Done {
        operations: pairs as u64,
        took,
        held: Some(held.max(0).cast_unsigned() / pairs as u64),
        ..Done::default()
    }
}

/// A pair over which a message went there and back.
async fn used<M: Maker>(wire: Wire) -> (M::Link, M::Link) {
    let (mut near, mut far) = M::pair(wire, M::room(LEN));
    zip(trips(&mut near, LEN, 1), far.echo()).await;
    (near, far)
}

/// Waits in a read, and says when it does.
async fn park(mut link: impl Link, parked: Arc<AtomicUsize>) {
    let mut read = pin!(link.receive_idle());
    let mut said = false;
    poll_fn(|cx| {
        let polled = read.as_mut().poll(cx);
        if polled.is_pending() && !said {
            said = true;
            parked.fetch_add(1, Ordering::Relaxed);
        }
        polled
    })
    .await;
}
