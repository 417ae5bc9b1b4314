//! A stream whose every call is answered by a step of a script, and waits while there is none.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use flow_core::{Engine, FuturesIoTransport, from_futures_io};
use futures_io::{AsyncRead, AsyncWrite};

use super::step::Wakes;

/// A kind of call with its answers: a count of bytes, or an error.
#[derive(Default)]
pub(crate) struct Answers {
    steps: VecDeque<Result<usize, ErrorKind>>,
    waker: Option<Waker>,
    /// How often it was answered.
    answered: usize,
}

impl Answers {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self.steps.pop_front() {
            Some(step) => {
                self.answered += 1;
                Poll::Ready(step.map_err(Into::into))
            }
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[derive(Default)]
pub(crate) struct State {
    read: Answers,
    write: Answers,
    flush: Answers,
    close: Answers,
    /// What was written, a `|` for each flush and a `.` for each close that was answered.
    sent: Vec<u8>,
    /// How many buffers the last write had.
    pub(crate) bufs: usize,
    pub(crate) dropped: bool,
}

/// The test's side of a stream.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

impl Script {
    /// Adds answers to the calls that `of` names, and wakes whoever waits for one.
    fn answer<const N: usize>(
        &self,
        of: fn(&mut State) -> &mut Answers,
        steps: [Result<usize, ErrorKind>; N],
    ) {
        let waker = {
            let mut state = self.0.lock().unwrap();
            let answers = of(&mut state);
            answers.steps.extend(steps);
            answers.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn read<const N: usize>(&self, steps: [Result<usize, ErrorKind>; N]) {
        self.answer(|s| &mut s.read, steps);
    }

    pub(crate) fn write<const N: usize>(&self, steps: [Result<usize, ErrorKind>; N]) {
        self.answer(|s| &mut s.write, steps);
    }

    pub(crate) fn flush<const N: usize>(&self, steps: [Result<usize, ErrorKind>; N]) {
        self.answer(|s| &mut s.flush, steps);
    }

    pub(crate) fn close<const N: usize>(&self, steps: [Result<usize, ErrorKind>; N]) {
        self.answer(|s| &mut s.close, steps);
    }

    pub(crate) fn with<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.0.lock().unwrap())
    }

    pub(crate) fn sent(&self) -> String {
        self.with(|s| String::from_utf8(s.sent.clone()).unwrap())
    }
}

pub(crate) struct Stream(pub(crate) Script);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().dropped = true;
    }
}

impl AsyncRead for Stream {
    /// Reads that many letters, as far as they fit.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.0.lock().unwrap();
        let answered = state.read.answered;
        state.read.poll(cx).map_ok(|count| {
            let count = count.min(buf.len());
            buf[..count].fill(b'a' + u8::try_from(answered % 26).unwrap());
            count
        })
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.0.lock().unwrap();
        state.bufs = bufs.len();
        state.write.poll(cx).map_ok(|count| {
            let all: Vec<u8> = bufs.iter().flat_map(|b| b.iter().copied()).collect();
            let count = count.min(all.len());
            state.sent.extend_from_slice(&all[..count]);
            count
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.0.lock().unwrap();
        state.flush.poll(cx).map_ok(|_| state.sent.push(b'|'))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.0.lock().unwrap();
        state.close.poll(cx).map_ok(|_| state.sent.push(b'.'))
    }
}

pub(crate) fn scripted() -> (Script, Engine<FuturesIoTransport<Stream>>, Arc<Wakes>) {
    let script = Script::default();
    (
        script.clone(),
        from_futures_io(Stream(script)),
        Wakes::new(),
    )
}
