//! The laws: one function for each clause of the contract, named after it, with the clause as its doc comment.

pub mod abort;
pub mod apart;
pub mod breaks;
pub mod cancel;
pub mod cancel_points;
pub mod close;
pub mod delivery;
pub mod direct;
pub mod fd;
mod inside;
pub mod leaves;
pub mod let_go;
pub mod outside;
pub mod quiet;
pub mod read;
pub mod reenter;
pub mod remade;
pub mod scripts;
pub mod shutdown;
pub mod states;
pub mod switch;
pub mod tasks;
pub mod threads;
pub mod threads_end;
pub mod write;
pub mod write_end;
pub mod writev;

use crate::law::Law;

/// Calls a macro with the list of all laws: the file, the clause, and what the law needs. The one place where a law is listed.
macro_rules! with_laws {
    ($with:ident!($($args:tt)*)) => {
        $with! {
            $($args)*
            read read_in_order_once [];
            read read_chunk_not_empty [];
            read read_chunk_never_changes [];
            read read_does_not_wait_for_more [];
            read read_ignores_false_readiness [Descriptors];
            read read_data_before_failure [];
            read read_end_after_last_byte [];
            read read_end_is_final [];
            read read_end_wakes_parked_read [];
            read read_end_leaves_writing [];
            read read_error_is_final [];
            read read_reset_is_reported [Reset];
            read read_reset_eaten_by_write [Reset];
            read read_clean_reset_is_end [CleanLeave];
            breaks read_failure_spares_writing [Breaking];
            read read_retention_bounded [Allocated OwnTasks ExactPolls];

            write write_accepts_every_byte [];
            write write_moves_by_itself [];
            write write_back_pressure [];
            write write_resumes_with_room [];
            write write_waits_for_slow_reader [];
            write write_ignores_false_readiness [Descriptors];
            write write_calls_in_order [OwnTasks];
            write write_whole_under_concurrency [];
            writev writev_any_count [];
            writev writev_empty_entries [];
            writev write_empty_is_immediate [];
            writev write_empty_after_close [];
            write_end write_peer_gone_is_closed [];
            write_end write_parked_peer_gone [];
            write_end write_after_shutdown [];
            write_end write_failure_is_final [];
            write_end write_failure_spares_reading [];
            write_end write_keeps_other_errors [Failing];
            breaks write_failed_gives_all_back_or_none [Breaking];
            breaks write_failed_keeps_the_unsent [Breaking];
            outside write_brings_bytes_in [];
            write write_flush_waits_for_taken [];

            cancel cancel_read_loses_nothing [];
            cancel cancel_untaken_write_sends_nothing [];
            cancel cancel_taken_write_is_whole [];
            cancel cancel_taken_write_driven_by_read [];
            cancel cancel_hands_the_wake_on [];
            cancel cancel_flush_shutdown_close [];
            cancel_points cancel_at_every_poll [];
            cancel cancel_leaves_no_residue [];
            cancel cancel_gives_memory_back [Allocated OwnTasks ExactPolls];

            shutdown shutdown_write_is_seen [];
            shutdown shutdown_write_flushes_first [];
            shutdown shutdown_write_spares_reading [];
            shutdown shutdown_write_wakes_parked_writes [];
            shutdown shutdown_read_ends_reading [];
            shutdown shutdown_read_spares_writing [];
            shutdown shutdown_twice_is_ok [];
            shutdown shutdown_peer_gone_is_ok [];
            shutdown shutdown_owed_bytes [];

            close close_refuses_later_writes [];
            close close_finishes_taken_writes [];
            close close_waits_for_the_peer [];
            close close_sees_end_past_unread_input [];
            close close_spares_reading [];
            close close_back_pressure [];
            close close_woken_by_reader [];
            close close_discards_after_shutdown_read [];
            close close_twice_is_ok [];
            close close_from_both_sides [];
            close close_completed_by_reset [];
            breaks close_tells_failed_reading [Breaking];
            close close_dropped_is_still_closing [];
            close close_done_stays_done [];

            delivery delivered_is_true [];
            delivery delivered_is_known [Delivery];
            delivery delivered_loss_is_remembered [Delivery];
            delivery close_reports_delivery [Delivery];

            abort abort_fails_reads [];
            abort abort_closes_writing [];
            abort abort_is_seen_at_once [];
            abort abort_sends_what_was_accepted [];
            abort abort_torn_is_not_orderly [TornAbort];
            breaks abort_tells_a_failed_write [Breaking TornAbort];
            abort abort_twice_is_harmless [];
            abort abort_from_any_thread [Threads];
            abort drop_is_seen [];
            abort drop_sends_what_was_accepted [];
            abort drop_needs_no_runtime [Runtime];

            switch switch_off_aborts [Switch];
            switch switch_off_refuses [Switch];
            switch switch_holds_weakly [Switch];

            direct direct_reads_in_order_once [Direct];
            direct direct_read_takes_its_turn [Direct OwnTasks];
            direct direct_read_leaves_the_end [Direct];
            direct direct_bytes_are_written_whole [Direct];
            direct direct_chunk_never_changes [Direct];

            remade remade_goes_on [Remade];
            remade remade_only_when_empty [Remade];
            remade remade_only_while_whole [Remade];
            remade remade_leaves_the_switch [Remade Switch];

            states states_answer_as_listed [];

            tasks tasks_full_duplex [];
            apart tasks_each_event_wakes_its_own [];
            apart tasks_neither_direction_starves [];
            apart tasks_flows_are_apart [];
            tasks tasks_each_byte_to_one_reader [];
            tasks tasks_served_in_order [OwnTasks];
            tasks tasks_latest_waker_counts [];
            tasks tasks_all_waiters_are_served [];
            tasks tasks_kept_call_is_passed [];
            tasks tasks_end_is_for_everybody [];
            quiet tasks_parked_are_quiet [OwnTasks];
            tasks tasks_spurious_polls_are_harmless [];
            reenter tasks_wake_may_reenter [];
            let_go tasks_drop_may_reenter [];
            quiet tasks_always_ready_yields [];
            quiet tasks_idle_is_idle [];

            threads threads_lose_no_wake [Threads];
            threads threads_readers_are_all_served [Threads];
            threads threads_dropped_calls_hand_on [Threads];
            threads threads_discarding_goes_on [Threads];
            threads_end threads_abort_ends_every_call [Threads];
            threads_end threads_shutdown_meets_writing [Threads];
            threads_end threads_shutdown_meets_reading [Threads];
            threads_end threads_close_meets_reading [Threads];
            remade threads_abort_meets_taking_apart [Remade Switch Threads];

            leaves drop_leaves_nothing [Alone];

            fd fd_close_on_exec [Descriptors];
            fd fd_flags_untouched [Descriptors];
            fd fd_never_blocks [Descriptors];
            fd fd_released_once [Descriptors];
            fd fd_number_may_be_reused [Descriptors];
            fd fd_passed_descriptors_do_not_stall [Descriptors];

            scripts random_calls_follow_the_model [];
            scripts every_call_in_every_state [];
        }
    };
}

