//! Watching over wakes: who is parked, with which waker, and whether the flow can still wake it.
//!
//! Every parked operation has an entry here, and holds a place in a line of ours; the place that it holds in the flow inside is kept
//! in the entry, and is put back into the operation while it is polled. So an operation is known again when it comes
//! back, and its being dropped is seen. The flow is polled with wakers of ours. Operations of one task share one, as they do without us:
//! flows tell tasks apart by their wakers.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use flow_core::{Leave, Place};

use super::clause;
use super::event::Call;
use super::rules::Broken;

/// Room for as many parked operations is kept once they are gone.
const KEPT_ROOM: usize = 32;

/// A waker of ours: counts, and passes on.
struct Task {
    waker: Waker,
    wakes: AtomicUsize,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before passing on, and before this handle is dropped: whoever finds the handle gone finds the wake counted.
        self.wakes.fetch_add(1, Ordering::AcqRel);
        self.waker.wake_by_ref();
    }
}

impl Task {
    fn new(waker: Waker) -> Arc<Self> {
        Arc::new(Self {
            waker,
            wakes: AtomicUsize::new(0),
        })
    }

    fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Acquire)
    }
}

/// An operation that is parked, or being polled again.
struct Entry {
    key: u64,
    call: Call,
    /// Its place in the flow inside.
    inside: Place,
    task: Arc<Task>,
    /// The wakes of its task when its last poll began.
    wakes: usize,
    /// How many calls had returned when it was parked first.
    since: u64,
    polling: bool,
    /// A read that came later, from another task, was given a chunk.
    overtaken: bool,
    /// How often in a row it was woken for nothing, and how many results there had been before.
    spins: u32,
    results: u64,
}

impl Entry {
    fn is_woken(&self) -> bool {
        self.task.wakes() != self.wakes
    }
}

#[derive(Default)]
struct Parked {
    /// In the order of their keys.
    entries: VecDeque<Entry>,
    next_key: u64,
    /// Calls that have begun, calls that have returned, and those that gave a result.
    begun: u64,
    returned: u64,
    results: u64,
    /// What `begun` was when somebody said that nothing happens.
    quiet: Option<u64>,
}

impl Parked {
    fn find(&self, key: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&key, |e| e.key).ok()
    }

    /// What many needed is not kept for few. The room that stays is enough for twice as many as there are.
    fn give_room_back(&mut self) {
        let (len, room) = (self.entries.len(), self.entries.capacity());
        if room > KEPT_ROOM && len < room / 4 {
            self.entries.shrink_to(room / 2);
        }
    }

    /// The waker of ours for the task of this one, if that task is parked.
    fn task_of(&self, waker: &Waker) -> Option<Arc<Task>> {
        let mut tasks = self.entries.iter().map(|e| &e.task);
        tasks.find(|t| t.waker.will_wake(waker)).cloned()
    }

    /// Whether the flow has neither woken `task` nor kept a way to. `more` handles are not the flow's.
    fn is_forgotten(&self, task: &Arc<Task>, wakes: usize, more: usize) -> bool {
        let ours = self
            .entries
            .iter()
            .filter(|e| Arc::ptr_eq(&e.task, task))
            .count();
        let kept = Arc::strong_count(task) > ours + more;
        // A handle that is gone was used before.
        fence(Ordering::Acquire);
        !kept && task.wakes() == wakes
    }
}

/// The line in which parked operations are.
#[derive(Default)]
struct Line(Mutex<Parked>);

impl Line {
    fn lock(&self) -> MutexGuard<'_, Parked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leave for Line {
    fn leave(&self, key: u64) {
        let mut parked = self.lock();
        let entry = parked.find(key).and_then(|at| parked.entries.remove(at));
        parked.give_room_back();
        drop(parked);
        // The place inside is left here, and a waker is dropped: with nothing locked.
        drop(entry);
    }
}

