//! Whether what was written has come to the peer.

use core::fmt;

/// Whether the peer has read everything that was written: what [`Flow::delivered`](crate::Flow::delivered) and
/// [`close`](crate::FlowExt::close) answer.
///
/// A write that is `Ok` was accepted, and no more. This says what became of it, as far as that can be known on this side of the stream:
///
/// | flow | `Yes` | `Arrived` | `No` | `Unknown` |
/// | --- | --- | --- | --- | --- |
/// | in memory | all is read | never | some is unread, or thrown away | never |
/// | `AF_UNIX` | all is read | never | some is unread, or thrown away | after an abort |
/// | TCP | never | the peer's system has it all | it has not acknowledged it all | after a reset or an abort, if it had |
/// | pipe, FIFO | all is read | never | some is unread | once its end is closed with some unread, after an abort |
/// | any other, where it does not say otherwise | never | never | a write is unfinished | at all other times |
///
/// `Read` is what has left the stream at the peer's end. What a peer does with it is its own affair; one that has called
/// `shutdown(Read)` reads to throw away. Only an answer in the peer's own words says that something was understood.
///
/// All variants are here for good, so a `match` needs no arm for others.
///
/// # Examples
///
/// Closing, and knowing what to say about it:
///
/// ```
/// use flow_core::{Delivered, Flow, FlowExt, WriteError, memory};
///
/// async fn send<F: Flow>(flow: &F, letter: &'static str) -> Result<&'static str, WriteError<F::Error>> {
///     flow.write(letter).await?;
///     Ok(match flow.close().await? {
///         Delivered::Yes => "it was read",
///         Delivered::No => "it was not read, or not all of it: send it again elsewhere",
///         Delivered::Arrived => "it came to the peer's system: ask the peer",
///         Delivered::Unknown => "ask the peer",
///     })
/// }
///
/// # futures_lite::future::block_on(async {
/// let (flow, mut peer) = memory::with_wire(64);
/// peer.end();
/// // This one ended its side, and leaves without having read.
/// assert!(send(&flow, "dear peer").await?.starts_with("it was not read"));
///
/// // Not yet: it reads after all.
/// assert_eq!(flow.delivered(), Delivered::No);
/// peer.recv(&mut [0; 64]);
/// assert_eq!(flow.delivered(), Delivered::Yes);
/// # Ok::<_, WriteError<memory::MemoryError>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivered {
    /// The peer has read every byte. True for good, unless more is written.
    Yes,
    /// Some bytes are unread, on their way, or lost.
    ///
    /// Those that are not lost may be read later, so while the peer is there this may become another answer. Over a network
    /// the news that they have arrived may be on its way.
    No,
    /// Every byte has come to the peer's system, and whether the peer reads it there cannot be known.
    Arrived,
    /// This flow cannot tell, or cannot any more.
    Unknown,
}

impl Delivered {
    /// Whether the peer is known to have read every byte.
    #[must_use]
    pub const fn is_yes(self) -> bool {
        matches!(self, Self::Yes)
    }

    /// Whether some bytes are not known to have come to the peer, because they are unread, on their way, or lost.
    #[must_use]
    pub const fn is_no(self) -> bool {
        matches!(self, Self::No)
    }
}

impl fmt::Display for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "the peer has read everything",
            Self::No => "the peer has not read everything",
            Self::Arrived => "everything has come to the peer's system",
            Self::Unknown => "it is not known whether the peer has read everything",
        })
    }
}
