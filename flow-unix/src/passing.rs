//! Descriptors that travel with bytes over `AF_UNIX`: `SCM_RIGHTS`, unix(7).
//!
//! A descriptor is attached to a byte. A write that passes some has its first byte for that; which buffer it is is known by its address, which is
//! nobody else's while the write lives.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flow_core::future::Write;
use flow_core::{Chunks, FlowExt as _, WriteError};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, recvmsg, sendmsg,
};

use crate::error::Doing;
use crate::kind::Kind;
use crate::way::SEND;
use crate::{Error, FdEngine, Readiness};

/// The most that one message carries: `SCM_MAX_FD` of unix(7).
pub const MOST_FDS: usize = 253;

/// What is to be passed and what was.
#[derive(Default)]
pub(crate) struct Passing {
    /// Whether anything is to be passed, so that whoever passes nothing pays for nothing.
    any: AtomicBool,
    /// How many are received with a message; 0 leaves it to the kernel to close them all.
    limit: AtomicU8,
    /// Made when the first is passed or received: few flows ever do.
    queues: OnceLock<Box<Queues>>,
}

#[derive(Default)]
struct Queues {
    /// By the address of the buffer with whose first byte they go.
    sending: Mutex<Vec<(usize, Vec<OwnedFd>)>>,
    received: Mutex<VecDeque<OwnedFd>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Passing {
    /// How many descriptors a receive has room for.
    #[inline]
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed).into()
    }

    fn sending(&self) -> MutexGuard<'_, Vec<(usize, Vec<OwnedFd>)>> {
        lock(&self.queues.get_or_init(Box::default).sending)
    }

    fn received(&self) -> MutexGuard<'_, VecDeque<OwnedFd>> {
        lock(&self.queues.get_or_init(Box::default).received)
    }

    pub(crate) fn add(&self, data: &Bytes, fds: Vec<OwnedFd>) {
        self.sending().push((address(data), fds));
        self.any.store(true, Ordering::Release);
    }

    fn remove(&self, address: usize) -> Option<Vec<OwnedFd>> {
        let mut sending = self.sending();
        let index = sending.iter().position(|(at, _)| *at == address)?;
        let (_, fds) = sending.swap_remove(index);
        self.any.store(!sending.is_empty(), Ordering::Release);
        Some(fds)
    }

    /// Sends where one of the next buffers has descriptors to carry: up to that buffer, or that buffer with them. `None` if none has any.
    #[inline]
    pub(crate) fn send(
        &self,
        fd: BorrowedFd<'_>,
        data: &Chunks,
    ) -> Option<(usize, Result<usize, Errno>)> {
        let any = self.any.load(Ordering::Acquire);
        any.then(|| self.send_some(fd, data))
    }

    #[cold]
    fn send_some(&self, fd: BorrowedFd<'_>, data: &Chunks) -> (usize, Result<usize, Errno>) {
        let first = data.first();
        if let Some(fds) = self.remove(address(first)) {
            let sent = send_with(fd, first, &fds);
            if sent.is_err() {
                self.sending().push((address(first), fds));
                self.any.store(true, Ordering::Release);
            }
            return (first.len(), sent);
        }
        let carries = |slice: &[u8]| self.sending().iter().any(|(at, _)| *at == address(slice));
        let before = data.slices().take_while(|slice| !carries(slice));
        let list: Vec<_> = before.take(crate::send::LIST).map(IoSlice::new).collect();
        let offered = list.iter().map(|slice| slice.len()).sum();
        let mut nothing = SendAncillaryBuffer::default();
        let sent = retry_on_intr(|| sendmsg(fd, &list, &mut nothing, SEND));
        (offered, sent)
    }

    /// Receives with room for descriptors: how many bytes, and whether nothing but the end of what is there cut them short.
    pub(crate) fn receive(
        &self,
        fd: BorrowedFd<'_>,
        buffer: &mut [u8],
        limit: usize,
    ) -> Result<(usize, bool), Errno> {
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(limit))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let answer = retry_on_intr(|| {
            let buffers = &mut [IoSliceMut::new(buffer)];
            recvmsg(fd, buffers, &mut control, FLAGS)
        })?;
        let mut whole = !answer.flags.contains(ReturnFlags::CTRUNC);
        let mut surplus = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                whole = false;
                let mut received = self.received();
                for fd in fds {
                    inherited_by_nobody(&fd);
                    if received.len() < limit {
                        received.push_back(fd);
                    } else {
                        surplus.push(fd);
                    }
                }
            }
        }
        Ok((answer.bytes, whole))
    }
}

