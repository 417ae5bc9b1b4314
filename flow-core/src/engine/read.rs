//! Reading: what was read ahead, then what the transport receives, then an end that stays.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::lines::{Which, flag};
use super::queue::Key;
use super::{ASKS_PER_POLL, Inner, READY_IN_A_ROW};
use crate::mutant::mutant;
use crate::section::{self, Section};
use crate::sync::lock;
use crate::{Aborted, Chunks, ReadOp, Transport};

/// How much a close may hold that nobody has read: it asks for more only up to this, to see an end that is next. Under the model
/// checker one byte, so that models get there.
const AHEAD: usize = if cfg!(loom) { 1 } else { 64 * 1024 };

/// This side has ended reading.
const OVER: u32 = flag::ABORTED | flag::READ_SHUT;

/// The receiving direction, under its lock.
pub(super) struct Receiving<T: Transport> {
    /// `None` once released by an abort.
    pub(super) state: Option<T::Rx>,
    /// Received by a close that looked for the peer's end, not read yet. Never empty: few flows ever have any.
    ahead: Option<Box<Ahead>>,
    end: Option<End<T::Error>>,
    in_a_row: u32,
}

#[derive(Default)]
struct Ahead {
    chunks: VecDeque<Bytes>,
    len: usize,
}

#[derive(Clone)]
enum End<E> {
    Peer,
    Error(E),
}

impl<E> From<End<E>> for Result<Option<Bytes>, E> {
    fn from(end: End<E>) -> Self {
        match end {
            End::Peer => Ok(None),
            End::Error(e) => Err(e),
        }
    }
}

impl<T: Transport> Receiving<T> {
    pub(super) fn new(state: T::Rx) -> Self {
        Self {
            state: Some(state),
            ahead: None,
            end: None,
            in_a_row: 0,
        }
    }

    /// Whether the peer's end, or an error, has been received.
    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Whether the peer's end has been received. Its being gone is an end.
    pub(super) fn peer_has_ended(&self) -> Result<bool, T::Error> {
        match &self.end {
            None => Ok(false),
            Some(End::Error(e)) if !T::is_closed(e) => Err(e.clone()),
            Some(_) => Ok(true),
        }
    }

    /// Whether a close has read nothing ahead that is still to be read.
    pub(super) fn has_nothing_ahead(&self) -> bool {
        self.ahead.is_none()
    }

    fn ahead_len(&self) -> usize {
        self.ahead.as_ref().map_or(0, |ahead| ahead.len)
    }

    fn keep_ahead(&mut self, chunk: Bytes) {
        let ahead = self.ahead.get_or_insert_default();
        ahead.len += chunk.len();
        ahead.chunks.push_back(chunk);
    }

    /// What was read ahead first.
    fn next_ahead(&mut self) -> Option<Bytes> {
        let ahead = self.ahead.as_mut()?;
        let chunk = ahead.chunks.pop_front()?;
        ahead.len -= chunk.len();
        if ahead.chunks.is_empty() {
            self.ahead = None;
        }
        Some(chunk)
    }

    /// The peer has ended: what is on the way is taken in.
    pub(super) fn take_in(&mut self, transport: &T) {
        if let Some(state) = &mut self.state
            && self.end.is_none()
        {
            transport.take_in(state);
        }
    }

    /// Throws away what was read ahead.
    pub(super) fn forget_ahead(&mut self) {
        if let Some(ahead) = self.ahead.take() {
            section::discard_all(ahead.chunks);
        }
    }
}

impl<T: Transport> Inner<T> {
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, T::Error>> {
        let lines = &self.lines;
        let _section = Section::enter();
        let key = lines.key(op.place());
        if lines.has(flag::BUSY | OVER) {
            self.attend();
            if let Some(over) = self.reading_over() {
                op.place().leave();
                return Poll::Ready(over);
            }
        }
        if !lines.read.is_turn(key, cx.waker()) && !lines.has(flag::READ_ENDED) {
            self.park_read(cx, op, key);
            return Poll::Pending;
        }
        let received = self.receive(&mut lock(&self.rx));
        if received.is_pending() {
            self.settle_owed();
            self.park_read(cx, op, key);
            return Poll::Pending;
        }
        // After unlocking: see the rules in `mod.rs`.
        match key {
            Some(key) => lines.leave_asked(Which::Read, op.place(), key),
            None => lines.read.disarm_and_pass_on(),
        }
        if lines.has(flag::READING_AHEAD | flag::ABORTED) {
            if lines.has(flag::READING_AHEAD) {
                lines.close.wake_all();
            }
            if lines.has(flag::ABORTED) && !mutant!("reader_forgets_the_abort") {
                self.release();
            }
        }
        self.settle_owed();
        received
    }