macro_rules! list {
    ($($file:ident $law:ident [$($need:ident)*];)*) => {
        vec![$(Law {
            name: stringify!($law),
            needs: &[$($crate::Need::$need),*],
            check: $file::$law,
        }),*]
    };
}

macro_rules! functions {
    ($($file:ident $law:ident [$($need:ident)*];)*) => {$(
        #[doc = concat!("Runs [the law](super::", stringify!($file), "::", stringify!($law), ") on the flows of this harness inside this process.")]
        ///
        /// # Panics
        ///
        #[doc = "As [`test`](crate::test) does."]
        pub fn $law<H: crate::Harness + Default>() {
            crate::test::<H>(stringify!($law));
        }
    )*};
}

/// Each law as a function without arguments, to be called by an ordinary `#[test]`.
///
/// ```
/// # type MyHarness = flow_testkit::memory::Memory;
/// flow_testkit::tests::read_end_is_final::<MyHarness>();
/// ```
pub mod tests {
    with_laws!(functions!());
}

/// All laws, in the order of the contract.
#[must_use]
pub fn all() -> Vec<Law> {
    with_laws!(list!())
}

/// The law of that name.
#[must_use]
pub fn find(name: &str) -> Option<Law> {
    all().into_iter().find(|law| law.name == name)
}
