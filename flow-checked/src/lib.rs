//! A wrapper for debug builds and staging: passes everything on to the flow inside, and reports a broken clause by its id.
//!
//! Depends on the flow's crate and std alone. The files: `event` is what is remembered, `clause` the clauses that can be reported, `rules`
//! what contradicts what, `watch` the part that is only there when asked for, `state` what is beside the flow, `breach` the report.

#![forbid(unsafe_code)]

mod breach;
mod clause;
mod event;
mod rules;
mod state;
mod watch;

use std::fmt;
use std::task::{Context, Poll};

use flow_core::{
    Bytes, CloseOp, Delivered, Direct, Flow, FlushOp, Place, ReadOp, Shutdown, ShutdownOp,
    WriteError, WriteOp,
};

pub use self::breach::Breach;
pub use self::event::Event;
use self::event::{Call, Outcome};
use self::rules::{Answered, Broken, Known};
use self::state::{Core, Report, kind};

/// The clauses that a [`Checked`] can report: id and promise.
pub fn clauses() -> impl Iterator<Item = (&'static str, &'static str)> {
    clause::ALL.iter().map(|clause| (clause.id, clause.promise))
}

/// A flow that is looked at while it is used: a broken clause of the contract is reported by its id, with the last 20 events.
///
/// For debug builds and staging of programs that use a flow, and for tests of a flow that no law covers. It is the flow inside in every
/// way: same answers, same wakes, same operations, `Send` and `Sync` as that one is. [`new`](Self::new) panics at a breach,
/// [`with_report`](Self::with_report) calls a function and goes on. [`clauses`] lists what can be reported.
///
/// # Examples
///
/// A flow that takes up reading again after the end, as a pipe does that gets a new writer:
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use std::task::{Context, Poll, Waker};
///
/// use flow_core::memory::{self, MemoryError};
/// use flow_core::{
///     Bytes, CloseOp, Flow, FlushOp, ReadOp, ShutdownOp, WriteError, WriteOp,
/// };
/// use flow_checked::Checked;
///
/// // In staging: say it, and go on.
/// let breaches = Arc::new(Mutex::new(Vec::new()));
/// let log = Arc::clone(&breaches);
/// let flow = Checked::with_report(TwoStreams::new(), move |breach| {
///     log.lock().unwrap().push(breach.to_string()); // eprintln!("{breach}"), or your logger
/// });
/// let mut cx = Context::from_waker(Waker::noop());
/// while let Poll::Ready(Ok(Some(_))) = flow.poll_read(&mut cx, &mut ReadOp::new()) {}
/// let _ = flow.poll_read(&mut cx, &mut ReadOp::new());
/// let breaches = breaches.lock().unwrap();
/// assert_eq!(breaches.len(), 1);
/// assert!(breaches[0].starts_with("a flow broke the clause `read_end_is_final`"));
/// assert!(breaches[0].ends_with(": a chunk of 6 bytes"));
/// # struct TwoStreams([memory::MemoryFlow; 2], std::sync::atomic::AtomicUsize);
/// # impl TwoStreams {
/// #     fn new() -> Self {
/// #         let flows = ["first", "second"].map(|data| {
/// #             let (flow, mut wire) = memory::with_wire(64);
/// #             wire.send(data.as_bytes());
/// #             wire.end();
/// #             flow
/// #         });
/// #         Self(flows, Default::default())
/// #     }
/// # }
/// # type Done = Poll<Result<(), WriteError<MemoryError>>>;
/// # impl Flow for TwoStreams {
/// #     type Error = MemoryError;
/// #     fn poll_read(&self, cx: &mut Context<'_>, op: &mut ReadOp) -> Poll<Result<Option<Bytes>, MemoryError>> {
/// #         let at = self.1.load(std::sync::atomic::Ordering::SeqCst);
/// #         let read = self.0[at.min(1)].poll_read(cx, op);
/// #         if matches!(read, Poll::Ready(Ok(None))) {
/// #             self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
/// #         }
/// #         read
/// #     }
/// #     fn poll_write(&self, cx: &mut Context<'_>, op: &mut WriteOp) -> Done { self.0[0].poll_write(cx, op) }
/// #     fn poll_flush(&self, cx: &mut Context<'_>, op: &mut FlushOp) -> Done { self.0[0].poll_flush(cx, op) }
/// #     fn poll_shutdown(&self, cx: &mut Context<'_>, op: &mut ShutdownOp) -> Done { self.0[0].poll_shutdown(cx, op) }
/// #     fn poll_close(&self, cx: &mut Context<'_>, op: &mut CloseOp) -> Done { self.0[0].poll_close(cx, op) }
/// #     fn abort(&self) { self.0[0].abort() }
/// # }
/// ```
///
/// In debug builds only, with one type for both:
///
/// ```
/// use flow_core::{BoxFlow, Flow};
/// use flow_checked::Checked;
///
/// fn checked<F: Flow + Send + Sync + 'static>(flow: F) -> BoxFlow<F::Error> {
///     if cfg!(debug_assertions) {
///         Box::new(Checked::new(flow))
///     } else {
///         Box::new(flow)
///     }
/// }
/// # let _ = checked(flow_core::memory::pair(64).0);
/// ```
///
/// # What it can see
///
/// Answers that contradict what was answered before: a chunk after the end, `Ok` after a failed write, a write that is `Ok` after close was
/// first polled, a read that meets the end after `abort`. What is reported is certain, whatever tasks and threads do. A fact counts
/// only against calls that begin when it is known, since calls overlap, and answers may be late. So some breaches are passed over:
///
/// - the end, a chunk or an error that a read gets which was parked before another read met the end or the error;
/// - an error after the end, or a close that is `Closed` after it was `Ok`: a switch may have aborted the flow, which cannot be seen here.
///   [`nobody_else_aborts`](Self::nobody_else_aborts) says that there is no such thing;
/// - writes after a `shutdown(Write)` that is pending, and answers to writes that had been taken;
/// - an error of another kind, once: an abort is one. Kinds are told apart by the variant, so an error that is no enum has one kind.
///
/// It does not see the peer, so whether the bytes are right, or a wait has a reason, is for the laws. Nor does it see calls on
/// [`inner`](Self::inner): attaching the flow to a switch or aborting it there does no harm, but a flow that is read, written, shut down or
/// closed past the wrapper may be reported for what it answers here.
///
/// # Lost wakes
///
/// A poll that is ready though nobody was woken proves nothing: the wake may be on its way. So these are watched only where you ask for it,
/// with [`watch_wakes`](Self::watch_wakes), and what is reported is this:
///
/// - A poll was pending, and the flow neither woke the waker nor kept it (`tasks_latest_waker_counts`). Found at once, and certain.
/// - A parked operation's waker was dropped and not woken, to make room for another's for example (`tasks_all_waiters_are_served`). Found when
///   the operation is polled again, by a `select` say, or by [`audit`](Self::audit), which may be called now and then. Certain. While several
///   operations of one task are parked it is found only when all have lost their wakers, since they share one.
/// - A read that came later, from a task that has nothing parked here, was given a chunk, and the read that waits longest is then polled and waits
///   on (`tasks_served_in_order`). Certain.
/// - The waker is kept, and not woken though there is something to do: only you know when it is too late for a wake. Say so with
///   [`quiet`](Self::quiet), and poll (`tasks_latest_waker_counts`). As certain as your word.
/// - An operation that is woken for nothing again and again: only with [`spins_at_most`](Self::spins_at_most) (`tasks_idle_is_idle`).
///
/// A kept waker that is never woken, in a program that polls only what was woken, is not seen: it looks like a silent peer.
///
/// # What it costs
///
/// A call takes a lock of its own for a moment after the flow has answered, never while foreign code runs, and copies an event of a few words; it
/// allocates nothing. Counted by callgrind, in an optimized build: a round trip of 64 bytes in memory, two writes and two reads, takes 2,190
/// instructions without and 2,950 with both ends checked, 190 more per call. Over a socket, where each call is a system call, that is
/// little. A flow is about 1 KiB larger.
///
/// Watching over wakes takes 5,130 for that round trip, and 9,800 instead of 4,600 where every read parks first. It
/// allocates a waker for each call of a task that has nothing parked in this flow, and looks through the parked operations at each poll: for
/// hundreds, not for a hundred thousand.
pub struct Checked<F> {
    flow: F,
    core: Core,
}

