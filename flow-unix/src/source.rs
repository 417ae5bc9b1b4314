//! A descriptor and its place in the runtime: shared by the directions that use it, released when the last of them lets go.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};

use crate::delivered::Receipts;
use crate::kind::Kind;
use crate::opened::Opened;
use crate::privacy::Privacy;
use crate::stdio::Standard;
use crate::way::Way;
use crate::{Attempt, Direction, Error, Interest, Readiness, release};

pub(crate) struct Source<R> {
    /// Before the descriptor, because it is to be taken out of the runtime before it is closed. None where nothing can be waited for: what is
    /// neither done at once nor by the pool does not exist there.
    io: Option<R>,
    fd: Arc<OwnedFd>,
    kind: Kind,
    way: Way,
    privacy: Privacy,
    receipts: Receipts,
    /// The flags to give the descriptor back with, where the open file is our own.
    flags: Option<OFlags>,
    /// Whether it stands for one of the process's own descriptors.
    standard: Option<Standard>,
    /// Released without a word to the peer: torn, or given back.
    silent: AtomicBool,
    /// The descriptor was lent out since nothing was left to receive.
    lent: AtomicBool,
    /// Something was read, or is being read by the pool, that was not handed out yet.
    busy: AtomicBool,
}

impl<R: Readiness> Source<R> {
    /// A socket that the runtime watches already.
    pub(crate) fn new(io: R, fd: Arc<OwnedFd>, kind: Kind) -> Self {
        Self::with(Some(io), fd, kind, Way::Socket)
    }

    fn with(io: Option<R>, fd: Arc<OwnedFd>, kind: Kind, way: Way) -> Self {
        Self {
            io,
            fd,
            kind,
            way,
            privacy: Privacy::none(),
            receipts: Receipts::default(),
            flags: None,
            standard: None,
            silent: AtomicBool::new(false),
            lent: AtomicBool::new(false),
            busy: AtomicBool::new(false),
        }
    }

    /// Has the runtime watch a descriptor where that can be done; gives it back as it was handed in if that fails.
    pub(crate) fn register(
        runtime: &R::Runtime,
        mut opened: Opened,
    ) -> Result<Self, (Error, OwnedFd)> {
        let (kind, way) = (opened.kind, opened.way);
        if matches!(way, Way::File | Way::Inline) {
            return Ok(Self::with(None, Arc::new(opened.fd), kind, way));
        }
        let original = opened.take_original();
        let fd = Arc::new(opened.fd);
        match R::register(runtime, Arc::clone(&fd), Interest::Both) {
            Ok(io) => {
                let mut source = Self::with(Some(io), fd, kind, way);
                source.flags = original.map(|(_, flags)| flags);
                Ok(source)
            }
            Err(e) if kind == Kind::Device && cannot_be_watched(e) => {
                Ok(Self::with(None, fd, kind, Way::Pool))
            }
            Err(e) => {
                let fd = Arc::try_unwrap(fd).expect("a failed registration keeps no descriptor");
                Err((e, original.map_or(fd, |(original, _)| original)))
            }
        }
    }

    /// The same, standing for one of the process's own.
    pub(crate) fn standing_for(mut self, standard: Standard) -> Self {
        self.standard = Some(standard);
        self
    }