fn address(data: &[u8]) -> usize {
    data.as_ptr().addr()
}

fn send_with(fd: BorrowedFd<'_>, data: &[u8], fds: &[OwnedFd]) -> Result<usize, Errno> {
    let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(fds.len()))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::INVAL);
    }
    retry_on_intr(|| sendmsg(fd, &[IoSlice::new(data)], &mut control, SEND))
}

#[cfg(not(target_vendor = "apple"))]
const FLAGS: RecvFlags = RecvFlags::DONTWAIT.union(RecvFlags::CMSG_CLOEXEC);

#[cfg(target_vendor = "apple")]
const FLAGS: RecvFlags = RecvFlags::DONTWAIT;

#[cfg(not(target_vendor = "apple"))]
fn inherited_by_nobody(_: &OwnedFd) {}

/// These systems have no flag for it: a program started by another thread in between inherits the descriptor.
#[cfg(target_vendor = "apple")]
fn inherited_by_nobody(fd: &OwnedFd) {
    _ = rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC);
}

/// Writes `data` with descriptors attached to its first byte. For backends.
pub fn write_with_fds<R: Readiness>(
    flow: &FdEngine<R>,
    data: Bytes,
    fds: Vec<OwnedFd>,
) -> WriteWithFds<'_, R> {
    let refused = if flow
        .transport()
        .write_kind()
        .is_some_and(|kind| kind != Kind::Unix)
    {
        Some(Error::os(Doing::Send, Errno::OPNOTSUPP))
    } else if data.is_empty() || fds.len() > MOST_FDS {
        Some(Error::os(Doing::Send, Errno::INVAL))
    } else {
        None
    };
    // Memory of its own, since its address stands for this write.
    let data = Bytes::copy_from_slice(&data);
    let at = address(&data);
    if refused.is_none() && !fds.is_empty() {
        flow.transport().pass(&data, fds);
    }
    WriteWithFds {
        flow,
        write: flow.write(data),
        at,
        refused,
    }
}

/// Keeps up to `limit` of the descriptors that come with bytes from now on; 0 has the kernel close them. For backends.
pub fn receive_fds<R: Readiness>(flow: &FdEngine<R>, limit: usize) {
    let passing = flow.transport().passing();
    let limit = limit.min(MOST_FDS).try_into().unwrap_or(u8::MAX);
    passing.limit.store(limit, Ordering::Relaxed);
}

/// The descriptors that came with what was read so far, in order. For backends.
pub fn take_fds<R: Readiness>(flow: &FdEngine<R>) -> Vec<OwnedFd> {
    let mut received = flow.transport().passing().received();
    received.drain(..).collect()
}

/// A write under way that passes descriptors.
#[must_use = "futures do nothing unless polled"]
pub struct WriteWithFds<'a, R: Readiness> {
    flow: &'a FdEngine<R>,
    write: Write<'a, FdEngine<R>>,
    at: usize,
    refused: Option<Error>,
}

impl<R: Readiness> WriteWithFds<'_, R> {
    /// Whether the flow has taken the write: all of it will be sent, the descriptors with its first byte, even if this future is dropped.
    pub fn is_taken(&self) -> bool {
        self.refused.is_none() && self.write.is_taken()
    }
}

impl<R: Readiness> Future for WriteWithFds<'_, R> {
    type Output = Result<(), WriteError<Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(error) = self.refused {
            return Poll::Ready(Err(WriteError::Transport(error)));
        }
        let result = ready!(Pin::new(&mut self.write).poll(cx));
        if result.is_err() {
            drop(self.flow.transport().passing().remove(self.at));
        }
        Poll::Ready(result)
    }
}

impl<R: Readiness> Drop for WriteWithFds<'_, R> {
    fn drop(&mut self) {
        if !self.write.is_taken() {
            drop(self.flow.transport().passing().remove(self.at));
        }
    }
}

impl<R: Readiness> fmt::Debug for WriteWithFds<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteWithFds").finish_non_exhaustive()
    }
}
