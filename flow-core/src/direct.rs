//! Bytes that go from flow to flow without passing through this process's memory.

use core::any::Any;
use core::fmt;
use core::task::Context;

use bytes::Bytes;

use crate::{Chunks, ReadOp};

/// What a flow offers beside reading and writing, to whoever only moves bytes on: see [`Flow::direct`](crate::Flow::direct).
///
/// [`copy`](crate::combinators::copy()) and [`proxy`](crate::combinators::proxy()) use it where both flows offer it. It changes nothing of what a flow promises: a
/// direct read takes its turn among the reads, what it gives is written by an ordinary write, and the end, errors and waiting are left to
/// [`poll_read`](crate::Flow::poll_read).
pub trait Direct {
    /// Reads what has arrived, as [`poll_read`](crate::Flow::poll_read) does, and leaves it outside of memory, as [`Outside`] bytes.
    ///
    /// It never waits, and fails in no way. `None` says that nothing was read: it is not this operation's turn, nothing has arrived or too little
    /// to pay, the flow is over, or it cannot be done here. Go on with `poll_read` and the same operation, whose place in line stays.
    fn read_direct(&self, cx: &mut Context<'_>, op: &mut ReadOp) -> Option<Chunks>;

    /// Whether a write of these bytes, which are [outside](Chunks::is_outside), goes on without bringing them into memory. It is accepted
    /// in any case.
    fn takes(&self, data: &Chunks) -> bool;
}

/// Bytes that are outside of this process's memory: in a pipe of the system's, say. [`Chunks`] carry them through a write.
///
/// For authors of transports. A transport that [knows](crate::Transport::takes) the type gets at it by
/// [`Chunks::outside_mut`], moves bytes off its front in its own way, and then [advances](Chunks::advance) the chunks by as many. For all
/// others the engine brings them into memory first. Dropping it gives up the bytes.
pub trait Outside: Any + Send + Sync + fmt::Debug {
    /// How many bytes are there.
    fn len(&self) -> usize;

    /// Whether none are there.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Brings all of them into memory. `None` if they cannot be had any more, which should not be.
    fn bring_in(&mut self) -> Option<Bytes>;
}
