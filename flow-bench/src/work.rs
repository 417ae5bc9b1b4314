//! The workloads, each written once for all streams.

mod bulk;
mod churn;
mod gate;
mod idle;
mod many;
mod ping_pong;
mod proxy;
mod vectored;

pub(crate) use self::bulk::bulk;
pub(crate) use self::churn::churn;
pub(crate) use self::idle::idle;
pub(crate) use self::many::many;
pub(crate) use self::ping_pong::ping_pong;
pub(crate) use self::proxy::{Copying, proxy};
pub(crate) use self::vectored::vectored;

use crate::clock::Took;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Done {
    /// How many operations; fewer than asked for where descriptors were lacking.
    pub(crate) operations: u64,
    /// How long they took together.
    pub(crate) took: Took,
    /// How many bytes were moved by them, where that is what matters.
    pub(crate) bytes: u64,
    /// How many bytes of memory each of them holds, where that is what matters.
    pub(crate) held: Option<u64>,
}

/// The bytes that are sent. They live for ever, so nobody allocates for sending.
pub(crate) fn data(len: usize) -> &'static [u8] {
    static DATA: [u8; MOST] = [7; MOST];
    &DATA[..len]
}

/// How much is read at most where messages have `len` bytes: twice as much, so that a read shows whether there is more.
pub(crate) fn room(len: usize) -> usize {
    (2 * len).max(4096)
}

/// The longest message.
const MOST: usize = 1 << 20;

/// Operations before the clock starts.
const WARM_UP: u64 = 100;
