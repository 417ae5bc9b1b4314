//! Copying that does not bring the bytes into memory: what arrives, what is counted, and what is left when it ends early.

mod by_others;
mod kept;
mod lanes;
mod limits;

use std::io::{Read as _, Write as _};
use std::task::Poll;

use flow_core::combinators::{CopyError, Copying, copy, proxy};

use self::lanes::{Bare, Kind, PAIRS, fill, moves, sink, source};
use crate::support::backend::{FdFlow, FlowExt as _, Shutdown, socketpair};
use crate::support::{Count, WATCHDOG, alone, finish, pattern, poll, settle};

/// More than any kernel holds for two ends and a pipe between them.
const LEN: usize = 3 << 20;

/// One test at a time: some count the pipes of the process.
fn run(test: impl Future<Output = ()>) {
    let _alone = alone();
    crate::support::run(test);
}

#[test]
fn every_pair_of_kinds_carries_a_long_stream() {
    for (from, to) in PAIRS {
        run(async {
            let ((src, mut feed), (dst, mut taken)) = (source(from), sink(to));
            let whole = pattern(LEN);
            // There is much before the first read.
            let sent = fill(&mut feed, &whole);
            let rest = whole[sent..].to_vec();
            let feeder = std::thread::spawn(move || feed.into_blocking().write_all(&rest));
            let taker = std::thread::spawn(move || {
                let mut all = Vec::new();
                taken.blocking().read_to_end(&mut all).map(|_| all)
            });
            let stats = finish(&mut copy(&src, &dst)).await.unwrap();
            feeder.join().unwrap().unwrap();
            drop(dst);
            let all = taker.join().unwrap().unwrap();
            assert!(all == whole, "{from:?} to {to:?}: {} bytes", all.len());
            assert_eq!(
                (stats.read_bytes, stats.written_bytes),
                (LEN as u64, LEN as u64)
            );
            assert_eq!(stats.read_ops, stats.write_ops);
            let direct = stats.direct_bytes;
            assert_eq!(direct > 0, moves(from, to), "{from:?} to {to:?}: {stats}");
            assert!(direct <= stats.read_bytes);
        });
    }
}

/// Goes on with `copying` in tasks that are always new, feeds it and takes from it little by little, until it is ready.
async fn carry<S, D>(
    copying: &mut Copying<S, D>,
    (feed, whole): (Bare, &[u8]),
    (taken, sip): (&mut Bare, usize),
) -> (
    Result<flow_core::combinators::Stats, CopyError<S::Error, D::Error>>,
    Vec<u8>,
)
where
    S: flow_core::Flow,
    D: flow_core::Flow,
{
    let begun = std::time::Instant::now();
    let (mut feed, mut sent, mut arrived) = (Some(feed), 0, Vec::new());
    loop {
        assert!(begun.elapsed() < WATCHDOG, "{copying:?}");
        if let Some(open) = &mut feed {
            sent += fill(open, &whole[sent..]);
            if sent == whole.len() {
                feed = None;
            }
        }
        if let Poll::Ready(result) = poll(copying, &Count::new()) {
            arrived.extend(taken.all());
            return (result, arrived);
        }
        arrived.extend(taken.some(sip));
        settle().await;
    }
}

#[test]
fn left_at_every_point_it_goes_on_though_the_destination_is_narrow() {
    for (from, to) in PAIRS {
        run(async {
            let ((src, feed), (dst, mut taken)) = (source(from), sink(to));
            lanes::squeeze(&dst, &taken);
            let whole = pattern(400_000);
            let mut copying = copy(&src, dst);
            let (result, mut arrived) =
                carry(&mut copying, (feed, &whole), (&mut taken, 3001)).await;
            let stats = result.unwrap();
            drop(copying);
            arrived.extend(taken.up_to_the_end());
            assert!(arrived == whole, "{from:?} to {to:?}: {}", arrived.len());
            assert_eq!((stats.read_bytes, stats.written_bytes), (400_000, 400_000));
            assert_eq!(
                stats.direct_bytes > 0,
                moves(from, to),
                "{from:?} to {to:?}"
            );
        });
    }
}

/// What the destination got, what came back, and what the source still has are the whole, each byte once.
#[test]
fn when_the_destination_fails_nothing_is_lost() {
    for (from, to) in PAIRS {
        run(fails_half_way(from, to, true));
        // TCP takes in all there is.
        if to != Kind::Tcp {
            run(fails_half_way(from, to, false));
        }
    }
}

async fn fails_half_way(from: Kind, to: Kind, narrow: bool) {
    let ((src, mut feed), (dst, mut taken)) = (source(from), sink(to));
    if narrow {
        lanes::squeeze(&dst, &taken);
    }
    let whole = pattern(LEN);
    let mut sent = 0;
    let mut copying = copy(&src, &dst);
    let mut got = Vec::new();
    // Up to where it stands still, a chunk on its way, several times.
    for _ in 0..4 {
        lanes::stand_still(async || {
            sent += fill(&mut feed, &whole[sent..]);
            assert!(poll(&mut copying, &Count::new()).is_pending());
            copying.stats().written_bytes + sent as u64
        })
        .await;
        got.extend(taken.all());
    }
    // Everything that was accepted is there, and nobody comes for more.
    lanes::stand_still(async || {
        got.extend(taken.all());
        got.len() as u64
    })
    .await;
    let stats = copying.stats();
    assert_eq!(
        stats.direct_bytes > 0,
        moves(from, to),
        "{from:?} to {to:?}"
    );
    taken.leave(&dst).await;
    let error = finish(&mut copying).await.unwrap_err();
    assert!(matches!(error, CopyError::Write { .. }), "{error:?}");
    let last = error.stats();
    assert!(last.written_bytes <= got.len() as u64);
    assert_eq!(last, copying.stats());
    let (_, _, unsent) = copying.into_parts();
    let unsent: Vec<u8> = unsent.into_iter().flatten().flatten().collect();
    assert_eq!(
        last.read_bytes,
        (got.len() + unsent.len()) as u64,
        "{from:?} to {to:?}"
    );
    got.extend(unsent);
    // The source is as good as before.
    drop(feed);
    while let Some(chunk) = finish(&mut src.read()).await.unwrap() {
        got.extend(chunk);
    }
    assert!(
        got == whole[..sent],
        "{from:?} to {to:?}: {} of {sent}",
        got.len()
    );
}

