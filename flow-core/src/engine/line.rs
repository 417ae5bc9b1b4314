//! One line of waiting operations.
//!
//! An operation that has to wait parks at the end of its line and keeps its place until it is served or dropped. The
//! transport knows one waker per line only; when it fires, the operation at the head is woken, and no other.
//!
//! *Armed* is the one bit that prevents lost wakes: the transport's last answer was pending, and it has not woken us
//! since. Whoever parks in, or leaves, a line that is not armed wakes the head, which then asks the transport. Nobody ever
//! loops instead: a runtime's task budget may answer pending for as long as the poll lasts.
//!
//! The bit is set by a plain store, since that is done in every call: who asks the transport is alone in doing so, and a wake for what the
//! transport is about to register comes after. It is taken back under the lock, or by somebody who takes the lock afterwards to wake whoever is
//! there; who parks or leaves looks at it under the lock. So of two that race, the second to have the lock knows of the first.

use std::task::Waker;

use super::queue::{Key, Queue, Waiter};
use crate::mutant::mutant;
use crate::section::{self, Section};
use crate::sync::{AtomicBool, AtomicU32, Mutex, Ordering, lock};

pub(super) struct Line {
    armed: AtomicBool,
    /// How many wait, for whoever only looks: changed under the lock.
    waiting: AtomicU32,
    waiters: Mutex<Waiters>,
}

struct Waiters {
    queue: Queue,
    next_key: Key,
    /// Whom the transport's wake is for before it is for the head: the write that has been taken, as long as it is in the line.
    first: Option<Key>,
}

/// Which task a waker wakes.
fn task(waker: &Waker) -> (usize, usize) {
    (
        waker.data().addr(),
        std::ptr::from_ref(waker.vtable()).addr(),
    )
}

impl Waiters {
    #[inline]
    fn push(&mut self, task: (usize, usize), waker: Option<Waker>) -> Key {
        let key = self.next_key;
        self.next_key = key.saturating_add(1);
        self.queue.push(Waiter { key, task, waker });
        key
    }

    /// Takes the waker of the one whose turn it is. Where that one has been woken already and was not polled since, it
    /// may have been kept by its task, which now waits in a later operation: that one may go first, so it is woken.
    #[inline]
    fn next(&mut self) -> Option<Waker> {
        let head = match self.first {
            Some(key) => self.queue.get_mut(key),
            None => self.queue.first_mut(),
        }?;
        if let Some(waker) = head.waker.take() {
            return Some(waker);
        }
        let task = head.task;
        self.next_of(task)
    }

    /// Takes the one of that key out: its waker, if it has not been woken.
    #[inline(always)]
    fn remove(&mut self, key: Key) -> Option<Option<Waker>> {
        if self.first == Some(key) {
            self.first = None;
        }
        Some(self.queue.remove(key)?.waker)
    }

    #[cold]
    fn next_of(&mut self, task: (usize, usize)) -> Option<Waker> {
        self.queue
            .iter_mut()
            .filter(|w| w.task == task)
            .find_map(|w| w.waker.take())
    }
}

impl Line {
    pub(super) fn new() -> Self {
        let waiters = Waiters {
            queue: Queue::new(),
            next_key: Key::MIN,
            first: None,
        };
        Self {
            armed: AtomicBool::new(false),
            waiting: AtomicU32::new(0),
            waiters: Mutex::new(waiters),
        }
    }

    /// A line whose waiters ask by themselves, and are woken all together: it is always armed, and never fired.
    pub(super) fn of_equals() -> Self {
        let line = Self::new();
        line.arm();
        line
    }

    /// Before the transport is asked: from here on its wake is not lost.
    #[inline]
    pub(super) fn arm(&self) {
        self.armed.store(true, Ordering::Release);
    }

    /// After the transport answered ready. Whoever does so parks in the line, or wakes somebody who is in it, and so takes the lock, after this.
    #[inline]
    pub(super) fn disarm(&self) {
        self.armed.store(false, Ordering::Release);
    }

    /// The same, where the next one is to ask.
    #[inline]
    pub(super) fn disarm_and_pass_on(&self) {
        let next = {
            let mut waiters = lock(&self.waiters);
            self.disarm();
            waiters.next()
        };
        next.into_iter().for_each(section::wake);
    }

    #[inline]
    pub(super) fn is_armed(&self) -> bool {
        self.armed.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }

    /// Whether it is the turn of the operation that holds `key`, or of a new one: nobody else waits, or it is the head, or
    /// its task is the head's, which could otherwise wait for itself.
    #[inline]
    pub(super) fn is_turn(&self, key: Option<Key>, waker: &Waker) -> bool {
        // Who holds a key and asks is one of those who wait.
        let waiting = self.waiting.load(Ordering::Acquire);
        let others = waiting.saturating_sub(u32::from(key.is_some()));
        others == 0 || self.is_head(key, waker)
    }

