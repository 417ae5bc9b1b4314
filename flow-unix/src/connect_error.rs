//! Why a descriptor did not become a flow, and the descriptor back.

use std::error;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use flow_core::SwitchOff;

use crate::kind::Thing;
use crate::{Error, ErrorKind};

/// Why a descriptor did not become a flow.
///
/// Nothing was done to the descriptor, and [`into_fd`](Self::into_fd) gives it back.
#[derive(Debug)]
pub struct ConnectError {
    kind: ConnectErrorKind,
    /// What the descriptor is.
    what: Thing,
    /// For what it was not open, if that is it.
    way: &'static str,
    cause: Option<Error>,
    fd: OwnedFd,
}

/// What was wrong with a descriptor, or with the place where it was to become a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// Messages with boundaries: a datagram or sequential-packet socket.
    NotAStream,
    /// A socket that accepts connections and has none itself.
    Listening,
    /// A stream socket without a peer: never connected, still connecting, or already reset.
    NotConnected,
    /// A kind of descriptor that carries no stream of bytes: a directory, a counter of events.
    Unsupported,
    /// Not open in the direction in which the flow was to use it.
    WrongWay,
    /// No runtime here that can watch descriptors.
    NoRuntime,
    /// The switch is off.
    SwitchOff,
    /// The system refused: the cause is in `source()`.
    Os,
}

impl ConnectError {
    pub(crate) const fn new(kind: ConnectErrorKind, what: Thing, fd: OwnedFd) -> Self {
        Self {
            kind,
            what,
            way: "",
            cause: None,
            fd,
        }
    }

    pub(crate) fn os(cause: Error, fd: OwnedFd) -> Self {
        let kind = match cause.kind() {
            ErrorKind::NoRuntime | ErrorKind::RuntimeGone => ConnectErrorKind::NoRuntime,
            ErrorKind::SwitchOff => ConnectErrorKind::SwitchOff,
            _ => ConnectErrorKind::Os,
        };
        Self {
            kind,
            what: Thing::Descriptor,
            way: "",
            cause: Some(cause),
            fd,
        }
    }

    /// Not open for `way`.
    pub(crate) fn wrong_way(way: &'static str, what: Thing, fd: OwnedFd) -> Self {
        Self {
            way,
            ..Self::new(ConnectErrorKind::WrongWay, what, fd)
        }
    }

    /// The same about no descriptor, for whoever has no use for it.
    pub(crate) fn into_error(self) -> Error {
        self.cause.unwrap_or_else(|| Error::refused(self.what))
    }

    pub(crate) fn raw_os_error(&self) -> Option<i32> {
        self.cause.and_then(|cause| cause.raw_os_error())
    }

    /// What was wrong.
    #[must_use]
    pub const fn kind(&self) -> ConnectErrorKind {
        self.kind
    }

    /// The descriptor, as it was handed in.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.what.name();
        match self.kind {
            ConnectErrorKind::NotAStream => {
                write!(f, "{what} keeps message boundaries and is no byte stream: use a stream socket")
            }
            ConnectErrorKind::Listening => {
                write!(f, "{what} carries no bytes itself: accept a connection and use that")
            }
            ConnectErrorKind::NotConnected => {
                write!(f, "{what} carries no bytes: connect it and wait until it is connected")
            }
            ConnectErrorKind::Unsupported => {
                write!(f, "{what} carries no stream of bytes: use a socket, a pipe, a terminal, a device or a file")
            }
            ConnectErrorKind::WrongWay => {
                write!(f, "{what} is not open for {}: use the other end, or swap the two", self.way)
            }
            ConnectErrorKind::NoRuntime => {
                f.write_str("no runtime here can watch descriptors: call this inside one that has its i/o enabled")
            }
            ConnectErrorKind::SwitchOff => f.write_str("the switch is off: nothing can be attached to it any more"),
            ConnectErrorKind::Os => write!(f, "{what} could not be watched"),
        }
    }
}

impl error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.cause.as_ref().map(|e| e as _)
    }
}

/// For `?` in functions of `io::Result`: the error is inside, and the descriptor is closed with it.
impl From<ConnectError> for io::Error {
    fn from(e: ConnectError) -> Self {
        match e.raw_os_error() {
            Some(errno) => Self::from_raw_os_error(errno),
            None => Self::new(io::ErrorKind::InvalidInput, e),
        }
    }
}

/// The descriptor, given back by a switch that is off.
impl From<SwitchOff<OwnedFd>> for ConnectError {
    fn from(off: SwitchOff<OwnedFd>) -> Self {
        Self::os(Error::switch_off(), off.into_inner())
    }
}
