//! One law run on one flow: making links, waiting under the watchdog, settling, and the moves that most laws share.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use flow_core::future::{Read, Write};
use flow_core::{Bytes, Flow, FlowExt, WriteError};

use crate::census::Census;
use crate::harness::{Harness, Link, Room, Shared};
use crate::journal::Journal;
use crate::moves::{BOUND, MUCH, pull, push};
use crate::pattern::{Feed, Tape};
use crate::peer::{Peer, Recv};
use crate::row::Row;
use crate::step::{Counter, Step};

/// A law being run on a flow.
pub struct Case<H: Harness> {
    harness: H,
    row: Row,
    alone: bool,
    watchdog: Duration,
    journal: Arc<Journal>,
    /// The one task that all calls are made by, where there is one.
    task: Arc<Counter>,
    /// Tasks that lived on the runtime before the law.
    tasks: usize,
    /// A link of its own, made on first use, that tells when earlier events have been delivered.
    fence: RefCell<Option<Link<H::Flow>>>,
}

impl<H: Harness> Case<H> {
    pub(crate) fn new(
        harness: H,
        row: Row,
        alone: bool,
        watchdog: Duration,
        journal: Arc<Journal>,
    ) -> Self {
        row.end.begin();
        Self {
            row,
            alone,
            watchdog,
            task: Arc::new(Counter::noting("the task", Some(Arc::clone(&journal)))),
            journal,
            tasks: harness.tasks(),
            fence: RefCell::new(None),
            harness,
        }
    }

    /// The law is over: nothing of it may be left on the runtime.
    pub(crate) fn leave(self) {
        self.without_fence();
        let left = || self.harness.tasks().saturating_sub(self.tasks);
        // A task that was told to end needs turns to do so.
        for _ in 0..1000 {
            if left() == 0 || !self.harness.turn() {
                break;
            }
        }
        assert_eq!(
            left(),
            0,
            "drop_leaves_nothing: tasks are left on the runtime"
        );
    }

    /// The way in which the law is run.
    pub const fn row(&self) -> Row {
        self.row
    }

    pub(crate) const fn task(&self) -> &Arc<Counter> {
        &self.task
    }

    pub(crate) const fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// What the process holds. Only for laws that need to be [alone](crate::Need::Alone).
    ///
    /// # Panics
    ///
    /// If the law is not alone.
    #[track_caller]
    pub fn census(&self) -> Census {
        assert!(self.alone, "this law needs `Alone`");
        Census::take().expect("this law needs `Alone`, which can be had on Linux only")
    }

    /// What makes the flows.
    pub const fn harness(&self) -> &H {
        &self.harness
    }

    pub(crate) const fn watchdog(&self) -> Duration {
        self.watchdog
    }

