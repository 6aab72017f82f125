//! Rust functions that run inside the container image they name.

extern crate self as image_runtime;

#[doc(hidden)]
pub mod __private;
pub mod context;
pub mod digest;
pub mod engine;
pub mod event;
pub mod protocol;
pub mod registry;
pub mod spec;
pub mod store;
pub mod ui;

pub use spec::Image;
