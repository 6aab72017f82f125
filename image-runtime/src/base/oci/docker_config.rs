//! Docker's own configuration of this user: where it lies, and its JSON files.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of it: `DOCKER_CONFIG`, else `~/.docker`.
pub(crate) fn folder() -> Option<PathBuf> {
    let path = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    path("DOCKER_CONFIG").or_else(|| Some(path("HOME")?.join(".docker")))
}

/// A JSON file of it; nothing where there is none or it cannot be read, as `docker` does it.
pub(crate) fn read_json(file: &Path) -> Option<serde_json::Value> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}
