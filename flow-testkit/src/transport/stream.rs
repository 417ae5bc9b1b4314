//! A stream in memory with quirks, and its far end moved by hand. This file stands in printed programs as well, so it uses nothing of the kit.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use flow_core::{Bytes, Chunks, SharedError, Transport, WriteError};

/// How a stream behaves, within what a stream may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// How many bytes it holds in each direction.
    pub room: usize,
    /// How many bytes it moves at a time; 0 is as many as there are.
    pub at_once: usize,
    /// Each answer that could be given is put off once: pending, and woken at once.
    pub puts_off: bool,
    /// Wakes come late, when the far end delivers them, the newest first.
    pub wakes_late: bool,
}

struct State {
    quirks: Quirks,
    input: VecDeque<u8>,
    output: VecDeque<u8>,
    input_ended: bool,
    output_ended: bool,
    /// The far end has left.
    gone: bool,
    /// It has cut the stream: bytes may be lost, and both directions fail.
    cut: bool,
    reading: Option<Waker>,
    writing: Option<Waker>,
    /// Wakes that are under way.
    due: Vec<Waker>,
    read_was_put_off: bool,
    write_was_put_off: bool,
}

impl State {
    fn part(&self, most: usize) -> usize {
        match self.quirks.at_once {
            0 => most,
            at_once => most.min(at_once),
        }
    }
}

fn put_off(was_put_off: &mut bool, cx: &Context<'_>) -> bool {
    *was_put_off = !*was_put_off;
    if *was_put_off {
        cx.waker().wake_by_ref();
    }
    *was_put_off
}

/// A stream and its far end.
#[must_use]
pub fn stream(quirks: Quirks) -> (Stream, Far) {
    let state = Arc::new(Mutex::new(State {
        quirks,
        input: VecDeque::new(),
        output: VecDeque::new(),
        input_ended: false,
        output_ended: false,
        gone: false,
        cut: false,
        reading: None,
        writing: None,
        due: Vec::new(),
        read_was_put_off: false,
        write_was_put_off: false,
    }));
    (Stream(Arc::clone(&state)), Far(state))
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Far {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Far").finish_non_exhaustive()
    }
}

/// Why a stream fails: its far end has cut it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the far end has cut the stream")
    }
}

impl std::error::Error for Cut {}

/// The near end: what a transport is made over. `Engine::new(stream, (), ())` makes a flow of it.
pub struct Stream(Arc<Mutex<State>>);

impl Stream {
    /// Reads at most so many bytes; none is the end. What came before a cut is read before it.
    ///
    /// # Errors
    ///
    /// The stream was cut before its end.
    pub fn poll_read(&self, cx: &mut Context<'_>, most: usize) -> Poll<Result<Vec<u8>, Cut>> {
        let mut state = self.0.lock().unwrap();
        if state.input.is_empty() && !state.input_ended && state.cut {
            return Poll::Ready(Err(Cut));
        }
        if state.input.is_empty() && !state.input_ended {
            state.reading = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.quirks.puts_off && put_off(&mut state.read_was_put_off, cx) {
            return Poll::Pending;
        }
        let count = state.part(most.min(state.input.len()));
        Poll::Ready(Ok(state.input.drain(..count).collect()))
    }

    /// Writes from the front of `data`: how many bytes, or `None` when the far end has left.
    ///
    /// # Errors
    ///
    /// The stream was cut.
    pub fn poll_write(
        &self,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<Option<usize>, Cut>> {
        let mut state = self.0.lock().unwrap();
        if state.cut {
            return Poll::Ready(Err(Cut));
        }
        if state.gone || state.output_ended {
            return Poll::Ready(Ok(None));
        }
        let room = state.quirks.room - state.output.len();
        if room == 0 {
            state.writing = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.quirks.puts_off && put_off(&mut state.write_was_put_off, cx) {
            return Poll::Pending;
        }
        let count = state.part(room.min(data.len()));
        state.output.extend(&data[..count]);
        Poll::Ready(Ok(Some(count)))
    }

    /// Ends writing.
    pub fn end(&self) {
        self.0.lock().unwrap().output_ended = true;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.end();
    }
}

impl Transport for Stream {
    type Error = SharedError;
    type Rx = ();
    type Tx = ();

    fn poll_recv(
        &self,
        (): &mut (),
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, SharedError>> {
        self.poll_read(cx, usize::MAX)
            .map_ok(|bytes| (!bytes.is_empty()).then(|| bytes.into()))
            .map_err(SharedError::new)
    }

    fn poll_send(
        &self,
        (): &mut (),
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        while !data.is_empty() {
            match self.poll_write(cx, data.first()) {
                Poll::Ready(Ok(Some(count))) => data.advance(count),
                Poll::Ready(Ok(None)) => return Poll::Ready(Err(WriteError::Closed)),
                Poll::Ready(Err(cut)) => return Poll::Ready(Err(SharedError::new(cut).into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_finish(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        self.end();
        Poll::Ready(Ok(()))
    }

    fn abort(&self, _: bool) {
        self.end();
    }

    fn is_closed(error: &SharedError) -> bool {
        error.downcast_ref::<Cut>().is_some()
    }
}

/// The far end, moved by hand.
pub struct Far(Arc<Mutex<State>>);

/// What the far end met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Met {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Nothing yet.
    Nothing,
    /// The end.
    End,
}

impl Far {
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.0.lock().unwrap();
        let result = change(&mut state);
        let late = state.quirks.wakes_late;
        drop(state);
        if !late {
            self.deliver();
        }
        result
    }

    /// The same end again.
    #[must_use]
    pub fn handle(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Sends what there is room for; how many bytes.
    pub fn send(&mut self, data: &[u8]) -> usize {
        self.change(|state| {
            let count = data.len().min(state.quirks.room - state.input.len());
            state.input.extend(&data[..count]);
            if count > 0 {
                let woken = state.reading.take();
                state.due.extend(woken);
            }
            count
        })
    }

    /// Receives at most so many bytes.
    pub fn recv(&mut self, most: usize) -> Met {
        self.change(|state| {
            let count = most.min(state.output.len());
            if count == 0 {
                return if state.output_ended && state.output.is_empty() {
                    Met::End
                } else {
                    Met::Nothing
                };
            }
            let woken = state.writing.take();
            state.due.extend(woken);
            Met::Bytes(state.output.drain(..count).collect())
        })
    }

    /// How many bytes wait to be received.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.0.lock().unwrap().output.len()
    }

    /// Ends sending.
    pub fn end(&mut self) {
        self.change(|state| {
            state.input_ended = true;
            let woken = state.reading.take();
            state.due.extend(woken);
        });
    }

    /// Leaves both ways.
    pub fn leave(&mut self) {
        self.end();
        self.change(|state| {
            state.gone = true;
            let woken = state.writing.take();
            state.due.extend(woken);
        });
    }

    /// Cuts the stream both ways. What it has sent can still be read, and then reading fails, unless it had ended.
    pub fn cut(&mut self) {
        self.change(|state| {
            state.gone = true;
            state.cut = true;
            let woken = state.reading.take().into_iter().chain(state.writing.take());
            state.due.extend(woken);
        });
    }

    /// Wakes whom it is time to wake. Whether there was anybody.
    pub fn deliver(&self) -> bool {
        let due = std::mem::take(&mut self.0.lock().unwrap().due);
        let any = !due.is_empty();
        due.into_iter().rev().for_each(Waker::wake);
        any
    }
}
