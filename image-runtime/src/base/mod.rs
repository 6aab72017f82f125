//! Where base images come from when no registry does: the Debian archive, and the downloads that this takes.

pub mod debian;
pub mod download;
