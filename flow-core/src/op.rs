//! Operations: what a call under way keeps between two polls.
//!
//! An operation has identity. It holds its place in the line of those who wait, a write knows whether it has been taken,
//! and dropping an operation cancels it. The named futures hold one each; code that polls by hand makes its own and passes the
//! same one to each poll of the same call. A finished operation is spent: make a new one for the next call.

use crate::gather::gather;
use crate::{Chunks, Payload, Place, Shutdown};

/// One [`read`](crate::FlowExt::read) under way. May be reused for the next read once it is ready.
#[derive(Debug, Default)]
pub struct ReadOp {
    place: Place,
}

impl ReadOp {
    /// An operation that has not been polled.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            place: Place::new(),
        }
    }

    /// Its place in the flow's line. For implementors of [`Flow`](crate::Flow).
    pub fn place(&mut self) -> &mut Place {
        &mut self.place
    }
}

/// One [`write`](crate::FlowExt::write) under way, and the bytes that are not the flow's yet.
#[derive(Debug, Default)]
pub struct WriteOp {
    pub(crate) chunks: Chunks,
    pub(crate) taken: Option<u64>,
    /// What is left when it fails is wanted back.
    pub(crate) keeps: bool,
    pub(crate) place: Place,
}

impl WriteOp {
    /// A write of these bytes that has not been polled.
    #[must_use]
    pub const fn new(chunks: Chunks) -> Self {
        Self {
            chunks,
            taken: None,
            keeps: false,
            place: Place::new(),
        }
    }

    /// Whether the flow has taken the write, so that all of it will be sent even if the operation is dropped.
    #[must_use]
    pub const fn is_taken(&self) -> bool {
        self.taken.is_some()
    }

    /// Gives up: the bytes come back if the flow has not taken them, and nothing of them is sent.
    #[must_use]
    pub fn cancel(self) -> Option<Chunks> {
        self.taken.is_none().then_some(self.chunks)
    }

    /// Asks for what is left should the write fail after it was taken: see [`into_unsent`](Self::into_unsent). Otherwise the flow drops that.
    #[must_use]
    pub const fn keeping_unsent(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// Gives up, as [`cancel`](Self::cancel). Of a write that was taken and failed, what the transport has not accepted comes back too, if
    /// it was [asked for](Self::keeping_unsent); a flow that is no [`Engine`](crate::Engine) may not know of it.
    #[must_use]
    pub fn into_unsent(self) -> Option<Chunks> {
        (self.taken.is_none() || !self.chunks.is_empty()).then_some(self.chunks)
    }

    /// The bytes that are still this operation's: all before the flow takes the write, none after; and what is left once it has
    /// failed, if that was asked for. For implementors.
    pub fn chunks(&mut self) -> &mut Chunks {
        &mut self.chunks
    }

    /// The number under which the flow took the write. For implementors.
    #[must_use]
    pub const fn taken(&self) -> Option<u64> {
        self.taken
    }

    /// Marks the write as taken by the flow, under a number of the flow's. For implementors.
    pub const fn set_taken(&mut self, number: u64) {
        self.taken = Some(number);
    }

    /// Its place in the flow's line. For implementors.
    pub fn place(&mut self) -> &mut Place {
        &mut self.place
    }
}

impl<P: Payload> From<P> for WriteOp {
    fn from(data: P) -> Self {
        Self::new(data.into_bytes().into())
    }
}

/// Short buffers that follow each other are copied together: see [`FlowExt::writev`](crate::FlowExt::writev).
impl<P: Payload> FromIterator<P> for WriteOp {
    fn from_iter<I: IntoIterator<Item = P>>(buffers: I) -> Self {
        Self::new(gather(buffers))
    }
}

/// One [`flush`](crate::FlowExt::flush) under way.
#[derive(Debug, Default)]
pub struct FlushOp {
    pub(crate) until: Option<u64>,
    pub(crate) place: Place,
}

impl FlushOp {
    /// An operation that has not been polled.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            until: None,
            place: Place::new(),
        }
    }

    /// The number of the last write that it waits for, once polled. For implementors.
    #[must_use]
    pub const fn until(&self) -> Option<u64> {
        self.until
    }

    /// Notes the number of the last write that it waits for. For implementors.
    pub const fn set_until(&mut self, number: u64) {
        self.until = Some(number);
    }

    /// Its place in the flow's line. For implementors.
    pub fn place(&mut self) -> &mut Place {
        &mut self.place
    }
}

/// One [`shutdown`](crate::FlowExt::shutdown) under way.
#[derive(Debug)]
pub struct ShutdownOp {
    how: Shutdown,
    pub(crate) place: Place,
}

impl ShutdownOp {
    /// A shutdown of that direction that has not been polled.
    #[must_use]
    pub const fn new(how: Shutdown) -> Self {
        Self {
            how,
            place: Place::new(),
        }
    }

    /// Which direction ends.
    #[must_use]
    pub const fn how(&self) -> Shutdown {
        self.how
    }

    /// Its place in the flow's line. For implementors.
    pub fn place(&mut self) -> &mut Place {
        &mut self.place
    }
}

/// One [`close`](crate::FlowExt::close) under way.
#[derive(Debug, Default)]
pub struct CloseOp {
    pub(crate) place: Place,
}

impl CloseOp {
    /// An operation that has not been polled.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            place: Place::new(),
        }
    }

    /// Its place in the flow's line. For implementors.
    pub fn place(&mut self) -> &mut Place {
        &mut self.place
    }
}
