//! The kit's executor: one call polled by hand, each poll with a fresh, counted waker.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use crate::case::Case;
use crate::harness::Harness;

/// A waker that counts how often it is woken, and does nothing else.
#[derive(Debug, Default)]
pub struct Counter {
    wakes: AtomicUsize,
}

impl Counter {
    /// A counter at zero, and its waker.
    #[must_use]
    pub fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    /// How often it was woken.
    #[must_use]
    pub fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }
}

/// How often a call that wakes itself is polled again at once. A flow may answer one such pending for fairness.
pub(crate) const YIELDS: usize = 3;

/// One call on a flow, under way in a task of its own.
///
/// A task here is a waker: each poll makes a new one, only the latest may be relied on, and no two steps ever share one. Dropping a step
/// drops the call.
#[must_use = "a call does nothing unless it is polled"]
pub struct Step<'c, H: Harness, C> {
    case: &'c Case<H>,
    what: &'static str,
    call: C,
    counter: Arc<Counter>,
    /// Wakes of the counters before this one.
    earlier: usize,
    polls: usize,
}

impl<'c, H: Harness, C: Future + Unpin> Step<'c, H, C> {
    pub(crate) fn new(case: &'c Case<H>, what: &'static str, call: C) -> Self {
        Self {
            case,
            what,
            call,
            counter: Arc::default(),
            earlier: 0,
            polls: 0,
        }
    }

    /// Polls once, with a fresh waker.
    pub fn poll_once(&mut self) -> Poll<C::Output> {
        self.earlier += self.counter.wakes();
        self.counter = Arc::default();
        let waker = Waker::from(Arc::clone(&self.counter));
        self.poll_with(&waker)
    }

    /// Polls once with this waker. [`is_woken`](Self::is_woken) does not know of it.
    pub fn poll_with(&mut self, waker: &Waker) -> Poll<C::Output> {
        self.polls += 1;
        self.case.at(self.what);
        let call = Pin::new(&mut self.call);
        self.case
            .harness()
            .enter(|| call.poll(&mut Context::from_waker(waker)))
    }

    /// Polls, and again where it woke itself.
    pub fn poll(&mut self) -> Poll<C::Output> {
        for _ in 0..YIELDS {
            let result = self.poll_once();
            if result.is_ready() || !self.is_woken() {
                return result;
            }
        }
        self.poll_once()
    }

    /// Polls; it must have to wait.
    #[track_caller]
    pub fn park(&mut self) -> &mut Self
    where
        C::Output: fmt::Debug,
    {
        if let Poll::Ready(value) = self.poll() {
            panic!(
                "{} should have to wait, but it is done: {value:?}",
                self.what
            );
        }
        self
    }

    /// Whether the waker of the latest poll was woken.
    #[must_use]
    pub fn is_woken(&self) -> bool {
        self.counter.wakes() > 0
    }

    /// How often its wakers were woken, old ones included.
    #[must_use]
    pub fn wakes(&self) -> usize {
        self.earlier + self.counter.wakes()
    }

    /// How often it was polled.
    #[must_use]
    pub const fn polls(&self) -> usize {
        self.polls
    }

    /// Waits until it is done. Once it was polled, it is polled again only when it was woken.
    #[track_caller]
    pub fn finish(&mut self) -> C::Output {
        self.finish_while(|| false)
    }

    /// Waits until it is done, while `others` go on: told whether any of them moved.
    #[track_caller]
    pub fn finish_while(&mut self, mut others: impl FnMut() -> bool) -> C::Output {
        let mut last = Instant::now();
        loop {
            // A wake that never comes must not be hidden by a poll that nobody asked for.
            if self.polls > 0 {
                let counter = Arc::clone(&self.counter);
                let others = || {
                    let moved = others();
                    if moved {
                        last = Instant::now();
                    }
                    moved
                };
                self.case.wait(self.what, || counter.wakes() > 0, others);
            }
            if let Poll::Ready(value) = self.poll() {
                return value;
            }
            if last.elapsed() > self.case.watchdog() {
                panic!(
                    "hang (watchdog) at {}: it is woken again and again, and never done",
                    self.what
                );
            }
        }
    }

    /// Once everything has settled, it still waits, however often it is polled.
    #[track_caller]
    pub fn still_waits(&mut self, why: &str)
    where
        C::Output: fmt::Debug,
    {
        for _ in 0..YIELDS {
            if let Poll::Ready(value) = self.poll() {
                panic!(
                    "{} should still wait {why}, but it is done: {value:?}",
                    self.what
                );
            }
            self.case.settle();
            if !self.is_woken() {
                return;
            }
        }
        // Woken every time for nothing: that is for the laws on idling to say.
    }

    /// The call, as far as it went.
    pub fn into_call(self) -> C {
        self.call
    }

    /// The call, as far as it went.
    pub const fn call(&self) -> &C {
        &self.call
    }
}

impl<H: Harness, C> fmt::Debug for Step<'_, H, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("what", &self.what)
            .field("polls", &self.polls)
            .finish_non_exhaustive()
    }
}
