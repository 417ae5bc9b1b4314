//! A law on two threads: rounds that both begin at the same moment, and a call that is polled on the other one.
//!
//! The law's own thread has the peers and lets events be delivered; the other one has the shared flow. Whether the other one is asleep is known
//! for certain, so a lost wake is told at once where nothing else goes on.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::hint::{black_box, spin_loop};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use crate::asked;
use crate::case::Case;
use crate::harness::Harness;

/// How often a thread that waits for the other one looks before it gives its core away: on a machine that is busy the other one may
/// need it.
const LOOKS: usize = 500;

/// How many rounds there are where a law makes `count` of them ordinarily: `FLOW_TESTKIT_ROUNDS` times as many. Most faults have wide windows; those of a
/// few nanoseconds are found in thousands of rounds, which take minutes over sockets.
///
/// # Panics
///
/// If the variable is no number.
pub(crate) fn times(count: usize) -> usize {
    count.saturating_mul(asked::rounds().unwrap_or(1).max(1))
}

/// How often it is tried to have both threads running.
const TRIES: usize = 3;
/// How often a thread looks until a running one has answered.
const QUICK: usize = 50;

/// What the two threads know of each other. A round is known by its number and one, so that nought is none.
struct Both<T> {
    /// The other thread is about to begin this round.
    ready: AtomicUsize,
    /// Asked of the other thread, and what it answers: told quickly, both are running.
    ping: AtomicUsize,
    pong: AtomicUsize,
    /// Both begin this round.
    go: AtomicUsize,
    /// The other thread is through with this round.
    done: AtomicUsize,
    /// How long the other thread waits once they have met.
    pause: AtomicUsize,
    /// A call of the other thread had to wait in this round.
    parked: AtomicBool,
    /// The law's thread has given up.
    over: AtomicBool,
    /// What the other thread is at.
    at: Mutex<&'static str>,
    waits: Mutex<Option<Wait>>,
    came_to: Mutex<Option<Result<T, Box<dyn Any + Send>>>>,
}

/// What the other thread waits for.
struct Wait {
    bell: Arc<Bell>,
    heard: usize,
}

/// Counts the wakes of a call on the other thread.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Unwinds the other thread when the law is over.
struct Over;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look_again(looks: &mut usize) {
    *looks += 1;
    if looks.is_multiple_of(LOOKS) {
        thread::yield_now();
    } else {
        spin_loop();
    }
}

/// Waits for another thread to set it.
pub(crate) fn wait_until(set: &AtomicBool) {
    let mut looks = 0;
    while !set.load(Ordering::Acquire) {
        look_again(&mut looks);
    }
}

/// A number that looks like chance, and is the same in each run.
pub(crate) const fn chance(of: usize) -> usize {
    let mut word = (of as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (word ^ (word >> 31)) as usize
}

/// Lets a moment pass.
fn pass(pause: usize) {
    let mut left = pause;
    while left > 0 {
        left = black_box(left) - 1;
    }
}

/// Which of the two threads waits a little once they have met, and how long.
///
/// Two calls meet in a window of a few nanoseconds, so it is searched for: where the call on the other thread had to wait, what it waits for came
/// too late, and otherwise too early. Around that moment most rounds are spent; the others are anywhere.
pub(crate) struct Timing {
    /// For each kind of round, how much later this thread begins than the other one, and by how much that was changed last.
    later: Vec<(isize, isize)>,
}

impl Timing {
    /// For so many kinds of rounds, in turn.
    pub(crate) fn new(kinds: usize) -> Self {
        Self {
            later: vec![(0, FIRST_CHANGE); kinds],
        }
    }

    /// How long the other thread waits, and this one.
    fn pauses(&self, round: usize) -> (usize, usize) {
        let chance = chance(round);
        let later = if is_anywhere(round) {
            let most = 1 << (4 + (chance >> 1) % 7);
            let far = (chance >> 8) % most;
            if chance & 1 == 0 {
                far as isize
            } else {
                -(far as isize)
            }
        } else {
            let (later, _) = self.later[round % self.later.len()];
            later + ((chance >> 8) % (2 * JITTER)) as isize - JITTER as isize
        };
        ((-later).max(0).unsigned_abs(), later.max(0).unsigned_abs())
    }

    fn learn(&mut self, round: usize, late: Option<bool>) {
        let kinds = self.later.len();
        let Some(late) = late.filter(|_| !is_anywhere(round)) else {
            return;
        };
        let (later, change) = &mut self.later[round % kinds];
        if late == (*change > 0) {
            // The other way than before: the moment is in between.
            let least = if late { -LEAST_CHANGE } else { LEAST_CHANGE };
            *change = if change.abs() / 2 < LEAST_CHANGE {
                least
            } else {
                -*change / 2
            };
        }
        *later = (*later + *change).clamp(-FARTHEST, FARTHEST);
    }
}

/// In some rounds the two threads meet anywhere. (Five is no number of kinds, so each kind has some.)
const fn is_anywhere(round: usize) -> bool {
    round.is_multiple_of(5)
}

const FIRST_CHANGE: isize = 256;
const LEAST_CHANGE: isize = 8;
const FARTHEST: isize = 2000;
const JITTER: usize = 48;

impl<T> Both<T> {
    fn has_come_to(&self, round: usize) -> bool {
        self.done.load(Ordering::SeqCst) >= round
    }

    /// Whether it is parked, and was not woken since.
    fn sleeps(&self) -> bool {
        let waits = lock(&self.waits);
        let wait = waits.as_ref();
        wait.is_some_and(|wait| wait.bell.rung() == wait.heard)
    }
}

/// The other thread's side.
pub(crate) struct There<'b, T> {
    both: &'b Both<T>,
    round: usize,
}