    /// A read of what has arrived that leaves it outside of memory. `None` leaves everything as it was, for `poll_read` to go on.
    pub(super) fn read_direct(&self, cx: &mut Context<'_>, op: &mut ReadOp) -> Option<Chunks> {
        let lines = &self.lines;
        let _section = Section::enter();
        let key = lines.key(op.place());
        if !lines.read.is_turn(key, cx.waker()) {
            return None;
        }
        self.attend();
        let received = self.with_rx(|rx| self.receive_direct(rx));
        if received.is_some() {
            // After unlocking: see the rules in `mod.rs`.
            match key {
                Some(key) => lines.leave_asked(Which::Read, op.place(), key),
                None => lines.read.disarm_and_pass_on(),
            }
            if lines.has(flag::READING_AHEAD) {
                lines.close.wake_all();
            }
        }
        self.settle_owed();
        received
    }

    /// What the transport has, if nothing else comes first.
    fn receive_direct(&self, rx: &mut Receiving<T>) -> Option<Chunks> {
        let next = self.reading_over().is_none()
            && rx.in_a_row < READY_IN_A_ROW
            && rx.has_nothing_ahead()
            && !rx.has_ended();
        if !next {
            return None;
        }
        let received = self.transport.recv_direct(rx.state.as_mut()?)?;
        rx.in_a_row += 1;
        (!received.is_empty()).then_some(received)
    }

    /// What every read answers since this side has ended reading.
    #[inline]
    fn reading_over(&self) -> Option<Result<Option<Bytes>, T::Error>> {
        match self.lines.flags() & OVER {
            0 => None,
            flags if flags & flag::ABORTED != 0 => Some(Err(Aborted.into())),
            _ => Some(Ok(None)),
        }
    }

    #[inline(always)]
    fn park_read(&self, cx: &mut Context<'_>, op: &mut ReadOp, key: Option<Key>) {
        let lines = &self.lines;
        lines.park(Which::Read, op.place(), key, cx.waker());
        if !lines.has(flag::READ_ENDED | flag::BUSY | OVER) {
            return;
        }
        // What ended reading may have woken the line before we were in it; the write side may have nobody else.
        if lines.has(flag::READ_ENDED | OVER) || lines.is_unattended() {
            section::wake(cx.waker().clone());
        }
        if lines.has(flag::ABORTED) && !mutant!("reader_forgets_the_abort") {
            self.release();
        }
    }

    /// The next chunk, or the end.
    #[inline(always)]
    fn receive(&self, rx: &mut Receiving<T>) -> Poll<Result<Option<Bytes>, T::Error>> {
        if let Some(over) = self.reading_over() {
            return Poll::Ready(over);
        }
        if rx.in_a_row >= READY_IN_A_ROW {
            // Pending with the line not armed: whoever parks is woken at once.
            rx.in_a_row = 0;
            self.lines.read.disarm();
            return Poll::Pending;
        }
        if rx.ahead.is_some()
            && let Some(chunk) = rx.next_ahead()
        {
            rx.in_a_row += 1;
            self.note_end(rx);
            // A close that stopped because we held too much goes on.
            self.lines.close.wake_all();
            return Poll::Ready(Ok(Some(chunk)));
        }
        self.ask_here(rx)
    }

    fn ask(&self, rx: &mut Receiving<T>) -> Poll<Result<Option<Bytes>, T::Error>> {
        self.ask_here(rx)
    }

