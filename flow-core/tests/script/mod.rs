//! A transport that does what a test has set, and tells what was asked of it.
//!
//! Nothing happens by itself: a test changes the [`State`], and then decides whether, and when, the waker that the engine left is woken.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use flow_core::{Bytes, Chunks, Engine, PeerEnd, SharedError, Transport, WriteError};

/// What another thread does just then.
type Meanwhile = Box<dyn FnOnce() + Send>;

/// What is set, and what has been seen. At first nothing comes in and nothing fits out.
#[derive(Default)]
pub(crate) struct State {
    /// Chunks that have arrived.
    pub(crate) input: VecDeque<Bytes>,
    /// The peer has ended; this is seen by receiving after the input.
    pub(crate) peer_ended: bool,
    /// The peer's end is seen without receiving.
    pub(crate) sees_peer_end: bool,
    /// Pings that have arrived. Receiving takes them all in, and one pong is owed for them.
    pub(crate) pings: usize,
    /// How many bytes are accepted, in all.
    pub(crate) room: usize,
    /// How many bytes are accepted at once; 0 is as many as there is room for.
    pub(crate) at_once: usize,
    /// In place of the peer's end, receiving fails in a way that says nothing of the peer.
    pub(crate) ends_in_an_error: bool,
    /// Where there is no room, sending fails as if the peer had gone.
    pub(crate) fails_when_full: bool,
    /// The last bytes of a write stay in the buffer inside until [`drains`](Self::drains).
    pub(crate) buffers: bool,
    /// What is in the buffer inside, a pong among it, can leave.
    pub(crate) drains: bool,
    /// The end, too, can only be signalled when the buffer inside drains.
    pub(crate) end_waits: bool,
    /// A ready answer drops the waker that was left, as a listener does that is dropped.
    pub(crate) forgets_when_ready: bool,
    /// So many receives wake at once and answer pending, as a spent task budget does.
    pub(crate) putting_off_receives: usize,
    /// The same for sends.
    pub(crate) putting_off_sends: usize,

    /// What was accepted.
    pub(crate) sent: Vec<u8>,
    /// Pongs that have left.
    pub(crate) pongs: usize,
    /// The end was signalled.
    pub(crate) finished: bool,
    /// Of what the engine lets go: "abort" or "torn abort", "rx dropped", "tx dropped".
    pub(crate) log: Vec<&'static str>,

    owes: bool,
    /// Something is in the buffer inside: a pong, or the end of a write.
    inside: Option<Inside>,
    end_received: bool,
    receiving: Option<Waker>,
    sending: Option<Waker>,
    ending: Option<Waker>,
    while_sending: Option<Meanwhile>,
    before_parking: Option<Meanwhile>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Pong,
    Data,
}

impl State {
    fn ready<R>(&mut self, which: fn(&mut Self) -> &mut Option<Waker>, result: R) -> Poll<R> {
        if self.forgets_when_ready {
            *which(self) = None;
        }
        Poll::Ready(result)
    }

    /// Whether a pong, or the end of a write, has not left although it still can.
    pub(crate) fn holds_back(&self) -> bool {
        self.inside.is_some() || (self.owes && !self.finished)
    }

    /// All that polling can change.
    pub(crate) fn progress(&self) -> (usize, usize, bool, bool, bool) {
        let inside = self.inside.is_some();
        let (input, sent) = (self.input.len(), self.sent.len());
        (input, sent, self.owes, inside, self.finished)
    }
}

/// The transport. A clone is the same one.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

impl Script {
    /// With what `set` sets.
    pub(crate) fn new(set: impl FnOnce(&mut State)) -> Self {
        let script = Self::default();
        set(&mut script.state());
        script
    }

    pub(crate) fn flow(&self) -> Engine<Self> {
        let half = |dropped| Half {
            script: self.clone(),
            dropped,
        };
        Engine::new(self.clone(), half("rx dropped"), half("tx dropped"))
    }

    /// Locked: let it go before anything is polled or woken.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Also after an assertion of this file has failed under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A chunk arrives, and the engine is told.
    pub(crate) fn arrives(&self, chunk: &'static str) {
        self.state().input.push_back(chunk.into());
        self.wake_receiving();
    }

    /// The peer ends, and the engine is told.
    pub(crate) fn peer_ends(&self) {
        self.state().peer_ended = true;
        self.wake_receiving();
        self.wake_ending();
    }

