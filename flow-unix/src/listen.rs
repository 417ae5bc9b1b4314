//! Listening sockets: one for paths, one for TCP.

mod path;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use flow_core::Engine;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, bind, getsockname, listen, sockopt};

use self::path::Bound;
pub use self::path::{ListenError, ListenErrorKind};
use crate::error::Doing;
use crate::kind::Kind;
use crate::source::Source;
use crate::{Attempt, Direction, Error, FdTransport, Interest, Readiness, socket};

/// How many connections wait to be accepted before the system refuses more.
const BACKLOG: i32 = 1024;

/// Accepts flows at a path. Dropping it removes the path.
pub struct UnixListener<R: Readiness> {
    listener: Listener<R>,
    bound: Bound,
}

/// Accepts flows over TCP.
pub struct TcpListener<R: Readiness> {
    listener: Listener<R>,
}

impl<R: Readiness> UnixListener<R> {
    /// Listens at a path, which must not exist.
    ///
    /// # Errors
    ///
    /// [`ListenErrorKind::InUse`] if somebody listens there, [`ListenErrorKind::Stale`] if a socket was left behind by a listener that is
    /// gone: see [`bind_replacing_stale`](Self::bind_replacing_stale).
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, ListenError> {
        Self::bind_if(path.as_ref(), false)
    }

    /// Listens at a path, and takes the place of a socket that was left behind there.
    ///
    /// Two listeners that do this at the same time for the same path may remove each other's socket: where that can happen, let a lock
    /// decide who may.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind), but for [`ListenErrorKind::Stale`].
    pub fn bind_replacing_stale(path: impl AsRef<Path>) -> Result<Self, ListenError> {
        Self::bind_if(path.as_ref(), true)
    }

    fn bind_if(path: &Path, replace: bool) -> Result<Self, ListenError> {
        let runtime = R::runtime()?;
        let (fd, bound) = path::bind(path, replace)?;
        listen(&fd, BACKLOG).map_err(|errno| Error::os(Doing::Listen, errno))?;
        let listener = Listener::new(runtime, fd)?;
        Ok(Self { listener, bound })
    }

    /// Waits for the next flow.
    ///
    /// # Errors
    ///
    /// What the system said, `EMFILE` for instance. The listener goes on.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what a dropped accept would have got, the next one gets. Several tasks may accept at the same time.
    pub async fn accept(&self) -> Result<Engine<FdTransport<R>>, Error> {
        let (source, _) = poll_fn(|cx| self.listener.poll_accept(cx, Kind::Unix)).await?;
        Ok(FdTransport::engine(R::runtime()?, source))
    }

    /// Where this listens.
    pub fn path(&self) -> &Path {
        self.bound.path()
    }
}
