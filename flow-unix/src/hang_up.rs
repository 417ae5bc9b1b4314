//! Seeing the peer's end past unread input: a private epoll instance that holds the socket for that event alone.
//!
//! The runtime watches the instance, which is a descriptor of its own, so that nothing is changed about how the socket itself is watched by
//! a reader in another task. It is made when a close first has to wait.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use flow_core::PeerEnd;
use rustix::event::{PollFlags, Timespec, epoll};
use rustix::io::{Errno, retry_on_intr};

use crate::way::is;
use crate::{Attempt, Direction, Interest, Readiness};

const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

pub(crate) struct HangUp<R> {
    state: Mutex<State<R>>,
}

enum State<R> {
    Unwatched,
    Watched(Box<Watch<R>>),
    Ended,
    Unknown,
}

struct Watch<R> {
    io: R,
    epoll: Arc<OwnedFd>,
}

impl<R: Readiness> HangUp<R> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State::Unwatched),
        }
    }

    pub(crate) fn poll(
        &self,
        runtime: &R::Runtime,
        fd: BorrowedFd<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<PeerEnd> {
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Unwatched = state {
            *state = look(runtime, fd);
        }
        if let State::Watched(watch) = state {
            match watch.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ended) => *state = if ended { State::Ended } else { State::Unknown },
            }
        }
        Poll::Ready(if let State::Ended = state {
            PeerEnd::Ended
        } else {
            PeerEnd::Unknown
        })
    }

    /// Stops watching, for good: whoever comes later does not begin again.
    pub(crate) fn release(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = std::mem::replace(&mut *state, State::Ended);
        drop(state);
        drop(watched);
    }
}

/// Whether the peer has ended already, and if not, an eye on it. Without descriptors left the end is found by reading.
fn look<R: Readiness>(runtime: &R::Runtime, fd: BorrowedFd<'_>) -> State<R> {
    if has_ended(fd) {
        return State::Ended;
    }
    let Ok(epoll) = instance(fd) else {
        return State::Unknown;
    };
    let epoll = Arc::new(epoll);
    match R::register(runtime, Arc::clone(&epoll), Interest::Read) {
        Ok(io) => State::Watched(Box::new(Watch { io, epoll })),
        Err(_) => State::Unknown,
    }
}

pub(crate) fn has_ended(fd: BorrowedFd<'_>) -> bool {
    is(fd, PollFlags::RDHUP.union(PollFlags::HUP))
}

fn instance(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let instance = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    // Edges, because an error that is no end would otherwise keep the instance readable for ever.
    let event = epoll::EventFlags::RDHUP.union(epoll::EventFlags::ET);
    epoll::add(&instance, fd, epoll::EventData::new_u64(0), event)?;
    Ok(instance)
}

impl<R: Readiness> Watch<R> {
    /// Ready when the peer has ended, or, with `false`, when this cannot be waited for.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<bool> {
        self.io
            .poll_io(Direction::Read, cx, || self.attempt())
            .map(|result| result.unwrap_or(false))
    }

    fn attempt(&self) -> Attempt<bool> {
        let mut events = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }];
        let count = retry_on_intr(|| epoll::wait(&self.epoll, &mut events, Some(&NOW)));
        match count {
            Ok(0) => Attempt::WouldBlock,
            Ok(_) => {
                let flags = events[0].flags;
                let ended = epoll::EventFlags::RDHUP.union(epoll::EventFlags::HUP);
                if flags.intersects(ended) {
                    Attempt::Maybe(true)
                } else {
                    Attempt::WouldBlock
                }
            }
            Err(_) => Attempt::Maybe(false),
        }
    }
}
