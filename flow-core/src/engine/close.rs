//! flush, shutdown and close: they wait behind nobody, and each does itself what it waits for.

use std::cell::Cell;
use std::task::{Context, Poll, ready};

use super::Inner;
use super::lines::{Which, flag, peer_waker};
use crate::mutant::mutant;
use crate::section::{self, Section};
use crate::{CloseOp, FlushOp, PeerEnd, Place, ShutdownOp, Transport, WriteError};

impl<T: Transport> Inner<T> {
    pub(super) fn poll_flush(
        &self,
        cx: &mut Context<'_>,
        op: &mut FlushOp,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        let _section = Section::enter();
        if self.lines.key(&mut op.place).is_none() {
            op.until = None;
        }
        let until = &mut op.until;
        self.wait(cx, &mut op.place, || self.drive_until(until))
    }

    pub(super) fn poll_shutdown(
        &self,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        let _section = Section::enter();
        if self.lines.has(flag::ABORTED) {
            op.place().leave();
            return Poll::Ready(Err(WriteError::Closed));
        }
        let how = op.how();
        if how.is_write()
            && let Err(e) = self.transport.half_close()
        {
            return Poll::Ready(Err(WriteError::Transport(e)));
        }
        if how.is_read() {
            self.shut_reading();
        }
        if !how.is_write() {
            self.attend();
            return Poll::Ready(Ok(()));
        }
        self.refuse_writes();
        self.wait(cx, &mut op.place, || self.drive_finish())
    }

    pub(super) fn poll_close(
        &self,
        cx: &mut Context<'_>,
        op: &mut CloseOp,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        let _section = Section::enter();
        self.refuse_writes();
        // Whether the transport has to be asked again, because it was not asked up to a pending.
        let unasked = Cell::new(false);
        let closed = self.wait(cx, &mut op.place, || {
            unasked.set(false);
            if self.lines.has(flag::CLOSED) {
                return Poll::Ready(Ok(()));
            }
            ready!(self.drive_finish())?;
            let ended = self.peer_has_ended(&unasked);
            // Our own abort makes the transport see an end, and reading fail.
            if self.lines.has(flag::ABORTED) && !mutant!("close_tells_the_abort_as_a_failure") {
                return Poll::Ready(Err(WriteError::Closed));
            }
            if !ended? {
                return Poll::Pending;
            }
            self.lines.set(flag::CLOSED);
            self.lines.close.wake_all();
            Poll::Ready(Ok(()))
        });
        if closed.is_pending() && unasked.get() {
            section::wake(cx.waker().clone());
        }
        closed
    }

    /// Whether the peer has ended, as far as can be told now. What is received on the way is kept for the readers.
    ///
    /// An error that says that the peer is gone is an end too; any other, our runtime's end for one, says nothing of the peer.
    fn peer_has_ended(&self, unasked: &Cell<bool>) -> Result<bool, WriteError<T::Error>> {
        let discarding = self.lines.has(flag::READ_SHUT);
        let known = self.with_rx(|rx| {
            if discarding {
                self.discard(rx);
            }
            rx.peer_has_ended()
        })?;
        if known {
            return Ok(true);
        }
        let waker = self.peer_waker.get_or_init(|| peer_waker(&self.lines));
        let mut cx = Context::from_waker(waker);
        match self.transport.poll_peer_end(&mut cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(PeerEnd::Ended) => {
                self.with_rx(|rx| rx.take_in(&self.transport));
                Ok(true)
            }
            Poll::Ready(PeerEnd::Unknown) if discarding => Ok(false),
            Poll::Ready(PeerEnd::Unknown) => {
                self.lines.set(flag::READING_AHEAD);
                Ok(self.with_rx(|rx| {
                    unasked.set(self.read_ahead(rx));
                    rx.peer_has_ended()
                })?)
            }
        }
    }

    /// Does `step`, and waits in the line of those who wait behind nobody until it is ready.
    fn wait(
        &self,
        cx: &mut Context<'_>,
        place: &mut Place,
        mut step: impl FnMut() -> Poll<Result<(), WriteError<T::Error>>>,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        let lines = &self.lines;
        let key = lines.key(place);
        self.discard_input();
        let mut result = self.unless_aborted(&mut step);
        if result.is_pending() && !mutant!("close_parks_late") {
            // What happens from here on wakes us, so what happened until here is looked for once more.
            lines.park(Which::Close, place, key, cx.waker());
            result = self.unless_aborted(&mut step);
        } else if result.is_pending() {
            lines.park(Which::Close, place, key, cx.waker());
        }
        if result.is_ready() {
            place.leave();
        } else if self.has_input_to_discard() || lines.is_unattended() {
            section::wake(cx.waker().clone());
        }
        result
    }

    fn unless_aborted(
        &self,
        step: &mut impl FnMut() -> Poll<Result<(), WriteError<T::Error>>>,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        if self.lines.has(flag::ABORTED) {
            return Poll::Ready(Err(WriteError::Closed));
        }
        step()
    }
}
