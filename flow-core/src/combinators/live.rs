//! Statistics while they change.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::Stats;
use crate::mutant::mutant;
use crate::sync::{AtomicU64, Ordering, yield_now};

/// Statistics that go on changing, to be looked at from anywhere: a progress line in another task, say.
///
/// Each look is of one moment: its numbers belong together.
#[derive(Clone, Default)]
pub struct LiveStats(Arc<Live>);

#[derive(Default)]
struct Live {
    read: Tally,
    written: Tally,
    since: OnceLock<Instant>,
    took: OnceLock<Duration>,
}

/// What went one way, counted without a lock: a `Mutex` was two thirds of what three wrappers cost.
#[derive(Default)]
struct Tally {
    /// Operations that somebody has begun to count, or has counted.
    begun: AtomicU64,
    bytes: AtomicU64,
    direct: AtomicU64,
    /// Operations that have been counted.
    counted: AtomicU64,
}

impl LiveStats {
    /// What has happened so far.
    #[must_use]
    pub fn now(&self) -> Stats {
        let Live {
            read,
            written,
            since,
            took,
        } = &*self.0;
        loop {
            let (read_ops, write_ops) = (read.counted(), written.counted());
            let stats = Stats {
                read_bytes: read.bytes.load(Ordering::Acquire),
                read_ops,
                direct_bytes: read.direct.load(Ordering::Acquire),
                written_bytes: written.bytes.load(Ordering::Acquire),
                write_ops,
                duration: match (took.get(), since.get()) {
                    (Some(took), _) => *took,
                    (None, Some(since)) => since.elapsed(),
                    (None, None) => Duration::ZERO,
                },
            };
            // Whose bytes have been seen has begun before. If all who have begun were counted before the first look, nothing has changed
            // between the first look and the last.
            let begun = (read.begun(), written.begun());
            if begun == (read_ops, write_ops) || mutant!("statistics_are_looked_at_once") {
                return stats;
            }
            yield_now();
        }
    }

    /// Time counts from here. Calls but the first change nothing.
    pub(super) fn start(&self) {
        self.0.since.get_or_init(Instant::now);
    }

    /// Time counts no longer.
    pub(super) fn end(&self) -> Stats {
        let stats = self.now();
        self.0.took.get_or_init(|| stats.duration);
        stats
    }

    #[inline]
    pub(super) fn add_read(&self, bytes: usize) {
        self.0.read.add(bytes as u64, 0);
    }

    /// A read that did not bring the bytes into memory.
    pub(super) fn add_direct_read(&self, bytes: usize) {
        self.0.read.add(bytes as u64, bytes as u64);
    }

    #[inline]
    pub(super) fn add_write(&self, bytes: usize) {
        self.0.written.add(bytes as u64, 0);
    }
}

impl Tally {
    #[inline]
    fn add(&self, bytes: u64, direct: u64) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        // Released: whoever sees the bytes sees that somebody has begun.
        let order = if mutant!("bytes_come_before_begun") {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        self.bytes.fetch_add(bytes, order);
        if direct > 0 {
            self.direct.fetch_add(direct, Ordering::Release);
        }
        self.counted.fetch_add(1, Ordering::Release);
    }

    fn counted(&self) -> u64 {
        self.counted.load(Ordering::Acquire)
    }

    fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for LiveStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveStats").field(&self.now()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn time_stops_at_the_end() {
        let live = LiveStats::default();
        assert_eq!(live.now().duration, Duration::ZERO);
        live.start();
        let end = live.end();
        while live.0.since.get().unwrap().elapsed() == end.duration {}
        assert_eq!(live.now(), end);
    }
}
