//! Pythons for machines that reach no registry, and for images that have none: a Debian suite's own, and standalone ones.

mod listing;
mod name;
pub mod standalone;

use crate::spec::base::PythonVersion;

/// The version of a suite's `python3` package: a stable suite keeps it, and mends it without another number.
pub fn suite_version(suite: &str) -> &'static str {
    match suite {
        "bullseye" => "3.9.2",
        "bookworm" => "3.11.2",
        _ => "3.13.5",
    }
}

/// The series of a suite's `python3` package.
pub fn suite_series(suite: &str) -> &'static str {
    let version = suite_version(suite);
    version
        .rsplit_once('.')
        .map_or(version, |(series, _)| series)
}

/// Whether a suite's `python3` is the one that is asked for.
pub fn suite_has(suite: &str, asked: &PythonVersion) -> bool {
    match asked.pinned {
        true => asked.exact == suite_version(suite),
        false => asked.series == suite_series(suite),
    }
}

/// The packages that make a suite's Python as complete as python.org's, without its tests and graphics.
pub fn suite_packages(suite: &str) -> &'static [&'static str] {
    match suite {
        "bullseye" | "bookworm" => &["python3", "python3-distutils"],
        _ => &["python3"],
    }
}
