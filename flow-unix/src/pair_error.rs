//! Why two descriptors did not become one flow, and both of them back.

use std::error;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use flow_core::SwitchOff;

use crate::{ConnectError, ConnectErrorKind, Error};

/// Why two descriptors did not become one flow.
///
/// Nothing was done to them, and [`into_fds`](Self::into_fds) gives both back.
#[derive(Debug)]
pub struct PairError {
    which: Which,
    why: ConnectError,
    other: OwnedFd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Read,
    Write,
}

impl PairError {
    /// It was the one to read from.
    pub(crate) const fn read(why: ConnectError, write: OwnedFd) -> Self {
        Self {
            which: Which::Read,
            why,
            other: write,
        }
    }

    /// It was the one to write to.
    pub(crate) const fn write(read: OwnedFd, why: ConnectError) -> Self {
        Self {
            which: Which::Write,
            why,
            other: read,
        }
    }

    /// What was wrong.
    #[must_use]
    pub const fn kind(&self) -> ConnectErrorKind {
        self.why.kind()
    }

    /// The descriptors as they were handed in: the one to read from, the one to write to.
    #[must_use]
    pub fn into_fds(self) -> (OwnedFd, OwnedFd) {
        match self.which {
            Which::Read => (self.why.into_fd(), self.other),
            Which::Write => (self.other, self.why.into_fd()),
        }
    }
}

impl fmt::Display for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = match self.which {
            _ if self.kind() == ConnectErrorKind::SwitchOff => return self.why.fmt(f),
            Which::Read => "to read from",
            Which::Write => "to write to",
        };
        write!(f, "the descriptor {which}: {}", self.why)
    }
}

impl error::Error for PairError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.why.source()
    }
}

/// For `?` in functions of `io::Result`: the error is inside, and both descriptors are closed with it.
impl From<PairError> for io::Error {
    fn from(e: PairError) -> Self {
        match e.why.raw_os_error() {
            Some(errno) => Self::from_raw_os_error(errno),
            None => Self::new(io::ErrorKind::InvalidInput, e),
        }
    }
}

/// The descriptors, given back by a switch that is off.
impl From<SwitchOff<(OwnedFd, OwnedFd)>> for PairError {
    fn from(off: SwitchOff<(OwnedFd, OwnedFd)>) -> Self {
        let (read, write) = off.into_inner();
        Self::read(ConnectError::os(Error::switch_off(), read), write)
    }
}
