//! What can go wrong, in kinds that a caller acts on.

use thiserror::Error;

/// Why a write, flush, shutdown or close failed.
///
/// A failed write side stays failed: every later call says the same.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteError<E> {
    /// Writing is over: the peer is gone, or this side was shut down, closed or aborted.
    ///
    /// Ordinary in the life of a stream, and nothing to report by itself. Reading may still go on.
    #[error("the flow is closed for writing")]
    Closed,
    /// The transport failed below the flow (a full disk, say): the cause is in `source()`.
    ///
    /// How much of the data of this call went out is unknown. Abort the flow.
    #[error("the flow could not write")]
    Transport(#[source] E),
}

impl<E> WriteError<E> {
    /// Turns the transport's error into another.
    pub fn map<F>(self, convert: impl FnOnce(E) -> F) -> WriteError<F> {
        match self {
            Self::Closed => WriteError::Closed,
            Self::Transport(e) => WriteError::Transport(convert(e)),
        }
    }

    /// Whether this is [`WriteError::Closed`].
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

/// So that reads and writes mix under `?` in a function that returns `Result<_, WriteError<F::Error>>`.
impl<E> From<E> for WriteError<E> {
    fn from(error: E) -> Self {
        Self::Transport(error)
    }
}

/// Reading failed because this side aborted the flow: by [`abort`](crate::Flow::abort), by its switch, or because its
/// runtime ended.
///
/// It is an error and not the end of the stream, so that a message cut off here is not taken for a whole one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
#[error("the flow was aborted on this side")]
pub struct Aborted;