#[test]
fn given_up_with_a_chunk_in_the_pipe_it_gives_the_chunk_back() {
    for (from, to) in PAIRS {
        run(async {
            let ((src, mut feed), (dst, mut taken)) = (source(from), sink(to));
            let whole = pattern(120_000);
            let (before, after) = whole.split_at(60_000);
            let mut copying = copy(src, dst);
            // It has seen long chunks, and waits for more.
            assert_eq!(fill(&mut feed, before), before.len());
            let mut got = Vec::new();
            lanes::stand_still(async || {
                assert!(poll(&mut copying, &Count::new()).is_pending());
                got.extend(taken.all());
                got.len() as u64
            })
            .await;
            assert!(got == before);
            // The destination is full, so that it takes nothing.
            let others = lanes::fill_up(copying.inner().1).await;
            assert_eq!(fill(&mut feed, after), after.len());
            lanes::stand_still(async || {
                assert!(poll(&mut copying, &Count::new()).is_pending());
                copying.stats().read_bytes
            })
            .await;
            let stats = copying.stats();
            assert_eq!(stats.written_bytes, before.len() as u64);
            let (src, dst, unsent) = copying.into_parts();
            let unsent = unsent.unwrap_or_else(|| panic!("{from:?} to {to:?}: {stats:?}"));
            let held = stats.read_bytes as usize - before.len();
            assert!(unsent.slices().flatten().eq(&after[..held]));
            let direct = stats.direct_bytes > before.len() as u64;
            assert_eq!(direct, moves(from, to), "{from:?} to {to:?}: {stats:?}");

            // Another copy goes on with it.
            drop(feed);
            let taker = std::thread::spawn(move || taken.up_to_the_end());
            let mut copying = copy(src, dst).with_first(unsent);
            let stats = finish(&mut copying).await.unwrap();
            assert_eq!(stats.read_bytes as usize, after.len() - held);
            assert_eq!(stats.written_bytes, after.len() as u64);
            drop(copying);
            let all = taker.join().unwrap();
            assert!(all[others..] == *after, "{from:?} to {to:?}");
        });
    }
}

#[test]
fn both_ways_at_once_each_with_its_own_end() {
    run(async {
        let (near, a) = socketpair().unwrap();
        let (b, far) = socketpair().unwrap();
        let (there, back) = (pattern(LEN), pattern(LEN / 2));
        let talk = |flow: FdFlow, says: Vec<u8>| async move {
            let hears = async {
                let mut all = Vec::new();
                while let Some(chunk) = flow.read().await.unwrap() {
                    all.extend(chunk);
                }
                all
            };
            let speaks = async {
                for part in says.chunks(100_000) {
                    flow.write(part.to_vec()).await.unwrap();
                }
                flow.shutdown(Shutdown::Write).await.unwrap();
            };
            together(hears, speaks).await.0
        };
        let (near, far) = (talk(near, there.clone()), talk(far, back.clone()));
        let both = together(proxy(a, b), together(near, far));
        let (proxied, (heard_near, heard_far)) = finish(&mut Box::pin(both)).await;
        let proxied = proxied.unwrap();
        assert!(heard_far == there && heard_near == back);
        assert_eq!(proxied.a_to_b.written_bytes, LEN as u64);
        assert_eq!(proxied.b_to_a.written_bytes, LEN as u64 / 2);
        assert!(proxied.a_to_b.direct_bytes > 0 && proxied.b_to_a.direct_bytes > 0);
    });
}

/// Both, in one task.
async fn together<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(move |cx| {
        if first.is_none()
            && let Poll::Ready(done) = a.as_mut().poll(cx)
        {
            first = Some(done);
        }
        if second.is_none()
            && let Poll::Ready(done) = b.as_mut().poll(cx)
        {
            second = Some(done);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (first, second) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// So short that they fill the pipe with little: they come all the same, and soon by copying.
#[test]
fn many_short_messages_are_carried() {
    run(async {
        let ((src, mut feed), (dst, mut taken)) = (source(Kind::Unix), sink(Kind::Unix));
        let whole = pattern(1_200_000);
        let mut copying = copy(&src, &dst);
        let (mut parts, mut got) = (whole.chunks(150).peekable(), Vec::new());
        while got.len() < whole.len() {
            while let Some(part) = parts.next_if(|part| feed.try_write(part) == part.len()) {
                assert!(part.len() <= 150);
            }
            lanes::stand_still(async || {
                assert!(poll(&mut copying, &Count::new()).is_pending());
                got.extend(taken.all());
                got.len() as u64
            })
            .await;
        }
        assert!(got == whole);
        let stats = copying.stats();
        assert!(stats.direct_bytes > 0, "this would show nothing");
        assert!(stats.direct_bytes * 6 < stats.read_bytes, "{stats:?}");
    });
}
