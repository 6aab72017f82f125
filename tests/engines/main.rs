//! One suite, run on every engine: the same cases must give the same results. Real engines, no network.
//!
//! A case that cannot run because no engine answers says so on the standard error, and fails where `CI=true` or
//! `IMAGE_TESTS_REQUIRE_ENGINE=1` is set.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod bench;
mod daemon;
mod docker;
mod embedded;
mod refused;
mod registry;
mod suite;
mod tree;

/// Makes a test of every case, in a module named after the engine.
macro_rules! on_engine {
    ($engine:ident: $($group:ident { $($case:ident)* })*) => {
        mod $engine {
            $(mod $group {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    let name = concat!(stringify!($group), "::", stringify!($case));
                    crate::bench::on(stringify!($engine), name, crate::suite::$group::$case).await;
                })*
            })*
        }
    };
}

macro_rules! on_every_engine {
    ($($suite:tt)*) => {
        mod on {
            on_engine! { docker: $($suite)* }
            on_engine! { embedded: $($suite)* }
        }
    };
}

on_every_engine! {
    files {
        an_empty_tree_is_a_layer
        entries_arrive_as_they_were_given
        files_are_put_over_those_below
        directories_that_are_there_stay_as_they_are
        new_directories_go_into_those_that_are_there
        a_directory_that_is_a_link_is_followed
        a_file_is_never_put_over_a_directory
        files_are_put_where_a_layer_removed_some
        directories_that_nobody_may_enter_are_filled
        long_names_and_big_numbers_are_kept
        a_source_that_fails_leaves_no_layer
        a_source_that_panics_leaves_no_layer
        a_file_that_changes_its_size_leaves_no_layer
        work_that_is_given_up_leaves_nothing
        a_parent_that_does_not_exist_is_an_error
    }
    layers {
        what_is_made_is_listed_until_it_is_removed
        a_layer_below_another_is_in_use
        a_layer_of_a_container_is_in_use
        a_layer_that_does_not_exist_is_an_error_of_its_own
        making_a_layer_again_replaces_it
    }
    pulling {
        an_image_of_a_registry_is_a_layer
    }
    containers {
        the_process_gets_exactly_its_arguments
        the_process_gets_exactly_its_environment
        the_process_runs_where_and_as_whom_it_was_told
        giving_files_to_other_users_succeeds
        exit_codes_and_signals_are_told
        an_end_is_told_to_all_who_wait_and_to_those_who_come_late
        only_the_last_lines_of_output_are_kept
        a_program_that_does_not_exist_is_an_error
        a_start_that_is_given_up_leaves_no_container
        removing_ends_the_process_and_can_be_repeated
        links_of_a_layer_lead_nowhere_outside
        a_container_sees_nothing_of_those_before_it
        what_this_program_has_open_cannot_be_reached
        files_of_this_machine_are_seen_inside
        without_network_there_is_only_the_loopback
        several_run_at_once
        running_out_of_memory_is_told
        no_more_processes_are_started_than_the_limit_says
        containers_within_their_limits_run_as_others_do
        a_program_finds_its_own_limits_where_it_looks_for_them
        a_limit_that_makes_no_sense_is_an_error
    }
    walls {
        root_has_few_capabilities_and_others_none
        system_calls_are_filtered
        what_tells_of_the_machine_is_hidden
        nothing_is_hidden_elsewhere_than_it_is
        the_kernel_cannot_be_changed_from_inside
        device_files_that_are_made_inside_do_not_work
        processes_of_others_are_not_seen
        it_has_a_name_and_addresses_of_its_own
    }
    saving {
        what_was_written_is_kept
        nothing_of_mounts_is_kept
        nothing_of_the_process_is_kept
        a_saved_layer_can_be_built_on
        caches_are_kept_between_containers
        volumes_stay_until_they_are_removed
    }
    exporting {
        a_layer_and_those_below_are_archives_of_what_they_add
        a_sink_that_fails_ends_it
    }
    sweeping {
        containers_of_the_living_stay
        containers_of_the_dead_go
    }
}