impl<T> There<'_, T> {
    fn unless_over(&self) {
        if self.both.over.load(Ordering::SeqCst) {
            resume_unwind(Box::new(Over));
        }
    }

    /// Both threads go on from here at the same moment.
    pub(crate) fn meet(&self) {
        let round = self.round;
        self.both.ready.store(round, Ordering::SeqCst);
        let mut looks = 0;
        while self.both.go.load(Ordering::SeqCst) < round {
            self.both
                .pong
                .store(self.both.ping.load(Ordering::SeqCst), Ordering::SeqCst);
            self.unless_over();
            look_again(&mut looks);
        }
        pass(self.both.pause.load(Ordering::SeqCst));
    }

    /// A call, to be polled on this thread.
    pub(crate) fn call<C: Future + Unpin>(&self, what: &'static str, call: C) -> Call<'_, T, C> {
        *lock(&self.both.at) = what;
        Call {
            there: self,
            call,
            bell: Arc::default(),
        }
    }
}

/// A call under way on the other thread.
pub(crate) struct Call<'t, T, C> {
    there: &'t There<'t, T>,
    call: C,
    bell: Arc<Bell>,
}

impl<T, C: Future + Unpin> Call<'_, T, C> {
    /// Polls once.
    pub(crate) fn poll(&mut self) -> Poll<C::Output> {
        let waker = Waker::from(Arc::clone(&self.bell));
        Pin::new(&mut self.call).poll(&mut Context::from_waker(&waker))
    }

    /// Waits until it is done: it is polled again only when it was woken.
    pub(crate) fn finish(&mut self) -> C::Output {
        loop {
            let heard = self.bell.rung();
            if let Poll::Ready(value) = self.poll() {
                return value;
            }
            let both = self.there.both;
            both.parked.store(true, Ordering::SeqCst);
            if self.bell.rung() != heard {
                self.there.unless_over();
                continue;
            }
            *lock(&both.waits) = Some(Wait {
                bell: Arc::clone(&self.bell),
                heard,
            });
            let mut looks = 0;
            while self.bell.rung() == heard {
                self.there.unless_over();
                look_again(&mut looks);
            }
            *lock(&both.waits) = None;
        }
    }
}

/// The side of the law's own thread.
pub(crate) struct Here<'b, H: Harness, T> {
    case: &'b Case<H>,
    both: &'b Both<T>,
    round: usize,
    pause: usize,
    /// Whether what this thread does came too late to be met by a call that begins on the other one.
    late: Cell<Option<bool>>,
}

