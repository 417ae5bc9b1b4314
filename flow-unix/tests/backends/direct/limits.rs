//! The pipes that it takes: none while nothing is on its way, few at most, none that anybody inherits, and none left behind.

use flow_core::combinators::copy;

use super::by_others::warm;
use super::lanes::{Bare, Kind, fill, fill_up, sink, source, stand_still};
use super::run;
use crate::support::backend::FdFlow;
use crate::support::{Count, Limited, census, leaves_nothing, pattern, poll, settle};

const LEN: usize = 100_000;

/// How many ends of pipes the process has.
fn ends() -> usize {
    let census = census();
    census
        .iter()
        .filter(|what| what.starts_with("pipe:"))
        .count()
}

struct Copy {
    src: FdFlow,
    feed: Bare,
    dst: FdFlow,
    taken: Bare,
}

fn link() -> Copy {
    let ((src, feed), (dst, taken)) = (source(Kind::Unix), sink(Kind::Unix));
    Copy {
        src,
        feed,
        dst,
        taken,
    }
}

#[test]
fn copies_that_wait_hold_no_pipe_and_few_are_kept() {
    leaves_nothing(async || {
        let mut links: Vec<_> = (0..20).map(|_| link()).collect();
        for link in &mut links {
            assert_eq!(fill(&mut link.feed, &pattern(LEN)), LEN);
        }
        let before = ends();
        let mut copies = Vec::new();
        for link in &links {
            copies.push(copy(&link.src, &link.dst));
        }
        for copying in &mut copies {
            stand_still(async || {
                assert!(poll(copying, &Count::new()).is_pending());
                copying.stats().written_bytes
            })
            .await;
            assert_eq!(copying.stats().written_bytes, LEN as u64);
            assert!(copying.stats().direct_bytes > 0);
        }
        // One after the other they have used the same one.
        assert_eq!(ends(), before + 2);
        drop(copies);
        drop(links);
        // With the last flow it is gone: `leaves_nothing` looks.
    });
}

#[test]
fn copies_that_are_stuck_hold_so_many_pipes_and_no_more() {
    leaves_nothing(async || {
        const MANY: usize = 70;
        const MOST: usize = 64;

        let before = ends();
        let mut links = Vec::new();
        // What was closed meanwhile counts no more.
        for round in 0..2 {
            links.extend((0..MANY).map(|_| link()));
            all_stuck(&mut links[round * MANY..], before + 2 * MOST).await;
            // Few are kept for the next ones.
            assert_eq!(ends(), before + 2 * 8);
        }
    });
}

/// Copies over all of them, stuck so that there are as many ends of pipes, and then not any more.
async fn all_stuck(links: &mut [Copy], expected: usize) {
    let mut copies = Vec::new();
    for Copy {
        src,
        feed,
        dst,
        taken,
    } in links
    {
        let copying = warm((src, feed), (dst, taken)).await;
        copies.push((copying, feed, taken));
    }
    for (copying, feed, _) in &mut copies {
        fill_up(copying.inner().1).await;
        assert_eq!(fill(feed, &pattern(LEN)), LEN);
        settle().await;
        assert!(poll(copying, &Count::new()).is_pending());
    }
    assert_eq!(ends(), expected);
    // The others hold chunks in memory, and all goes on.
    for (copying, _, taken) in &mut copies {
        let all = copying.stats().written_bytes + LEN as u64;
        stand_still(async || {
            taken.all();
            assert!(poll(copying, &Count::new()).is_pending());
            copying.stats().written_bytes
        })
        .await;
        assert_eq!(copying.stats().written_bytes, all);
    }
}

#[test]
fn without_descriptors_bytes_go_through_memory() {
    run(async {
        let mut link = link();
        let whole = pattern(LEN);
        assert_eq!(fill(&mut link.feed, &whole), LEN);
        for left in 0..2 {
            let mut copying = copy(&link.src, &link.dst);
            let limited = Limited::to(left);
            let mut got = Vec::new();
            stand_still(async || {
                got.extend(link.taken.all());
                assert!(poll(&mut copying, &Count::new()).is_pending());
                got.len() as u64
            })
            .await;
            drop(limited);
            assert_eq!(copying.stats().direct_bytes, 0);
            assert!(got == whole, "{}", got.len());
            assert_eq!(fill(&mut link.feed, &whole), LEN);
        }
        // And once there are some again, they do not.
        let mut copying = copy(&link.src, &link.dst);
        let mut got = Vec::new();
        while copying.stats().direct_bytes == 0 {
            stand_still(async || {
                got.extend(link.taken.all());
                assert!(poll(&mut copying, &Count::new()).is_pending());
                got.len() as u64
            })
            .await;
            assert!(got.len() % LEN == 0 && got.len() < 20 * LEN);
            fill(&mut link.feed, &whole);
        }
    });
}
