//! Which direction of a flow ends.

/// Which direction a [`shutdown`](crate::FlowExt::shutdown) ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// Reading: parked and later reads are `None`, input is discarded. Local; the peer is not told.
    Read,
    /// Writing: what was taken is sent, then the peer sees the end.
    Write,
    /// Both.
    Both,
}

impl Shutdown {
    /// Whether reading ends.
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Read | Self::Both)
    }

    /// Whether writing ends.
    #[must_use]
    pub const fn is_write(self) -> bool {
        matches!(self, Self::Write | Self::Both)
    }
}

#[cfg(feature = "std")]
impl From<std::net::Shutdown> for Shutdown {
    fn from(how: std::net::Shutdown) -> Self {
        match how {
            std::net::Shutdown::Read => Self::Read,
            std::net::Shutdown::Write => Self::Write,
            std::net::Shutdown::Both => Self::Both,
        }
    }
}

#[cfg(feature = "std")]
impl From<Shutdown> for std::net::Shutdown {
    fn from(how: Shutdown) -> Self {
        match how {
            Shutdown::Read => Self::Read,
            Shutdown::Write => Self::Write,
            Shutdown::Both => Self::Both,
        }
    }
}
