//! Flows from async functions: what goes on when a call is dropped, and how often each function is called.

#![cfg(all(feature = "std", not(loom)))]

mod step;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use flow_core::{Bytes, Chunks, Flow, FlowExt, SharedError, Shutdown, WriteError, from_async_fns};
use step::{Wakes, poll, ready};

type Received = Result<Option<Bytes>, SharedError>;
type Sent = Result<(), WriteError<SharedError>>;

/// The far end, by hand: answers for the calls of one function, which wait until there is one.
struct Calls<T> {
    state: Mutex<CallsState<T>>,
}

struct CallsState<T> {
    /// What each call was given, and where its future was when it was first polled.
    given: Vec<Bytes>,
    places: Vec<usize>,
    answers: VecDeque<T>,
    waker: Option<Waker>,
    dropped_unanswered: usize,
}

impl<T> Calls<T> {
    fn new() -> Arc<Self> {
        let state = CallsState {
            given: Vec::new(),
            places: Vec::new(),
            answers: VecDeque::new(),
            waker: None,
            dropped_unanswered: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    fn answer(&self, answer: T) {
        let mut state = self.state.lock().unwrap();
        state.answers.push_back(answer);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    fn call(self: &Arc<Self>, given: Bytes) -> Call<T> {
        self.state.lock().unwrap().given.push(given);
        Call {
            calls: self.clone(),
            polled: Cell::new(false),
            done: Cell::new(false),
            _pinned: PhantomPinned,
        }
    }

    fn count(&self) -> usize {
        self.state.lock().unwrap().given.len()
    }

    fn given(&self) -> Vec<Bytes> {
        self.state.lock().unwrap().given.clone()
    }

    fn dropped_unanswered(&self) -> usize {
        self.state.lock().unwrap().dropped_unanswered
    }
}

/// A call under way, which must not be moved, nor be polled after it was ready.
struct Call<T> {
    calls: Arc<Calls<T>>,
    polled: Cell<bool>,
    done: Cell<bool>,
    _pinned: PhantomPinned,
}

impl<T> Future for Call<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        assert!(!self.done.get(), "polled after it was ready");
        let place = std::ptr::from_ref(&*self).addr();
        let mut state = self.calls.state.lock().unwrap();
        if self.polled.replace(true) {
            assert_eq!(state.places.last(), Some(&place), "moved");
        } else {
            state.places.push(place);
        }
        match state.answers.pop_front() {
            Some(answer) => {
                self.done.set(true);
                Poll::Ready(answer)
            }
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        if !self.done.get() {
            self.calls.state.lock().unwrap().dropped_unanswered += 1;
        }
    }
}

/// The far end of a flow, and the flow.
struct Ends {
    recv: Arc<Calls<Received>>,
    send: Arc<Calls<Sent>>,
    finish: Arc<Calls<Sent>>,
}

impl Ends {
    fn flow() -> (Self, impl Flow<Error = SharedError> + Send + Sync + 'static) {
        let ends = Self {
            recv: Calls::new(),
            send: Calls::new(),
            finish: Calls::new(),
        };
        let (recv, send, finish) = (ends.recv.clone(), ends.send.clone(), ends.finish.clone());
        let flow = from_async_fns(
            move || recv.call(Bytes::new()),
            move |chunk| send.call(chunk),
            move || finish.call(Bytes::new()),
        );
        (ends, flow)
    }
}

fn chunk(data: &'static str) -> Received {
    Ok(Some(Bytes::from_static(data.as_bytes())))
}

/// Buffers of their own.
fn chunks<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> Chunks {
    let copy = |part: T| Bytes::copy_from_slice(part.as_ref().as_bytes());
    parts.into_iter().map(copy).collect()
}

#[test]
fn a_dropped_read_leaves_its_call_to_the_next() {
    let (ends, flow) = Ends::flow();
    let (first, second) = (Wakes::new(), Wakes::new());
    assert_eq!(
        ends.recv.count(),
        0,
        "nothing is called before it is asked for"
    );
    assert!(poll(&first, &mut flow.read()).is_pending());
    ends.recv.answer(chunk("kept"));
    assert_eq!(ends.recv.dropped_unanswered(), 0);
    assert_eq!(ready(flow.read()).unwrap().as_deref(), Some(&b"kept"[..]));
    assert_eq!(ends.recv.count(), 1);

    let mut next = flow.read();
    assert!(poll(&second, &mut next).is_pending());
    ends.recv.answer(chunk("next"));
    assert_eq!((first.take(), second.take()), (0, 1));
    assert_eq!(ready(next).unwrap().as_deref(), Some(&b"next"[..]));
}

#[test]
fn a_dropped_write_is_sent_whole_and_before_the_next() {
    let (ends, flow) = Ends::flow();
    let mut dropped = flow.write_chunks(chunks(["one", "", "two", "three"]));
    assert!(poll(&Wakes::new(), &mut dropped).is_pending());
    assert!(dropped.is_taken());
    drop(dropped);
    let wakes = Wakes::new();
    let mut later = flow.write("four");
    assert!(poll(&wakes, &mut later).is_pending());
    assert!(!later.is_taken());
    for sent in 1..=3 {
        assert_eq!(ends.send.count(), sent);
        ends.send.answer(Ok(()));
        assert!(wakes.take() > 0);
        assert!(poll(&wakes, &mut later).is_pending());
    }
    ends.send.answer(Ok(()));
    ready(later).unwrap();
    assert_eq!(ends.send.given(), ["one", "two", "three", "four"]);
    assert_eq!(ends.send.dropped_unanswered(), 0);
}

#[test]
fn a_read_drives_what_a_dropped_write_left() {
    let (ends, flow) = Ends::flow();
    assert!(
        poll(
            &Wakes::new(),
            &mut flow.write_chunks(chunks(["one", "two"]))
        )
        .is_pending()
    );
    let wakes = Wakes::new();
    let mut read = flow.read();
    assert!(poll(&wakes, &mut read).is_pending());
    ends.send.answer(Ok(()));
    assert!(wakes.take() > 0, "nobody else is there to go on");
    assert!(poll(&wakes, &mut read).is_pending());
    assert_eq!(ends.send.given(), ["one", "two"]);
    ends.send.answer(Ok(()));
    let mut flush = flow.flush();
    assert!(poll(&wakes, &mut flush).is_ready());
}

#[test]
fn a_write_that_was_not_taken_is_never_sent() {
    let (ends, flow) = Ends::flow();
    let mut under_way = flow.write("first");
    assert!(poll(&Wakes::new(), &mut under_way).is_pending());
    let mut waits = flow.write("never");
    assert!(poll(&Wakes::new(), &mut waits).is_pending());
    assert_eq!(waits.cancel().unwrap().first(), b"never");
    ends.send.answer(Ok(()));
    ready(under_way).unwrap();
    ready(flow.flush()).unwrap();
    assert_eq!(ends.send.given(), ["first"]);
}

#[test]
fn receiving_and_sending_go_on_at_the_same_time() {
    let (ends, flow) = Ends::flow();
    let (reader, writer) = (Wakes::new(), Wakes::new());
    let (mut read, mut write) = (flow.read(), flow.write("out"));
    assert!(poll(&reader, &mut read).is_pending());
    assert!(poll(&writer, &mut write).is_pending());
    ends.recv.answer(chunk("in"));
    assert_eq!((reader.take(), writer.take()), (1, 0));
    assert_eq!(ready(read).unwrap().as_deref(), Some(&b"in"[..]));
    ends.send.answer(Ok(()));
    assert_eq!(writer.take(), 1);
    ready(write).unwrap();
}

#[test]
fn the_end_and_errors_are_final_and_nothing_is_called_after_them() {
    let (ends, flow) = Ends::flow();
    ends.recv.answer(chunk(""));
    ends.recv.answer(Ok(None));
    for _ in 0..3 {
        assert_eq!(ready(flow.read()).unwrap(), None);
    }
    assert_eq!(ends.recv.count(), 2, "an empty chunk is skipped");

    let (ends, flow) = Ends::flow();
    ends.recv.answer(Err("cut".into()));
    ends.send.answer(Err(SharedError::from("full").into()));
    for _ in 0..3 {
        assert_eq!(ready(flow.read()).unwrap_err().to_string(), "cut");
        let WriteError::Transport(error) = ready(flow.write("x")).unwrap_err() else {
            panic!("not the error of send");
        };
        assert_eq!(error.to_string(), "full");
        assert!(ready(flow.shutdown(Shutdown::Write)).is_err());
    }
    assert_eq!(
        (ends.recv.count(), ends.send.count(), ends.finish.count()),
        (1, 1, 0)
    );

    let (ends, flow) = Ends::flow();
    ends.send.answer(Err(WriteError::Closed));
    assert!(ready(flow.write("x")).unwrap_err().is_closed());
    assert!(
        poll(&Wakes::new(), &mut flow.read()).is_pending(),
        "reading goes on"
    );
}

#[test]
fn finish_is_called_once_and_after_everything_taken() {
    let (ends, flow) = Ends::flow();
    assert!(poll(&Wakes::new(), &mut flow.write("last words")).is_pending());
    let mut shutdown = flow.shutdown(Shutdown::Write);
    assert!(poll(&Wakes::new(), &mut shutdown).is_pending());
    assert_eq!(ends.finish.count(), 0);
    ends.send.answer(Ok(()));
    assert!(poll(&Wakes::new(), &mut shutdown).is_pending());
    assert_eq!(ends.finish.count(), 1);
    // Dropped and called again, the call under way goes on.
    drop(shutdown);
    assert_eq!(ends.finish.dropped_unanswered(), 0);
    ends.finish.answer(Ok(()));
    ready(flow.shutdown(Shutdown::Write)).unwrap();
    ready(flow.shutdown(Shutdown::Write)).unwrap();
    assert_eq!(ends.finish.count(), 1);
    assert!(ready(flow.write("more")).unwrap_err().is_closed());
}

#[test]
fn close_sees_the_end_behind_unread_chunks() {
    let (ends, flow) = Ends::flow();
    let wakes = Wakes::new();
    let mut close = flow.close();
    ends.finish.answer(Ok(()));
    ends.recv.answer(chunk("unread"));
    assert!(poll(&wakes, &mut close).is_pending());
    ends.recv.answer(Ok(None));
    assert_eq!(wakes.take(), 1);
    ready(close).unwrap();
    assert_eq!(ready(flow.read()).unwrap().as_deref(), Some(&b"unread"[..]));
    assert_eq!(ready(flow.read()).unwrap(), None);
}

#[test]
fn the_futures_of_a_direction_are_made_in_one_place() {
    let (ends, flow) = Ends::flow();
    for _ in 0..10 {
        let mut write = flow.write("x");
        assert!(poll(&Wakes::new(), &mut write).is_pending());
        // Something else in between, that could get the place if it were free.
        let other = Box::new(ends.send.call(Bytes::new()));
        ends.send.answer(Ok(()));
        ready(write).unwrap();
        drop(other);
    }
    let places = ends.send.state.lock().unwrap().places.clone();
    assert_eq!(places.len(), 10);
    assert!(places.iter().all(|p| *p == places[0]), "{places:x?}");
}

#[test]
fn an_abort_drops_the_calls_and_the_functions() {
    let (ends, flow) = Ends::flow();
    let wakes = Wakes::new();
    let (mut read, mut write) = (flow.read(), flow.write("x"));
    assert!(poll(&wakes, &mut read).is_pending());
    assert!(poll(&wakes, &mut write).is_pending());
    flow.abort();
    assert_eq!(wakes.take(), 2);
    assert_eq!(
        (
            ends.recv.dropped_unanswered(),
            ends.send.dropped_unanswered()
        ),
        (1, 1)
    );
    // Ours, and nobody else's: the functions are gone too.
    assert_eq!(Arc::strong_count(&ends.recv), 1);
    assert_eq!(Arc::strong_count(&ends.finish), 1);
    assert!(ready(read).unwrap_err().is_aborted());
    assert!(ready(write).unwrap_err().is_closed());
}

#[test]
fn the_functions_need_not_be_send() {
    let sent = Rc::new(RefCell::new(Vec::new()));
    let to = sent.clone();
    let flow = from_async_fns(
        || async { Ok::<_, SharedError>(None) },
        move |chunk: Bytes| {
            let to = to.clone();
            async move {
                to.borrow_mut().extend_from_slice(&chunk);
                Ok(())
            }
        },
        async || Ok(()),
    );
    ready(flow.write_chunks(chunks(["over ", "there"]))).unwrap();
    ready(flow.close()).unwrap();
    assert_eq!(*sent.borrow(), b"over there");
}