    /// Asks the transport. An end is kept, and told to those who wait for it.
    #[inline(always)]
    fn ask_here(&self, rx: &mut Receiving<T>) -> Poll<Result<Option<Bytes>, T::Error>> {
        if let Some(end) = &rx.end {
            return Poll::Ready(end.clone().into());
        }
        let Some(state) = &mut rx.state else {
            return Poll::Ready(Err(Aborted.into()));
        };
        let mut cx = Context::from_waker(&self.wakers.read);
        for _ in 0..ASKS_PER_POLL {
            self.lines.read.arm();
            let end = match self.transport.poll_recv(state, &mut cx) {
                Poll::Pending => {
                    rx.in_a_row = 0;
                    return Poll::Pending;
                }
                // An empty chunk is nothing, and never the end.
                Poll::Ready(Ok(Some(chunk))) if chunk.is_empty() => {
                    section::discard(chunk);
                    continue;
                }
                Poll::Ready(Ok(Some(chunk))) => {
                    rx.in_a_row += 1;
                    return Poll::Ready(Ok(Some(chunk)));
                }
                // Our own abort makes the transport see an end.
                Poll::Ready(_) if self.lines.has(flag::ABORTED) => End::Error(Aborted.into()),
                Poll::Ready(Err(e)) => End::Error(e),
                // A write may have consumed the error that cut the peer's bytes off.
                Poll::Ready(Ok(None)) => match self.fault() {
                    Some(e) => End::Error(e),
                    None => End::Peer,
                },
            };
            rx.end = Some(end.clone());
            self.lines.clear(flag::DISCARDING | flag::READING_AHEAD);
            self.lines.read.disarm();
            self.note_end(rx);
            self.lines.close.wake_all();
            return Poll::Ready(end.into());
        }
        self.lines.read.disarm();
        Poll::Pending
    }

    /// Where the end is next, it is everybody's answer, and nobody has to wait for their turn.
    fn note_end(&self, rx: &Receiving<T>) {
        if rx.has_ended() && rx.has_nothing_ahead() {
            self.lines.set(flag::READ_ENDED);
            self.lines.read.wake_all();
        }
    }

    /// Receives for a close that looks for the peer's end, and keeps what comes for the readers. Whether the transport has to be
    /// asked again, because it was not asked up to a pending.
    pub(super) fn read_ahead(&self, rx: &mut Receiving<T>) -> bool {
        let mut unasked = true;
        for _ in 0..ASKS_PER_POLL {
            if rx.has_ended() || rx.ahead_len() > AHEAD {
                unasked = false;
                break;
            }
            match self.ask(rx) {
                Poll::Ready(Ok(Some(chunk))) => {
                    self.lines.read.disarm();
                    rx.keep_ahead(chunk);
                }
                Poll::Ready(_) => {}
                Poll::Pending => {
                    unasked = !self.lines.read.is_armed();
                    break;
                }
            }
        }
        // While anything is held for the readers the line is not armed: the transport's wake is not what they wait for.
        if !rx.has_nothing_ahead() && !mutant!("read_ahead_leaves_the_line_armed") {
            self.lines.read.disarm();
            self.lines.read.wake_next();
        }
        unasked
    }

    /// Receives and throws away, after `shutdown(Read)`.
    pub(super) fn discard(&self, rx: &mut Receiving<T>) {
        rx.forget_ahead();
        for _ in 0..ASKS_PER_POLL {
            if rx.has_ended() {
                break;
            }
            match self.ask(rx) {
                Poll::Ready(Ok(Some(chunk))) => {
                    section::discard(chunk);
                    self.lines.read.disarm();
                }
                Poll::Ready(_) | Poll::Pending => break,
            }
        }
    }

    /// Whatever call comes after `shutdown(Read)` keeps input from piling up at a peer that sends before it reads.
    pub(super) fn discard_input(&self) {
        if self.lines.has(flag::DISCARDING) {
            self.with_rx(|rx| self.discard(rx));
            self.pass_discarding_on();
        }
    }

    /// Stopped before the transport answered pending: whoever is parked on the discarding goes on.
    fn pass_discarding_on(&self) {
        if self.has_input_to_discard() && !mutant!("discarding_is_not_passed_on") {
            self.lines.close.wake_all();
            self.lines.write.wake_next();
        }
    }

    /// Whether input is to be discarded and the transport has to be asked for it.
    pub(super) fn has_input_to_discard(&self) -> bool {
        self.lines.has(flag::DISCARDING) && !self.lines.read.is_armed()
    }

    pub(super) fn shut_reading(&self) {
        if self.lines.set(flag::READ_SHUT) & flag::READ_SHUT == 0 {
            self.lines.read.wake_all();
            self.with_rx(|rx| {
                if !rx.has_ended() {
                    self.lines.set(flag::DISCARDING);
                }
                self.discard(rx);
            });
            self.pass_discarding_on();
            self.settle_owed();
        }
    }

    /// What receiving left to be sent is sent.
    fn settle_owed(&self) {
        if self.transport.owes() {
            self.attend_now();
        }
    }
}