impl<H: Harness, T> Here<'_, H, T> {
    /// Both threads go on from here at the same moment.
    pub(crate) fn meet(&self) {
        let round = self.round;
        let is_ready = || self.both.ready.load(Ordering::SeqCst) >= round;
        let mut looks = 0;
        while !is_ready() && looks < LOOKS {
            look_again(&mut looks);
        }
        // What it is at before may wait for what is delivered here.
        let done = || is_ready() || self.both.has_come_to(round);
        if !done() {
            self.case
                .wait("the other thread", done, || self.is_moving());
        }
        self.until_both_run();
        self.both.go.store(round, Ordering::SeqCst);
        pass(self.pause);
    }

    /// One of them may have lost its core meanwhile: then they would not begin together.
    fn until_both_run(&self) {
        for _ in 0..TRIES {
            let ping = self.both.ping.fetch_add(1, Ordering::SeqCst) + 1;
            let mut looks = 0;
            while self.both.pong.load(Ordering::SeqCst) != ping && looks < LOOKS {
                look_again(&mut looks);
            }
            if looks < QUICK {
                return;
            }
        }
    }

    /// Whether what this thread did came after what it should meet. Where nothing is said, a call on the other thread that had to wait says so.
    pub(crate) fn was_late(&self, late: bool) {
        self.late.set(Some(late));
    }

    /// Whether the other thread has something to do: it may still be the one to go on with what is waited for here.
    pub(crate) fn is_moving(&self) -> bool {
        let moving = !self.both.has_come_to(self.round) && !self.both.sleeps();
        if moving {
            thread::yield_now();
        }
        moving
    }

    /// Waits until the other thread is through with this round, while `others` go on: told whether any of them moved. What it came to.
    #[track_caller]
    pub(crate) fn join_while(&self, mut others: impl FnMut() -> bool) -> T {
        let done = || self.both.has_come_to(self.round);
        let mut looks = 0;
        while !done() && looks < LOOKS && !self.both.sleeps() {
            look_again(&mut looks);
        }
        if !done() {
            let what = *lock(&self.both.at);
            self.case.wait(what, done, || {
                let moved = others();
                moved || self.is_moving()
            });
        }
        self.result().expect("a round is done once")
    }

    /// What the other thread came to, once it is through with this round.
    #[track_caller]
    pub(crate) fn result(&self) -> Option<T> {
        if !self.both.has_come_to(self.round) {
            return None;
        }
        if self.late.get().is_none() {
            self.late.set(Some(self.both.parked.load(Ordering::SeqCst)));
        }
        match lock(&self.both.came_to).take()? {
            Ok(value) => Some(value),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Waits until the other thread is through with this round. What it came to.
    #[track_caller]
    pub(crate) fn join(&self) -> T {
        self.join_while(|| false)
    }
}

impl<H: Harness> Case<H> {
    /// Rounds on two threads: `there` on the other one, `here` on this one. Each has to [`meet`](Here::meet) once, and `here` to
    /// [`join`](Here::join).
    #[track_caller]
    pub(crate) fn rounds<T: Send>(
        &self,
        rounds: Range<usize>,
        timing: &mut Timing,
        there: impl Fn(&There<'_, T>, usize) -> T + Sync,
        mut here: impl FnMut(&Here<'_, H, T>, usize),
    ) {
        let both = Both {
            ready: AtomicUsize::new(0),
            ping: AtomicUsize::new(0),
            pong: AtomicUsize::new(0),
            go: AtomicUsize::new(0),
            pause: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            done: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            at: Mutex::new("the other thread"),
            waits: Mutex::new(None),
            came_to: Mutex::new(None),
        };
        let body = || {
            for round in rounds.clone() {
                let side = There {
                    both: &both,
                    round: round + 1,
                };
                both.parked.store(false, Ordering::SeqCst);
                let came_to = catch_unwind(AssertUnwindSafe(|| there(&side, round)));
                *lock(&both.waits) = None;
                let is_over = matches!(&came_to, Err(panic) if panic.is::<Over>());
                let failed = came_to.is_err();
                *lock(&both.came_to) = Some(came_to);
                both.done.store(round + 1, Ordering::SeqCst);
                if is_over || failed {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            scope.spawn(body);
            // Also where the law fails: the other thread is waited for.
            let _over = SetWhenDropped(&both.over);
            for round in rounds.clone() {
                let (theirs, pause) = timing.pauses(round);
                both.pause.store(theirs, Ordering::SeqCst);
                let side = Here {
                    case: self,
                    both: &both,
                    round: round + 1,
                    pause,
                    late: Cell::new(None),
                };
                here(&side, round);
                timing.learn(round, side.late.get());
            }
        });
    }
}

struct SetWhenDropped<'b>(&'b AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<T> fmt::Debug for There<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("There").finish_non_exhaustive()
    }
}
