//! The three lines of a flow, what all its parts know of its state, and the wakers that its transport is polled with.

use std::sync::Arc;
use std::task::{Wake, Waker};

use super::line::Line;
use super::queue::Key;
use crate::mutant::mutant;
use crate::sync::{AtomicU32, Ordering};
use crate::{Leave, Place};

/// What is true of a flow. Each but `BUSY`, `DISCARDING` and `READING_AHEAD` stays once set.
pub(super) mod flag {
    /// This side has aborted.
    pub(in super::super) const ABORTED: u32 = 1;
    /// `shutdown(Read)` was called.
    pub(in super::super) const READ_SHUT: u32 = 1 << 1;
    /// Writing is being ended: new writes are refused.
    pub(in super::super) const WRITE_SHUT: u32 = 1 << 2;
    /// A write failed.
    pub(in super::super) const FAILED: u32 = 1 << 3;
    /// The write side has work that goes on without new writes: the rest of a taken write, what is owed, the end.
    pub(in super::super) const BUSY: u32 = 1 << 4;
    /// Input is to be received and thrown away.
    pub(in super::super) const DISCARDING: u32 = 1 << 5;
    /// A close looks for the peer's end by receiving.
    pub(in super::super) const READING_AHEAD: u32 = 1 << 6;
    /// A close has completed.
    pub(in super::super) const CLOSED: u32 = 1 << 7;
    /// The end was received, and nothing waits to be read before it: every read has the same answer.
    pub(in super::super) const READ_ENDED: u32 = 1 << 8;
    /// The transport has been told of the abort.
    pub(in super::super) const TOLD: u32 = 1 << 9;
}

/// Shared by the flow, its operations and the transport's wakers. Holds nothing of the transport, so that an operation
/// of a flow that stays on one thread can be dropped anywhere.
///
/// What an ordinary read needs comes first, and in the order of this text.
#[repr(C)]
pub(super) struct Lines {
    flags: AtomicU32,
    pub(super) read: Line,
    pub(super) write: Line,
    /// flush, shutdown and close: they wait behind nobody, and are all woken when something changes.
    pub(super) close: Line,
}

/// Which line a place is in: the low bits of its key.
#[derive(Clone, Copy)]
pub(super) enum Which {
    Read = 0,
    Write = 1,
    Close = 2,
}

const BITS: u32 = 2;

