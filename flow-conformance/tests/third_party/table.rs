//! What was run, what each stream breaks, and the words of the law that finds it.

use flow_testkit::Need;

/// A stream of somebody else, put under the laws.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: &'static str,
    /// The packages that were run, as they are called in `Cargo.lock`.
    pub(crate) packages: &'static [&'static str],
    /// What makes it a flow.
    pub(crate) through: &'static str,
    /// The only laws that are asked; empty if all are.
    pub(crate) only: &'static [&'static str],
    /// Laws that are not run all the same, and why.
    pub(crate) not_run: &'static [(&'static str, &'static str)],
    /// What is not asked, and why.
    pub(crate) lacks: &'static [(Need, &'static str)],
    pub(crate) faults: &'static [Fault],
}

/// One fact about a stream, and every clause that it breaks.
#[derive(Debug)]
pub(crate) struct Fault {
    /// What happens in practice.
    pub(crate) what: &'static str,
    /// The tests in `tests/reproductions` that show it without us.
    pub(crate) shown_by: &'static [&'static str],
    /// A public issue that speaks of it.
    pub(crate) known: Option<&'static str>,
    pub(crate) broken: &'static [(&'static str, How)],
}

/// How a law fails, with a part of what it says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    Says(&'static str),
    Hangs(&'static str),
}

use How::{Hangs, Says};
use Need::*;

/// Every stream, in the order of the page.
pub(crate) const ALL: &[&Stream] = &[
    &TOKIO_UNIX,
    &TOKIO_DUPLEX,
    &ASYNC_STD_UNIX,
    &ASYNC_IO_UNIX,
    &COMPIO_UNIX,
    &COMPIO_DROPPED,
    &MONOIO_UNIX,
    &YAMUX,
    &RUSTLS,
];

const NO_RESET: (Need, &str) = (Reset, "a Unix socket loses nothing when the peer leaves");
const NO_TORN: (Need, &str) = (TornAbort, "a Unix socket has no reset");
const NO_FAILING: (Need, &str) = (Failing, "it fails in no way that could be provoked here");
const NO_SWITCH: (Need, &str) = (Switch, "the adapter knows no switch");
const NO_COUNT: (Need, &str) = (Allocated, "this target does not count its heap");
const NO_DELIVERY: (Need, &str) = (Delivery, "it does not say what the peer has read");
const NO_THREADS: (Need, &str) = (Threads, "it stays on its thread");
const NO_RUNTIME: (Need, &str) = (Runtime, "there is no runtime");
const KEPT_RUNTIME: (Need, &str) = (Runtime, "the runtime lives as long as the law");
const NO_DESCRIPTORS: (Need, &str) = (Descriptors, "there is no descriptor");

const A_LEAVE_IS_AN_ERROR: &[(&str, How)] = &[(
    "read_clean_reset_is_end",
    Says("a leave that lost nothing was read as Err"),
)];
const LEAVE: &str = "A peer that leaves without having read everything is a `ConnectionReset` after its last byte: the \
    kernel's answer, passed on. On `AF_UNIX` nothing that it sent is lost, so a whole message looks like a broken one.";
const LEAVE_KNOWN: Option<&str> = Some("google/gvisor#735");

const SETS_FLAGS: &[(&str, How)] = &[(
    "fd_flags_untouched",
    Says("the flags of a descriptor were changed when a flow was made of it"),
)];
const FLAGS: &str = "It sets `O_NONBLOCK`, which belongs to the open file: every process that shares the socket gets \
    `EAGAIN` from then on.";

const BLOCKS: &str = "It relies on `O_NONBLOCK` staying set: when a process that shares the socket clears it, the next \
    call blocks the thread of the runtime, and with it every other task there.";

