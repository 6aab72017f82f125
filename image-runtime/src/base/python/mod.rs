//! Pythons for machines that reach no registry, and for images that have none: a Debian suite's own, and standalone ones.

mod listing;
mod name;
pub mod standalone;

/// The series of a suite's `python3` package.
pub fn suite_series(suite: &str) -> &'static str {
    match suite {
        "bullseye" => "3.9",
        "bookworm" => "3.11",
        _ => "3.13",
    }
}

/// The packages that make a suite's Python as complete as python.org's, without its tests and graphics.
pub fn suite_packages(suite: &str) -> &'static [&'static str] {
    match suite {
        "bullseye" | "bookworm" => &["python3", "python3-distutils"],
        _ => &["python3"],
    }
}
