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

enum Later {
    Wake(Waker),
    Forget(#[expect(dead_code, reason = "kept to be dropped")] Waker),
    Discard(#[expect(dead_code, reason = "kept to be dropped")] Chunks),
}

/// How deep this thread is in sections, and whether anything was put off.
struct Depth {
    sections: Cell<usize>,
    put_off: Cell<bool>,
}

// `DEPTH` needs no destructor, which makes it a plain load on the fast path.
#[cfg(not(loom))]
std::thread_local! {
    static DEPTH: Depth = const { Depth { sections: Cell::new(0), put_off: Cell::new(false) } };
    static LATER: RefCell<VecDeque<Later>> = const { RefCell::new(VecDeque::new()) };
}
#[cfg(loom)]
loom::thread_local! {
    static DEPTH: Depth = Depth { sections: Cell::new(0), put_off: Cell::new(false) };
    static LATER: RefCell<VecDeque<Later>> = RefCell::new(VecDeque::new());
}

/// While one is alive on this thread, foreign code is put off. Open it before locking, so that it ends after unlocking.
pub(crate) struct Section(PhantomData<*const ()>);

impl Section {
    pub(crate) fn enter() -> Self {
        DEPTH.with(|depth| depth.sections.set(depth.sections.get() + 1));
        Self(PhantomData)
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        let run = DEPTH.with(|depth| {
            let left = depth.sections.get() - 1;
            depth.sections.set(left);
            left == 0 && depth.put_off.replace(false)
        });
        if run {
            run_later();
        }
    }
}

fn run_later() {
    // One at a time, because each may put off and run more.
    let next = || LATER.try_with(|list| list.borrow_mut().pop_front());
    while let Ok(Some(later)) = next() {
        if let Later::Wake(waker) = later {
            waker.wake();
        }
    }
}

/// Puts `later` off if a section is open; otherwise, or while the thread is being torn down, hands it back.
fn put_off(later: Later) -> Option<Later> {
    let mut later = Some(later);
    let _ = DEPTH.try_with(|depth| {
        if depth.sections.get() > 0 {
            let _ = LATER.try_with(|list| {
                list.borrow_mut().extend(later.take());
                depth.put_off.set(true);
            });
        }
    });
    later
}

/// Wakes, once no lock is held.
pub(crate) fn wake(waker: Waker) {
    if let Some(Later::Wake(waker)) = put_off(Later::Wake(waker)) {
        waker.wake();
    }
}

/// Drops a waker, once no lock is held.
pub(crate) fn forget(waker: Option<Waker>) {
    if let Some(waker) = waker {
        drop(put_off(Later::Forget(waker)));
    }
}

/// Drops buffers, once no lock is held.
pub(crate) fn discard(buffers: impl Into<Chunks>) {
    drop(put_off(Later::Discard(buffers.into())));
}

/// Drops buffers, once no lock is held.
pub(crate) fn discard_all(buffers: impl IntoIterator<Item = Bytes>) {
    for buffer in buffers {
        discard(buffer);
    }
}
