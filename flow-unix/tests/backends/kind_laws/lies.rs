//! The flow that the laws are asked of: that of the backend, or one that tells a lie, so that each law is seen to reject what is wrong.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd as _, OwnedFd};
use std::task::{Context, Poll, Waker};

use flow_core::{
    Bytes, CloseOp, Delivered, Direct, Flow, FlushOp, ReadOp, ShutdownOp, WriteError, WriteOp,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::{FdFlags, fcntl_setfd};

use super::cases;
use super::kinds::{Near, set_nonblocking};
use crate::support::backend::{Error, FdFlow};
use crate::support::status;

pub(crate) type Write<'a> = flow_core::future::Write<'a, Subject>;

macro_rules! lies {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Lie { $($(#[$doc])* $name,)* }

        impl Lie {
            pub(crate) fn named(name: &str) -> Option<Self> {
                [$(Self::$name),*].into_iter().find(|lie| format!("{lie:?}") == name)
            }
        }
    };
}

lies! {
    /// The second chunk lacks its first byte.
    LosesBytes,
    /// What follows a read that waited lacks its first byte.
    LosesAfterWaiting,
    /// Nothing there yet is the end.
    EndsEarly,
    /// The second chunk is the end.
    EndsBeforeLast,
    /// There is an end once, and then nothing more.
    EndIsNotFinal,
    /// Nobody is ever woken.
    Deaf,
    /// Whoever waits is woken at once.
    WakesIdle,
    /// Waiting blocks the thread.
    Blocks,
    /// Half of the first write is forgotten.
    ForgetsHalf,
    /// A write that was not taken is sent although it was dropped.
    SendsDropped,
    FlushSaysOk,
    ShutdownSaysOk,
    CloseSaysOk,
    CloseIsNeverDone,
    /// Every error is that the flow is closed.
    ErrorsAreClosed,
    /// What cannot be read is at its end.
    ErrorsAreTheEnd,
    /// There are bytes instead of an end.
    ReadsNothing,
    /// A chunk is all that there was, so the next read waits for an event.
    WaitsBehindChunks,
    /// Writes once more with a call that raises SIGPIPE.
    RaisesSigpipe,
    AbortDoesNothing,
    /// Changes `O_NONBLOCK`.
    ChangesFlags,
    /// Keeps a descriptor for ever.
    LeaksDescriptor,
    /// Keeps a descriptor that a child process would get.
    Inherits,
    /// A write that nobody can take says that it is done.
    WritesNowhere,
    /// Each chunk keeps 64 KiB.
    KeepsLongBuffers,
    /// Each read makes a buffer of 64 KiB.
    MakesLongBuffers,
    /// Chunks are of a KiB at most.
    ShortChunks,
    /// Everything is delivered.
    SaysDelivered,
    /// Taken apart, it throws away what comes next.
    DropsTheUnread,
    /// Makes a hundred calls for each write that write nothing.
    CallsInVain,
    /// Each read starts a thread, which stays.
    TakesThreads,
    /// Knows of no way for its bytes but through memory.
    CopiesByMemory,
}

const LONG: usize = 64 * 1024;
const SHORT: usize = 1024;

/// A flow under test.
pub(crate) struct Subject {
    inner: FdFlow,
    lie: Option<Lie>,
    chunks: Cell<usize>,
    waited: Cell<bool>,
    ended: Cell<bool>,
    halved: Cell<bool>,
    ghost: RefCell<Option<WriteOp>>,
    rest: RefCell<Bytes>,
    kept: Vec<OwnedFd>,
}

impl Subject {
    pub(crate) fn over(near: Near, connect: impl FnOnce(Near) -> FdFlow) -> Self {
        let lie = cases::lie();
        let mut kept = vec![];
        match lie {
            Some(Lie::ChangesFlags) => {
                for fd in near.dups() {
                    set_nonblocking(&fd, !status(fd.as_fd()).contains(OFlags::NONBLOCK));
                }
            }
            Some(Lie::LeaksDescriptor) => near.dups().into_iter().for_each(std::mem::forget),
            Some(Lie::Inherits) => {
                kept = near.dups();
                for fd in &kept {
                    fcntl_setfd(fd, FdFlags::empty()).unwrap();
                }
            }
            Some(Lie::Blocks | Lie::RaisesSigpipe | Lie::CallsInVain) => kept = near.dups(),
            _ => {}
        }
        Self::new(connect(near), kept)
    }

    pub(crate) fn new(inner: FdFlow, kept: Vec<OwnedFd>) -> Self {
        Self {
            inner,
            lie: cases::lie(),
            chunks: Cell::new(0),
            waited: Cell::new(false),
            ended: Cell::new(false),
            halved: Cell::new(false),
            ghost: RefCell::new(None),
            rest: RefCell::new(Bytes::new()),
            kept,
        }
    }

    pub(crate) fn inner(&self) -> &FdFlow {
        &self.inner
    }

    pub(crate) fn into_inner(self) -> FdFlow {
        if self.lie == Some(Lie::DropsTheUnread) {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = self.inner.poll_read(&mut cx, &mut ReadOp::new());
        }
        self.inner
    }

    fn context<'a>(&self, cx: &Context<'a>) -> Context<'a> {
        match self.lie {
            Some(Lie::Deaf) => Context::from_waker(Waker::noop()),
            _ => Context::from_waker(cx.waker()),
        }
    }

    fn waits<T>(&self, cx: &Context<'_>, polled: Poll<T>) -> Poll<T> {
        if polled.is_pending() {
            match self.lie {
                Some(Lie::WakesIdle) => cx.waker().wake_by_ref(),
                Some(Lie::Blocks) => {
                    let mut fds = [PollFd::new(&self.kept[0], PollFlags::PRI)];
                    let _ = poll(&mut fds, None);
                }
                _ => {}
            }
        }
        polled
    }
}

fn bytes_of(op: &mut WriteOp) -> Vec<u8> {
    let slices: Vec<_> = op.chunks().slices().collect();
    slices.concat()
}

type Done = Result<(), WriteError<Error>>;

impl Flow for Subject {
    type Error = Error;

    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        if self.lie == Some(Lie::WaitsBehindChunks) && self.chunks.get() > 0 {
            return Poll::Pending;
        }
        let mut rest = self.rest.borrow_mut();
        if !rest.is_empty() {
            let short = rest.len().min(SHORT);
            return Poll::Ready(Ok(Some(rest.split_to(short))));
        }
        if self.lie == Some(Lie::TakesThreads) {
            std::thread::spawn(std::thread::park);
        }
        let polled = self.inner.poll_read(&mut self.context(cx), op);
        if let Poll::Ready(Ok(Some(_))) = polled {
            self.chunks.set(self.chunks.get() + 1);
        }
        let answer = match (self.lie, polled) {
            (Some(Lie::LosesBytes), Poll::Ready(Ok(Some(chunk)))) if self.chunks.get() == 2 => {
                Poll::Ready(Ok(Some(chunk.slice(1..))))
            }
            (Some(Lie::LosesAfterWaiting), Poll::Ready(Ok(Some(chunk)))) if self.waited.get() => {
                Poll::Ready(Ok(Some(chunk.slice(1..))))
            }
            (Some(Lie::KeepsLongBuffers), Poll::Ready(Ok(Some(chunk)))) => {
                let mut long = Vec::with_capacity(LONG);
                long.extend_from_slice(&chunk);
                Poll::Ready(Ok(Some(long.into())))
            }
            (Some(Lie::MakesLongBuffers), Poll::Ready(Ok(Some(chunk)))) => {
                let mut long = Vec::with_capacity(LONG);
                long.extend_from_slice(&chunk);
                Poll::Ready(Ok(Some(Bytes::copy_from_slice(&long))))
            }
            (Some(Lie::ShortChunks), Poll::Ready(Ok(Some(chunk)))) => {
                *rest = chunk;
                let short = rest.len().min(SHORT);
                Poll::Ready(Ok(Some(rest.split_to(short))))
            }
            (Some(Lie::EndsEarly), Poll::Pending) => Poll::Ready(Ok(None)),
            (Some(Lie::EndsBeforeLast), Poll::Ready(Ok(Some(_)))) if self.chunks.get() == 2 => {
                Poll::Ready(Ok(None))
            }
            (Some(Lie::EndIsNotFinal), Poll::Ready(Ok(None))) if self.ended.replace(true) => {
                Poll::Pending
            }
            (Some(Lie::ErrorsAreTheEnd), Poll::Ready(Err(_))) => Poll::Ready(Ok(None)),
            (Some(Lie::ReadsNothing), Poll::Ready(Ok(None))) => {
                Poll::Ready(Ok(Some(Bytes::from_static(b"?"))))
            }
            (_, polled) => polled,
        };
        if answer.is_pending() {
            self.waited.set(true);
        }
        self.waits(cx, answer)
    }

    fn poll_write(&self, cx: &mut Context<'_>, op: &mut WriteOp) -> Poll<Done> {
        if self.lie == Some(Lie::CallsInVain) {
            for _ in 0..100 {
                rustix::io::write(self.kept.last().unwrap(), b"").unwrap();
            }
        }
        if let Some(ghost) = &mut *self.ghost.borrow_mut() {
            let _ = self.inner.poll_write(&mut self.context(cx), ghost);
        }
        if self.lie == Some(Lie::ForgetsHalf) && !self.halved.replace(true) {
            let mut kept = bytes_of(op);
            kept.truncate(kept.len() / 2);
            *op.chunks() = Bytes::from(kept).into();
        }
        let offered = match self.lie {
            Some(Lie::SendsDropped) => bytes_of(op),
            _ => vec![],
        };
        let polled = self.inner.poll_write(&mut self.context(cx), op);
        let answer = match (self.lie, polled) {
            (Some(Lie::SendsDropped), Poll::Pending) if !op.is_taken() => {
                let ghost = WriteOp::new(Bytes::from(offered).into());
                self.ghost.borrow_mut().get_or_insert(ghost);
                Poll::Pending
            }
            (Some(Lie::WritesNowhere), Poll::Ready(Err(_))) => Poll::Ready(Ok(())),
            (Some(Lie::ErrorsAreClosed), Poll::Ready(Err(_))) => {
                Poll::Ready(Err(WriteError::Closed))
            }
            (Some(Lie::RaisesSigpipe), Poll::Ready(Err(e))) => {
                let _ = rustix::io::write(self.kept.last().unwrap(), b"x");
                Poll::Ready(Err(e))
            }
            (_, polled) => polled,
        };
        self.waits(cx, answer)
    }

    fn poll_flush(&self, cx: &mut Context<'_>, op: &mut FlushOp) -> Poll<Done> {
        match self.lie {
            Some(Lie::FlushSaysOk) => Poll::Ready(Ok(())),
            _ => self.waits(cx, self.inner.poll_flush(&mut self.context(cx), op)),
        }
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>, op: &mut ShutdownOp) -> Poll<Done> {
        match self.lie {
            Some(Lie::ShutdownSaysOk) => Poll::Ready(Ok(())),
            _ => self.waits(cx, self.inner.poll_shutdown(&mut self.context(cx), op)),
        }
    }

    fn poll_close(&self, cx: &mut Context<'_>, op: &mut CloseOp) -> Poll<Done> {
        match self.lie {
            Some(Lie::CloseSaysOk) => Poll::Ready(Ok(())),
            Some(Lie::CloseIsNeverDone) => {
                let _ = self.inner.poll_close(&mut self.context(cx), op);
                Poll::Pending
            }
            _ => self.waits(cx, self.inner.poll_close(&mut self.context(cx), op)),
        }
    }

    fn abort(&self) {
        if self.lie != Some(Lie::AbortDoesNothing) {
            self.inner.abort();
        }
    }

    fn delivered(&self) -> Delivered {
        match self.lie {
            Some(Lie::SaysDelivered) => Delivered::Yes,
            _ => self.inner.delivered(),
        }
    }

    /// A flow that lies about bytes is to see them.
    fn direct(&self) -> Option<&dyn Direct> {
        match self.lie {
            Some(_) => None,
            None => self.inner.direct(),
        }
    }
}
