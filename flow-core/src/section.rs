//! Foreign code - wakers and the buffers' owners - is put off until this thread holds no lock of any flow.
//!
//! A waker may poll its task inside `wake`, and a buffer's owner may run anything inside `drop`; both may come back to
//! the flow whose lock is held, or to a flow that lies below or beside it. So an engine opens a [`Section`] before it
//! locks, everything that has to be woken or dropped is handed to [`wake`] and [`discard`], and it runs when the outermost
//! section of the thread ends. This also covers flows in layers: an inner flow's wakes wait for the outer flow's lock.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::task::Waker;

use bytes::Bytes;

use crate::Chunks;

/// Above this, the room in the list of what was put off is given back.
const KEPT_ROOM: usize = 256;

enum Later {
    Wake(Waker),
    Forget(#[expect(dead_code, reason = "kept to be dropped")] Waker),
    Discard(#[expect(dead_code, reason = "kept to be dropped")] Chunks),
}

/// How deep this thread is in sections, and whether anything was put off.
struct Depth {
    sections: Cell<usize>,
    put_off: Cell<bool>,
    /// What was put off is being run further up: a waker that polls inside `wake` does not run the others inside its own.
    running: Cell<bool>,
}

impl Depth {
    const fn new() -> Self {
        Self {
            sections: Cell::new(0),
            put_off: Cell::new(false),
            running: Cell::new(false),
        }
    }
}

// `DEPTH` needs no destructor, which makes it a plain load on the fast path.
#[cfg(not(loom))]
std::thread_local! {
    static DEPTH: Depth = const { Depth::new() };
    static LATER: RefCell<VecDeque<Later>> = const { RefCell::new(VecDeque::new()) };
}
#[cfg(loom)]
loom::thread_local! {
    static DEPTH: Depth = Depth::new();
    static LATER: RefCell<VecDeque<Later>> = RefCell::new(VecDeque::new());
}

/// While one is alive on this thread, foreign code is put off. Open it before locking, so that it ends after unlocking.
pub(crate) struct Section(PhantomData<*const ()>);

impl Section {
    #[inline]
    pub(crate) fn enter() -> Self {
        DEPTH.with(|depth| depth.sections.set(depth.sections.get() + 1));
        Self(PhantomData)
    }
}

impl Drop for Section {
    #[inline]
    fn drop(&mut self) {
        let run = DEPTH.with(|depth| {
            let left = depth.sections.get() - 1;
            depth.sections.set(left);
            left == 0 && depth.put_off.get() && !depth.running.replace(true)
        });
        if run {
            run_later();
        }
    }
}

impl Later {
    /// Runs one, and says whether there was one. One at a time, because each may put off more.
    fn run_next() -> bool {
        let next = LATER.try_with(|list| list.borrow_mut().pop_front());
        let Ok(Some(later)) = next else { return false };
        if let Self::Wake(waker) = later {
            waker.wake();
        }
        true
    }
}

#[cold]
fn run_later() {
    struct Running;

    impl Drop for Running {
        fn drop(&mut self) {
            // Left by a panic in one of them, the others are run all the same.
            while Later::run_next() {}
            let _ = LATER.try_with(|list| list.borrow_mut().shrink_to(KEPT_ROOM));
            DEPTH.with(|depth| {
                depth.put_off.set(false);
                depth.running.set(false);
            });
        }
    }

    let _running = Running;
    while Later::run_next() {}
}

/// Whether this thread is in a section.
#[inline]
fn is_open() -> bool {
    DEPTH.with(|depth| depth.sections.get() > 0)
}

/// Puts `later` off; while the thread is being torn down it is run now.
#[cold]
fn put_off(later: Later) {
    let mut later = Some(later);
    let _ = LATER.try_with(|list| list.borrow_mut().extend(later.take()));
    DEPTH.with(|depth| depth.put_off.set(true));
    if let Some(Later::Wake(waker)) = later {
        waker.wake();
    }
}

/// Wakes, once no lock is held.
#[inline]
pub(crate) fn wake(waker: Waker) {
    if is_open() {
        put_off(Later::Wake(waker));
    } else {
        waker.wake();
    }
}

/// Drops a waker, once no lock is held.
#[inline]
pub(crate) fn forget(waker: Option<Waker>) {
    if let Some(waker) = waker
        && is_open()
    {
        put_off(Later::Forget(waker));
    }
}

/// Drops buffers, once no lock is held.
pub(crate) fn discard(buffers: impl Into<Chunks>) {
    if is_open() {
        put_off(Later::Discard(buffers.into()));
    }
}

/// Drops buffers, once no lock is held.
pub(crate) fn discard_all(buffers: impl IntoIterator<Item = Bytes>) {
    for buffer in buffers {
        discard(buffer);
    }
}
