//! The error that every flow over a descriptor has, whatever its runtime.

use std::error;
use std::fmt;
use std::io;

use flow_core::Aborted;
use rustix::io::Errno;

use crate::kind::{Kind, Thing};

/// Why a flow over a descriptor failed: what it was doing, and what the system answered.
///
/// One type for all runtimes, so that a `BoxFlow<flow_unix::Error>` holds a flow of any of them. It is small and `Copy`, because a flow repeats
/// its error to everybody who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Error {
    doing: Doing,
    cause: Cause,
}

/// What kind of failure an [`Error`] is: those that a caller acts on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The peer, or something on the way to it, cut the connection. Bytes may be lost, in both directions.
    Reset,
    /// This side aborted the flow, itself or through its switch.
    Aborted,
    /// The network gave up on the peer. Bytes may be lost, in both directions.
    TimedOut,
    /// Nobody listens there.
    Refused,
    /// A name that has no address, or could not be looked up.
    Unresolved,
    /// There is no runtime to wait on: the call was made outside of one, or its runtime was built without I/O. Nothing was done; make the
    /// call inside.
    NoRuntime,
    /// The runtime that the flow lives on has ended. The descriptor can still be dropped, and nothing else.
    RuntimeGone,
    /// The switch to attach to is off.
    SwitchOff,
    /// `shutdown(Write)` on a terminal or the like, which has no half-close: its two directions end together. `close` and `abort` work.
    Unsupported,
    /// Any other answer of the system: see [`Error::raw_os_error`].
    Os,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Doing {
    Accept,
    Attach,
    Bind,
    Input,
    Output,
    Connect,
    End,
    Listen,
    Pair,
    Receive,
    Register,
    Resolve,
    Send,
    Use,
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Cause {
    Os(Errno),
    /// An `io::Error` that never was an error number.
    Io(io::ErrorKind),
    Aborted,
    /// The empty path, by the number that the system has for such arguments.
    NoPath,
    NoRuntime,
    RuntimeGone,
    SwitchOff,
    Unresolved,
    /// No half-close, of this kind.
    NoHalfClose(Kind),
    /// What is nothing to make a flow of.
    Refused(Thing),
}

impl Error {
    pub(crate) const fn os(doing: Doing, errno: Errno) -> Self {
        Self {
            doing,
            cause: Cause::Os(errno),
        }
    }

    /// For [`Readiness::register`](crate::Readiness::register): there is no runtime here, or none that can wait for descriptors.
    #[must_use]
    pub const fn no_runtime() -> Self {
        Self {
            doing: Doing::Register,
            cause: Cause::NoRuntime,
        }
    }

    /// For [`Readiness`](crate::Readiness): the runtime has ended, so that nothing can be waited for any more.
    #[must_use]
    pub const fn runtime_gone() -> Self {
        Self {
            doing: Doing::Wait,
            cause: Cause::RuntimeGone,
        }
    }

    /// For backends: a name without an address.
    #[must_use]
    pub const fn unresolved() -> Self {
        Self {
            doing: Doing::Resolve,
            cause: Cause::Unresolved,
        }
    }

    pub(crate) const fn no_path(doing: Doing) -> Self {
        Self {
            doing,
            cause: Cause::NoPath,
        }
    }

    pub(crate) const fn switch_off() -> Self {
        Self {
            doing: Doing::Attach,
            cause: Cause::SwitchOff,
        }
    }

    pub(crate) const fn refused(what: Thing) -> Self {
        Self {
            doing: Doing::Use,
            cause: Cause::Refused(what),
        }
    }

    pub(crate) const fn no_half_close(kind: Kind) -> Self {
        Self {
            doing: Doing::End,
            cause: Cause::NoHalfClose(kind),
        }
    }

    /// The same error, as one of another action.
    pub(crate) const fn doing(self, doing: Doing) -> Self {
        Self {
            doing,
            cause: self.cause,
        }
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self.cause {
            Cause::Os(Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED | Errno::NETRESET) => {
                ErrorKind::Reset
            }
            Cause::Os(Errno::TIMEDOUT) => ErrorKind::TimedOut,
            Cause::Os(Errno::CONNREFUSED) => ErrorKind::Refused,
            Cause::Os(_) | Cause::Io(_) | Cause::NoPath => ErrorKind::Os,
            Cause::Aborted => ErrorKind::Aborted,
            Cause::NoRuntime => ErrorKind::NoRuntime,
            Cause::RuntimeGone => ErrorKind::RuntimeGone,
            Cause::SwitchOff => ErrorKind::SwitchOff,
            Cause::Unresolved => ErrorKind::Unresolved,
            Cause::NoHalfClose(_) | Cause::Refused(_) => ErrorKind::Unsupported,
        }
    }

    /// The system's error number, where there is one.
    #[must_use]
    pub const fn raw_os_error(&self) -> Option<i32> {
        match self.cause {
            Cause::Os(errno) => Some(errno.raw_os_error()),
            Cause::NoPath => Some(Errno::INVAL.raw_os_error()),
            _ => None,
        }
    }

    /// Whether to a writer this means that the peer is gone.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(
            self.cause,
            Cause::Os(Errno::CONNRESET | Errno::PIPE | Errno::NOTCONN | Errno::CONNABORTED)
                | Cause::Aborted
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.doing {
            Doing::Accept => "could not accept a connection",
            Doing::Attach => "could not attach to the switch",
            Doing::Bind => "could not bind the address",
            Doing::Input => "could not use standard input",
            Doing::Output => "could not use standard output",
            Doing::Connect => "could not connect",
            Doing::End => "could not end writing",
            Doing::Listen => "could not listen",
            Doing::Pair => "could not make a pair of sockets",
            Doing::Receive => "could not receive",
            Doing::Register => "could not watch the descriptor",
            Doing::Resolve => "could not look the name up",
            Doing::Send => "could not send",
            Doing::Use => "the descriptor failed",
            Doing::Wait => "could not wait for the descriptor",
        })?;
        match self.cause {
            Cause::Os(errno) => write!(f, ": {errno}"),
            Cause::Io(kind) => write!(f, ": {kind}"),
            Cause::NoPath => f.write_str(": the path is empty"),
            Cause::Aborted => f.write_str(": the flow was aborted on this side"),
            Cause::NoRuntime => {
                f.write_str(": call this inside a runtime that has its i/o enabled")
            }
            Cause::RuntimeGone => f.write_str(": the runtime of the flow has ended"),
            Cause::SwitchOff => f.write_str(": it is off"),
            Cause::Unresolved => f.write_str(": it has no address"),
            Cause::NoHalfClose(kind) => write!(
                f,
                ": {} has no half-close, close or abort the flow",
                kind.name()
            ),
            Cause::Refused(what) => write!(f, ": {} cannot be used so", what.name()),
        }
    }
}