    /// The same, one end of a pair.
    pub(crate) fn private(mut self, privacy: Privacy) -> Self {
        self.privacy = privacy;
        self
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn owned(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// What was told of the fate of what was sent.
    pub(crate) fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// Whether the runtime tells when it is ready.
    pub(crate) fn is_watched(&self) -> bool {
        self.io.is_some()
    }

    /// The descriptor back, of a flow that was not made after all.
    ///
    /// # Panics
    ///
    /// If a `Readiness` that was dropped keeps the descriptor.
    pub(crate) fn into_fd(self) -> OwnedFd {
        let fd = self.keep();
        drop(self);
        Arc::try_unwrap(fd).expect("only the source held it")
    }

    /// Says whether something was read, or is being read by the pool, that was not handed out yet.
    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// Whether nobody else has had the descriptor or the peer's.
    pub(crate) fn is_private(&self) -> bool {
        self.privacy.is_kept()
    }

    /// Descriptors are to be passed, or somebody else is to have this one.
    pub(crate) fn end_privacy(&self) {
        self.privacy.end();
    }

    /// Lends the descriptor out.
    pub(crate) fn lend<T>(&self, work: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
        self.end_privacy();
        // Before and after, because the flow may be reading meanwhile.
        self.lent.store(true, Ordering::Relaxed);
        let result = work(self.fd());
        self.lent.store(true, Ordering::Relaxed);
        result
    }

    /// An attempt to receive whose short read is believed only if nobody else had the descriptor. Who takes urgent data out of its stream leaves
    /// a mark there that cuts a read short, and of which no event tells.
    #[inline(always)]
    pub(crate) fn attempt_to_recv<T>(&self, attempt: impl FnOnce() -> Attempt<T>) -> Attempt<T> {
        // Taken before the attempt, so that what is lent out meanwhile counts for the next one.
        let lent = self.lent.load(Ordering::Relaxed) && self.lent.swap(false, Ordering::Relaxed);
        let attempted = attempt();
        if lent && !matches!(attempted, Attempt::WouldBlock) {
            self.lent.store(true, Ordering::Relaxed);
        }
        match attempted {
            Attempt::Short(result) | Attempt::Drained(result)
                if self.lent.load(Ordering::Relaxed) =>
            {
                Attempt::Maybe(result)
            }
            attempted => attempted,
        }
    }

    /// Attempts when ready; `first` has the first attempt made before the runtime is asked.
    #[inline(always)]
    pub(crate) fn poll_io<T>(
        &self,
        direction: Direction,
        first: bool,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut() -> Attempt<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        if (first && R::WAITS_FIRST) || self.io.is_none() {
            match attempt() {
                Attempt::WouldBlock => {}
                Attempt::Maybe(result) | Attempt::Short(result) | Attempt::Drained(result) => {
                    return Poll::Ready(result);
                }
            }
        }
        let Some(io) = &self.io else {
            // Nothing that would block is answered where nothing can be waited for. Should it be, asking again is all there is.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        Poll::Ready(ready!(io.poll_io(direction, cx, attempt)).and_then(|result| result))
    }

    /// Ends both directions for the peer, at once, although others may still hold the descriptor. What is no socket ends by being closed.
    pub(crate) fn end(&self, torn: bool) {
        if !self.kind.is_socket() {
            return;
        }
        if torn && self.kind != Kind::Unix {
            self.silent.store(true, Ordering::Relaxed);
            release::reset(self.fd());
        } else {
            // Over TCP not the receiving direction: the kernel would answer input with a reset, which destroys what was sent.
            let how = if self.kind == Kind::Unix {
                Shutdown::Both
            } else {
                Shutdown::Write
            };
            _ = shutdown(self.fd(), how);
        }
    }

    /// The descriptor as it is to be given back, which is not to be ended when this is dropped.
    pub(crate) fn keep(&self) -> Arc<OwnedFd> {
        self.end_privacy();
        self.silent.store(true, Ordering::Relaxed);
        if let Some(flags) = self.flags {
            _ = fcntl_setfl(&self.fd, flags);
        }
        Arc::clone(&self.fd)
    }
}

impl<R> Source<R> {
    /// The process's own descriptor that this one stands for, if any, is over as well.
    pub(crate) fn let_go_of_standard(&self) {
        if let Some(standard) = self.standard {
            standard.let_go(self.fd.as_fd());
        }
    }
}

impl<R> Drop for Source<R> {
    fn drop(&mut self) {
        if self.silent.load(Ordering::Relaxed) {
            return;
        }
        if self.kind.is_socket() {
            release::before_closing(self.fd.as_fd(), self.kind);
        }
        self.let_go_of_standard();
    }
}

/// The answer about what is always ready, or has no notion of it: epoll_ctl(2).
fn cannot_be_watched(error: Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::PERM | Errno::NODEV | Errno::INVAL))
}
