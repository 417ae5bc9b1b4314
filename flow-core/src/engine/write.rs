//! Writing: one write at a time is taken, and its rest is sent before anything else, by whoever comes.

use std::task::{Context, Poll};

use super::lines::{Which, flag};
use super::queue::Key;
use super::{ASKS_PER_POLL, Inner, READY_IN_A_ROW};
use crate::mutant::mutant;
use crate::section::{self, Section};
use crate::sync::{lock, try_lock};
use crate::{Chunks, Transport, WriteError, WriteOp};

/// Nothing new can be written.
const OVER: u32 = flag::ABORTED | flag::WRITE_SHUT | flag::FAILED;

/// The sending direction, under its lock.
pub(super) struct Sending<T: Transport> {
    /// `None` once released by an abort.
    pub(super) state: Option<T::Tx>,
    /// In a box, because most writes are sent whole at once.
    taken: Option<Box<Taken>>,
    /// The last write that was taken and is complete. Numbers start at 1.
    done: u64,
    failure: Option<WriteError<T::Error>>,
    /// A write failed of which a part had been sent.
    torn: bool,
    /// An error of the transport that a write consumed, which reading reports in place of a clean end.
    fault: Option<T::Error>,
    finish: Finish,
    /// The transport buffers something that is no write's: it answered pending with nothing left.
    unflushed: bool,
    in_a_row: u32,
}

/// The write that has been taken and is not complete.
struct Taken {
    number: u64,
    /// What is left of it.
    rest: Chunks,
    /// Its operation's place in the line.
    key: Key,
    /// The operation wants back what is left when it fails.
    keeps: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Finish {
    NotWanted,
    Wanted,
    Done,
}

impl<T: Transport> Sending<T> {
    pub(super) fn new(state: T::Tx) -> Self {
        Self {
            state: Some(state),
            taken: None,
            done: 0,
            failure: None,
            torn: false,
            fault: None,
            finish: Finish::NotWanted,
            unflushed: false,
            in_a_row: 0,
        }
    }

    /// Whether a write was cut off: the peer must not take what it got for the whole.
    pub(super) fn is_torn(&self) -> bool {
        self.taken.is_some() || self.torn
    }

    /// Gives up what is left.
    pub(super) fn forget_rest(&mut self) {
        if let Some(taken) = &mut self.taken {
            section::discard(std::mem::take(&mut taken.rest));
        }
    }

    /// What is left of the write of that number, if it is the one that has been taken and is not complete.
    fn rest_of(&mut self, number: u64) -> Option<&mut Chunks> {
        let taken = self.taken.as_mut()?;
        (taken.number == number).then_some(&mut taken.rest)
    }

    /// The last write that a flush waits for.
    fn last(&self) -> u64 {
        self.taken.as_ref().map_or(self.done, |taken| taken.number)
    }
}

impl<T: Transport> Inner<T> {
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        let lines = &self.lines;
        let _section = Section::enter();
        let key = lines.key(op.place());
        if lines.has(flag::DISCARDING) {
            self.discard_input();
        }
        if let Some(number) = op.taken {
            return self.poll_taken(cx, op, key, number);
        }
        if let Some(over) = self.writing_over() {
            op.place().leave();
            return Poll::Ready(Err(over));
        }
        if op.chunks.is_empty() {
            self.attend();
            op.place().leave();
            return Poll::Ready(Ok(()));
        }
        if !lines.write.is_turn(key, cx.waker()) {
            self.attend();
            self.park_write(cx, op);
            return Poll::Pending;
        }
        let sent = self.send(&mut lock(&self.tx), op, key);
        if sent.is_pending() {
            self.park_write(cx, op);
            return Poll::Pending;
        }
        // After unlocking: see the rules in `mod.rs`.
        match key {
            Some(key) => lines.leave_asked(Which::Write, op.place(), key),
            None => lines.write.disarm_and_pass_on(),
        }
        if lines.has(flag::ABORTED) && !mutant!("holder_forgets_the_abort") {
            self.release();
        }
        sent
    }

    /// What a new write answers since writing is over.
    #[inline]
    fn writing_over(&self) -> Option<WriteError<T::Error>> {
        self.lines.has(OVER).then(|| self.why_writing_is_over())
    }

    fn why_writing_is_over(&self) -> WriteError<T::Error> {
        if self.lines.has(flag::ABORTED) {
            return WriteError::Closed;
        }
        let failure = self.with_tx(|tx| tx.failure.clone());
        failure.unwrap_or(WriteError::Closed)
    }

    fn park_write(&self, cx: &mut Context<'_>, op: &mut WriteOp) {
        let lines = &self.lines;
        // Taken in this very poll, it holds a place already.
        let key = lines.key(op.place());
        lines.park(Which::Write, op.place(), key, cx.waker());
        // What ended writing may have woken the line before we were in it; nobody else may be there to discard input.
        let is_over = lines.has(if op.is_taken() {
            flag::ABORTED | flag::FAILED
        } else {
            OVER
        });
        if is_over || self.has_input_to_discard() {
            section::wake(cx.waker().clone());
        }
        if lines.has(flag::ABORTED) {
            self.release();
        }
    }

