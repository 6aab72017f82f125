//! Support of the tests.

pub mod daemon;
pub mod served;

use std::fs::File;
use std::io::Write;

/// Answers whether a container engine can be used, by `answers`. See [`have`].
///
/// # Panics
/// With `CI=true` or `IMAGE_TESTS_REQUIRE_ENGINE=1`, where no engine answers.
pub fn engine_answers(answers: bool) -> bool {
    have("a container engine, and none answers", answers)
}

/// Answers `has`: whether a test has what it needs. Where it has not, it says loudly that it did not run; where tests must
/// run, it fails.
///
/// # Panics
/// With `CI=true` or `IMAGE_TESTS_REQUIRE_ENGINE=1`, where it has not.
pub fn have(needed: &str, has: bool) -> bool {
    if has {
        return true;
    }
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|text| text == value);
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(
        !is("CI", "true") && !is("IMAGE_TESTS_REQUIRE_ENGINE", "1"),
        "`{test}` needs {needed}"
    );
    say_not_run(needed);
    false
}

/// Whether this run of a test has what it is for, and else says so: another run of the suite has it, or few machines do.
pub fn is_for(needed: &str, has: bool) -> bool {
    if !has {
        say_not_run(needed);
    }
    has
}

/// Takes an address of this machine that definitions name: one test at a time has it, in whatever process, until this is dropped.
///
/// # Panics
/// Where no file can be locked.
#[must_use]
pub fn take_address(address: &str) -> File {
    let name = format!("image-runtime-tests-{}.lock", address.replace(':', "-"));
    let lock = File::create(std::env::temp_dir().join(name)).expect("a file can be made");
    lock.lock().expect("a file can be locked");
    lock
}

fn say_not_run(needed: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not by `eprintln`, which the test harness hides where a test passes.
    let _ = writeln!(std::io::stderr(), "NOT RUN: `{test}` needs {needed}");
}
