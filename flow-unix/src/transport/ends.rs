//! The descriptors of a flow: mostly one for both directions, or one for each.

use std::sync::Arc;

use flow_core::Delivered;

use crate::source::Source;

/// What is read and what is written: mostly the same, and either may be missing.
pub(super) struct Ends<R> {
    pub(super) read: Option<Arc<Source<R>>>,
    pub(super) write: Option<Arc<Source<R>>>,
    /// What was known of the writing end when it was closed: of a pipe, nothing can be asked afterwards.
    pub(super) written: Delivered,
}

impl<R> Ends<R> {
    /// Whether one descriptor is read and another is written.
    pub(super) fn are_two(&self) -> bool {
        matches!((&self.read, &self.write), (Some(read), Some(write)) if !Arc::ptr_eq(read, write))
    }

    /// The one descriptor that there is.
    pub(super) fn only(&self) -> Option<&Arc<Source<R>>> {
        let any = self.read.as_ref().or(self.write.as_ref());
        any.filter(|_| !self.are_two())
    }
}