    /// Offers the bytes of `op` to the transport, after what was taken before.
    fn send(
        &self,
        tx: &mut Sending<T>,
        op: &mut WriteOp,
        key: Option<Key>,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        // Looked at again under the lock: whoever ends writing sets the flag before they lock.
        if self.lines.has(OVER) && !mutant!("shutdown_refuses_late") {
            return Poll::Ready(Err(tx.failure.clone().unwrap_or(WriteError::Closed)));
        }
        if self.has_work() && self.drive(tx, key)?.is_pending() && !mutant!("write_overtakes") {
            return Poll::Pending;
        }
        if tx.in_a_row >= READY_IN_A_ROW {
            // Pending with the line not armed: whoever parks is woken at once.
            tx.in_a_row = 0;
            return Poll::Pending;
        }
        let Some(state) = &mut tx.state else {
            return Poll::Ready(Err(WriteError::Closed));
        };
        // A transport that does not know where they are would find none. What can be had no more is not sent, and nothing of it was.
        if op.chunks.is_outside() && !self.transport.takes(&op.chunks) && !op.chunks.bring_in() {
            return Poll::Ready(Err(WriteError::Closed));
        }
        let mut cx = Context::from_waker(&self.wakers.write);
        let all = op.chunks.len();
        let mut pending = false;
        for _ in 0..ASKS_PER_POLL {
            self.lines.write.arm();
            match self.transport.poll_send(state, &mut cx, &mut op.chunks) {
                Poll::Ready(Ok(())) if op.chunks.is_empty() => {
                    tx.in_a_row += 1;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(())) => {}
                Poll::Pending => {
                    tx.in_a_row = 0;
                    pending = true;
                    break;
                }
                Poll::Ready(Err(e)) => {
                    if op.chunks.len() < all {
                        op.set_taken(tx.done + 1);
                        if !op.keeps {
                            section::discard(std::mem::take(&mut op.chunks));
                        }
                        tx.torn = true;
                    }
                    return Poll::Ready(Err(self.fail(tx, e)));
                }
            }
        }
        if !pending {
            self.lines.write.disarm();
        }
        if op.chunks.len() < all {
            self.take(tx, op, key);
        }
        Poll::Pending
    }

    /// The transport has accepted a part: the rest is the flow's from here on.
    fn take(&self, tx: &mut Sending<T>, op: &mut WriteOp, key: Option<Key>) {
        let number = tx.done + 1;
        let place = self.lines.write.reserve(key);
        if key.is_none() {
            self.lines.hold(Which::Write, op.place(), place);
        }
        op.set_taken(number);
        tx.taken = Some(Box::new(Taken {
            number,
            rest: std::mem::take(&mut op.chunks),
            key: place,
            keeps: op.keeps,
        }));
        self.lines.set(flag::BUSY);
    }

    /// A write that is the flow's already: waits until it is gone.
    fn poll_taken(
        &self,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
        key: Option<Key>,
        number: u64,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        // Taken by another flow, it cannot be continued here.
        let Some(key) = key else {
            return Poll::Ready(Err(WriteError::Closed));
        };
        let sent = {
            let mut tx = lock(&self.tx);
            let result = if tx.done < number {
                self.drive(&mut tx, Some(key))
            } else {
                Poll::Pending
            };
            if tx.done >= number {
                tx.in_a_row += 1;
                Poll::Ready(Ok(()))
            } else {
                // Not sent by anybody any more: it goes back, if it was kept.
                if matches!(result, Poll::Ready(Err(_)))
                    && let Some(rest) = tx.rest_of(number)
                {
                    op.chunks = std::mem::take(rest);
                }
                result
            }
        };
        if sent.is_pending() {
            self.park_write(cx, op);
            return Poll::Pending;
        }
        self.lines.write.disarm();
        op.place().leave();
        if self.lines.has(flag::ABORTED) {
            self.release();
        }
        sent
    }