    fn is_head(&self, key: Option<Key>, waker: &Waker) -> bool {
        let waiters = lock(&self.waiters);
        let Some(head) = waiters.queue.first() else {
            return true;
        };
        Some(head.key) == key || head.task == task(waker)
    }

    /// Parks the operation that holds `key`, or a new one: returns its key. One that was served meanwhile is woken.
    #[inline(always)]
    pub(super) fn park(&self, key: Option<Key>, waker: &Waker) -> Key {
        let task = task(waker);
        let mut served = false;
        // Cloning is foreign code, and so is dropping the one that it replaces: not under the lock.
        let mut waker = Some(waker.clone());
        let (key, next) = {
            let mut waiters = lock(&self.waiters);
            let key = match key {
                None => {
                    self.count(1);
                    waiters.push(task, waker.take())
                }
                Some(key) => {
                    if let Some(waiter) = waiters.queue.get_mut(key) {
                        waiter.task = task;
                        std::mem::swap(&mut waiter.waker, &mut waker);
                    } else {
                        served = !mutant!("park_misses_being_served");
                    }
                    key
                }
            };
            let stale = !self.is_armed() && !mutant!("park_does_not_look");
            (key, if stale { waiters.next() } else { None })
        };
        if served {
            waker.into_iter().for_each(section::wake);
        } else {
            section::forget(waker);
        }
        next.into_iter().for_each(section::wake);
        key
    }

    /// A place for the write that has just been taken, whose waker follows with [`park`](Self::park).
    pub(super) fn reserve(&self, key: Option<Key>) -> Key {
        let mut waiters = lock(&self.waiters);
        let key = match key {
            Some(key) => key,
            None => {
                self.count(1);
                waiters.push((0, 0), None)
            }
        };
        waiters.first = Some(key);
        key
    }

    /// Whether `key` is in the line.
    pub(super) fn holds(&self, key: Key) -> bool {
        lock(&self.waiters).queue.get_mut(key).is_some()
    }

    /// Takes `key` out of the line. Whoever is next is woken if the transport has to be asked.
    #[inline(always)]
    pub(super) fn leave(&self, key: Key) -> bool {
        let (gone, next) = {
            let mut waiters = lock(&self.waiters);
            let gone = self.remove(&mut waiters, key);
            let next = if self.is_armed() || mutant!("leave_keeps_the_wake") {
                None
            } else {
                waiters.next()
            };
            (gone, next)
        };
        section::forget(gone);
        let woken = next.is_some();
        next.into_iter().for_each(section::wake);
        woken
    }

    /// Takes `key` out of the line because it got what it waited for, and wakes it.
    pub(super) fn serve(&self, key: Key) {
        let served = self.remove(&mut lock(&self.waiters), key);
        served.into_iter().for_each(section::wake);
    }

    /// Takes `key` out of the line and disarms it, because the transport has just answered that one with something else than pending. Whoever is
    /// next is woken.
    #[inline(always)]
    pub(super) fn leave_asked(&self, key: Key) -> bool {
        let (gone, next) = {
            let mut waiters = lock(&self.waiters);
            let gone = self.remove(&mut waiters, key);
            self.disarm();
            let next = if mutant!("leave_keeps_the_wake") {
                None
            } else {
                waiters.next()
            };
            (gone, next)
        };
        section::forget(gone);
        let woken = next.is_some();
        next.into_iter().for_each(section::wake);
        woken
    }

    #[inline(always)]
    fn remove(&self, waiters: &mut Waiters, key: Key) -> Option<Waker> {
        let gone = waiters.remove(key)?;
        self.count(-1);
        gone
    }

    /// Somebody comes or goes, under the lock.
    #[inline(always)]
    fn count(&self, change: i32) {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let waiting = waiting.wrapping_add_signed(change);
        self.waiting.store(waiting, Ordering::Release);
    }

    /// The transport has woken us: it is to be asked again. Says whether anybody waits.
    #[inline]
    pub(super) fn fire(&self) -> bool {
        let (next, waiting) = {
            let mut waiters = lock(&self.waiters);
            if self.is_armed() {
                self.disarm();
                let next = waiters.next();
                let waiting = next.is_some();
                (next, waiting)
            } else {
                // Somebody is asking already, or has been woken to.
                (None, waiters.queue.first().is_some())
            }
        };
        next.into_iter().for_each(section::wake);
        waiting
    }

    /// Wakes the one whose turn it is. Says whether anybody waits.
    pub(super) fn wake_next(&self) -> bool {
        let next = lock(&self.waiters).next();
        let woken = next.is_some();
        next.into_iter().for_each(section::wake);
        woken
    }

    /// Wakes everybody. Says whether anybody waits.
    pub(super) fn wake_all(&self) -> bool {
        // Ends after unlocking: nothing runs under the lock.
        let _section = Section::enter();
        let mut waiters = lock(&self.waiters);
        let mut woken = false;
        for waiter in waiters.queue.iter_mut() {
            if let Some(waker) = waiter.waker.take() {
                section::wake(waker);
                woken = true;
            }
        }
        woken
    }
}
