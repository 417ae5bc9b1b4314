//! What a checked flow holds beside the flow: what is known, and where breaches go.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::{mem, thread};

use super::breach::Breach;
use super::event::{Call, Event, Outcome};
use super::rules::{Answered, Broken, Known, fact};
use super::watch::Watch;

pub(super) type Report = Box<dyn Fn(&Breach) + Send + Sync>;

/// All but the flow.
pub(super) struct Core {
    /// What [`Known::word`] was last, for calls that begin.
    word: AtomicU64,
    known: Mutex<Known>,
    /// `None`: panic.
    report: Option<Report>,
    /// Nobody aborts the flow but through us.
    pub(super) alone: bool,
    pub(super) watch: Option<Watch>,
}

impl Core {
    pub(super) fn new(report: Option<Report>) -> Self {
        Self {
            word: AtomicU64::new(0),
            known: Mutex::default(),
            report,
            alone: false,
            watch: None,
        }
    }

    /// Reports what shows without a call. `got`: what is seen.
    pub(super) fn report(&self, broken: Broken, got: String) {
        let (new, events) = {
            let mut known = self.lock();
            (known.is_new(broken.0), known.ring.last())
        };
        self.breach(new, broken, got, events);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, known: &Known) {
        self.word.store(known.word(), Ordering::Release);
    }

    /// An operation is about to be polled. What it may excuse is noted first.
    #[inline]
    pub(super) fn begin(&self, call: Call, cx: &Context<'_>, parked: bool) -> Answered {
        let mut excuses = 0;
        if call.shuts_reading() {
            excuses |= fact::READ_SHUT_BEGUN;
        }
        if call.shuts_writing() || call == Call::Close {
            excuses |= fact::WRITE_SHUT_BEGUN;
        }
        let mut word = self.word.load(Ordering::Acquire);
        if excuses & !word != 0 {
            let mut known = self.lock();
            known.facts |= excuses;
            self.publish(&known);
            word = known.word();
        }
        Answered {
            event: Event {
                began: word >> fact::BITS,
                task: cx.waker().data().addr(),
                call,
                parked,
                ..Event::default()
            },
            before: word,
            left: 0,
            outside: false,
            kind: 0,
        }
    }

    /// Records what was answered, and reports what it breaks.
    pub(super) fn end(
        &self,
        mut answered: Answered,
        seen: Option<Broken>,
        error: Option<&dyn fmt::Display>,
    ) {
        let mut known = self.lock();
        let broken = known.record(&mut answered, self.alone).or(seen);
        self.publish(&known);
        let Some(broken) = broken else { return };
        let (new, events) = (known.is_new(broken.0), known.ring.last());
        drop(known);
        let got = match error {
            Some(error) => format!("the error \"{error}\""),
            None => answered.event.answer().to_string(),
        };
        self.breach(new, broken, got, events);
    }

    #[cold]
    fn breach(&self, new: bool, broken: Broken, got: String, events: Vec<Event>) {
        let (clause, expected) = broken;
        let breach = Breach {
            clause,
            expected,
            got,
            events,
        };
        match &self.report {
            Some(report) if new => report(&breach),
            None if !thread::panicking() => panic!("{breach}"),
            _ => {}
        }
    }

    pub(super) fn note_abort(&self, outcome: Outcome, note: fn(&mut Known)) {
        let mut known = self.lock();
        let mut event = Event {
            began: known.ring.count(),
            call: Call::Abort,
            outcome,
            ..Event::default()
        };
        known.ring.push(&mut event);
        note(&mut known);
        self.publish(&known);
    }
}

/// Tells the variants of an error apart. For an error that is no enum, all are one.
pub(super) fn kind<E>(error: &E) -> u64 {
    let mut hasher = DefaultHasher::new();
    mem::discriminant(error).hash(&mut hasher);
    hasher.finish()
}
