//! The trait, and what every flow promises.

use core::error::Error;
use core::task::{Context, Poll};

use alloc::boxed::Box;
use bytes::Bytes;

use crate::{CloseOp, Delivered, Direct, FlushOp, ReadOp, ShutdownOp, WriteError, WriteOp};

/// One end of a reliable byte stream in two directions.
///
/// `read` hands out a fresh owned buffer or the end, `write` takes owned buffers, `shutdown(Write)` says "done talking", `close` also waits
/// until the peer is done, and dropping the flow is leaving. Every method takes `&self` and may be called at any time from any task. Any call
/// may be dropped half-way without losing a byte, so a timeout is a `select` and needs nothing of the flow.
///
/// People call the methods of [`FlowExt`](crate::FlowExt), which are named futures over the polls here: `flow.read().await?`.
/// The polls are for adapters and wrappers. Each takes the operation that it continues: the same one at each poll of the same
/// call, polled by one task at a time.
///
/// The promises are numbered by name in `CONTRACT.md`, and tested by the laws of `flow-testkit`. What follows is the same in short.
///
/// # For implementors
///
/// Hardly anybody should implement this by hand. Write a [`Transport`](crate::Transport), about fifty lines, and let
/// [`Engine`](crate::Engine) keep the contract; wrappers forward to the flow inside, and pass each operation on to it unchanged.
/// A wrapper that changes bytes is a transport over the inner flow, with operations of its own.
///
/// # Common issues
///
/// - *A reader never sees the end though the peer "closed":* the peer only flushed. `shutdown(Write)` or `close` it.
/// - *`close` does not return:* the peer has not ended. Put a timeout around it, or `shutdown(Read)` first, or `abort`.
/// - *A message that was written and closed with `Ok` never came:* `Ok` is not receipt. Look at what `close` answers.
/// - *A read in another task is not served:* an earlier operation was polled once, by a third task, and kept without being polled again. It
///   holds its place in line until it is polled or dropped.
#[must_use = "a flow that is dropped is gone, for the peer too"]
pub trait Flow {
    /// Why reading or the transport failed. Its `Display` is the pretty-printer.
    type Error: Error + Send + Sync + 'static;

    /// Reads what has arrived: a chunk of at least one byte, or `None` at the end.
    ///
    /// `None` means that the peer has ended and everything was read, or that this side called `shutdown(Read)`; never anything
    /// else. It is final. Chunks come once, in order, and never change afterwards. Each byte goes to exactly one of the
    /// reads that wait, which are served in order.
    ///
    /// # Errors
    ///
    /// The transport's, after every byte that arrived before it, and the same from then on; `Aborted` in its form for
    /// this flow after a local abort.
    ///
    /// # Cancel safety
    ///
    /// A dropped read loses nothing: the next read gets the bytes.
    ///
    /// # Panics
    ///
    /// Never.
    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, Self::Error>>;

    /// Writes all buffers of `op`, as one unit, after what was written before.
    ///
    /// `Ok` means that the transport has accepted every byte, not that the peer has them. No buffers, or only empty ones, succeed at
    /// once and send nothing, also while the flow is full, as long as it is open for writing.
    ///
    /// The bytes may be [outside](crate::Chunks::is_outside) of memory. Who does not know how to send them from there
    /// [brings them in](crate::Chunks::bring_in), and refuses the write if they cannot be had any more.
    ///
    /// # Errors
    ///
    /// [`WriteError::Closed`] when writing is over, whichever side ended it; [`WriteError::Transport`] for anything below. Both are
    /// final for the write side. `Closed` also for bytes outside of memory that cannot be had any more: then nothing is sent, and the write side goes on.
    ///
    /// # Cancel safety
    ///
    /// The flow takes a write when the transport accepts its first byte. Dropped before that, nothing of it is sent;
    /// dropped after, all of it is sent, in its place, driven by whatever call comes next, a read included.
    ///
    /// # Panics
    ///
    /// Never.
    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> Poll<Result<(), WriteError<Self::Error>>>;

    /// Waits until everything taken before has been accepted by the transport.
    ///
    /// A write that is ready needs no flush. This is for what dropped writes left behind. After an orderly end of writing it is
    /// `Ok`: nothing is left.
    ///
    /// # Errors
    ///
    /// As [`poll_write`](Self::poll_write).
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again, by anyone.
    ///
    /// # Panics
    ///
    /// Never.
    fn poll_flush(
        &self,
        cx: &mut Context<'_>,
        op: &mut FlushOp,
    ) -> Poll<Result<(), WriteError<Self::Error>>>;