    /// Wakes whom a pending receive left to be woken. This and the two below wake at most once for each pending answer.
    pub(crate) fn wake_receiving(&self) {
        let waker = self.state().receiving.take();
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn wake_sending(&self) {
        let waker = self.state().sending.take();
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn wake_ending(&self) {
        let waker = self.state().ending.take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// On another thread, when a send has left its waker, and has not answered pending yet.
    pub(crate) fn while_sending(&self, meanwhile: impl FnOnce() + Send + 'static) {
        self.state().while_sending = Some(Box::new(meanwhile));
    }

    /// On another thread, when a read has got a pending answer and is not parked yet: the engine asks then, under no lock, what is owed.
    pub(crate) fn before_parking(&self, meanwhile: impl FnOnce() + Send + 'static) {
        self.state().before_parking = Some(Box::new(meanwhile));
    }

    fn wait_to_send<R>(&self, mut state: MutexGuard<'_, State>, cx: &Context<'_>) -> Poll<R> {
        state.sending = Some(cx.waker().clone());
        let meanwhile = state.while_sending.take();
        drop(state);
        run(meanwhile);
        Poll::Pending
    }
}

/// Runs it to its end on another thread, so that the wakes it causes are not this thread's to put off.
fn run(meanwhile: Option<Meanwhile>) {
    if let Some(meanwhile) = meanwhile {
        let ran = std::thread::spawn(meanwhile).join();
        ran.expect("what happened meanwhile");
    }
}

impl Transport for Script {
    type Error = SharedError;
    type Rx = Half;
    type Tx = Half;

    fn poll_recv(
        &self,
        _: &mut Half,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, SharedError>> {
        let mut state = self.state();
        assert!(!state.end_received, "asked to receive after the end");
        if state.putting_off_receives > 0 {
            state.putting_off_receives -= 1;
            drop(state);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        state.owes |= std::mem::take(&mut state.pings) > 0;
        if let Some(chunk) = state.input.pop_front() {
            return state.ready(|s| &mut s.receiving, Ok(Some(chunk)));
        }
        if state.peer_ended {
            state.end_received = true;
            if state.ends_in_an_error {
                return Poll::Ready(Err(SharedError::new("the runtime is gone")));
            }
            return Poll::Ready(Ok(None));
        }
        state.receiving = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_send(
        &self,
        _: &mut Half,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        let mut state = self.state();
        assert!(!state.finished, "asked to send after the end was signalled");
        if state.putting_off_sends > 0 {
            state.putting_off_sends -= 1;
            drop(state);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // In the buffer inside, it is no longer owed, and still to be flushed.
        if std::mem::take(&mut state.owes) {
            state.inside = Some(Inside::Pong);
        }
        if state.inside.is_some() {
            if !state.drains {
                return self.wait_to_send(state, cx);
            }
            state.pongs += usize::from(state.inside.take() == Some(Inside::Pong));
        }
        if data.is_empty() {
            return state.ready(|s| &mut s.sending, Ok(()));
        }
        if state.room == 0 {
            if state.fails_when_full {
                return Poll::Ready(Err(WriteError::Closed));
            }
            return self.wait_to_send(state, cx);
        }
        let at_once = if state.at_once == 0 {
            usize::MAX
        } else {
            state.at_once
        };
        let count = data.first().len().min(state.room).min(at_once);
        state.sent.extend_from_slice(&data.first()[..count]);
        state.room -= count;
        data.advance(count);
        if data.is_empty() && state.buffers && !state.drains {
            state.inside = Some(Inside::Data);
            return self.wait_to_send(state, cx);
        }
        state.ready(|s| &mut s.sending, Ok(()))
    }

    fn poll_finish(
        &self,
        _: &mut Half,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        let mut state = self.state();
        assert!(!state.finished, "asked to signal the end a second time");
        if state.end_waits && !state.drains {
            state.sending = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.finished = true;
        Poll::Ready(Ok(()))
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        let mut state = self.state();
        if !state.sees_peer_end {
            return Poll::Ready(PeerEnd::Unknown);
        }
        if state.peer_ended {
            return Poll::Ready(PeerEnd::Ended);
        }
        state.ending = Some(cx.waker().clone());
        Poll::Pending
    }

    fn owes(&self) -> bool {
        let meanwhile = self.state().before_parking.take();
        run(meanwhile);
        self.state().owes
    }

    fn abort(&self, torn: bool) {
        self.state()
            .log
            .push(if torn { "torn abort" } else { "abort" });
    }
}

/// The state of one direction, which says when it is dropped.
pub(crate) struct Half {
    script: Script,
    dropped: &'static str,
}

impl Drop for Half {
    fn drop(&mut self) {
        self.script.state().log.push(self.dropped);
    }
}
