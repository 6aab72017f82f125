//! Rust functions that run inside the container image they name.

extern crate self as image_runtime;

#[doc(hidden)]
pub mod __private;
pub mod digest;
pub mod engine;
mod entry;
pub mod event;
pub mod protocol;
pub mod registry;
pub mod spec;

pub use image_macros::image;
pub use spec::Image;

/// The macros of a program: `#[app::function]`, `#[app::main]`, `#[app::test]`, `app::config!`.
pub mod app {
    pub use image_macros::{config, function, main, test};
}
