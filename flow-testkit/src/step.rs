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
use crate::journal::{Event, Journal};
use crate::row::{Tasks, Wakers};

/// A waker that counts how often it is woken, and does nothing else.
#[derive(Debug, Default)]
pub struct Counter {
    wakes: AtomicUsize,
    /// The task that is woken with it.
    task: Option<Arc<Self>>,
    /// Whose waker it is, and where its wakes are noted.
    what: &'static str,
    journal: Option<Arc<Journal>>,
}

impl Counter {
    /// A counter at zero, and its waker.
    #[must_use]
    pub fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    /// A counter at zero whose wakes are noted.
    pub(crate) fn noting(what: &'static str, journal: Option<Arc<Journal>>) -> Self {
        Self {
            what,
            journal,
            ..Self::default()
        }
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
        if let Some(journal) = &self.journal {
            journal.add(Event::Woken(self.what));
        }
        if let Some(task) = &self.task {
            task.wakes.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// How often a call that wakes itself is polled again at once. A flow may answer one such pending for fairness.
pub(crate) const YIELDS: usize = 3;

/// One call on a flow, under way in a task of its own.
///
/// How wakers and tasks go together is a matter of the way in which the law is run ([`Row`](crate::Row)): by default each step is a task of its own, each
/// poll makes a new waker, and only the latest may be relied on. Dropping a step drops the call.
#[must_use = "a call does nothing unless it is polled"]
pub struct Step<'c, H: Harness, C> {
    case: &'c Case<H>,
    what: &'static str,
    call: C,
    /// The counter of the latest poll's waker.
    counter: Arc<Counter>,
    /// Wakes of the counters before this one.
    earlier: usize,
    /// Wakes of what is waited for, the counter or its task, when the latest poll began.
    seen: usize,
    polls: usize,
    tasks: Tasks,
}

impl<'c, H: Harness, C: Future + Unpin> Step<'c, H, C> {
    pub(crate) fn new(case: &'c Case<H>, what: &'static str, call: C) -> Self {
        Self {
            case,
            what,
            call,
            counter: Arc::default(),
            earlier: 0,
            seen: 0,
            polls: 0,
            tasks: case.row().tasks,
        }
    }

    /// In a task of its own, also where the calls of a law are made by one task.
    pub(crate) const fn in_own_task(mut self) -> Self {
        self.tasks = Tasks::Each;
        self
    }

    /// Polls once, with the waker that is due.
    pub fn poll_once(&mut self) -> Poll<C::Output> {
        let (tasks, wakers) = (self.tasks, self.case.row().wakers);
        let fresh = || Counter::noting(self.what, Some(Arc::clone(self.case.journal())));
        let next = match (tasks, wakers) {
            (Tasks::Each, Wakers::Same) if self.polls > 0 => None,
            (Tasks::Each, _) => Some(Arc::new(fresh())),
            (Tasks::One, Wakers::Same) => Some(Arc::clone(self.case.task())),
            (Tasks::One, Wakers::Fresh) => {
                let mut counter = fresh();
                counter.task = Some(Arc::clone(self.case.task()));
                Some(Arc::new(counter))
            }
        };
        if let Some(next) = next {
            self.earlier += self.counter.wakes();
            self.counter = next;
        }
        self.seen = self.watched().wakes();
        let waker = Waker::from(Arc::clone(&self.counter));
        self.poll_with(&waker)
    }

    /// What is woken when this call is.
    const fn watched(&self) -> &Arc<Counter> {
        match self.tasks {
            Tasks::Each => &self.counter,
            Tasks::One => self.case.task(),
        }
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

    /// Polls, and again where it woke itself, and once more where the law is run with spurious polls.
    pub fn poll(&mut self) -> Poll<C::Output> {
        let result = self.poll_now();
        if result.is_pending() && self.case.row().spurious {
            return self.poll_now();
        }
        result
    }

    fn poll_now(&mut self) -> Poll<C::Output> {
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
        self.watched().wakes() > self.seen
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
                let (watched, seen) = (Arc::clone(self.watched()), self.seen);
                let others = || {
                    let moved = others();
                    if moved {
                        last = Instant::now();
                    }
                    moved
                };
                self.case.wait(self.what, || watched.wakes() > seen, others);
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
