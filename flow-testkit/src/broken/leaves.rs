//! Flows that leave something behind.

use std::mem;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread;

use flow_core::{Bytes, Chunks, WriteError};

use super::Broken;
use super::over_socket::{self, SocketFault, unix};
use crate::plain::{PlainError, Socket};

pub(super) fn all() -> Vec<Broken> {
    const LAW: &str = "drop_leaves_nothing";
    vec![
        unix::<LeavesADescriptor>(LAW, "descriptor"),
        unix::<LeavesADescriptorAfterAFailure>(LAW, "of a flow whose peer is gone is left"),
        unix::<LeavesAThread>(LAW, "thread"),
    ]
}

/// A descriptor for its own use is never closed.
#[derive(Default)]
struct LeavesADescriptor;

impl SocketFault for LeavesADescriptor {
    fn make(&self, fd: OwnedFd) -> Socket {
        // Not the socket's, which the peer would miss.
        let null = std::fs::File::open("/dev/null").expect("/dev/null");
        mem::forget(null);
        Socket::new(fd)
    }
}

/// The way out after a failed send forgets to close.
#[derive(Default)]
struct LeavesADescriptorAfterAFailure;

impl SocketFault for LeavesADescriptorAfterAFailure {
    fn poll_send(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        let result = over_socket::send(socket, cx, data);
        if matches!(result, Poll::Ready(Err(_))) {
            mem::forget(std::fs::File::open("/dev/null").expect("/dev/null"));
        }
        result
    }
}

/// The first read that waits starts a helper that nobody ends.
#[derive(Default)]
struct LeavesAThread {
    started: AtomicBool,
}

impl SocketFault for LeavesAThread {
    fn poll_recv(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        let result = over_socket::recv(socket, cx);
        if result.is_pending() && !self.started.swap(true, Ordering::Relaxed) {
            thread::spawn(|| {
                loop {
                    thread::park();
                }
            });
        }
        result
    }
}
