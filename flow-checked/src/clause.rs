//! The clauses that a checked flow can report, in the words of the contract.

/// A clause of the contract.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) id: &'static str,
    pub(super) promise: &'static str,
}

macro_rules! clauses {
    ($($name:ident: $id:literal, $promise:literal;)*) => {
        $(pub(super) const $name: &Clause = &Clause { id: $id, promise: $promise };)*

        /// All of them, in the order of the contract.
        pub(super) const ALL: &[&Clause] = &[$($name),*];
    };
}

clauses! {
    READ_CHUNK_NOT_EMPTY: "read_chunk_not_empty",
        "A chunk has at least one byte; nothing but the end is `None`.";
    READ_END_IS_FINAL: "read_end_is_final",
        "After `None` always `None`, at once.";
    READ_ERROR_IS_FINAL: "read_error_is_final",
        "An error is repeated, the same kind each time, and is never followed by `None`.";
    WRITE_EMPTY_IS_IMMEDIATE: "write_empty_is_immediate",
        "Empty buffers and lists succeed at once, also on a full flow, and send nothing.";
    WRITE_EMPTY_AFTER_CLOSE: "write_empty_after_close",
        "On a flow closed for writing they are `Closed`.";
    WRITE_AFTER_SHUTDOWN: "write_after_shutdown",
        "After `shutdown(Write)`, `close` or `abort` writing is `Closed`, never `Ok`.";
    WRITE_FAILURE_IS_FINAL: "write_failure_is_final",
        "After a failed write everything on the write side fails, shutdown and close included.";
    CANCEL_UNTAKEN_WRITE_SENDS_NOTHING: "cancel_untaken_write_sends_nothing",
        "A write dropped before it was taken sends nothing, and gives its bytes back.";
    CANCEL_TAKEN_WRITE_IS_WHOLE: "cancel_taken_write_is_whole",
        "A write dropped after it was taken is sent whole, in order, before anything later.";
    SHUTDOWN_READ_ENDS_READING: "shutdown_read_ends_reading",
        "Parked and later reads are `None`, also with input queued.";
    SHUTDOWN_TWICE_IS_OK: "shutdown_twice_is_ok",
        "Each shutdown may be repeated.";
    CLOSE_REFUSES_LATER_WRITES: "close_refuses_later_writes",
        "From the first poll on, writes are `Closed`.";
    CLOSE_TWICE_IS_OK: "close_twice_is_ok",
        "Close may be repeated, and called from several tasks.";
    ABORT_FAILS_READS: "abort_fails_reads",
        "Pending and later reads fail with `Aborted`, never `None`.";
    ABORT_CLOSES_WRITING: "abort_closes_writing",
        "Pending and later writes, shutdown and close are `Closed`.";
    TASKS_SERVED_IN_ORDER: "tasks_served_in_order",
        "Waiting operations are served in the order in which they came.";
    TASKS_LATEST_WAKER_COUNTS: "tasks_latest_waker_counts",
        "Only the waker of an operation's latest poll counts, and it is woken.";
    TASKS_ALL_WAITERS_ARE_SERVED: "tasks_all_waiters_are_served",
        "No waiting operation is displaced by another.";
    TASKS_IDLE_IS_IDLE: "tasks_idle_is_idle",
        "In no lasting state (end unread, end read, half-closed, after a cancelled read) does an idle flow wake anyone.";
}
