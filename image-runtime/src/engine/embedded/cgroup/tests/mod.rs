//! Tests of control groups: on trees of files that play the kernel, and on the machine's own.

mod fake;
mod real;

use std::io::Write as _;

/// Says loudly that a test did not run; where tests must run, it fails.
fn not_run(reason: &str) {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|text| text == value);
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(
        !is("CI", "true") && !is("IMAGE_TESTS_REQUIRE_ENGINE", "1"),
        "`{test}` could not run: {reason}"
    );
    // Not by `eprintln`, which the test harness hides where a test passes.
    let _ = writeln!(std::io::stderr(), "NOT RUN: `{test}`: {reason}");
}
