//! The reactor of a thread: edge-triggered epoll, turned by hand.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

struct Reactor {
    epoll: OwnedFd,
    sources: RefCell<HashMap<u64, Weak<Source>>>,
    next: Cell<u64>,
    ended: Cell<bool>,
}

thread_local! {
    static REACTOR: Reactor = Reactor {
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll"),
        sources: RefCell::default(),
        next: Cell::new(0),
        ended: Cell::new(false),
    };
}

/// One kind of readiness: known until a system call says otherwise, and who waits for it.
#[derive(Default)]
struct Side {
    ready: Cell<bool>,
    waiting: Cell<Option<Waker>>,
}

impl Side {
    fn set(&self) -> Option<Waker> {
        self.ready.set(true);
        self.waiting.take()
    }
}

/// Which side of a source.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    Read,
    Write,
    HangUp,
}

/// What is known of one descriptor's readiness.
pub(crate) struct Source {
    key: u64,
    read: Side,
    write: Side,
    hang_up: Side,
}

/// Runs every waker, after the reactor has let go of everything.
fn wake(wakers: impl IntoIterator<Item = Option<Waker>>) {
    wakers.into_iter().flatten().for_each(Waker::wake);
}

impl Source {
    pub(crate) fn new(fd: impl AsFd) -> Rc<Self> {
        REACTOR.with(|reactor| {
            let key = reactor.next.replace(reactor.next.get() + 1);
            let source = Rc::new(Self {
                key,
                read: Side::default(),
                write: Side::default(),
                hang_up: Side::default(),
            });
            reactor
                .sources
                .borrow_mut()
                .insert(key, Rc::downgrade(&source));
            let flags = epoll::EventFlags::IN
                | epoll::EventFlags::OUT
                | epoll::EventFlags::RDHUP
                | epoll::EventFlags::PRI
                | epoll::EventFlags::ET;
            epoll::add(&reactor.epoll, fd, epoll::EventData::new_u64(key), flags).expect("epoll");
            // What the first system call says is believed, not what has not been heard yet.
            source.read.ready.set(true);
            source.write.ready.set(true);
            source
        })
    }

    fn side(&self, which: Which) -> &Side {
        match which {
            Which::Read => &self.read,
            Which::Write => &self.write,
            Which::HangUp => &self.hang_up,
        }
    }

    /// Waits until the side is ready. `None` if the reactor has ended.
    pub(crate) fn poll_ready(&self, which: Which, cx: &Context<'_>) -> Poll<Option<()>> {
        let side = self.side(which);
        if is_ended() {
            return Poll::Ready(None);
        }
        if side.ready.get() {
            return Poll::Ready(Some(()));
        }
        side.waiting.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// A system call found nothing: wait for the next event.
    pub(crate) fn clear(&self, which: Which) {
        self.side(which).ready.set(false);
    }

    fn wake_all(&self) {
        wake([
            self.read.set(),
            self.write.set(),
            self.hang_up.waiting.take(),
        ]);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // Closing the descriptor takes it out of epoll.
        let _ = REACTOR.try_with(|reactor| reactor.sources.borrow_mut().remove(&self.key));
    }
}

/// Delivers the events that there are. Whether there were any.
pub(crate) fn turn() -> bool {
    if is_ended() {
        return false;
    }
    let mut buffer = [MaybeUninit::<epoll::Event>::uninit(); 64];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let events: Vec<_> = REACTOR.with(|reactor| {
        let (events, _) = match epoll::wait(&reactor.epoll, &mut buffer, Some(&now)) {
            Ok(events) => events,
            Err(Errno::INTR) => return vec![],
            Err(e) => panic!("epoll: {e}"),
        };
        let sources = reactor.sources.borrow();
        let known =
            |event: &epoll::Event| Some((sources.get(&event.data.u64())?.upgrade()?, event.flags));
        events.iter().filter_map(known).collect()
    });
    for (source, flags) in &events {
        let over = epoll::EventFlags::HUP | epoll::EventFlags::ERR;
        let ended = over | epoll::EventFlags::RDHUP;
        let is = |flag| flags.intersects(flag);
        let mut woken = [None, None, None];
        if is(ended | epoll::EventFlags::IN | epoll::EventFlags::PRI) {
            woken[0] = source.read.set();
        }
        if is(over | epoll::EventFlags::OUT) {
            woken[1] = source.write.set();
        }
        if is(ended) {
            woken[2] = source.hang_up.set();
        }
        wake(woken);
    }
    !events.is_empty()
}

/// Ends the reactor of this thread: whoever waits learns it.
pub(crate) fn end() {
    let sources: Vec<_> = REACTOR.with(|reactor| {
        reactor.ended.set(true);
        reactor
            .sources
            .borrow()
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    });
    for source in sources {
        source.wake_all();
    }
}

pub(crate) fn is_ended() -> bool {
    REACTOR.with(|reactor| reactor.ended.get())
}