    /// To be told what moves and what does not, where calls of several kinds take turns.
    pub(crate) fn idle(&self) -> Idle<'_, H> {
        Idle {
            case: self,
            rounds: 0,
            since: Instant::now(),
        }
    }

    /// Says what is being done, for the watchdog's message.
    pub fn at(&self, what: &'static str) {
        self.journal.set(what);
    }

    /// A flow and its far end, with room for what small laws send.
    pub fn link(&self) -> Link<H::Flow> {
        self.harness.enter(|| self.harness.link(Room::Ample))
    }

    /// A flow and its far end, with as little room as there can be.
    pub fn tight(&self) -> Link<H::Flow> {
        self.harness.enter(|| self.harness.link(Room::Tight))
    }

    /// Two connected flows.
    pub fn pair(&self) -> (H::Flow, H::Flow) {
        self.harness.enter(|| self.harness.pair())
    }

    /// A flow for several threads. Only for laws that need threads.
    #[track_caller]
    pub fn shared<'f>(&'f self, flow: &'f H::Flow) -> Shared<'f, H::Flow> {
        let shared = self.harness.shared(flow);
        shared.expect("this law needs `Threads`")
    }

    /// A call, to be polled in a task of its own.
    pub fn step<C: Future + Unpin>(&self, what: &'static str, call: C) -> Step<'_, H, C> {
        Step::new(self, what, call)
    }

    /// Waits until `done`, while `others` go on: told whether any of them moved.
    ///
    /// # Panics
    ///
    /// If nothing will ever happen any more, or the watchdog's time is over.
    #[track_caller]
    pub fn wait(
        &self,
        what: &'static str,
        mut done: impl FnMut() -> bool,
        mut others: impl FnMut() -> bool,
    ) {
        self.at(what);
        let mut last = Instant::now();
        while !done() {
            // The others first: what they do may be what is waited for, and then it needs no turn.
            let moved = others();
            if done() {
                return;
            }
            let turned = self.harness.turn();
            if moved {
                last = Instant::now();
            } else if !turned || self.harness.settle() {
                // What has settled may have given the others something to do.
                if !done() && !others() && !done() {
                    panic!("{what} is asleep: it waits, and nothing will wake it");
                }
                last = Instant::now();
            } else if last.elapsed() > self.watchdog {
                panic!("hang (watchdog) at {what}");
            }
        }
    }

    /// Lets everything happen that happens without further calls.
    ///
    /// For a flow without a reactor there is nothing to do. Otherwise a second flow of the same kind is made readable by its peer and waited
    /// for, twice: events are delivered in order, so those of before are behind us.
    pub fn settle(&self) {
        if self.harness.settle() {
            return;
        }
        for _ in 0..2 {
            if !self.harness.turn() {
                return;
            }
            let mut fence = self.fence.borrow_mut();
            let Link { flow, peer } = fence.get_or_insert_with(|| self.link());
            let mut read = self.step("the kit's own fence", flow.read()).in_own_task();
            if read.poll().is_pending() {
                assert_eq!(peer.send(&[1]), 1, "the kit's own fence is full");
                let _ = read.finish();
            }
        }
    }

    /// The runtime is gone: nothing settles any more.
    pub(crate) fn without_fence(&self) {
        *self.fence.borrow_mut() = None;
    }

    /// Reads once: a chunk, or the end.
    #[track_caller]
    pub fn read<F: Flow>(&self, flow: &F) -> Option<Bytes> {
        self.try_read(flow)
            .unwrap_or_else(|e| panic!("read failed: {e}"))
    }

    /// Reads once.
    ///
    /// # Errors
    ///
    /// The flow's.
    #[track_caller]
    pub fn try_read<F: Flow>(&self, flow: &F) -> Result<Option<Bytes>, F::Error> {
        self.step("a read", flow.read()).finish()
    }

    /// Reads until `tape` has come to `to`.
    #[track_caller]
    pub fn read_up_to<F: Flow>(&self, flow: &F, tape: &mut Tape, to: u64) {
        while tape.at() < to {
            match self.read(flow) {
                Some(chunk) => tape.check(&chunk),
                None => panic!("{} met the end at {} of {to} bytes", tape.who(), tape.at()),
            }
        }
        assert_eq!(
            tape.at(),
            to,
            "{} got more bytes than were sent",
            tape.who()
        );
    }

    /// Reads, and must meet the end.
    #[track_caller]
    pub fn read_end<F: Flow>(&self, flow: &F) {
        match self.try_read(flow) {
            Ok(None) => {}
            Ok(Some(chunk)) => panic!("{} bytes came where the end should be", chunk.len()),
            Err(e) => panic!("the end was reported as an error: {e}"),
        }
    }

    /// Writes, which must succeed.
    #[track_caller]
    pub fn write<F: Flow>(&self, flow: &F, data: Bytes) {
        if let Err(e) = self.try_write(flow, data) {
            panic!("write failed: {e}");
        }
    }

    /// Writes.
    ///
    /// # Errors
    ///
    /// The flow's.
    #[track_caller]
    pub fn try_write<F: Flow>(&self, flow: &F, data: Bytes) -> Result<(), WriteError<F::Error>> {
        self.step("a write", flow.write(data)).finish()
    }

    /// The peer sends the next `len` bytes of `feed`, while nobody polls the flow.
    #[track_caller]
    pub fn send(&self, peer: &mut dyn Peer, feed: &mut Feed, len: usize) {
        let left = Cell::new(len);
        let send = || {
            let sent = push(peer, feed, left.get());
            left.set(left.get() - sent);
            sent > 0
        };
        self.wait("the peer's sending", || left.get() == 0, send);
    }

    /// The peer receives until `tape` has come to `to`, while nobody polls the flow.
    #[track_caller]
    pub fn receive_up_to(&self, peer: &mut dyn Peer, tape: &mut Tape, to: u64) {
        let at = Cell::new(tape.at());
        let drain = || {
            let moved = pull(peer, tape, 64 * 1024);
            at.set(tape.at());
            moved
        };
        self.wait("bytes that should arrive", || at.get() >= to, drain);
        assert_eq!(
            tape.at(),
            to,
            "{} got more bytes than were sent",
            tape.who()
        );
    }

    /// The peer must meet the end next, while nobody polls the flow.
    #[track_caller]
    pub fn receive_end(&self, peer: &mut dyn Peer) {
        match self.receive(peer, "the end that the peer should see") {
            Recv::End => {}
            Recv::Torn => panic!("the peer saw a torn stream instead of the end"),
            other => panic!("the peer got {other:?} instead of the end"),
        }
    }

    /// The peer must meet the end, of whichever kind, after what is on the way, while nobody polls the flow.
    #[track_caller]
    pub fn receive_gone(&self, peer: &mut dyn Peer) {
        while let Recv::Data(_) = self.receive(peer, "the end that the peer should see") {}
    }

    /// Waits until the peer meets anything.
    #[track_caller]
    pub fn receive(&self, peer: &mut dyn Peer, what: &'static str) -> Recv {
        let mut met = Recv::Empty;
        let receive = || {
            met = peer.recv(&mut [0; 1]);
            met != Recv::Empty
        };
        self.wait(what, receive, || false);
        met
    }

    /// Fills a [tight](Self::tight) flow: the write that is left is taken, and not done before the peer has read.
    #[track_caller]
    pub fn park_taken<'c, 'f, F: Flow>(
        &'c self,
        flow: &'f F,
        feed: &mut Feed,
    ) -> Step<'c, H, Write<'f, F>> {
        while feed.at() < BOUND as u64 {
            let mut write = self.step("a large write", flow.write(feed.next(MUCH)));
            match write.poll() {
                Poll::Pending => {
                    // All the room there is must be used up, not only what there was at first.
                    self.settle();
                    if write.poll().is_pending() {
                        assert!(
                            write.call().is_taken(),
                            "an empty flow took nothing of a large write"
                        );
                        return write;
                    }
                }
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(e)) => panic!("write failed: {e}"),
            }
        }
        panic!(
            "no back-pressure: {} bytes were accepted while the peer does not read",
            feed.at()
        );
    }

    /// Finishes a write while the peer receives, and checks that all of `to` bytes arrive.
    #[track_caller]
    pub fn receive_while<F: Flow>(
        &self,
        write: &mut Step<'_, H, Write<'_, F>>,
        peer: &mut dyn Peer,
        tape: &mut Tape,
        to: u64,
    ) {
        let result = write.finish_while(|| pull(peer, tape, MUCH));
        assert!(result.is_ok(), "write failed: {result:?}");
        self.receive_up_to(peer, tape, to);
    }

    /// A flow over this descriptor. Only for laws that need descriptors.
    #[track_caller]
    pub fn over(&self, fd: OwnedFd) -> H::Flow {
        self.harness
            .enter(|| self.harness.over(fd))
            .expect("this law needs `Descriptors`")
    }

    /// A read that waits, after whatever was there has gone to `tape`.
    #[track_caller]
    pub fn park_or_take<'c, 'f, F: Flow>(
        &'c self,
        flow: &'f F,
        tape: &mut Tape,
    ) -> Step<'c, H, Read<'f, F>> {
        loop {
            let mut read = self.step("a parked read", flow.read());
            match read.poll() {
                Poll::Pending => return read,
                Poll::Ready(Ok(Some(chunk))) => tape.check(&chunk),
                Poll::Ready(other) => panic!("a read got {other:?}"),
            }
        }
    }

    /// A read that waits.
    #[track_caller]
    pub fn park_read<'c, 'f, F: Flow>(&'c self, flow: &'f F) -> Step<'c, H, Read<'f, F>> {
        let mut read = self.step("a parked read", flow.read());
        read.park();
        read
    }
}

impl<H: Harness> fmt::Debug for Case<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("row", &self.row)
            .field("journal", &self.journal)
            .finish_non_exhaustive()
    }
}

/// For how long nothing has moved.
pub(crate) struct Idle<'c, H: Harness> {
    case: &'c Case<H>,
    rounds: usize,
    since: Instant,
}

impl<H: Harness> Idle<'_, H> {
    /// One round more, in which something has `moved` or not.
    pub(crate) fn after(&mut self, moved: bool) {
        if moved {
            *self = self.case.idle();
        } else {
            self.rounds += 1;
        }
    }

    /// Whether nothing will move any more: where everything settles at once, after some rounds; else by the watchdog, since a network may be slower
    /// than any number of rounds.
    pub(crate) fn for_good(&self) -> bool {
        self.rounds >= 100
            && (self.case.harness.settle() || self.since.elapsed() > self.case.watchdog)
    }
}