impl<F> Checked<F> {
    /// Looks at `flow`, and panics where it breaks a clause.
    ///
    /// The call that shows it panics, on the thread that made it; while that thread is panicking already, nothing is reported. An
    /// `abort` never panics.
    #[must_use]
    pub fn new(flow: F) -> Self {
        Self::reporting(flow, None)
    }

    /// Looks at `flow`, and calls `report` where it breaks a clause: once for each clause.
    ///
    /// It is called by whoever made the call that shows it, with nothing locked, and may use the flow. The call's answer is passed on
    /// as it came.
    #[must_use]
    pub fn with_report(flow: F, report: impl Fn(&Breach) + Send + Sync + 'static) -> Self {
        Self::reporting(flow, Some(Box::new(report)))
    }

    fn reporting(flow: F, report: Option<Report>) -> Self {
        Self {
            flow,
            core: Core::new(report),
        }
    }

    /// Says that nothing ends this side of the flow but calls through this wrapper: it is on no switch, and its runtime stays.
    ///
    /// An abort from elsewhere cannot be seen here, and after one even an end that had been read turns into an error. Without it,
    /// such an error is a breach, and so is a close or a shutdown that is `Closed` after it was `Ok`.
    #[must_use]
    pub const fn nobody_else_aborts(mut self) -> Self {
        self.core.alone = true;
        self
    }

