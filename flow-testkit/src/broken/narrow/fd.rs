//! Carelessness with descriptors that shows only now and then.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::task::{Context, Poll};

use flow_core::{Bytes, Chunks, WriteError};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::SendFlags;

use crate::broken::Broken;
use crate::broken::over_socket::{self, SocketFault, unix};
use crate::plain::{PlainError, Socket};

pub(super) fn all() -> Vec<Broken> {
    vec![
        unix::<InheritedOnceUsed>("fd_close_on_exec", "with a used flow a program")
            .narrower_than("InheritedByChildren"),
        unix::<ClearsTheFlagAtLast>("fd_flags_untouched", "when the flow was dropped")
            .narrower_than("MakesItNonBlocking"),
        unix::<TrustsTheFlagForWrites>("fd_never_blocks", "")
            .hanging()
            .narrower_than("TrustsTheFlag"),
        unix::<ReleasedByDropOnly>(
            "fd_released_once",
            "the end that the peer should see is asleep",
        )
        .narrower_than("KeepsADuplicate"),
        unix::<RemembersByNumber>(
            "fd_number_may_be_reused",
            "a parked read should have to wait, but it is done: Ok(None)",
        ),
    ]
}

/// A duplicate for writing is made when it is needed, without close-on-exec (P1).
#[derive(Default)]
struct InheritedOnceUsed {
    spare: RefCell<Option<OwnedFd>>,
    duplicate: RefCell<Option<OwnedFd>>,
}

impl SocketFault for InheritedOnceUsed {
    fn make(&self, fd: OwnedFd) -> Socket {
        let spare = rustix::io::fcntl_dupfd_cloexec(&fd, 0).expect("dup");
        self.spare.replace(Some(spare));
        Socket::new(fd)
    }

    fn poll_send(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        if let Some(spare) = self.spare.take() {
            self.duplicate
                .replace(Some(rustix::io::dup(&spare).expect("dup")));
        }
        over_socket::send(socket, cx, data)
    }
}

/// The flags are put back when the flow goes: to what they were thought to be (F2).
#[derive(Default)]
struct ClearsTheFlagAtLast {
    duplicate: RefCell<Option<OwnedFd>>,
}

impl SocketFault for ClearsTheFlagAtLast {
    fn make(&self, fd: OwnedFd) -> Socket {
        let duplicate = rustix::io::fcntl_dupfd_cloexec(&fd, 0).expect("dup");
        self.duplicate.replace(Some(duplicate));
        Socket::new(fd)
    }

    fn release(&self, _: &Socket) {
        if let Some(fd) = self.duplicate.take() {
            let flags = fcntl_getfl(&fd).expect("F_GETFL");
            fcntl_setfl(&fd, flags - OFlags::NONBLOCK).expect("F_SETFL");
        }
    }
}

/// The descriptor was non-blocking when it was looked at, so a write can do without asking (F3).
#[derive(Default)]
struct TrustsTheFlagForWrites {
    trusted: RefCell<Option<OwnedFd>>,
}

impl SocketFault for TrustsTheFlagForWrites {
    fn make(&self, fd: OwnedFd) -> Socket {
        if fcntl_getfl(&fd).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK)) {
            let duplicate = rustix::io::fcntl_dupfd_cloexec(&fd, 0).expect("dup");
            self.trusted.replace(Some(duplicate));
        }
        Socket::new(fd)
    }

    fn poll_send(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        if let Some(fd) = &*self.trusted.borrow() {
            while let Ok(count) = rustix::net::send(fd, data.first(), SendFlags::NOSIGNAL) {
                data.advance(count);
                if data.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
        }
        over_socket::send(socket, cx, data)
    }
}

/// Abort ends the calls, and the descriptor waits for the drop (L1).
#[derive(Default)]
struct ReleasedByDropOnly;

impl SocketFault for ReleasedByDropOnly {
    fn abort(&self, _: &Socket, _: bool) {}
}

thread_local! {
    /// As a `static` is for a whole process, and laws have threads of their own.
    static ENDED: RefCell<BTreeSet<RawFd>> = const { RefCell::new(BTreeSet::new()) };
}

/// What is known of a descriptor is in a table under its number, and is not taken out when it goes (F6, K13).
#[derive(Default)]
struct RemembersByNumber {
    number: Cell<RawFd>,
}

impl SocketFault for RemembersByNumber {
    fn make(&self, fd: OwnedFd) -> Socket {
        self.number.set(fd.as_raw_fd());
        Socket::new(fd)
    }

    fn poll_recv(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        let number = self.number.get();
        if ENDED.with_borrow(|ended| ended.contains(&number)) {
            return Poll::Ready(Ok(None));
        }
        let result = over_socket::recv(socket, cx);
        if matches!(result, Poll::Ready(Ok(None))) {
            ENDED.with_borrow_mut(|ended| ended.insert(number));
        }
        result
    }
}