pub(crate) const TOKIO_UNIX: Stream = Stream {
    name: "tokio `UnixStream`",
    packages: &["tokio", "tokio-util"],
    through: "`Compat`, `from_futures_io`",
    only: &[],
    not_run: &[],
    lacks: &[
        NO_RESET,
        NO_TORN,
        NO_FAILING,
        NO_DELIVERY,
        NO_SWITCH,
        NO_COUNT,
    ],
    faults: &[
        Fault {
            what: "A read that the kernel ended short, behind bytes that came with a descriptor or before urgent data, counts \
                as having read everything. What is queued behind it stays there until more arrives.",
            shown_by: &[
                "tokio_stalls_behind_a_passed_descriptor",
                "tokio_stalls_behind_urgent_data",
            ],
            known: None,
            broken: &[("fd_passed_descriptors_do_not_stall", Hangs("a read"))],
        },
        Fault {
            what: LEAVE,
            shown_by: &["tokio_reads_an_abrupt_leave_as_an_error"],
            known: LEAVE_KNOWN,
            broken: A_LEAVE_IS_AN_ERROR,
        },
        Fault {
            what: "`from_std` wants a socket with `O_NONBLOCK`, which belongs to the open file: every process that shares the \
                socket gets `EAGAIN` from then on.",
            shown_by: &["tokio_wants_o_nonblock"],
            known: Some("tokio-rs/tokio#7172"),
            broken: SETS_FLAGS,
        },
        Fault {
            what: BLOCKS,
            shown_by: &["tokio_blocks_its_thread_without_o_nonblock"],
            known: None,
            broken: &[("fd_never_blocks", Hangs("inside a call"))],
        },
    ],
};

pub(crate) const TOKIO_DUPLEX: Stream = Stream {
    name: "tokio `DuplexStream`",
    packages: &["tokio", "tokio-util"],
    through: "`Compat`, `from_futures_io`",
    only: &[],
    not_run: &[],
    lacks: &[
        (Reset, "bytes in memory are not lost when the peer leaves"),
        (TornAbort, "it has no way to say that it was cut off"),
        NO_DESCRIPTORS,
        NO_RUNTIME,
        NO_FAILING,
        NO_DELIVERY,
        NO_SWITCH,
        NO_COUNT,
    ],
    faults: &[],
};

/// What follows where closing ends nothing.
const NO_END: &[(&str, How)] = &[
    (
        "cancel_at_every_poll",
        Hangs("the end that the peer should see"),
    ),
    (
        "write_after_shutdown",
        Hangs("the end that the peer should see"),
    ),
    (
        "cancel_flush_shutdown_close",
        Hangs("the end that the peer should see"),
    ),
    (
        "shutdown_write_is_seen",
        Hangs("the end that the peer should see"),
    ),
    (
        "shutdown_write_flushes_first",
        Hangs("the end that the peer should see"),
    ),
    (
        "shutdown_write_wakes_parked_writes",
        Hangs("the end that the peer should see"),
    ),
    (
        "shutdown_twice_is_ok",
        Hangs("the end that the peer should see"),
    ),
    (
        "close_refuses_later_writes",
        Hangs("the end that the peer should see"),
    ),
    (
        "close_finishes_taken_writes",
        Hangs("the end that the peer should see"),
    ),
    (
        "close_waits_for_the_peer",
        Hangs("the end that the peer should see"),
    ),
    ("close_from_both_sides", Hangs("our close")),
    (
        "close_dropped_is_still_closing",
        Hangs("the end that the peer should see"),
    ),
    (
        "tasks_spurious_polls_are_harmless",
        Hangs("the end that the peer should see"),
    ),
    (
        "every_call_in_every_state",
        Says("`shutdown_write_is_seen` is broken"),
    ),
];
/// The same again, found at length.
const NO_SEARCH: &[(&str, &str)] = &[(
    "random_calls_follow_the_model",
    "every case breaks `shutdown_write_is_seen`, and the search for the shortest takes a minute",
)];
const CLOSE: &str = "`poll_close` says `Ok` and ends nothing: the peer sees no end before the stream is dropped, and two \
    sides that wait for each other's end wait for ever.";