/// Watches over the operations of one flow.
#[derive(Default)]
pub(super) struct Watch {
    line: Arc<Line>,
    /// How often in a row an operation may be woken for nothing.
    pub(super) spins: Option<u32>,
}

impl Watch {
    /// Whether an operation with this place is parked here.
    pub(super) fn knows(&self, place: &Place) -> bool {
        place.key_in(&self.line).is_some()
    }

    /// Until [`end_quiet`](Self::end_quiet) nothing happens but polls.
    pub(super) fn begin_quiet(&self) {
        let mut parked = self.line.lock();
        parked.quiet = Some(parked.begun);
    }

    pub(super) fn end_quiet(&self) {
        self.line.lock().quiet = None;
    }

    /// Something happens.
    pub(super) fn note_abort(&self) {
        self.line.lock().begun += 1;
    }

    /// How many parked operations the flow can wake no more.
    pub(super) fn forgotten(&self) -> usize {
        let parked = self.line.lock();
        let forgotten = |e: &&Entry| !e.polling && parked.is_forgotten(&e.task, e.wakes, 0);
        parked.entries.iter().filter(forgotten).count()
    }

    /// Polls the flow inside with a waker of ours, and says what that shows. `is_chunk`: whether a result is a chunk.
    pub(super) fn poll<O, R>(
        &self,
        cx: &mut Context<'_>,
        call: Call,
        op: &mut O,
        place: impl Fn(&mut O) -> &mut Place,
        inside: impl FnOnce(&mut Context<'_>, &mut O) -> Poll<R>,
        is_chunk: impl FnOnce(&R) -> bool,
    ) -> (Poll<R>, Option<Broken>) {
        let mut visit = self.begin(cx, place(op));
        // The operation shows its place inside, and we hold the one that it has with us.
        mem::swap(place(op), &mut visit.place);
        let waker = Waker::from(Arc::clone(&visit.task));
        let polled = inside(&mut Context::from_waker(&waker), op);
        drop(waker);
        mem::swap(place(op), &mut visit.place);
        match polled {
            Poll::Pending => {
                let broken = self.park(call, place(op), visit);
                (Poll::Pending, broken)
            }
            Poll::Ready(result) => {
                let broken = self.finish(place(op), &visit, is_chunk(&result));
                place(op).leave();
                (Poll::Ready(result), broken)
            }
        }
    }

    fn begin(&self, cx: &Context<'_>, place: &Place) -> Visit {
        let key = place.key_in(&self.line);
        let known = self.line.lock().task_of(cx.waker());
        // Cloning a waker is foreign code: not under the lock.
        let task = known.unwrap_or_else(|| Task::new(cx.waker().clone()));
        let mut parked = self.line.lock();
        let quiet = parked.quiet == Some(parked.begun);
        parked.begun += 1;
        let mut visit = Visit {
            key,
            place: Place::new(),
            wakes: task.wakes(),
            task,
            began: parked.returned,
            asleep: false,
            forgotten: false,
            was_woken: false,
        };
        let Some(at) = key.and_then(|key| parked.find(key)) else {
            return visit;
        };
        let entry = &parked.entries[at];
        let more = usize::from(Arc::ptr_eq(&entry.task, &visit.task));
        visit.was_woken = entry.is_woken();
        visit.forgotten = parked.is_forgotten(&entry.task, entry.wakes, more);
        visit.asleep = quiet && !visit.was_woken;
        let entry = &mut parked.entries[at];
        entry.polling = true;
        visit.place = mem::take(&mut entry.inside);
        visit
    }

    /// The operation waits, with its place inside in `visit`.
    fn park(&self, call: Call, place: &mut Place, visit: Visit) -> Option<Broken> {
        let Visit {
            key,
            place: inside,
            task,
            wakes,
            ..
        } = visit;
        let mut parked = self.line.lock();
        parked.returned += 1;
        let (since, results) = (parked.returned, parked.results);
        let mut broken = visit.forgotten.then_some(FORGOTTEN);
        let replaced;
        match key.and_then(|key| parked.find(key)) {
            Some(at) => {
                let entry = &mut parked.entries[at];
                let woken = task.wakes() != wakes;
                if entry.overtaken && !woken {
                    broken = broken.or(Some(OVERTAKEN));
                    entry.overtaken = false;
                }
                entry.spins = if visit.was_woken && entry.results == results {
                    entry.spins + 1
                } else {
                    0
                };
                if self.spins.is_some_and(|most| entry.spins > most) {
                    broken = broken.or(Some(SPINNING));
                    entry.spins = 0;
                }
                entry.results = results;
                entry.inside = inside;
                entry.wakes = wakes;
                entry.polling = false;
                replaced = mem::replace(&mut entry.task, Arc::clone(&task));
            }
            None => {
                let key = parked.next_key;
                parked.next_key += 1;
                parked.entries.push_back(Entry {
                    key,
                    call,
                    inside,
                    task: Arc::clone(&task),
                    wakes,
                    since,
                    polling: false,
                    overtaken: false,
                    spins: 0,
                    results,
                });
                replaced = Arc::clone(&task);
                drop(parked);
                // Leaves whatever place it held elsewhere: foreign code.
                place.hold(Arc::<Line>::clone(&self.line), key);
                parked = self.line.lock();
            }
        }
        let same = Arc::ptr_eq(&replaced, &task);
        // The two handles of this call.
        let more = if same { 2 } else { 1 };
        if parked.is_forgotten(&task, wakes, more) {
            broken = broken.or(Some(UNKEPT));
        }
        drop(parked);
        drop(replaced);
        broken
    }

    /// The operation is ready.
    fn finish(&self, place: &Place, visit: &Visit, is_chunk: bool) -> Option<Broken> {
        let mut parked = self.line.lock();
        parked.returned += 1;
        parked.results += 1;
        let shared = |e: &Entry| Arc::ptr_eq(&e.task, &visit.task);
        if is_chunk && !self.knows(place) && !parked.entries.iter().any(shared) {
            // Whoever waits at the head may have been given something that it has not come for yet: its next poll tells.
            let head = parked
                .entries
                .iter_mut()
                .find(|e| e.call == Call::Read)
                .filter(|e| e.since <= visit.began && !e.polling && !e.is_woken());
            if let Some(head) = head {
                head.overtaken = true;
            }
        }
        if visit.forgotten {
            return Some(FORGOTTEN);
        }
        let at = visit.key.and_then(|key| parked.find(key))?;
        (visit.asleep && !parked.entries[at].is_woken()).then_some(ASLEEP)
    }
}

/// One poll.
struct Visit {
    key: Option<u64>,
    /// While the flow inside is polled the operation's place with us, before and after that its place inside.
    place: Place,
    task: Arc<Task>,
    wakes: usize,
    /// How many calls had returned when this one began.
    began: u64,
    /// It had not been woken, and nothing happens.
    asleep: bool,
    /// The flow had no way left to wake it.
    forgotten: bool,
    was_woken: bool,
}

const UNKEPT: Broken = (
    clause::TASKS_LATEST_WAKER_COUNTS,
    "that the waker of a pending poll is kept or woken: it was dropped",
);

pub(super) const FORGOTTEN: Broken = (
    clause::TASKS_ALL_WAITERS_ARE_SERVED,
    "that a parked operation can be woken: its waker was dropped and not woken",
);

const ASLEEP: Broken = (
    clause::TASKS_LATEST_WAKER_COUNTS,
    "that an operation which can be done is woken: it was not, and nothing has happened since",
);

const OVERTAKEN: Broken = (
    clause::TASKS_SERVED_IN_ORDER,
    "that the read which waits longest is served first: a later one of another task was, and this one still waits",
);

const SPINNING: Broken = (
    clause::TASKS_IDLE_IS_IDLE,
    "that an operation is woken for something: it was woken again and again with no result of any call in between",
);