impl error::Error for Error {}

impl From<Aborted> for Error {
    fn from(Aborted: Aborted) -> Self {
        Self {
            doing: Doing::Receive,
            cause: Cause::Aborted,
        }
    }
}

/// Keeps the error number; of an error without one, only its kind.
impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        let inner = e.get_ref().and_then(|inner| inner.downcast_ref::<Self>());
        match (inner, Errno::from_io_error(&e)) {
            (Some(ours), _) => *ours,
            (None, Some(errno)) => Self::os(Doing::Use, errno),
            (None, None) => Self {
                doing: Doing::Use,
                cause: Cause::Io(e.kind()),
            },
        }
    }
}

/// Keeps the error number; an error without one is inside, and comes out again by [`From<io::Error>`](Error#impl-From<Error>-for-Error).
impl From<Error> for io::Error {
    fn from(e: Error) -> Self {
        match e.cause {
            Cause::Os(errno) => errno.into(),
            Cause::Io(kind) => Self::new(kind, e),
            Cause::Aborted => Self::new(io::ErrorKind::ConnectionAborted, e),
            Cause::NoRuntime | Cause::RuntimeGone | Cause::SwitchOff => Self::other(e),
            Cause::NoPath => Self::new(io::ErrorKind::InvalidInput, e),
            Cause::Unresolved => Self::new(io::ErrorKind::NotFound, e),
            Cause::NoHalfClose(_) | Cause::Refused(_) => Self::new(io::ErrorKind::Unsupported, e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_survive_the_way_through_std() {
        let ours = Error::os(Doing::Send, Errno::NOSPC);
        let theirs = io::Error::from(ours);
        assert_eq!(theirs.raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
        assert_eq!(Error::from(theirs).raw_os_error(), ours.raw_os_error());
    }

    #[test]
    fn errors_without_a_number_survive_the_way_through_std() {
        for ours in [
            Error::no_runtime(),
            Error::runtime_gone(),
            Error::switch_off(),
            Aborted.into(),
        ] {
            assert_eq!(Error::from(io::Error::from(ours)), ours);
        }
    }

    #[test]
    fn display_is_one_phrase() {
        let text = Error::os(Doing::Receive, Errno::CONNRESET).to_string();
        assert!(
            text.starts_with("could not receive: ") && !text.ends_with('.'),
            "{text}"
        );
    }
}
