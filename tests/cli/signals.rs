//! Programs that are ended half-way.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{
    Changing, Running, assert_nothing_left, changing, engine, has_container, has_layer, subject,
};

/// How soon a program must be gone that was told to end.
const PROMPTLY: Duration = Duration::from_secs(5);

const SIGNALS: [(Signal, Option<i32>); 3] = [
    (Signal::INT, Some(130)),
    (Signal::TERM, Some(143)),
    (Signal::KILL, None),
];

/// Ends a program in the middle of its work in a container. It is gone promptly, with this code, and nothing is left of it.
fn end(program: Running, signal: Signal, code: Option<i32>) -> String {
    assert!(
        has_container(program.pid()),
        "it is in the middle of its work"
    );
    end_anywhere(program, signal, code)
}

fn end_anywhere(program: Running, signal: Signal, code: Option<i32>) -> String {
    let begin = Instant::now();
    program.signal(signal);
    let ended = program.end();
    assert!(begin.elapsed() < PROMPTLY, "{signal:?}");
    assert_eq!(ended.code, code, "{signal:?}: {}", ended.stderr);
    assert_nothing_left(&ended);
    ended.stderr
}

#[test]
fn a_build_that_is_ended_leaves_nothing_and_the_next_one_works() {
    if !engine() {
        return;
    }
    for (signal, code) in SIGNALS {
        let mut files = Changing::take();
        let slow = changing(&["build", "SLOW"]);
        let mut program = slow.env("IMAGE_TESTS_SLOW", "forever").start();
        program.until("│ started");
        let text = end(program, signal, code);
        if code.is_some() {
            assert!(text.ends_with("interrupted\n"), "{text}");
        }
        let next = &files.build(&["SLOW"])[0];
        assert_eq!(
            next["built"], 1,
            "the copied files are there, the step is not"
        );
        assert!(has_layer(next["layer"].as_str().unwrap()));
    }
}

#[test]
fn a_base_whose_build_is_ended_leaves_nothing_and_the_next_one_works() {
    if !engine() {
        return;
    }
    // What was downloaded stays in this store, and nobody else looks there.
    let store = tempfile::tempdir().unwrap();
    let build =
        || subject(&["build", "DEBIAN", "--no-cache", "--json"]).env("IMAGE_STORE", store.path());
    let known = subject(&["build", "DEBIAN", "--json"]).run().good().json();
    let of_archive = known[0]["base"].as_str().unwrap().contains("archive");
    if !tests::is_for("a base that comes from the archive", of_archive) {
        return;
    }
    for doing in ["downloading packages", "unpacking", "configuring"] {
        for (signal, code) in SIGNALS {
            let mut program = build().start();
            program.until(&format!("] {doing}"));
            let text = end_anywhere(program, signal, code);
            assert!(code.is_none() || text.ends_with("interrupted\n"), "{text}");
            assert!(!text.contains("help: "), "{text}");
        }
    }
    let next = build().run().good().json();
    assert_eq!(next[0]["built"], 1);
    assert!(has_layer(next[0]["layer"].as_str().unwrap()));
}

#[test]
fn a_call_that_is_ended_leaves_nothing() {
    if !engine() {
        return;
    }
    for (signal, code) in SIGNALS {
        for function in ["sleep", "relay"] {
            let mut program = subject(&["call", function, "1000"]).start();
            program.until("│ asleep");
            end(program, signal, code);
        }
    }
}

#[test]
fn the_body_of_main_ends_as_any_program_does() {
    if !engine() {
        return;
    }
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut program = subject(&[]).env("SUBJECT_DOES", "sleep").start();
        program.until("│ asleep");
        end(program, signal, None);
    }
}
