//! Whether somebody is still there to write to, before anything is written.
//!
//! When standard input is silent and the peer has left, no write would ever show it.

use std::future::pending;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Tells when whoever reads what we write is gone altogether. Over TCP that shows only once something was written to him.
pub(crate) struct Gone(Option<Arc<OwnedFd>>);

impl Gone {
    /// Nobody is there who could go, or nobody who could be watched.
    pub(crate) const fn never() -> Self {
        Self(None)
    }

    /// The peer of a socket, or the reader of a pipe.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Self {
        use rustix::event::epoll;

        // It holds nothing open, other than a poll(2) under way: closing a pipe is what ends it.
        let watch = epoll::create(epoll::CreateFlags::CLOEXEC).and_then(|watch| {
            // Hang-ups and errors are told unasked.
            let (data, events) = (epoll::EventData::new_u64(0), epoll::EventFlags::empty());
            epoll::add(&watch, fd, data, events)?;
            Ok(watch)
        });
        Self(watch.ok().map(Arc::new))
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn of(_: BorrowedFd<'_>) -> Self {
        Self::never()
    }

    /// Waits, on a thread of its own, which the process does not wait for.
    pub(crate) async fn wait(&self) {
        if let Some(watch) = self.0.clone() {
            blocking::unblock(move || hang_up(&watch)).await;
        } else {
            pending().await
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn hang_up(watch: &OwnedFd) {
    use rustix::buffer::spare_capacity;
    use rustix::event::epoll;
    use rustix::io::Errno;

    let mut events = Vec::with_capacity(1);
    while epoll::wait(watch, spare_capacity(&mut events), None) == Err(Errno::INTR) {}
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn hang_up(_: &OwnedFd) {}
