//! Listening sockets: one kind for paths, one for TCP.

mod path;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketAddrUnix, bind, getsockname, listen, sockopt,
};

use self::path::Bound;
pub use self::path::{ListenError, ListenErrorKind};
use crate::error::Doing;
use crate::kind::Kind;
use crate::opened::Opened;
use crate::source::Source;
use crate::{Attempt, Direction, Error, FdEngine, FdTransport, Interest, Readiness, socket};

/// How many connections wait to be accepted before the system refuses more.
const BACKLOG: i32 = 1024;

/// Accepts flows at a path. Dropping it removes the path, if that is still this listener's.
///
/// Its descriptor does not block, and has to stay so: with `O_NONBLOCK` cleared, accepting blocks the thread.
pub struct UnixListener<R: Readiness> {
    /// Before the socket: as long as that is open, no other file has its inode, by which the path is known.
    bound: Bound,
    listener: Listener<R>,
}

/// Accepts flows over TCP.
///
/// Its descriptor does not block, and has to stay so: with `O_NONBLOCK` cleared, accepting blocks the thread.
pub struct TcpListener<R: Readiness> {
    listener: Listener<R>,
}

impl<R: Readiness> UnixListener<R> {
    /// Listens at a path, which must not exist yet.
    ///
    /// # Errors
    ///
    /// [`ListenErrorKind::InUse`] if somebody listens there, [`ListenErrorKind::Stale`] if a listener that is gone left its socket
    /// behind: see [`bind_replacing_stale`](Self::bind_replacing_stale).
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, ListenError> {
        Self::bind_if(path.as_ref(), false)
    }

    /// Listens at a path, in place of a socket that was left behind there.
    ///
    /// Two programs that do this at the same time for the same path may remove each other's socket: where that can happen, a
    /// lock must decide who may.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind), but for [`ListenErrorKind::Stale`].
    pub fn bind_replacing_stale(path: impl AsRef<Path>) -> Result<Self, ListenError> {
        Self::bind_if(path.as_ref(), true)
    }

    fn bind_if(path: &Path, replace_stale: bool) -> Result<Self, ListenError> {
        let runtime = R::runtime()?;
        let (fd, bound) = path::bind(path, replace_stale)?;
        listen(&fd, BACKLOG).map_err(|errno| Error::os(Doing::Listen, errno))?;
        // `fd` outlives `bound`, also where this fails.
        let listener = Listener::new(runtime, Arc::clone(&fd))?;
        Ok(Self { bound, listener })
    }

    /// Waits for the next flow. The peer's address is unnamed, as a rule.
    ///
    /// # Errors
    ///
    /// What the system said, `EMFILE` for instance. The listener works on: close something, or wait, and try again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what a dropped accept would have got, the next one gets. Several tasks may accept at the same time.
    pub async fn accept(&self) -> Result<(FdEngine<R>, UnixAddr), Error> {
        let (flow, peer) = self.listener.accept(Kind::Unix).await?;
        Ok((flow, unix_addr(peer)))
    }

    /// The path where this listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.bound.path()
    }
}

impl<R: Readiness> TcpListener<R> {
    /// Listens at the first of the addresses that can be bound. Port 0 is any that is free: see [`local_addr`](Self::local_addr).
    ///
    /// # Errors
    ///
    /// The last address's, if none can be bound.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, Error> {
        let runtime = R::runtime()?;
        let mut last = Error::unresolved();
        for address in addresses {
            match listen_tcp(address) {
                Ok(fd) => {
                    return Ok(Self {
                        listener: Listener::new(runtime, Arc::new(fd))?,
                    });
                }
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    /// Waits for the next flow, and says where it comes from. Small writes are sent at once: `TCP_NODELAY` is set.
    ///
    /// # Errors
    ///
    /// What the system said, `EMFILE` for instance. The listener works on: close something, or wait, and try again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what a dropped accept would have got, the next one gets. Several tasks may accept at the same time.
    pub async fn accept(&self) -> Result<(FdEngine<R>, SocketAddr), Error> {
        let (flow, peer) = self.listener.accept(Kind::Tcp).await?;
        let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
        // The system names every peer of an internet socket.
        Ok((
            flow,
            peer.ok_or(Error::os(Doing::Accept, Errno::AFNOSUPPORT))?,
        ))
    }

    /// The address where this listens.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        getsockname(&self.listener.fd)
            .and_then(SocketAddr::try_from)
            .map_err(|errno| Error::os(Doing::Use, errno))
    }
}

fn listen_tcp(address: &SocketAddr) -> Result<OwnedFd, Error> {
    let failed = |doing| move |errno| Error::os(doing, errno);
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let fd = socket::stream(family).map_err(failed(Doing::Listen))?;
    // As everybody does: connections of an earlier listener that are still closing are no reason to refuse.
    sockopt::set_socket_reuseaddr(&fd, true).map_err(failed(Doing::Listen))?;
    bind(&fd, address).map_err(failed(Doing::Bind))?;
    listen(&fd, BACKLOG).map_err(failed(Doing::Listen))?;
    Ok(fd)
}

struct Listener<R: Readiness> {
    /// Before the descriptor, because it is to be taken out of the runtime before it is closed.
    io: R,
    fd: Arc<OwnedFd>,
    runtime: R::Runtime,
    waiting: Arc<Waiting>,
    waker: Waker,
}

impl<R: Readiness> Listener<R> {
    fn new(runtime: R::Runtime, fd: Arc<OwnedFd>) -> Result<Self, Error> {
        let io = R::register(&runtime, Arc::clone(&fd), Interest::Read)?;
        let waiting = Arc::<Waiting>::default();
        let waker = Arc::clone(&waiting).into();
        Ok(Self {
            io,
            fd,
            runtime,
            waiting,
            waker,
        })
    }

