//! The acts of a script.

use std::fmt;

use flow_core::Shutdown;

/// In which order calls are polled that were woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they were woken.
    OldestFirst,
    /// The last that was woken first.
    NewestFirst,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OldestFirst => "in the order of their wakes",
            Self::NewestFirst => "newest wake first",
        })
    }
}

/// One act: a call is made and polled once, calls under way are polled or dropped, or the peer moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A read is made and polled.
    Read,
    /// A write of so many bytes, at least one.
    Write(usize),
    /// A write of more bytes than a link with little room holds.
    WriteMuch,
    /// A vectored write of buffers of these lengths.
    Writev(Vec<usize>),
    /// A write of nothing.
    WriteNothing,
    /// A flush.
    Flush,
    /// A shutdown.
    Shutdown(Shutdown),
    /// A close.
    Close,
    /// An abort.
    Abort,
    /// Drops a call that waits: the one of this number, counted round.
    Drop(usize),
    /// Polls a call that waits, woken or not.
    Poll(usize),
    /// Polls each call that was woken, once.
    PollWoken(Order),
    /// The peer sends so many bytes, or what there is room for.
    PeerSends(usize),
    /// The peer receives at most so many bytes of what has arrived.
    PeerReceives(usize),
    /// The peer ends its sending.
    PeerEnds,
    /// The peer leaves.
    PeerVanishes,
    /// The peer leaves by a reset, where there is such a thing.
    PeerResets,
    /// All events come and all woken calls are polled, until nothing moves any more.
    Settle,
}

impl Act {
    /// What is done, for who watches a run.
    pub(crate) const fn what(&self) -> &'static str {
        match self {
            Self::Read => "a read of a script",
            Self::Write(_) | Self::WriteMuch | Self::Writev(_) => "a write of a script",
            Self::WriteNothing => "an empty write of a script",
            Self::Flush => "a flush of a script",
            Self::Shutdown(_) => "a shutdown of a script",
            Self::Close => "a close of a script",
            Self::Abort => "an abort of a script",
            Self::Drop(_) => "dropping a call of a script",
            Self::Poll(_) | Self::PollWoken(_) => "polling calls of a script",
            Self::Settle => "settling in a script",
            _ => "a move of the peer in a script",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Write(len) => write!(f, "write {len} bytes"),
            Self::WriteMuch => f.write_str("write more bytes than little room holds"),
            Self::Writev(lens) => write!(f, "write buffers of {lens:?} bytes"),
            Self::WriteNothing => f.write_str("write nothing"),
            Self::Flush => f.write_str("flush"),
            Self::Shutdown(how) => write!(f, "shutdown({how:?})"),
            Self::Close => f.write_str("close"),
            Self::Abort => f.write_str("abort"),
            Self::Drop(i) => write!(f, "drop call {i} of those that wait"),
            Self::Poll(i) => write!(f, "poll call {i} of those that wait"),
            Self::PollWoken(order) => write!(f, "poll the calls that were woken, {order}"),
            Self::PeerSends(len) => write!(f, "the peer sends {len} bytes"),
            Self::PeerReceives(len) => write!(f, "the peer receives up to {len} bytes"),
            Self::PeerEnds => f.write_str("the peer ends its sending"),
            Self::PeerVanishes => f.write_str("the peer vanishes"),
            Self::PeerResets => f.write_str("the peer resets"),
            Self::Settle => f.write_str("everything settles"),
        }
    }
}
