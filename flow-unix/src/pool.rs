//! Calls that may block, made on the runtime's threads for that.

use std::io::IoSlice;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, read, retry_on_intr};

use crate::kind::Kind;
use crate::source::Source;
use crate::way::{Nothing, READABLE, WRITABLE, is};
use crate::{Error, Readiness, pipe};

/// A call under way. Dropping it lets go of what it will answer; the call itself goes on.
pub(crate) struct Job<T>(Arc<Mutex<State<T>>>);

enum State<T> {
    Running(Option<Waker>),
    Done(Result<T, Error>),
    Taken,
}

/// Tells whoever waits, also where the pool has dropped the job without running it.
struct Report<T> {
    state: Arc<Mutex<State<T>>>,
    answer: Result<T, Error>,
}

impl<T> Report<T> {
    fn finish(mut self, answer: T) {
        self.answer = Ok(answer);
    }
}

impl<T> Drop for Report<T> {
    fn drop(&mut self) {
        let answer = std::mem::replace(&mut self.answer, Err(Error::runtime_gone()));
        let before = std::mem::replace(&mut *lock(&self.state), State::Done(answer));
        if let State::Running(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T: Send + 'static> Job<T> {
    fn start<R: Readiness>(
        runtime: &R::Runtime,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::Running(None)));
        let report = Report {
            state: Arc::clone(&state),
            answer: Err(Error::runtime_gone()),
        };
        let job = Box::new(move || report.finish(work()));
        R::spawn_blocking(runtime, job);
        Self(state)
    }

    /// What the call answered, or that nothing will run it any more. Once only.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        let mut state = lock(&self.0);
        let displaced = match &mut *state {
            State::Running(waker) if waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) => {
                return Poll::Pending;
            }
            State::Running(waker) => waker.replace(cx.waker().clone()),
            State::Done(_) | State::Taken => {
                return match std::mem::replace(&mut *state, State::Taken) {
                    State::Done(answer) => Poll::Ready(answer),
                    _ => Poll::Ready(Err(Error::runtime_gone())),
                };
            }
        };
        drop(state);
        drop(displaced);
        Poll::Pending
    }
}

fn lock<T>(state: &Mutex<State<T>>) -> std::sync::MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a call that reads came to.
pub(crate) enum Read {
    Chunk(Bytes),
    End,
    /// Somebody else was quicker.
    Nothing,
}

/// Reads up to `room` bytes. Of what can be waited for, only what is there.
pub(crate) fn read_from<R: Readiness>(
    runtime: &R::Runtime,
    source: &Source<R>,
    room: usize,
) -> Job<Result<Read, Errno>> {
    let fd = Arc::clone(source.owned());
    let (kind, watched) = (source.kind(), source.is_watched());
    Job::start::<R>(runtime, move || {
        let mut perhaps = false;
        loop {
            if watched && !is(fd.as_fd(), READABLE) {
                return Ok(Read::Nothing);
            }
            let mut buffer = Vec::with_capacity(room);
            match retry_on_intr(|| read(&fd, spare_capacity(&mut buffer))) {
                Ok(0) if perhaps => return Ok(Read::End),
                Ok(0) => match Nothing::of(fd.as_fd(), kind) {
                    Nothing::End => return Ok(Read::End),
                    Nothing::NotYet => return Ok(Read::Nothing),
                    Nothing::Perhaps => perhaps = true,
                },
                Ok(len) if len < room / 4 => {
                    return Ok(Read::Chunk(Bytes::copy_from_slice(&buffer)));
                }
                Ok(_) => return Ok(Read::Chunk(buffer.into())),
                Err(Errno::AGAIN) => return Ok(Read::Nothing),
                Err(errno) => return Err(errno),
            }
        }
    })
}

/// What a call that writes came to: what is left where there was no more room.
pub(crate) type Written = Result<Bytes, Errno>;

/// Writes all of `data`, or, to what can be waited for, as much as there is room for.
pub(crate) fn write_to<R: Readiness>(
    runtime: &R::Runtime,
    source: &Source<R>,
    mut data: Bytes,
) -> Job<Written> {
    let fd = Arc::clone(source.owned());
    let (kind, watched) = (source.kind(), source.is_watched());
    Job::start::<R>(runtime, move || {
        while !data.is_empty() {
            if kind.takes_bytes_for_nobody(fd.as_fd()) {
                return Err(Errno::IO);
            }
            let part = if watched {
                if !is(fd.as_fd(), WRITABLE) {
                    return Ok(data);
                }
                // Also where `O_NONBLOCK` is set: it may go meanwhile, and a thread that waits here would keep the runtime from ending.
                &data[..data.len().min(certain(kind))]
            } else {
                &data[..]
            };
            match pipe::write(fd.as_fd(), &[IoSlice::new(part)]) {
                Ok(0) => return Err(Errno::IO),
                Ok(len) => data.advance(len),
                Err(Errno::AGAIN) => return Ok(data),
                Err(errno) => return Err(errno),
            }
        }
        Ok(data)
    })
}

/// How many bytes are certain not to block once the descriptor is said to be writable, where nobody else writes.
fn certain(kind: Kind) -> usize {
    match kind {
        // One free page, pipe(7).
        Kind::Pipe | Kind::Loop => 4096,
        // A terminal promises no more than that there is some room.
        _ => 1,
    }
}
