//! A backend without a runtime, which notes what every attempt answered.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use flow_core::{Engine, FlowExt as _, Payload, WriteError};
use flow_unix::{Attempt, Direction, Error, FdTransport, Interest, Readiness};

/// Attempts once per poll, and answers pending if that would have blocked. Wakes nobody.
#[derive(Debug)]
pub(crate) struct Noting(
    #[expect(dead_code, reason = "keeps the descriptor, as a runtime does")] Arc<OwnedFd>,
);

pub(crate) type NotingFlow = Engine<FdTransport<Noting>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    WouldBlock,
    Maybe,
    Short,
    Drained,
}

thread_local! {
    static NOTES: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
}

impl Readiness for Noting {
    type Runtime = ();

    const WAITS_FIRST: bool = false;

    fn runtime() -> Result<(), Error> {
        Ok(())
    }

    fn register((): &(), fd: Arc<OwnedFd>, _: Interest) -> Result<Self, Error> {
        Ok(Self(fd))
    }

    fn poll_io<T>(
        &self,
        _: Direction,
        _: &mut Context<'_>,
        mut attempt: impl FnMut() -> Attempt<T>,
    ) -> Poll<Result<T, Error>> {
        let (note, polled) = match attempt() {
            Attempt::WouldBlock => (Note::WouldBlock, Poll::Pending),
            Attempt::Maybe(result) => (Note::Maybe, Poll::Ready(Ok(result))),
            Attempt::Short(result) => (Note::Short, Poll::Ready(Ok(result))),
            Attempt::Drained(result) => (Note::Drained, Poll::Ready(Ok(result))),
        };
        NOTES.with_borrow_mut(|notes| notes.push(note));
        polled
    }
}

/// What the attempts since the last call have answered.
#[allow(dead_code, reason = "not all test files look")]
pub(crate) fn notes() -> Vec<Note> {
    NOTES.take()
}

pub(crate) fn flow(fd: impl Into<OwnedFd>) -> NotingFlow {
    flow_unix::connect(fd.into()).unwrap()
}

pub(crate) fn unix() -> (NotingFlow, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (flow(near), far)
}

/// One poll.
pub(crate) fn now<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
    std::pin::pin!(&mut future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Reads what is there.
pub(crate) fn take(flow: &NotingFlow) -> Option<bytes::Bytes> {
    // Twice, because a flow that is always ready yields now and then.
    for _ in 0..2 {
        if let Poll::Ready(result) = now(flow.read()) {
            return result.unwrap();
        }
    }
    panic!("nothing is there")
}

/// Writes what fits.
#[allow(dead_code, reason = "not all test files write")]
pub(crate) fn put(flow: &NotingFlow, data: impl Payload) -> Poll<Result<(), WriteError<Error>>> {
    now(flow.write(data))
}
