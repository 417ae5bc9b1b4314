//! Whether what is received can only come from a flow of ours: a pair of sockets of which nobody else has had either.
//!
//! On `AF_UNIX` a receive stops behind a byte that descriptors were passed with, and that it did so only recvmsg(2) tells, a slower call than recv(2).
//! Between two flows that were made together nobody passes any before one of them is asked to, or for its descriptor: a descriptor is used by those
//! alone to whom it was given, which is what std calls I/O safety.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// How often the privacy of a pair, of any pair, has ended. As long as that is what it was there is no need to look at the pair itself: with thousands of
/// flows what costs is memory that is not in the processor's caches.
static ENDINGS: AtomicUsize = AtomicUsize::new(0);

/// What [`ENDINGS`] never is.
const NEVER: usize = usize::MAX;

const KEPT: u8 = 0;
/// It has ended, and may not have been counted yet.
const ENDING: u8 = 1;
const ENDED: u8 = 2;

/// What one end knows of its pair.
#[derive(Debug)]
pub(crate) struct Privacy {
    /// None if there never was any.
    pair: Option<Arc<AtomicU8>>,
    /// What [`ENDINGS`] was when the pair was looked at, and was private.
    looked: AtomicUsize,
}

impl Privacy {
    /// Of a descriptor that others may have.
    pub(crate) const fn none() -> Self {
        Self {
            pair: None,
            looked: AtomicUsize::new(NEVER),
        }
    }

    /// Of the two ends of a pair that nobody else has.
    pub(crate) fn of_pair() -> (Self, Self) {
        let pair = Arc::new(AtomicU8::new(KEPT));
        let end = |pair| Self {
            pair: Some(pair),
            looked: AtomicUsize::new(NEVER),
        };
        (end(Arc::clone(&pair)), end(pair))
    }

    /// Whether nobody else has had either end. Asked after a receive, it holds for all that was received: privacy ends before anything is sent that
    /// would need it to, and the kernel puts the sending before the receiving.
    #[inline]
    pub(crate) fn is_kept(&self) -> bool {
        let endings = ENDINGS.load(Ordering::Acquire);
        if self.looked.load(Ordering::Relaxed) == endings {
            return true;
        }
        let pair = self.pair.as_ref();
        pair.is_some_and(|pair| self.look(pair, endings))
    }

    /// Where it is private although as many had ended, none of those was its own: they end first, and are counted then.
    #[cold]
    fn look(&self, pair: &AtomicU8, endings: usize) -> bool {
        let kept = pair.load(Ordering::Acquire) == KEPT;
        if kept {
            self.looked.store(endings, Ordering::Relaxed);
        }
        kept
    }

    /// Somebody else is about to have this end, or descriptors to come from it.
    pub(crate) fn end(&self) {
        if let Some(pair) = &self.pair
            && pair.load(Ordering::Acquire) != ENDED
        {
            pair.store(ENDING, Ordering::Release);
            ENDINGS.fetch_add(1, Ordering::AcqRel);
            pair.store(ENDED, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_for_both_and_for_no_other_pair() {
        let ((a, b), (other, _)) = (Privacy::of_pair(), Privacy::of_pair());
        assert!(a.is_kept() && b.is_kept() && other.is_kept());
        b.end();
        assert!(!a.is_kept() && !b.is_kept());
        assert!(other.is_kept());
        a.end();
        assert!(!a.is_kept() && !b.is_kept());
        assert!(other.is_kept() && other.is_kept());
    }

    #[test]
    fn where_there_was_none_there_is_none() {
        let none = Privacy::none();
        assert!(!none.is_kept());
        none.end();
        assert!(!none.is_kept());
    }
}
