//! The list of behaviours that every adapter keeps to. One line per behaviour at the end; an adapter runs them all.

mod alert_ends;
mod alerts;
pub(super) mod care;
pub(super) mod chats;
mod clinicians;
mod consent;
pub(super) mod credentials;
mod errands;
mod events;
mod expiry;
mod former;
mod gate;
mod idle;
pub(super) mod ledger;
mod limits;
mod lists;
mod notices;
mod safety;
mod turns;

/// Makes one test of each behaviour for one adapter.
macro_rules! contract_tests {
    ($adapter:ty: $($module:ident { $($name:ident),* $(,)? })*) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $name() {
                super::super::$module::$name::<$adapter>().await;
            })*
        })*
    };
}

/// The list.
macro_rules! behaviours {
    ($adapter:ty) => {
        contract_tests! { $adapter:
            turns {
                what_is_saved_is_loaded_field_by_field,
                a_turn_is_there_after_a_crash,
                turns_are_numbered_without_gap,
                a_commit_whose_answer_was_lost_is_told_that_it_stands,
                a_lost_answer_is_still_known_after_a_crash,
                a_lost_answer_is_still_known_after_the_next_turns,
                a_lease_that_ran_out_cannot_commit,
                a_renewed_lease_can,
                a_session_written_meanwhile_is_decided_anew,
                a_turn_that_skips_a_number_is_refused,
                an_abandoned_turn_leaves_nothing,
                the_stored_ttl_outlives_the_turns_own,
                history_is_paged_newest_first,
                history_keeps_to_its_window,
                the_latest_exchanges_come_with_the_lease,
                a_repeat_is_answered_with_the_same_bytes,
                a_key_with_another_body_is_refused,
                a_stored_reply_goes_with_its_time,
                a_create_is_repeated_by_its_key,
                a_session_cannot_be_created_twice,
                a_turn_begun_before_its_session_was_created_is_decided_anew,
            }
            gate {
                fifty_at_once_come_in_order,
                those_in_danger_go_first,
                a_repeated_begin_has_the_same_lease,
                a_repeated_begin_has_the_same_place,
                a_claim_that_is_dropped_leaves_the_queue,
                a_claim_that_waited_long_enough_is_told_busy,
                a_waiter_gets_a_lease_that_ran_out,
                a_hand_over_nobody_comes_for_goes_on,
                newcomers_queue_while_anyone_waits,
                with_waiting_switched_off_nobody_does,
                a_full_queue_refuses_all_but_danger,
                the_same_request_joins_the_one_that_runs,
                one_who_joined_takes_over_when_the_turn_fails,
                one_who_joined_takes_over_when_the_lease_dies,
                a_joined_turn_can_be_claimed_late,
                a_session_that_is_gone_names_its_successor,
                a_line_goes_on_from_its_newest,
                a_vanished_session_still_leads_to_its_successor,
                danger_at_a_vanished_session_counts_for_its_successors_client,
                a_waiter_is_told_that_the_session_went,
                a_long_queue_is_told_that_the_session_went,
                the_successor_knows_its_predecessor,
                leases_do_not_outlive_the_process,
            }
            limits {
                the_one_too_many_is_told_how_long,
                a_minutes_edge_lets_no_more_through,
                permits_come_back_from_what_did_not_run,
                a_stopped_turn_keeps_its_permit,
                a_repeated_begin_takes_one_permit,
                replays_and_joins_take_none,
                the_allowance_outlives_the_process,
                danger_has_its_own_bound,
                a_session_in_danger_is_always_in_its_lane,
                a_delete_forgets_the_permits,
            }
            safety {
                raising_pauses_at_once_and_overtakes_the_turn,
                a_lower_raise_changes_nothing,
                a_level_counts_for_all_of_a_clients_sessions,
                a_level_counts_however_many_sessions_a_client_has,
                a_new_session_begins_under_the_remembered_level,
                a_turn_that_finds_danger_raises_the_memory,
                clearing_lets_the_session_go_on,
                a_clearing_and_danger_at_once_leave_danger,
                a_turn_from_before_the_clearing_raises_nothing,
                a_clearing_is_seen_by_the_first_turn_of_a_new_session,
                what_raised_a_level_is_kept_until_it_is_cleared,
                an_own_pause_outlives_the_clearing,
                a_level_outlives_a_delete_and_a_crash,
                the_lifecycle_says_no_with_a_reason,
                a_transition_is_seen_by_the_turn_in_flight,
                a_hundred_thousand_reads_never_see_a_session_going_on_in_danger,
                a_negative_rescreen_lowers_elevated_and_is_remembered,
                a_rescreen_is_void_when_anything_has_changed_since,
                a_turn_that_finds_the_same_level_again_is_a_sign,
                high_and_crisis_fall_by_two_rescreens_a_day_apart,
                a_sign_between_two_rescreens_makes_the_second_the_first,
                of_a_rescreen_and_a_sign_at_once_the_sign_always_counts,
            }
            former {
                the_id_of_a_gone_session_is_its_clients_while_that_one_is_in_danger,
                an_id_outlives_its_sessions_end_in_danger,
                one_in_danger_who_waits_while_the_session_goes_is_still_its_client,
                whose_a_gone_session_was_is_forgotten_when_the_level_falls,
                an_id_that_was_given_to_another_client_stays_that_ones,
            }
            consent {
                a_consent_is_given_and_withdrawn_and_a_second_time_changes_nothing,
                a_consent_outlives_a_crash_and_the_next_turns,
                consent_in_no_session_makes_none,
                a_turn_in_flight_overwrites_no_consent,
                a_consent_changes_in_all_that_stands_of_a_line,
                of_many_changes_at_once_each_is_whole,
            }
            events {
                each_change_is_told_once_with_what_it_changed,
                what_is_repeated_or_changes_nothing_is_not_told_again,
                a_turn_that_raises_the_level_tells_so,
                danger_in_a_session_that_is_not_there_yet_is_told,
                an_end_is_told_once_however_it_comes,
                an_idle_session_is_told_as_expired_once,
                the_log_outlives_a_crash_and_goes_on_behind_its_end,
                who_waits_for_an_event_hears_of_it,
                the_log_is_bounded_in_time,
            }
            expiry {
                a_session_ends_with_its_ttl,
                a_turn_slides_the_ttl_and_a_read_does_not,
                no_session_outlives_the_greatest_age,
                an_extension_is_kept_by_later_turns,
                danger_holds_and_clearing_lets_go_for_a_whole_ttl,
                a_hold_does_not_bring_back_what_had_ended,
                an_idle_session_expires_once,
                the_sweep_removes_everything_of_a_dead_session,
                what_comes_due_at_once_is_swept_at_once,
                a_dead_session_begins_anew,
                a_session_that_ends_in_a_turn_is_decided_anew,
                a_cleared_memory_goes_in_its_time,
                a_memory_stays_while_a_session_remembers_it,
                a_delete_leaves_nothing_and_says_so,
                a_deleted_sessions_turn_is_lost,
                a_delete_sends_the_queue_away_but_for_danger,
            }
            idle {
                an_idle_session_goes_and_its_receipt_counts_all_that_went_with_it,
                what_was_used_since_or_is_held_or_worked_on_stays,
                of_an_end_and_a_beginning_at_once_one_comes_first,
            }
            credentials {
                a_credential_is_presented_as_it_was_issued_and_outlives_a_crash,
                a_credential_ends_when_it_is_not_used_and_at_its_end_however_much_it_is,
                a_used_credential_stands_for_its_whole_idle_time_again,
                a_ticket_is_good_once_however_many_present_it,
                a_rotated_credential_is_refused_and_its_successor_is_the_only_one,
                of_two_who_rotate_the_same_credential_one_does,
                revoking_ends_one_or_all_of_a_holder_and_nobody_elses,
                a_removed_session_lets_nobody_in,
                a_session_has_so_many_credentials_and_the_oldest_make_room,
                that_there_are_keys_is_known_in_every_organisation,
                for_what_is_not_there_nothing_is_issued,
                those_that_have_ended_make_room_and_none_that_stands,
                an_id_like_no_other_revokes_nothing,
                unused_tickets_make_room_before_any_token,
                whoever_held_a_token_is_not_let_into_a_later_session_of_the_id,
            }
            clinicians {
                a_clinician_is_found_by_name_in_the_organisation_and_nowhere_else,
                too_many_tries_lock_the_name_for_a_while_however_many_come_at_once,
                a_right_password_ends_the_count_of_tries,
                a_new_password_lets_in_again_and_ends_every_login,
                a_removed_clinician_is_logged_out_and_unknown,
            }
            ledger {
                entries_lie_in_the_outbox_in_order_until_they_are_sealed_and_outlive_a_crash,
                of_two_who_seal_the_same_entries_one_does,
                organisations_have_audits_of_their_own,
                every_change_of_a_level_or_a_status_is_entered_with_it,
                a_turn_that_raises_the_level_and_a_sweep_that_expires_are_entered,
            }
            chats {
                what_is_said_is_counted_kept_in_order_and_outlives_a_crash,
                fifty_at_once_get_fifty_numbers_and_no_two_the_same,
                pages_of_messages_follow_each_other_without_gap_or_repeat,
                a_chat_keeps_so_many_messages_and_counts_all,
                a_chat_ends_with_its_ttl_and_each_message_starts_it_anew,
                an_extended_chat_keeps_its_ttl_when_more_is_said,
                a_removed_chat_leaves_nothing_and_a_second_time_there_is_none,
                it_is_known_when_the_last_connection_left_and_why,
                who_hears_a_session_hears_what_is_said_in_it_alone,
                a_slow_listener_loses_the_oldest_and_is_told,
                a_broadcast_reaches_who_is_connected_and_is_kept_in_every_chat_of_the_organisation,
                beside_a_session_a_chat_counts_on_from_the_turns_keeps_no_words_and_ends_with_it,
            }
            care {
                notes_are_kept_in_order_once_each_and_outlive_a_crash_and_turns,
                a_session_has_so_many_notes_and_no_more,
                notes_go_with_their_session_by_removal_and_by_time,
                an_alert_is_somebodys_until_it_is_anothers_or_nobodys,
            }
            lists {
                the_list_shows_the_latest_first,
                pages_follow_each_other_without_gap_or_repeat,
                filters_by_status_and_level_are_exact,
                totals_follow_every_change,
                a_time_bounds_the_list_and_its_total,
                parts_and_substates_are_found,
                organisations_see_their_own_only,
                no_row_goes_on_at_high_or_crisis,
                dead_sessions_are_not_listed,
                counters_are_read_as_soon_as_counted,
                counters_outlive_a_close_and_go_in_their_time,
                protocol_versions_are_kept,
            }
            alerts {
                each_rise_that_pauses_is_one_alert,
                a_turn_that_raises_the_level_is_one_alert_however_often_it_is_repeated,
                a_raise_and_the_turn_behind_it_are_one_alert,
                a_session_under_a_remembered_level_raises_no_alert,
                danger_after_a_clearing_is_a_new_alert,
                alerts_outlive_a_crash_with_what_was_said_of_them,
                an_alert_is_acknowledged_once,
                clearing_closes_what_told_of_the_level_seen_or_not,
                pages_of_alerts_follow_each_other_in_either_order,
                organisations_see_their_own_alerts_only,
                a_delete_leaves_the_alert_and_takes_the_session_out_of_it,
                a_session_that_has_ended_is_named_by_no_alert,
                the_same_turn_and_reason_are_one_report,
                what_is_not_there_cannot_be_reported,
                too_many_reports_are_not_kept_and_danger_still_is,
                a_report_holds_its_session_until_somebody_has_seen_it,
                a_report_that_is_seen_in_danger_lets_nothing_go,
                a_session_can_be_reported_in_every_status,
                a_years_counters_outlive_those_of_its_days,
            }
            errands {
                one_leads_in_a_role_and_the_next_when_it_ran_out,
                a_lead_that_is_given_up_is_anothers_at_once,
                of_many_who_ask_at_once_one_leads,
                a_mark_is_what_was_last_written_and_outlives_a_crash,
            }
            notices {
                every_alert_is_due_on_every_channel_as_soon_as_it_is_open,
                a_notice_is_due_again_when_it_says_and_the_other_channels_keep_their_times,
                of_two_who_send_the_same_notice_one_does,
                nobody_begins_to_tell_of_what_was_seen_and_what_was_on_its_way_is_kept,
                notices_outlive_a_crash_and_are_forgotten_with_their_alert,
                those_of_which_nobody_was_told_come_first_however_many_wait,
            }
            alert_ends {
                what_was_dealt_with_goes_in_its_time_and_an_open_alert_never,
                a_rise_that_was_seen_stays_until_its_level_was_cleared_long_ago,
                a_report_that_was_seen_goes_though_the_level_stands,
                what_was_cleared_goes_though_nobody_saw_it_and_the_level_rose_again,
                a_rise_that_was_seen_goes_once_its_client_has_no_session,
                an_erased_sessions_alert_is_cleared_in_another_of_its_client,
                an_open_alert_outlives_its_session_and_goes_once_it_was_seen,
                a_session_that_never_came_to_be_is_named_for_one_ttl,
            }
        }
    };
}

mod embedded {
    behaviours!(crate::world::Embedded);
}

mod redis {
    behaviours!(crate::redis_world::Redis);
}
