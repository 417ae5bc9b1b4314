//! An operation's place in a flow's line of waiters, given up when the operation is dropped.

use alloc::sync::Arc;
use core::fmt;

/// The line that a [`Place`] is in: told when the operation that holds the place goes away.
///
/// Implemented by whoever keeps lines of waiting operations: the [`Engine`](crate::Engine), or a [`Flow`](crate::Flow)
/// written by hand.
pub trait Leave: Send + Sync {
    /// Takes the operation `key` out of its line. Where it was the one that had been woken, the next one must be woken
    /// in its stead. Called at most once for a place that is held; `key` may already have been served.
    fn leave(&self, key: u64);
}

/// Where an operation waits: nowhere, or at `key` in one flow's line.
///
/// Dropping it leaves the line. The destructor is here and on no future, so that a future never borrows its flow for
/// longer than it is used.
#[derive(Default)]
pub struct Place {
    held: Option<(Arc<dyn Leave>, u64)>,
}

impl Place {
    /// No place yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { held: None }
    }

    /// Whether a place is held in any line.
    #[must_use]
    #[inline]
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The key in `line`, where the place that is held is one of that line's.
    #[must_use]
    #[inline]
    pub fn key_in<L: Leave>(&self, line: &Arc<L>) -> Option<u64> {
        let (owner, key) = self.held.as_ref()?;
        core::ptr::addr_eq(Arc::as_ptr(owner), Arc::as_ptr(line)).then_some(*key)
    }

    /// Takes the place `key` in `line`, leaving the one held before.
    #[inline(always)]
    pub fn hold(&mut self, line: Arc<dyn Leave>, key: u64) {
        if self.held.is_some() {
            self.leave();
        }
        self.held = Some((line, key));
    }

    /// Holds nothing any more, of a line that knows that already.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn forget(&mut self) {
        self.held = None;
    }

    /// Leaves the line now.
    #[inline]
    pub fn leave(&mut self) {
        if let Some((line, key)) = self.held.take() {
            line.leave(key);
        }
    }
}

impl Drop for Place {
    #[inline]
    fn drop(&mut self) {
        if self.held.is_some() {
            self.leave();
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.held {
            Some((_, key)) => write!(f, "Place({key})"),
            None => f.write_str("Place(none)"),
        }
    }
}
