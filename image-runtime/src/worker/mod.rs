//! The user's program as it runs inside a container.

pub mod bundle;
