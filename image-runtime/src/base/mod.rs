//! Where base images come from: registries, and the Debian archive where none answers, and the tools that builds need.

pub mod debian;
pub mod download;
pub mod oci;
pub mod python;
pub mod uv;
