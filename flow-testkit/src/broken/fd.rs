//! Flows that are careless with descriptors.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use flow_core::Bytes;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::RecvFlags;

use super::Broken;
use super::over_socket::{self, SocketFault, unix};
use crate::plain::{PlainError, Socket};

pub(super) fn all() -> Vec<Broken> {
    vec![
        unix::<InheritedByChildren>("fd_close_on_exec", "would inherit"),
        unix::<MakesItNonBlocking>(
            "fd_flags_untouched",
            "the flags of a descriptor were changed",
        ),
        unix::<TrustsTheFlag>("fd_never_blocks", "").hanging(),
        unix::<KeepsADuplicate>(
            "fd_released_once",
            "the end that the peer should see is asleep",
        ),
        unix::<ShortReadIsDrained>("fd_passed_descriptors_do_not_stall", "a read is asleep"),
    ]
}

/// A duplicate is made for the other direction, without close-on-exec.
#[derive(Default)]
struct InheritedByChildren {
    duplicate: RefCell<Option<OwnedFd>>,
}

impl SocketFault for InheritedByChildren {
    fn make(&self, fd: OwnedFd) -> Socket {
        self.duplicate
            .replace(Some(rustix::io::dup(&fd).expect("dup")));
        Socket::new(fd)
    }
}

/// `O_NONBLOCK` is set, and others have the same file.
#[derive(Default)]
struct MakesItNonBlocking;

impl SocketFault for MakesItNonBlocking {
    fn make(&self, fd: OwnedFd) -> Socket {
        let flags = fcntl_getfl(&fd).expect("F_GETFL");
        fcntl_setfl(&fd, flags | OFlags::NONBLOCK).expect("F_SETFL");
        Socket::new(fd)
    }
}

/// The descriptor was non-blocking when it was looked at.
#[derive(Default)]
struct TrustsTheFlag {
    nonblocking: Cell<Option<bool>>,
}

impl SocketFault for TrustsTheFlag {
    fn make(&self, fd: OwnedFd) -> Socket {
        let nonblocking = fcntl_getfl(&fd).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK));
        self.nonblocking.set(Some(nonblocking));
        Socket::new(fd)
    }

    fn poll_recv(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        if self.nonblocking.get() == Some(true) {
            return socket.poll_recv_with(RecvFlags::empty(), cx);
        }
        over_socket::recv(socket, cx)
    }
}

/// A duplicate lives on in whatever thread was to use it.
#[derive(Default)]
struct KeepsADuplicate;

thread_local! {
    static KEPT: RefCell<Vec<OwnedFd>> = const { RefCell::new(Vec::new()) };
}

impl SocketFault for KeepsADuplicate {
    fn make(&self, fd: OwnedFd) -> Socket {
        let duplicate = rustix::io::fcntl_dupfd_cloexec(&fd, 0).expect("dup");
        KEPT.with_borrow_mut(|kept| kept.push(duplicate));
        Socket::new(fd)
    }
}

/// A read that does not fill its buffer has emptied the socket, so the next one waits for an event.
#[derive(Default)]
struct ShortReadIsDrained {
    drained: Cell<bool>,
}

impl SocketFault for ShortReadIsDrained {
    fn poll_recv(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        if self.drained.replace(false) {
            socket.clear_read();
        }
        let result = over_socket::recv(socket, cx);
        self.drained.set(matches!(result, Poll::Ready(Ok(Some(_)))));
        result
    }
}
