//! The flow itself: the engine over a descriptor.

use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use flow_core::{
    Bytes, CloseOp, Delivered, Direct, Flow, FlushOp, ReadOp, ShutdownOp, Switch, SwitchOff,
    WriteError, WriteOp,
};
use flow_unix::{Error, FdEngine, WriteWithFds};

use crate::TokioReadiness;

/// A [`Flow`] over a descriptor, or over one for each direction, on tokio.
///
/// Reading and writing are cancel safe. What ends it is what the contract of [`Flow`] says; for a socket that means:
///
/// | | `AF_UNIX` | TCP |
/// | --- | --- | --- |
/// | `shutdown(Write)` | the peer reads the end | the peer reads the end |
/// | `close` is done | once the peer has shut down writing or is gone | likewise |
/// | `delivered`, and `close`'s answer | exact: `Yes` once the peer has read all, `No` for ever if it left without | `Arrived` once the peer's system has all |
/// | peer leaves abruptly | the end | the error [`Reset`](crate::ErrorKind::Reset) |
/// | abort, drop | the peer reads the end, after all that was accepted | likewise, unless it goes on sending: then it is reset |
/// | abort with a write unfinished | the peer reads the end | the peer is reset |
///
/// Pipes, terminals, devices and files each have their own ends: the table is in [`flow_unix`].
///
/// `O_NONBLOCK` belongs to the open file, which other processes may share: it is left as it was found. A flow speaks for the
/// whole socket, so abort and drop end it for other holders of the same socket too.
///
/// # Common issues
///
/// - *"no runtime here can watch descriptors":* the flow was made outside of a runtime, or inside one that was built without
///   `enable_io`.
/// - *Reads fail with [`RuntimeGone`](crate::ErrorKind::RuntimeGone):* a flow lives on the runtime in which it was made.
pub struct TokioFlow(FdEngine<TokioReadiness>);

impl TokioFlow {
    /// Ties the flow to a switch: turning it off aborts the flow.
    ///
    /// # Errors
    ///
    /// The switch is off already. The flow is as it was.
    pub fn attach(&self, switch: &Switch) -> Result<(), SwitchOff<()>> {
        self.0.attach(switch)
    }

    /// Lends the descriptor out, for socket options and addresses. `None` once the flow was aborted.
    ///
    /// `SO_ERROR` is not to be read there: that takes the error away which reading would report, and a reset then looks like a clean end.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (flow, _peer) = flow_tokio::socketpair()?;
    /// let flags = flow.with_fd(|fd| rustix::io::fcntl_getfd(fd)).unwrap()?;
    /// assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_fd<T>(&self, work: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        self.0.transport().with_fd(work)
    }

    /// Takes the flow apart: the descriptor comes out, and the peer is told nothing. Leaves the flow's switches.
    ///
    /// # Errors
    ///
    /// The flow comes back as it was if bytes would be lost (a write that was taken is unfinished, a close has read ahead), or if it is
    /// over: it was aborted, or a write has failed.
    pub fn into_fd(self) -> Result<OwnedFd, Self> {
        flow_unix::into_fd(self.0).map_err(Self)
    }

    /// Takes a flow over two descriptors apart, as [`into_fd`](Self::into_fd): the one that it reads, and the one that it writes.
    ///
    /// # Errors
    ///
    /// The flow comes back as from [`into_fd`](Self::into_fd), or if it is over one descriptor, or if the end of the one that it wrote was signalled
    /// by closing it.
    pub fn into_fds(self) -> Result<(OwnedFd, OwnedFd), Self> {
        flow_unix::into_fds(self.0).map_err(Self)
    }
}

/// Descriptors that travel with bytes, over `AF_UNIX`: `SCM_RIGHTS` of unix(7). An extension of this flow, which [`Flow`] knows nothing of.
impl TokioFlow {
    /// Writes `data` as [`write`](flow_core::FlowExt::write) does, with `fds` attached to its first byte. They are closed here once they are sent.
    ///
    /// # Errors
    ///
    /// As `write`; `EOPNOTSUPP` if this is no `AF_UNIX` socket, `EINVAL` if there is no byte to attach them to or if they are more than
    /// [`MOST_FDS`](flow_unix::MOST_FDS): then nothing was sent, and the descriptors are closed.
    ///
    /// # Cancel safety
    ///
    /// As `write`: dropped before it is taken it sends nothing, afterwards all of it, descriptors included.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Read as _;
    ///
    /// use flow_tokio::FlowExt as _;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (here, there) = flow_tokio::socketpair()?;
    /// let (mut reader, writer) = std::io::pipe()?;
    /// there.receive_fds(1);
    /// here.write_with_fds("take this", [writer]).await?;
    ///
    /// assert_eq!(there.read().await?.as_deref(), Some(&b"take this"[..]));
    /// let passed = there.take_fds().pop().unwrap();
    /// // The last of its writers is gone.
    /// drop(passed);
    /// assert_eq!(reader.read(&mut [0])?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_with_fds<I>(
        &self,
        data: impl Into<Bytes>,
        fds: I,
    ) -> WriteWithFds<'_, TokioReadiness>
    where
        I: IntoIterator,
        I::Item: Into<OwnedFd>,
    {
        let fds = fds.into_iter().map(Into::into).collect();
        flow_unix::write_with_fds(&self.0, data.into(), fds)
    }

    /// Keeps up to `limit` of the descriptors that come with bytes from now on, at most [`MOST_FDS`](flow_unix::MOST_FDS), until
    /// [`take_fds`](Self::take_fds). Without this they are closed as they come, and so are those above the limit: the bytes arrive all the same.
    ///
    /// What is kept is close-on-exec. A chunk ends behind the bytes that were sent with descriptors, and may begin before them.
    pub fn receive_fds(&self, limit: usize) {
        flow_unix::receive_fds(&self.0, limit);
    }

    /// The descriptors that came with what was read so far, in order.
    ///
    /// A descriptor comes with its byte: right after the read of that byte it is here, if nobody else reads.
    pub fn take_fds(&self) -> Vec<OwnedFd> {
        flow_unix::take_fds(&self.0)
    }
}

impl TokioFlow {
    pub(crate) fn into_inner(self) -> FdEngine<TokioReadiness> {
        self.0
    }
}

impl From<FdEngine<TokioReadiness>> for TokioFlow {
    fn from(flow: FdEngine<TokioReadiness>) -> Self {
        Self(flow)
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl Flow for TokioFlow {
    type Error = Error;

    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        self.0.poll_read(cx, op)
    }

    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> Poll<Result<(), WriteError<Error>>> {
        self.0.poll_write(cx, op)
    }

    fn poll_flush(
        &self,
        cx: &mut Context<'_>,
        op: &mut FlushOp,
    ) -> Poll<Result<(), WriteError<Error>>> {
        self.0.poll_flush(cx, op)
    }

    fn poll_shutdown(
        &self,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> Poll<Result<(), WriteError<Error>>> {
        self.0.poll_shutdown(cx, op)
    }

    fn poll_close(
        &self,
        cx: &mut Context<'_>,
        op: &mut CloseOp,
    ) -> Poll<Result<(), WriteError<Error>>> {
        self.0.poll_close(cx, op)
    }

    fn abort(&self) {
        self.0.abort();
    }

    fn delivered(&self) -> Delivered {
        self.0.delivered()
    }

    fn direct(&self) -> Option<&dyn Direct> {
        self.0.direct()
    }
}

impl fmt::Debug for TokioFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokioFlow").field(&self.0).finish()
    }
}