    async fn accept(&self, kind: Kind) -> Result<(FdEngine<R>, Option<SocketAddrAny>), Error> {
        let place = self.waiting.place();
        let accepted = poll_fn(|cx| self.poll_accept(&place, cx)).await;
        drop(place);
        let (fd, peer) = accepted?;
        if kind == Kind::Tcp {
            // Fails where the peer has already left.
            _ = sockopt::set_tcp_nodelay(&fd, true);
        }
        let source =
            Source::register(&self.runtime, Opened::socket(fd, kind)).map_err(|(e, _)| e)?;
        Ok((FdTransport::of_socket(self.runtime.clone(), source), peer))
    }

    fn poll_accept(&self, place: &Place<'_>, cx: &mut Context<'_>) -> Poll<Accepted> {
        // Before the attempt, so that the event that comes after it wakes us.
        place.wait(cx.waker());
        let mut all = Context::from_waker(&self.waker);
        let accepted = ready!(
            self.io
                .poll_io(Direction::Read, &mut all, || attempt(&self.fd))
        );
        Poll::Ready(accepted.and_then(|accepted| accepted))
    }
}

type Accepted = Result<(OwnedFd, Option<SocketAddrAny>), Error>;

fn attempt(listener: impl AsFd) -> Attempt<Accepted> {
    loop {
        match socket::accept(&listener) {
            Ok(accepted) => return Attempt::Maybe(Ok(accepted)),
            Err(Errno::AGAIN) => return Attempt::WouldBlock,
            // One connection failed before we got to it: these are its errors, not the listener's (accept(2)).
            Err(
                Errno::INTR
                | Errno::CONNABORTED
                | Errno::PROTO
                | Errno::NETDOWN
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH,
            ) => {}
            Err(errno) => return Attempt::Maybe(Err(Error::os(Doing::Accept, errno))),
        }
    }
}

/// Those who wait for a connection. A runtime keeps one waker: it gets this, and all are woken.
#[derive(Default)]
struct Waiting {
    waiters: Mutex<Waiters>,
}

#[derive(Default)]
struct Waiters {
    /// By accept and not by task, which may accept more than once at a time.
    wakers: BTreeMap<u64, Waker>,
    next: u64,
}

impl Waiting {
    fn place(&self) -> Place<'_> {
        let mut waiters = self.lock();
        waiters.next += 1;
        Place {
            waiting: self,
            id: waiters.next,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakers are cloned, called and dropped outside of the lock: they may be anybody's code.
impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        let woken = std::mem::take(&mut self.lock().wakers);
        woken.into_values().for_each(Waker::wake);
    }
}

/// The place of one accept among those who wait, given up when it is dropped.
struct Place<'a> {
    waiting: &'a Waiting,
    id: u64,
}

impl Place<'_> {
    fn wait(&self, waker: &Waker) {
        let waker = waker.clone();
        let before = self.waiting.lock().wakers.insert(self.id, waker);
        drop(before);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let waker = self.waiting.lock().wakers.remove(&self.id);
        drop(waker);
    }
}

fn unix_addr(peer: Option<SocketAddrAny>) -> UnixAddr {
    let peer = peer.and_then(|peer| SocketAddrUnix::try_from(peer).ok());
    let named = peer.as_ref().and_then(|peer| {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        // Reading an unnamed address makes it the abstract one of no letters.
        if let Some(name) = peer.abstract_name().filter(|name| !name.is_empty()) {
            use std::os::linux::net::SocketAddrExt as _;
            return UnixAddr::from_abstract_name(name).ok();
        }
        UnixAddr::from_pathname(Path::new(OsStr::from_bytes(peer.path_bytes()?))).ok()
    });
    named.unwrap_or_else(|| UnixAddr::from_pathname("").expect("the empty path is unnamed"))
}

impl<R: Readiness> AsFd for UnixListener<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.fd.as_fd()
    }
}

impl<R: Readiness> AsFd for TcpListener<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.fd.as_fd()
    }
}

impl<R: Readiness> fmt::Debug for UnixListener<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

impl<R: Readiness> fmt::Debug for TcpListener<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener")
            .field("fd", &self.listener.fd)
            .finish_non_exhaustive()
    }
}