pub(crate) const ASYNC_STD_UNIX: Stream = Stream {
    name: "async-std `UnixStream`",
    packages: &["async-std", "async-io"],
    through: "`from_futures_io`",
    only: &[],
    not_run: NO_SEARCH,
    lacks: &[
        NO_RESET,
        NO_TORN,
        KEPT_RUNTIME,
        NO_FAILING,
        NO_DELIVERY,
        NO_SWITCH,
        NO_COUNT,
    ],
    faults: &[
        Fault {
            what: CLOSE,
            shown_by: &["async_std_close_is_not_seen"],
            known: Some("async-rs/async-std#599"),
            broken: NO_END,
        },
        Fault {
            what: LEAVE,
            shown_by: &["async_std_reads_an_abrupt_leave_as_an_error"],
            known: LEAVE_KNOWN,
            broken: A_LEAVE_IS_AN_ERROR,
        },
        Fault {
            what: FLAGS,
            shown_by: &["async_std_sets_o_nonblock"],
            known: None,
            broken: SETS_FLAGS,
        },
        Fault {
            what: BLOCKS,
            shown_by: &["async_std_blocks_its_thread_without_o_nonblock"],
            known: None,
            broken: &[("fd_never_blocks", Hangs("inside a call"))],
        },
    ],
};

pub(crate) const ASYNC_IO_UNIX: Stream = Stream {
    name: "async-io `Async<UnixStream>`",
    packages: &["async-io"],
    through: "`from_futures_io`",
    only: &[],
    not_run: NO_SEARCH,
    lacks: &[
        NO_RESET,
        NO_TORN,
        KEPT_RUNTIME,
        NO_FAILING,
        NO_DELIVERY,
        NO_SWITCH,
        NO_COUNT,
    ],
    faults: &[
        Fault {
            what: CLOSE,
            shown_by: &["async_io_close_is_not_seen"],
            known: Some("smol-rs/smol#173"),
            broken: NO_END,
        },
        Fault {
            what: LEAVE,
            shown_by: &["async_io_reads_an_abrupt_leave_as_an_error"],
            known: LEAVE_KNOWN,
            broken: A_LEAVE_IS_AN_ERROR,
        },
        Fault {
            what: FLAGS,
            shown_by: &["async_io_sets_o_nonblock"],
            known: None,
            broken: SETS_FLAGS,
        },
        Fault {
            what: BLOCKS,
            shown_by: &["async_io_blocks_its_thread_without_o_nonblock"],
            known: None,
            broken: &[("fd_never_blocks", Hangs("inside a call"))],
        },
    ],
};

pub(crate) const COMPIO_UNIX: Stream = Stream {
    name: "compio `UnixStream`",
    packages: &["compio", "compio-driver"],
    through: "a transport that keeps what is under way; the driver that polls descriptors",
    only: &[],
    not_run: &[],
    lacks: &[
        NO_RESET,
        NO_TORN,
        NO_THREADS,
        KEPT_RUNTIME,
        NO_FAILING,
        NO_DELIVERY,
        NO_SWITCH,
        NO_COUNT,
    ],
    faults: &[
        Fault {
            what: "It wakes tasks while its driver is borrowed: a waker that polls at once, as one of an executor without a queue \
                does, panics with \"already borrowed\".",
            shown_by: &["compio_wakes_while_its_driver_is_borrowed"],
            known: None,
            broken: &[("tasks_wake_may_reenter", Says("already borrowed"))],
        },
        Fault {
            what: LEAVE,
            shown_by: &["compio_reads_an_abrupt_leave_as_an_error"],
            known: LEAVE_KNOWN,
            broken: A_LEAVE_IS_AN_ERROR,
        },
        Fault {
            what: FLAGS,
            shown_by: &["compio_sets_o_nonblock"],
            known: None,
            broken: SETS_FLAGS,
        },
        Fault {
            what: BLOCKS,
            shown_by: &["compio_blocks_its_thread_without_o_nonblock"],
            known: None,
            broken: &[("fd_never_blocks", Hangs("inside a call"))],
        },
    ],
};

pub(crate) const COMPIO_DROPPED: Stream = Stream {
    name: "compio `UnixStream`, reads dropped with their callers",
    packages: &["compio", "compio-driver"],
    through: "a flow that has one read of the stream for each read; the driver that polls descriptors",
    only: &["cancel_read_loses_nothing"],
    not_run: &[],
    lacks: &[],
    faults: &[Fault {
        what: "What a read had already read when it was dropped is gone. `select!` in a loop, or a timeout, loses bytes in the \
            middle of the stream.",
        shown_by: &["compio_loses_what_a_dropped_read_had_read"],
        known: None,
        broken: &[("cancel_read_loses_nothing", Says("bytes lost at offset"))],
    }],
};

