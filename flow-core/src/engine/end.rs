//! Abort, drop, and what is handed back of a flow that is taken apart.

use std::sync::Arc;

use super::lines::flag;
use super::read::Receiving;
use super::write::Sending;
use super::{Engine, Inner};
use crate::Transport;
use crate::mutant::mutant;
use crate::section::Section;
use crate::switch::{AbortTarget, Switch, SwitchOff};
use crate::sync::{get_mut, lock, try_lock};

impl<T: Transport> Inner<T> {
    pub(super) fn abort(&self) {
        let _section = Section::enter();
        if self.lines.set(flag::ABORTED) & flag::ABORTED != 0 {
            return;
        }
        // Takes the lines' locks, which orders us with whoever takes them after unlocking: see the rules in `mod.rs`.
        if !mutant!("abort_wakes_nobody") {
            self.lines.wake_all();
        }
        self.release();
    }

    /// Tells the transport, then drops its states, those at least that nobody is using: who does calls this again.
    pub(super) fn release(&self) {
        let sending = try_lock(&self.tx).and_then(|mut tx| {
            let torn = tx.is_torn();
            tx.forget_rest();
            tx.state.take().map(|state| (state, torn))
        });
        if let Some((state, torn)) = sending {
            self.transport.abort(torn);
            self.lines.set(flag::TOLD);
            drop(state);
        }
        // Ordered like a lock that was let go: who comes here after unlocking `rx` sees the flag, or we find it unlocked.
        if self.lines.flags_after_unlock() & flag::TOLD != 0 {
            let receiving = try_lock(&self.rx).and_then(|mut rx| {
                rx.forget_ahead();
                rx.state.take()
            });
            drop(receiving);
        }
    }

    /// The last owner has gone.
    pub(super) fn leave(&self) {
        if !self.lines.has(flag::CLOSED) {
            self.abort();
        }
    }

    /// Works on the receiving direction, and releases it if it was aborted meanwhile.
    pub(super) fn with_rx<R>(&self, work: impl FnOnce(&mut Receiving<T>) -> R) -> R {
        let result = work(&mut lock(&self.rx));
        if self.lines.flags_after_unlock() & flag::ABORTED != 0 {
            self.release();
        }
        result
    }

    /// Works on the sending direction, and releases it if it was aborted meanwhile.
    pub(super) fn with_tx<R>(&self, work: impl FnOnce(&mut Sending<T>) -> R) -> R {
        let result = work(&mut lock(&self.tx));
        if self.lines.flags_after_unlock() & flag::ABORTED != 0 {
            self.release();
        }
        result
    }
}

impl<T> AbortTarget for Inner<T>
where
    T: Transport<Rx: Send, Tx: Send> + Send + Sync,
{
    fn abort_now(&self) {
        self.abort();
    }
}

/// A transport and the states of its directions, out of its engine again.
#[derive(Debug)]
pub struct Parts<T: Transport> {
    /// The transport.
    pub transport: T,
    /// The state of receiving.
    pub rx: T::Rx,
    /// The state of sending.
    pub tx: T::Tx,
}

impl<T: Transport> Engine<T> {
    /// Ties the flow to a switch: turning it off aborts the flow. The switch holds the flow weakly, and a flow may be tied to several.
    ///
    /// # Errors
    ///
    /// The switch is off already. The flow is as it was.
    pub fn attach(&self, switch: &Switch) -> Result<(), SwitchOff<()>>
    where
        T: Transport<Rx: Send, Tx: Send> + Send + Sync + 'static,
    {
        let inner: Arc<dyn AbortTarget> = Arc::<Inner<T>>::clone(&self.inner);
        let attachment = switch.attach(Arc::downgrade(&inner))?;
        let mut attachments = lock(&self.inner.attachments);
        attachments.get_or_insert_default().push(attachment);
        Ok(())
    }

    /// Takes the flow apart, without telling the peer anything.
    ///
    /// # Errors
    ///
    /// The flow comes back if bytes would be lost, or if it is no longer whole: a write that was taken is unfinished or failed, input was
    /// read ahead by a close, or it was aborted.
    pub fn into_parts(self) -> Result<Parts<T>, Self> {
        let _section = Section::enter();
        let inner = Arc::clone(&self.inner);
        let whole = !inner.lines.has(flag::ABORTED | flag::BUSY | flag::FAILED)
            && !inner.transport.owes()
            && inner.with_rx(|rx| rx.has_nothing_ahead());
        if !whole {
            return Err(self);
        }
        drop(lock(&inner.attachments).take());
        // So that dropping `self` does not abort it.
        inner.lines.set(flag::CLOSED);
        drop(self);
        // A switch that is being turned off may hold the flow for a moment, to abort it: closed or not before, that is what it will be.
        let aborted = |inner: Arc<Inner<T>>| {
            inner.lines.clear(flag::CLOSED);
            Self { inner }
        };
        let mut inner = Arc::try_unwrap(inner).map_err(aborted)?;
        let rx = get_mut(&mut inner.rx).state.take();
        let tx = get_mut(&mut inner.tx).state.take();
        match (rx, tx) {
            (Some(rx), Some(tx)) => Ok(Parts {
                transport: inner.transport,
                rx,
                tx,
            }),
            // Aborted by that switch at the last moment.
            _ if mutant!("taken_apart_without_a_last_look") => unreachable!("no longer whole"),
            _ => Err(aborted(Arc::new(inner))),
        }
    }
}
