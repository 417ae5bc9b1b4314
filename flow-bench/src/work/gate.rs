//! Holds many tasks until all have come.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// A gate that opens when so many wait at it.
#[derive(Debug)]
pub(super) struct Gate(Mutex<State>);

#[derive(Debug)]
struct State {
    missing: usize,
    waiting: Vec<Waker>,
}

impl Gate {
    pub(super) fn new(tasks: usize) -> Self {
        Self(Mutex::new(State {
            missing: tasks,
            waiting: Vec::with_capacity(tasks),
        }))
    }

    /// Waits for the others. Whoever comes last calls `open` before it lets them go.
    pub(super) async fn pass(&self, open: impl FnOnce()) {
        let mut open = Some(open);
        poll_fn(|cx| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if open.is_some() {
                state.missing -= 1;
            }
            let came = open.take();
            if state.missing > 0 {
                state.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            // Only who comes last has not been here before and finds nobody missing.
            if let Some(open) = came {
                open();
                waiting.into_iter().for_each(Waker::wake);
            }
            Poll::Ready(())
        })
        .await;
    }
}