    /// Watches over wakes as well: see [lost wakes](Self#lost-wakes).
    #[must_use]
    pub fn watch_wakes(mut self) -> Self {
        self.core.watch.get_or_insert_default();
        self
    }

    /// Watches over wakes, and reports an operation that was woken more than `count` times in a row and still waits,
    /// while no call on this side gave any result (`tasks_idle_is_idle`).
    ///
    /// No count is certain: a waker may be woken for nothing. Above a thousand something spins.
    #[must_use]
    pub fn spins_at_most(mut self, count: u32) -> Self {
        self.core.watch.get_or_insert_default().spins = Some(count);
        self
    }

    /// Says that nothing happens until what is returned is dropped: the peer is silent, and the runtime has delivered all that there was.
    ///
    /// If the next poll is of an operation that was parked and has not been woken, it must be pending again; a result shows that a wake
    /// was lost. For tests, which know when it is quiet. Does nothing unless [wakes are watched](Self::watch_wakes).
    pub fn quiet(&self) -> Quiet<'_> {
        if let Some(watch) = &self.core.watch {
            watch.begin_quiet();
        }
        Quiet { core: &self.core }
    }

    /// Looks at all parked operations, and reports if there is one that the flow can wake no more. May be called at any time, on any
    /// thread. Does nothing unless [wakes are watched](Self::watch_wakes).
    ///
    /// # Panics
    ///
    /// If there is one, and this was made by [`new`](Self::new).
    pub fn audit(&self) {
        let Some(watch) = &self.core.watch else {
            return;
        };
        let (count, broken) = (watch.forgotten(), watch::FORGOTTEN);
        if count > 0 {
            let got = format!("{count} of the parked operations can be woken no more");
            self.core.report(broken, got);
        }
    }

    /// The flow inside. Calls on it are not seen: read, write or end it through the wrapper.
    pub const fn inner(&self) -> &F {
        &self.flow
    }

    /// The flow inside. Calls on it are not seen.
    pub const fn inner_mut(&mut self) -> &mut F {
        &mut self.flow
    }

    /// The flow, unwrapped. Operations that are parked in the wrapper are not known to it afterwards.
    pub fn into_inner(self) -> F {
        self.flow
    }
}

/// While it lives, nothing happens: see [`Checked::quiet`].
#[must_use = "it is quiet until this is dropped"]
pub struct Quiet<'a> {
    core: &'a Core,
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        if let Some(watch) = &self.core.watch {
            watch.end_quiet();
        }
    }
}

impl fmt::Debug for Quiet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quiet").finish_non_exhaustive()
    }
}