    /// Goes on with what the write side has to do without new writes: the rest of a taken write, what is owed, the end.
    ///
    /// `me` is the place of the operation that asks, which needs no wake. Ready when nothing is left; the line is then not armed.
    pub(super) fn drive(
        &self,
        tx: &mut Sending<T>,
        me: Option<Key>,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        if let Some(failure) = &tx.failure {
            return Poll::Ready(Err(failure.clone()));
        }
        let Some(state) = &mut tx.state else {
            return Poll::Ready(Err(WriteError::Closed));
        };
        let mut cx = Context::from_waker(&self.wakers.write);
        let mut asked = false;
        for _ in 0..ASKS_PER_POLL {
            let sending = tx.taken.is_some()
                || tx.unflushed
                || (tx.finish != Finish::Done && self.transport.owes());
            if !sending && tx.finish != Finish::Wanted {
                self.lines.clear(flag::BUSY);
                if asked {
                    self.lines.write.disarm();
                    if me.is_none() {
                        self.lines.write.wake_next();
                    }
                    self.lines.close.wake_all();
                }
                return Poll::Ready(Ok(()));
            }
            asked = true;
            self.lines.write.arm();
            let mut nothing = Chunks::new();
            let rest = match &mut tx.taken {
                Some(taken) => &mut taken.rest,
                None => &mut nothing,
            };
            let polled = if sending {
                self.transport.poll_send(state, &mut cx, rest)
            } else {
                self.transport.poll_finish(state, &mut cx)
            };
            let all_sent = rest.is_empty();
            match polled {
                Poll::Pending => {
                    if sending && tx.taken.is_none() && !mutant!("owed_is_not_flushed") {
                        tx.unflushed = true;
                    }
                    self.lines.set(flag::BUSY);
                    return Poll::Pending;
                }
                Poll::Ready(Err(e)) => return Poll::Ready(Err(self.fail(tx, e))),
                Poll::Ready(Ok(())) if !sending => {
                    tx.finish = Finish::Done;
                    self.lines.close.wake_all();
                }
                Poll::Ready(Ok(())) if all_sent => {
                    tx.unflushed = false;
                    if let Some(taken) = tx.taken.take() {
                        tx.done = taken.number;
                        section::discard(taken.rest);
                        if me != Some(taken.key) {
                            self.lines.write.serve(taken.key);
                        }
                        self.lines.close.wake_all();
                    }
                }
                Poll::Ready(Ok(())) => {}
            }
        }
        // The transport is always ready: give the task back, with the line not armed so that whoever parks is woken.
        self.lines.set(flag::BUSY);
        self.lines.write.disarm();
        self.lines.write.wake_next();
        self.lines.close.wake_all();
        Poll::Pending
    }

    /// Whether [`drive`](Self::drive) would do anything while new writes are accepted: asked here so that the ordinary write does not go there.
    /// To be asked under the lock, where the flag tells of the rest of a write and of what is to be flushed.
    #[inline]
    fn has_work(&self) -> bool {
        self.lines.has(flag::BUSY) || self.transport.owes()
    }

    /// Keeps a failure, and wakes everybody whom it concerns.
    fn fail(&self, tx: &mut Sending<T>, error: WriteError<T::Error>) -> WriteError<T::Error> {
        let failure = match error {
            WriteError::Closed => WriteError::Closed,
            // What our own abort has made of the transport is no failure of it.
            WriteError::Transport(_) if self.lines.has(flag::ABORTED) => WriteError::Closed,
            WriteError::Transport(e) => {
                let closed = T::is_closed(&e);
                tx.fault.get_or_insert_with(|| e.clone());
                if closed {
                    WriteError::Closed
                } else {
                    WriteError::Transport(e)
                }
            }
        };
        tx.failure = Some(failure.clone());
        // Only where it is asked for: whoever drops it drops a buffer of its owner's, which must not be under the lock of a layer above.
        let waited_for = |taken: &Taken| taken.keeps && self.lines.write.holds(taken.key);
        if !tx.taken.as_deref().is_some_and(waited_for) {
            tx.forget_rest();
        }
        self.lines.set(flag::FAILED);
        self.lines.clear(flag::BUSY);
        self.lines.write.disarm();
        self.lines.write.wake_all();
        self.lines.close.wake_all();
        failure
    }

    /// The error that a write consumed, for the reader who meets a clean end after it.
    pub(super) fn fault(&self) -> Option<T::Error> {
        self.with_tx(|tx| tx.fault.clone())
    }

    /// From here on new writes are refused; those that wait to be taken learn it.
    pub(super) fn refuse_writes(&self) {
        if self.lines.set(flag::WRITE_SHUT) & flag::WRITE_SHUT == 0 {
            self.lines.write.wake_all();
        }
    }

    /// Sends what was taken, then signals the end.
    pub(super) fn drive_finish(&self) -> Poll<Result<(), WriteError<T::Error>>> {
        self.with_tx(|tx| {
            if tx.finish == Finish::NotWanted {
                tx.finish = Finish::Wanted;
            }
            self.drive(tx, None)
        })
    }

    /// A call that sends nothing of its own does the write side's work, if there is any and nobody is at it just now.
    pub(super) fn attend(&self) {
        if !self.lines.has(flag::BUSY) {
            return;
        }
        match try_lock(&self.tx) {
            Some(mut tx) => drop(self.drive(&mut tx, None)),
            None => return,
        }
        if self.lines.flags_after_unlock() & flag::ABORTED != 0 {
            self.release();
        }
    }

    /// Does the write side's work after waiting for whoever is at it: what has just come to be owed may not be theirs.
    pub(super) fn attend_now(&self) {
        drop(self.with_tx(|tx| self.drive(tx, None)));
    }

    /// Goes on until the last write that had been taken at the first call is complete, and nothing is owed.
    pub(super) fn drive_until(
        &self,
        until: &mut Option<u64>,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        self.with_tx(|tx| {
            let until = *until.get_or_insert(tx.last());
            match self.drive(tx, None) {
                Poll::Pending if tx.done >= until && !tx.unflushed && !self.transport.owes() => {
                    Poll::Ready(Ok(()))
                }
                result => result,
            }
        })
    }
}
