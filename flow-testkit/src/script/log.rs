//! What a run did, step by step, so that it can be done again without the kit.

use flow_core::Shutdown;

/// One step. Calls are numbered from 0, as they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Read,
    Write(Vec<Vec<u8>>),
    Flush,
    Shutdown(Shutdown),
    Close,
    Abort,
    Poll(usize),
    Drop(usize),
    PollWoken,
    Settle,
    /// Each call that waits is polled, though nobody woke it.
    PollAll,
    Send(Vec<u8>),
    Receive(usize),
    End,
    Leave,
    Cut,
}

/// What must not be so after the last step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// This call answered this.
    Answer(usize, String),
    /// This call waits.
    Waits(usize),
    /// The peer has not received what begins with this.
    Received(Vec<u8>),
    /// The peer has received what this does not begin with.
    Wrong(Vec<u8>),
    /// The peer has met the end.
    Ended,
    /// The peer has not met the end.
    NotEnded,
}
