//! Where base images come from when no registry does, and the tools that builds need.

pub mod debian;
pub mod download;
pub mod python;
pub mod uv;