impl Lines {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            flags: AtomicU32::new(0),
            read: Line::new(),
            write: Line::new(),
            close: Line::of_equals(),
        })
    }

    #[inline]
    pub(super) fn flags(&self) -> u32 {
        self.flags.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn has(&self, flags: u32) -> bool {
        self.flags() & flags != 0
    }

    /// Returns the flags as they were.
    #[inline]
    pub(super) fn set(&self, flags: u32) -> u32 {
        self.flags.fetch_or(flags, Ordering::AcqRel)
    }

    /// The flags, ordered after the unlocking of whatever this thread had locked, as an abort sees it.
    pub(super) fn flags_after_unlock(&self) -> u32 {
        self.flags.fetch_or(0, Ordering::AcqRel)
    }

    #[inline]
    pub(super) fn clear(&self, flags: u32) {
        if self.has(flags) {
            self.flags.fetch_and(!flags, Ordering::AcqRel);
        }
    }

    /// The key that `place` holds in this flow. A place in another flow is left.
    #[inline]
    pub(super) fn key(self: &Arc<Self>, place: &mut Place) -> Option<Key> {
        if !place.is_held() {
            return None;
        }
        match place.key_in(self) {
            Some(key) => Key::new(key >> BITS),
            None => {
                place.leave();
                None
            }
        }
    }

    #[inline]
    pub(super) fn line(&self, which: Which) -> &Line {
        match which {
            Which::Read => &self.read,
            Which::Write => &self.write,
            Which::Close => &self.close,
        }
    }

    /// Parks an operation, which holds `key` if it has parked before, in a line.
    #[inline(always)]
    pub(super) fn park(
        self: &Arc<Self>,
        which: Which,
        place: &mut Place,
        key: Option<Key>,
        waker: &Waker,
    ) {
        let parked = self.line(which).park(key, waker);
        if key.is_none() {
            self.hold(which, place, parked);
        }
    }

    /// The transport answered the operation that holds `key` with something else than pending: the line is disarmed and left.
    #[inline(always)]
    pub(super) fn leave_asked(&self, which: Which, place: &mut Place, key: Key) {
        place.forget();
        let woken = self.line(which).leave_asked(key);
        self.left(woken);
    }

    /// Notes in `place` that it holds `key`.
    #[inline]
    pub(super) fn hold(self: &Arc<Self>, which: Which, place: &mut Place, key: Key) {
        place.hold(Arc::<Self>::clone(self), key.get() << BITS | which as u64);
    }

    /// Whether the write side has work, and no wake of the transport will make anybody go on with it.
    #[inline]
    pub(super) fn is_unattended(&self) -> bool {
        self.has(flag::BUSY) && !self.write.is_armed()
    }

    /// The transport may be able to send: the write whose turn it is goes on; where nobody waits, a parked read does the work.
    fn write_event(&self) {
        let mut attended = self.write.fire();
        attended |= !self.close.is_empty() && self.close.wake_all();
        if !attended && self.has(flag::BUSY) && !mutant!("reader_does_not_drive") {
            self.read.wake_next();
        }
    }

    /// The transport may have received: the read whose turn it is goes on, and whoever reads for another reason.
    fn read_event(&self) {
        self.read.fire();
        let flags = self.flags();
        let waking = !mutant!("reading_ahead_wakes_nobody");
        if flags & (flag::DISCARDING | flag::READING_AHEAD) != 0 && waking {
            self.close.wake_all();
        }
        if flags & flag::DISCARDING != 0 {
            self.write.wake_next();
        }
    }

    /// The transport may know that the peer has ended.
    fn peer_event(&self) {
        self.close.wake_all();
    }

    /// Wakes everything that waits.
    pub(super) fn wake_all(&self) {
        self.read.wake_all();
        self.write.wake_all();
        self.close.wake_all();
    }
}

impl Leave for Lines {
    fn leave(&self, key: u64) {
        let line = match key & ((1 << BITS) - 1) {
            0 => &self.read,
            1 => &self.write,
            _ => &self.close,
        };
        let woken = Key::new(key >> BITS).is_some_and(|key| line.leave(key));
        self.left(woken);
    }
}

impl Lines {
    /// After somebody has left a line: `woken` says whether somebody there was woken in their stead.
    #[inline]
    fn left(&self, woken: bool) {
        if !self.has(flag::DISCARDING | flag::BUSY) {
            return;
        }
        if self.has(flag::DISCARDING) && !self.read.is_armed() {
            self.write.wake_next();
        }
        // Who leaves may have been the one to go on with what is under way on the write side.
        if !woken && self.is_unattended() && !mutant!("leave_ends_the_work") {
            self.read.wake_next();
        }
    }
}

/// The transport's waker for receiving. It is the lines themselves, because this one is used most: there is nothing in between to look up.
impl Wake for Lines {
    fn wake(self: Arc<Self>) {
        self.read_event();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.read_event();
    }
}

macro_rules! signals {
    ($($name:ident => $event:ident;)*) => {$(
        struct $name(Arc<Lines>);

        impl Wake for $name {
            fn wake(self: Arc<Self>) {
                self.0.$event();
            }

            fn wake_by_ref(self: &Arc<Self>) {
                self.0.$event();
            }
        }
    )*};
}

signals! {
    WriteSignal => write_event;
    PeerSignal => peer_event;
}

/// The wakers that the transport is polled with, one per direction, always the same.
pub(super) struct Wakers {
    pub(super) read: Waker,
    pub(super) write: Waker,
}

impl Wakers {
    pub(super) fn new(lines: &Arc<Lines>) -> Self {
        Self {
            read: Arc::clone(lines).into(),
            write: Arc::new(WriteSignal(Arc::clone(lines))).into(),
        }
    }
}

/// The waker that the transport is asked for the peer's end with. To be made once, when a close first needs it: most flows have none most of the time.
pub(super) fn peer_waker(lines: &Arc<Lines>) -> Waker {
    Arc::new(PeerSignal(Arc::clone(lines))).into()
}
