//! A call under way in a script, and the task that it is in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use flow_core::future::{Close, Flush, Read, Shutdown as ShutdownFuture, Write};
use flow_core::{Bytes, Chunks, Flow, Shutdown, WriteError};

use crate::row::Wakers;

/// What a call is, for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    /// The write of this number.
    Write(usize),
    Nothing,
    /// Begun when so many writes had been made up to the last that was taken.
    Flush(usize),
    Shutdown(Shutdown),
    Close,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("a read"),
            Self::Write(number) => write!(f, "write {}", number + 1),
            Self::Nothing => f.write_str("an empty write"),
            Self::Flush(_) => f.write_str("a flush"),
            Self::Shutdown(how) => write!(f, "shutdown({how:?})"),
            Self::Close => f.write_str("a close"),
        }
    }
}

/// What a call answered.
#[derive(Debug)]
pub(super) enum Answer {
    Read(Result<Option<Bytes>, String>),
    Done(Result<(), Refusal>),
}

/// As `{:?}` prints the result itself.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(Ok(chunk)) => {
                let chunk = chunk.as_ref().map(|chunk| chunk.to_vec());
                write!(f, "Ok({chunk:?})")
            }
            Self::Read(Err(e)) | Self::Done(Err(Refusal::Other(e))) => write!(f, "Err({e})"),
            Self::Done(Ok(())) => f.write_str("Ok(())"),
            Self::Done(Err(Refusal::Closed)) => f.write_str("Err(Closed)"),
        }
    }
}

/// Why a call on the write side failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Closed,
    Other(String),
}

pub(super) enum Pending<'f, F: Flow> {
    Read(Read<'f, F>),
    Write(Write<'f, F>),
    Flush(Flush<'f, F>),
    Shutdown(ShutdownFuture<'f, F>),
    Close(Close<'f, F>),
}

fn done<T, E: fmt::Debug>(result: Result<T, WriteError<E>>) -> Answer {
    Answer::Done(result.map(drop).map_err(|e| match e {
        WriteError::Closed => Refusal::Closed,
        other => Refusal::Other(format!("{other:?}")),
    }))
}

impl<F: Flow> Pending<'_, F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        match self {
            Self::Read(call) => Pin::new(call)
                .poll(cx)
                .map(|result| Answer::Read(result.map_err(|e| format!("{e:?}")))),
            Self::Write(call) => Pin::new(call).poll(cx).map(done),
            Self::Flush(call) => Pin::new(call).poll(cx).map(done),
            Self::Shutdown(call) => Pin::new(call).poll(cx).map(done),
            Self::Close(call) => Pin::new(call).poll(cx).map(done),
        }
    }
}

/// A waker that remembers when it was first woken, in the order of all wakes of a run.
#[derive(Debug, Default)]
struct Alarm {
    clock: Arc<AtomicUsize>,
    /// 0 for never.
    at: AtomicUsize,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let now = self.clock.fetch_add(1, Ordering::SeqCst) + 1;
        let _ = self
            .at
            .compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// A call in a task of its own: each poll has a waker of its own, of which only the latest counts, or all have the same.
pub(super) struct Call<'f, F: Flow> {
    pub(super) id: usize,
    pub(super) kind: Kind,
    pending: Pending<'f, F>,
    /// `None` before the first poll.
    alarm: Option<Arc<Alarm>>,
}

impl<'f, F: Flow> Call<'f, F> {
    pub(super) fn new(id: usize, kind: Kind, pending: Pending<'f, F>) -> Self {
        Self {
            id,
            kind,
            pending,
            alarm: None,
        }
    }

    pub(super) fn poll(&mut self, clock: &Arc<AtomicUsize>, wakers: Wakers) -> Poll<Answer> {
        match (wakers, &self.alarm) {
            (Wakers::Same, Some(alarm)) => alarm.at.store(0, Ordering::SeqCst),
            _ => self.alarm = None,
        }
        let alarm = self.alarm.get_or_insert_with(|| {
            Arc::new(Alarm {
                clock: Arc::clone(clock),
                at: AtomicUsize::new(0),
            })
        });
        let waker = Waker::from(Arc::clone(alarm));
        self.pending.poll(&mut Context::from_waker(&waker))
    }

    /// When it was woken, if it was.
    pub(super) fn woken(&self) -> Option<usize> {
        let at = self.alarm.as_ref()?.at.load(Ordering::SeqCst);
        (at > 0).then_some(at)
    }

    /// The number of the write, and whether the flow has taken it.
    pub(super) fn taken(&self) -> Option<(usize, bool)> {
        match (&self.pending, self.kind) {
            (Pending::Write(call), Kind::Write(number)) => Some((number, call.is_taken())),
            _ => None,
        }
    }

    /// Gives the call up. What comes back of a write.
    pub(super) fn cancel(self) -> Option<Chunks> {
        match self.pending {
            Pending::Write(call) => call.cancel(),
            _ => None,
        }
    }
}
