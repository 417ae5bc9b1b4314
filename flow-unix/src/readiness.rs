//! What a runtime must offer: to run a system call once a descriptor is ready for it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::Error;

/// A descriptor that a runtime watches: everything that flows over descriptors need of a runtime.
///
/// Implement this to bring flows to another runtime: some fifty lines. `flow-tokio` and `flow-async-std` each have theirs in a
/// file of this name, one for a runtime that reports edges, one for a runtime that reports levels.
///
/// # For implementors
///
/// - The descriptor's status flags are left as they are. Whether it is blocking is not the runtime's business: attempts never block.
/// - Dropping it takes the descriptor out of the runtime, and then drops the `Arc`, at once; so does a registration that fails.
///   It never panics, on whichever thread, also when the runtime has ended.
/// - When the runtime ends, those who wait are woken, and `poll_io` answers [`Error::runtime_gone`].
pub trait Readiness: Sized {
    /// What [`register`](Self::register) needs to know about the runtime; kept by the flow.
    type Runtime: Clone;

    /// Whether `poll_io` waits for the runtime to report an event before it attempts anything.
    ///
    /// The flow then makes the very first attempt of each direction by itself, so that a fresh flow need not wait for the runtime to turn.
    const WAITS_FIRST: bool;

    /// The runtime of the code that is running.
    ///
    /// # Errors
    ///
    /// [`Error::no_runtime`] outside of one. Not a panic.
    fn runtime() -> Result<Self::Runtime, Error>;

    /// Has the runtime watch a descriptor. May be called from any thread.
    ///
    /// # Errors
    ///
    /// [`Error::no_runtime`] where the runtime cannot watch descriptors, [`Error::runtime_gone`] where it has ended, otherwise what the system
    /// said. Not a panic.
    fn register(
        runtime: &Self::Runtime,
        fd: Arc<OwnedFd>,
        interest: Interest,
    ) -> Result<Self, Error>;

    /// Makes `attempt` whenever the descriptor may be ready, until it gets through.
    ///
    /// Pending means that `cx` is woken when the descriptor may have become ready. One waker is kept for each direction: the latest.
    /// Attempts are repeatable and never block.
    ///
    /// An attempt that [would block](Attempt::WouldBlock) asks for the next event. After one that [drained](Attempt::Drained) the descriptor, or that was
    /// [short](Attempt::Short) although no urgent data was reported (see [`Interest`]), the next call *may* wait for an event without another attempt. A
    /// runtime that does so must not count an event that came after the attempt had begun as spent by it, nor ever one that said that the
    /// descriptor is hung up. To treat either like [`Attempt::Maybe`] is always right.
    ///
    /// # Errors
    ///
    /// [`Error::runtime_gone`], or what the system said about waiting.
    fn poll_io<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        attempt: impl FnMut() -> Attempt<T>,
    ) -> Poll<Result<T, Error>>;

    /// Runs `job`, which may block, on a thread where that does no harm. By default on a new one.
    ///
    /// Files are read and written so, and the few descriptors for which the system has no call that does not wait. A job that will not be run, because
    /// the runtime has ended, is dropped: that tells whoever waits for it.
    fn spawn_blocking(runtime: &Self::Runtime, job: Box<dyn FnOnce() + Send>) {
        let _ = runtime;
        // Without a thread the job is dropped, which is told.
        drop(std::thread::Builder::new().spawn(job));
    }
}

/// The direction in which a descriptor is to be ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Something to receive, a connection to accept, an end.
    Read,
    /// Room to send, a connection made.
    Write,
}

/// Which events of a descriptor are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interest {
    /// Readable only.
    Read,
    /// Readable and writable, and whether urgent data is there.
    ///
    /// Urgent data cuts a read short with more behind it, so that a short read does not show that nothing is left. A runtime that
    /// has no use for [`Attempt::Short`] need not ask for it.
    Both,
}

/// What came of one attempt at a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attempt<T> {
    /// Nothing: the call would have blocked.
    WouldBlock,
    /// It got through, and the next one may or may not.
    Maybe(T),
    /// It got through with less than it had asked for, so that the next one would block, unless urgent data cut it short.
    Short(T),
    /// It got through, and the next one would block.
    Drained(T),
}