    /// Ends one direction, or both.
    ///
    /// `Write` refuses later writes, sends what was taken, then the peer sees the end; writes that wait to be taken are
    /// `Closed`. Reading goes on. `Read` is local: parked and later reads are `None`, input is discarded, writing goes on. Calling it
    /// again is `Ok`.
    ///
    /// # Errors
    ///
    /// As [`poll_write`](Self::poll_write); `Closed` where bytes were owed to a peer that has gone. A transport that cannot end
    /// one direction says so with its own error, and stays as it was.
    ///
    /// # Cancel safety
    ///
    /// The direction is ended by the first poll. May be dropped and called again, by anyone, to wait for the rest.
    ///
    /// # Panics
    ///
    /// Never.
    fn poll_shutdown(
        &self,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> Poll<Result<(), WriteError<Self::Error>>>;

    /// Closes: refuses later writes, finishes what was taken, signals the end, then waits until the peer has ended too.
    ///
    /// Meanwhile reads keep working; input is not eaten, and what is unread when close is done stays readable. A flow that cannot see the
    /// peer's end past unread input reads ahead, and once it holds 64 KiB it waits for a reader. After `shutdown(Read)`, close reads and discards.
    /// A reset completes it. Silence does not: put a timeout around it. Both sides may close at once, and calling it again is `Ok`.
    ///
    /// `Ok` says that the peer has ended, and not that it has read: [`FlowExt::close`](crate::FlowExt::close) asks
    /// [`delivered`](Self::delivered) then, and so may who polls by hand.
    ///
    /// # Errors
    ///
    /// As [`poll_write`](Self::poll_write).
    ///
    /// # Cancel safety
    ///
    /// The first poll is the point of no return for writing. May be dropped and called again, by anyone.
    ///
    /// # Panics
    ///
    /// Never.
    fn poll_close(
        &self,
        cx: &mut Context<'_>,
        op: &mut CloseOp,
    ) -> Poll<Result<(), WriteError<Self::Error>>>;

    /// Ends both directions at once, from any thread, without waiting and without the runtime.
    ///
    /// Parked and later reads fail with `Aborted`, never `None`; writes, shutdown and close are `Closed`. What the transport has accepted still
    /// arrives; if a write that was taken is unfinished, the peer sees no orderly end where the transport can say so.
    /// What the flow holds is released as soon as no call is under way. Dropping the last owner does the same.
    ///
    /// # Panics
    ///
    /// Never.
    fn abort(&self);

    /// Whether the peer has read everything that was written here, as far as this side can know: the question that `Ok` does not answer.
    ///
    /// It is about all bytes that were accepted so far, also by writes that were dropped after they had been taken, and about
    /// now: ask again later. Nothing is moved or waited for, so it may be asked anywhere and at any time, after `close`, the peer's
    /// leaving and [`abort`](Self::abort) too. [`Delivered`] has the table of what each kind of flow can know.
    ///
    /// `Yes` and [`Arrived`](Delivered::Arrived) are never wrong. `No` is the answer as long as this flow holds the rest of a write, and for
    /// good when it was cut off or the peer left without having read.
    ///
    /// # For implementors
    ///
    /// It has a body so that flows which cannot tell need none. A wrapper has to forward it.
    ///
    /// # Panics
    ///
    /// Never.
    ///
    /// # Examples
    ///
    /// ```
    /// use flow_core::{Delivered, Flow as _, FlowExt as _, memory};
    ///
    /// let (flow, mut peer) = memory::with_wire(64);
    /// futures_lite::future::block_on(flow.write("hello")).unwrap();
    /// assert_eq!(flow.delivered(), Delivered::No);
    ///
    /// peer.recv(&mut [0; 4]);
    /// assert_eq!(flow.delivered(), Delivered::No);
    /// peer.recv(&mut [0; 4]);
    /// assert_eq!(flow.delivered(), Delivered::Yes);
    /// ```
    fn delivered(&self) -> Delivered {
        Delivered::Unknown
    }

    /// How to move bytes of this flow without bringing them into memory, if there is a way. [`copy`](crate::combinators::copy()) and
    /// [`proxy`](crate::combinators::proxy()) look for it at every chunk.
    ///
    /// # For implementors
    ///
    /// It has a body so that flows which have no such way need none. A wrapper that neither changes the bytes nor looks at them forwards
    /// it; one that counts them answers with itself, and asks the flow inside. One that has to see every byte answers `None`, also where it looks
    /// at one direction only: what it is given to read or write then is always in memory.
    ///
    /// # Panics
    ///
    /// Never.
    fn direct(&self) -> Option<&dyn Direct> {
        None
    }
}

/// Any flow with this error, for any runtime.
pub type BoxFlow<E> = Box<dyn Flow<Error = E> + Send + Sync>;

/// Any flow with this error, on one thread.
pub type LocalBoxFlow<E> = Box<dyn Flow<Error = E>>;