pub(crate) const MONOIO_UNIX: Stream = Stream {
    name: "monoio `UnixStream`",
    packages: &["monoio"],
    through: "a transport that keeps what is under way; the driver without io_uring",
    only: &[],
    not_run: &[],
    lacks: &[
        NO_RESET,
        NO_TORN,
        NO_THREADS,
        KEPT_RUNTIME,
        NO_FAILING,
        NO_DELIVERY,
        NO_SWITCH,
        NO_COUNT,
    ],
    faults: &[
        Fault {
            what: LEAVE,
            shown_by: &["monoio_reads_an_abrupt_leave_as_an_error"],
            known: LEAVE_KNOWN,
            broken: A_LEAVE_IS_AN_ERROR,
        },
        Fault {
            what: "Without io_uring it wants a socket with `O_NONBLOCK`, which belongs to the open file, and blocks its thread \
                where that is not set, or is cleared by a process that shares the socket.",
            shown_by: &["monoio_blocks_its_thread_without_o_nonblock"],
            known: None,
            broken: &[
                (
                    "fd_flags_untouched",
                    Says("the flags of a descriptor were changed"),
                ),
                ("fd_never_blocks", Hangs("inside a call")),
            ],
        },
    ],
};

pub(crate) const YAMUX: Stream = Stream {
    name: "rust-yamux `Stream`",
    packages: &["yamux"],
    through: "`from_futures_io`; two connections over a flow in memory",
    only: &[],
    not_run: &[],
    lacks: &[
        (CleanLeave, "a peer that leaves resets the stream"),
        NO_DESCRIPTORS,
        NO_RUNTIME,
        NO_FAILING,
        NO_DELIVERY,
        NO_SWITCH,
        NO_COUNT,
    ],
    faults: &[
        Fault {
            what: "A reset reads as the end: of a peer that dropped its stream in the middle of a message the reader gets half \
                the message, and no sign of it.",
            shown_by: &["yamux_reads_a_reset_as_the_end"],
            known: Some("libp2p/rust-yamux#36"),
            broken: &[
                (
                    "read_reset_is_reported",
                    Says("a reset was read as Ok(None)"),
                ),
                (
                    "abort_torn_is_not_orderly",
                    Says("a stream cut off in a write looked like one that ended"),
                ),
            ],
        },
        Fault {
            what: "A write after the peer has gone is `WriteZero`, and not an error that says so.",
            shown_by: &["yamux_writes_after_a_reset_are_write_zero"],
            known: None,
            broken: &[
                ("write_peer_gone_is_closed", Says("WriteZero")),
                ("write_parked_peer_gone", Says("WriteZero")),
                ("write_failure_is_final", Says("WriteZero")),
                ("write_failure_spares_reading", Says("WriteZero")),
                ("shutdown_owed_bytes", Says("WriteZero")),
                ("states_answer_as_listed", Says("WriteZero")),
                ("random_calls_follow_the_model", Says("WriteZero")),
                ("every_call_in_every_state", Says("WriteZero")),
            ],
        },
        Fault {
            what: "It wakes tasks while the stream is locked: a waker that polls at once, as one of an executor without a queue \
                does, waits for ever.",
            shown_by: &["yamux_wakes_while_the_stream_is_locked"],
            known: None,
            broken: &[("tasks_wake_may_reenter", Hangs("inside a call"))],
        },
    ],
};

pub(crate) const RUSTLS: Stream = Stream {
    name: "rustls session",
    packages: &["futures-rustls", "rustls"],
    through: "`FuturesIo` of a flow in memory, futures-rustls, `from_futures_io`",
    only: &[],
    not_run: &[],
    lacks: &[
        NO_DESCRIPTORS,
        NO_RUNTIME,
        NO_FAILING,
        NO_DELIVERY,
        NO_SWITCH,
        NO_COUNT,
    ],
    faults: &[],
};