impl<F: Flow> Checked<F> {
    /// Polls the flow inside, watching over the wake if that is asked for.
    fn poll<O, R>(
        &self,
        cx: &mut Context<'_>,
        call: Call,
        op: &mut O,
        place: fn(&mut O) -> &mut Place,
        inside: impl FnOnce(&F, &mut Context<'_>, &mut O) -> Poll<R>,
        is_chunk: fn(&R) -> bool,
    ) -> (Answered, Poll<R>, Option<Broken>) {
        match &self.core.watch {
            None => {
                let answered = self.core.begin(call, cx, place(op).is_held());
                (answered, inside(&self.flow, cx, op), None)
            }
            Some(watch) => {
                let answered = self.core.begin(call, cx, watch.knows(place(op)));
                let inside = |cx: &mut Context<'_>, op: &mut O| inside(&self.flow, cx, op);
                let (polled, broken) = watch.poll(cx, call, op, place, inside, is_chunk);
                (answered, polled, broken)
            }
        }
    }

    /// Like [`poll`](Self::poll), for what is done or fails like a write.
    fn poll_done<O>(
        &self,
        cx: &mut Context<'_>,
        call: Call,
        op: &mut O,
        place: fn(&mut O) -> &mut Place,
        inside: impl FnOnce(&F, &mut Context<'_>, &mut O) -> DonePoll<F>,
    ) -> DonePoll<F> {
        let (mut answered, polled, seen) = self.poll(cx, call, op, place, inside, |_| false);
        answered.event.outcome = outcome(&polled);
        self.core.end(answered, seen, write_error(&polled));
        polled
    }
}

type DonePoll<F> = Poll<Result<(), WriteError<<F as Flow>::Error>>>;

const fn outcome<E>(polled: &Poll<Result<(), WriteError<E>>>) -> Outcome {
    match polled {
        Poll::Pending => Outcome::Pending,
        Poll::Ready(Ok(())) => Outcome::Done,
        Poll::Ready(Err(WriteError::Closed)) => Outcome::Closed,
        Poll::Ready(Err(_)) => Outcome::Failed,
    }
}

fn write_error<E: fmt::Display>(
    polled: &Poll<Result<(), WriteError<E>>>,
) -> Option<&dyn fmt::Display> {
    match polled {
        Poll::Ready(Err(WriteError::Transport(e))) => Some(e),
        _ => None,
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<F: Flow> Flow for Checked<F> {
    type Error = F::Error;

    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, F::Error>> {
        let is_chunk = |result: &Result<Option<Bytes>, F::Error>| matches!(result, Ok(Some(_)));
        let (mut answered, polled, seen) =
            self.poll(cx, Call::Read, op, ReadOp::place, F::poll_read, is_chunk);
        let mut error: Option<&dyn fmt::Display> = None;
        answered.event.outcome = match &polled {
            Poll::Pending => Outcome::Pending,
            Poll::Ready(Ok(Some(chunk))) => {
                answered.event.bytes = chunk.len();
                Outcome::Chunk
            }
            Poll::Ready(Ok(None)) => Outcome::End,
            Poll::Ready(Err(e)) => {
                answered.kind = kind(e);
                error = Some(e);
                Outcome::Failed
            }
        };
        self.core.end(answered, seen, error);
        polled
    }

    fn poll_write(&self, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll<F> {
        let (bytes, taken) = (op.chunks().len(), op.is_taken());
        let outside = op.chunks().is_outside();
        let (mut answered, polled, seen) =
            self.poll(cx, Call::Write, op, WriteOp::place, F::poll_write, |_| {
                false
            });
        answered.event.bytes = bytes;
        answered.event.taken_before = taken;
        answered.event.taken_after = op.is_taken();
        answered.left = op.chunks().len();
        answered.outside = outside;
        answered.event.outcome = outcome(&polled);
        self.core.end(answered, seen, write_error(&polled));
        polled
    }

    fn poll_flush(&self, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll<F> {
        self.poll_done(cx, Call::Flush, op, FlushOp::place, F::poll_flush)
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>, op: &mut ShutdownOp) -> DonePoll<F> {
        let call = match op.how() {
            Shutdown::Read => Call::ShutdownRead,
            Shutdown::Write => Call::ShutdownWrite,
            Shutdown::Both => Call::ShutdownBoth,
        };
        self.poll_done(cx, call, op, ShutdownOp::place, F::poll_shutdown)
    }

    fn poll_close(&self, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll<F> {
        self.poll_done(cx, Call::Close, op, CloseOp::place, F::poll_close)
    }

    fn abort(&self) {
        self.core.note_abort(Outcome::Begun, Known::abort_begins);
        if let Some(watch) = &self.core.watch {
            watch.note_abort();
        }
        self.flow.abort();
        self.core.note_abort(Outcome::Done, Known::abort_returns);
    }

    fn delivered(&self) -> Delivered {
        self.flow.delivered()
    }

    /// Every call is looked at, so every byte comes by one.
    fn direct(&self) -> Option<&dyn Direct> {
        None
    }
}

impl<F: fmt::Debug> fmt::Debug for Checked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked")
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
