//! The journal of a law: what it is at, and its last events, for the report and for who watches it.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flow_core::Delivered;

use crate::peer::Recv;

/// How many events a report shows.
pub(crate) const SHOWN: usize = 20;

/// What a call on a flow answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Pending,
    Chunk(usize),
    End,
    Done,
    Closed,
    Failed,
    Told(Delivered),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("pending"),
            Self::Chunk(len) => write!(f, "a chunk of {len} bytes"),
            Self::End => f.write_str("the end"),
            Self::Done => f.write_str("done"),
            Self::Closed => f.write_str("Closed"),
            Self::Failed => f.write_str("an error"),
            Self::Told(delivered) => write!(f, "{delivered:?}"),
        }
    }
}

/// One thing that happened. Nothing is formatted, and nothing allocated, before somebody wants to read it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Made(u32),
    Poll(u32, &'static str, Answer),
    Abort(u32),
    Dropped(u32),
    Woken(&'static str),
    Sent(usize, usize),
    Received(Recv),
    Peer(&'static str),
}

/// The event, and what the law was at.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: &'static str,
    event: Event,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            Event::Made(flow) => write!(f, "flow {flow} is made"),
            Event::Poll(flow, call, answer) => {
                write!(f, "flow {flow}: {call} answers {answer} ({})", self.at)
            }
            Event::Abort(flow) => write!(f, "flow {flow}: abort"),
            Event::Dropped(flow) => write!(f, "flow {flow} is dropped"),
            Event::Woken(what) => write!(f, "{what} is woken"),
            Event::Sent(done, of) => write!(f, "peer: sends {done} of {of} bytes"),
            Event::Received(Recv::Data(len)) => write!(f, "peer: receives {len} bytes"),
            Event::Received(Recv::Empty) => f.write_str("peer: finds nothing to receive"),
            Event::Received(Recv::End) => f.write_str("peer: meets the end"),
            Event::Received(Recv::Torn) => f.write_str("peer: meets a torn stream"),
            Event::Peer(what) => write!(f, "peer: {what}"),
        }
    }
}

#[derive(Debug)]
struct State {
    at: &'static str,
    ring: [Option<Entry>; SHOWN],
    /// Events since the beginning; the next one goes to this place of the ring.
    count: usize,
}

/// What a law has done so far.
#[derive(Debug)]
pub(crate) struct Journal {
    steps: AtomicU64,
    state: Mutex<State>,
}

impl Journal {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            steps: AtomicU64::new(0),
            state: Mutex::new(State {
                at: "the beginning",
                ring: [None; SHOWN],
                count: 0,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the law has said what it is at.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// What the law is at.
    pub(crate) fn at(&self) -> &'static str {
        self.state().at
    }

    pub(crate) fn set(&self, what: &'static str) {
        self.state().at = what;
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, event: Event) {
        let mut state = self.state();
        // Somebody who finds nothing, or who waits, does so again and again: once is enough.
        let last = (state.count + SHOWN - 1) % SHOWN;
        let at = state.at;
        let nothing = |event| matches!(event, Event::Received(Recv::Empty));
        if nothing(event) && state.ring[last].is_some_and(|entry| nothing(entry.event)) {
            return;
        }
        let place = state.count % SHOWN;
        state.ring[place] = Some(Entry { at, event });
        state.count += 1;
    }

    /// The last events, oldest first, each with its number.
    pub(crate) fn events(&self) -> Vec<String> {
        let state = self.state();
        let first = state.count.saturating_sub(SHOWN);
        (first..state.count)
            .filter_map(|number| {
                let entry = state.ring[number % SHOWN]?;
                Some(format!("{:>4}  {entry}", number + 1))
            })
            .collect()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Journal>>> = const { RefCell::new(None) };
}

/// From now on, what happens on this thread goes into this journal.
pub(crate) fn begin(journal: Arc<Journal>) {
    CURRENT.with_borrow_mut(|current| *current = Some(journal));
}

/// Notes what happened. Elsewhere than on a law's thread, nothing.
pub(crate) fn note(event: Event) {
    // A thread that is ending drops flows whose journal has gone.
    let _ = CURRENT.try_with(|current| {
        if let Ok(current) = current.try_borrow()
            && let Some(journal) = &*current
        {
            journal.add(event);
        }
    });
}
