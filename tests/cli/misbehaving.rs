//! Build steps and functions that do what none should.

use serde_json::{Value, json};

use crate::support::{Ended, assert_nothing_left, engine, program};

fn call(function: &str) -> Ended {
    program(env!("CARGO_BIN_EXE_misbehaving"), &["call", function])
        .env("IMAGE_TESTS_FILES", "20000")
        .run()
}

/// What a function answers, whose image is built for that.
fn answer(function: &str) -> Value {
    let ended = call(function).good();
    assert_nothing_left(&ended);
    ended.json()
}

#[test]
fn daemons_of_a_step_end_with_it() {
    if engine() {
        assert_eq!(answer("left_by_daemons"), json!(["left\n", 0]));
    }
}

#[test]
fn a_step_may_fill_and_close_its_directory_for_temporary_files() {
    if engine() {
        assert_eq!(answer("left_in_tmp"), json!(["314572800\n", 0]));
    }
}

#[test]
fn a_step_without_a_shell_says_what_is_missing() {
    if engine() {
        let ended = call("without_shell").with(1, &["/bin/sh", "run_commands"]);
        assert_nothing_left(&ended);
    }
}

#[test]
fn a_closed_root_is_built_on() {
    if engine() {
        assert_eq!(answer("below_closed_root"), "built\n");
    }
}

#[test]
fn devices_that_a_step_makes_open_for_nobody() {
    if engine() {
        assert_eq!(answer("devices"), json!([]));
    }
}

#[test]
fn a_step_may_write_many_files() {
    if engine() {
        assert_eq!(answer("many_files"), "20000\n");
    }
}
