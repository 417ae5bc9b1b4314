//! A flow that answers what it is told to: every broken flow in one, as far as a wrapper can see.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use flow_checked::Checked;
use flow_core::{Bytes, CloseOp, Flow, FlushOp, ReadOp, Shutdown, ShutdownOp, WriteError, WriteOp};

/// One answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// Pending, and the waker is kept.
    Wait,
    /// Pending, and the waker is dropped.
    WaitDeaf,
    /// Pending, and the one place for a waker is this one's now.
    WaitAlone,
    /// Pending, and woken for nothing.
    Spin,
    Chunk(&'static [u8]),
    End,
    Lost,
    Refused,
    /// `Ok`.
    Done,
    Closed,
    /// Pending; the write is taken.
    Take,
    /// Pending; the write is not taken any more.
    Untake,
    /// Pending; a byte is gone, and the write is not taken.
    Nibble,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ScriptError {
    Lost,
    Refused,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "the line went dead",
            Self::Refused => "nobody there",
        })
    }
}

impl std::error::Error for ScriptError {}

#[derive(Debug, Default)]
pub(crate) struct Script {
    answers: Mutex<VecDeque<Answer>>,
    wakers: Mutex<Vec<Waker>>,
}

impl Script {
    pub(crate) fn new(answers: &[Answer]) -> Self {
        Self {
            answers: Mutex::new(answers.iter().copied().collect()),
            wakers: Mutex::default(),
        }
    }

    /// The next answer, if it is not that the call has to wait.
    fn answer(&self, cx: &Context<'_>) -> Poll<Answer> {
        let mut wakers = self.wakers.lock().unwrap();
        let answer = self.answers.lock().unwrap().pop_front();
        match answer.expect("an answer for this call") {
            Answer::WaitDeaf => return Poll::Pending,
            Answer::WaitAlone => *wakers = vec![cx.waker().clone()],
            Answer::Spin => cx.waker().wake_by_ref(),
            answer @ (Answer::Wait | Answer::Take | Answer::Untake | Answer::Nibble) => {
                wakers.push(cx.waker().clone());
                if !matches!(answer, Answer::Wait) {
                    return Poll::Ready(answer);
                }
            }
            answer => return Poll::Ready(answer),
        }
        Poll::Pending
    }

    fn done(&self, cx: &Context<'_>) -> Poll<Result<(), WriteError<ScriptError>>> {
        self.answer(cx).map(|answer| match answer {
            Answer::Done => Ok(()),
            Answer::Closed => Err(WriteError::Closed),
            Answer::Lost => Err(ScriptError::Lost.into()),
            Answer::Refused => Err(ScriptError::Refused.into()),
            other => panic!("{other:?} is no answer to this call"),
        })
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let left = self.answers.get_mut().unwrap();
        assert!(
            std::thread::panicking() || left.is_empty(),
            "left over: {left:?}"
        );
    }
}

impl Flow for Script {
    type Error = ScriptError;

    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        _: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, ScriptError>> {
        self.answer(cx).map(|answer| match answer {
            Answer::Chunk(bytes) => Ok(Some(Bytes::from_static(bytes))),
            Answer::End => Ok(None),
            Answer::Lost => Err(ScriptError::Lost),
            Answer::Refused => Err(ScriptError::Refused),
            other => panic!("{other:?} is no answer to a read"),
        })
    }

    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> Poll<Result<(), WriteError<ScriptError>>> {
        let next = self.answers.lock().unwrap().front().copied();
        match next {
            Some(Answer::Take) => op.set_taken(1),
            Some(Answer::Untake) => *op = WriteOp::from("again"),
            Some(Answer::Nibble) => op.chunks().advance(1),
            _ => return self.done(cx),
        }
        let _ = self.answer(cx);
        Poll::Pending
    }

    fn poll_flush(
        &self,
        cx: &mut Context<'_>,
        _: &mut FlushOp,
    ) -> Poll<Result<(), WriteError<ScriptError>>> {
        self.done(cx)
    }

    fn poll_shutdown(
        &self,
        cx: &mut Context<'_>,
        _: &mut ShutdownOp,
    ) -> Poll<Result<(), WriteError<ScriptError>>> {
        self.done(cx)
    }

    fn poll_close(
        &self,
        cx: &mut Context<'_>,
        _: &mut CloseOp,
    ) -> Poll<Result<(), WriteError<ScriptError>>> {
        self.done(cx)
    }

    fn abort(&self) {}
}

/// A task that does nothing when woken, and is no other task.
pub(crate) fn task() -> Waker {
    struct Task(#[expect(dead_code, reason = "gives it an address")] u8);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    Waker::from(Arc::new(Task(0)))
}

/// Calls that are polled once, by a task of their own, and dropped.
pub(crate) struct Calls<'a>(pub(crate) &'a Checked<Script>);

impl Calls<'_> {
    pub(crate) fn read(&self) {
        self.read_on(&task(), &mut ReadOp::new());
    }

    pub(crate) fn read_on(&self, task: &Waker, op: &mut ReadOp) {
        let _ = self.0.poll_read(&mut Context::from_waker(task), op);
    }

    pub(crate) fn write(&self, data: &'static str) {
        self.write_on(&mut WriteOp::from(data));
    }

    pub(crate) fn write_on(&self, op: &mut WriteOp) {
        let _ = self.0.poll_write(&mut Context::from_waker(&task()), op);
    }

    pub(crate) fn flush(&self) {
        let mut op = FlushOp::new();
        let _ = self
            .0
            .poll_flush(&mut Context::from_waker(&task()), &mut op);
    }

    pub(crate) fn shutdown(&self, how: Shutdown) {
        let mut op = ShutdownOp::new(how);
        let _ = self
            .0
            .poll_shutdown(&mut Context::from_waker(&task()), &mut op);
    }

    pub(crate) fn close(&self) {
        let mut op = CloseOp::new();
        let _ = self
            .0
            .poll_close(&mut Context::from_waker(&task()), &mut op);
    }

    pub(crate) fn abort(&self) {
        self.0.abort();
    }
}
