//! What the macros read from Python files while compiling.

/// What a requirements file, or a project, asks for. Files that it includes are part of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// One requirement a line, in pip's format.
    pub text: &'static str,
    /// Constraints, likewise.
    pub constraints: &'static str,
    /// Options that uv takes on its command line only.
    pub options: &'static [&'static str],
}

/// A Python project and its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Project {
    /// The text of `pyproject.toml`.
    pub pyproject: &'static str,
    /// The text of `uv.lock`; empty where there is none.
    pub lock: &'static str,
}
