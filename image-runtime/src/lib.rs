//! Rust functions that run inside the container image they name.

#![warn(clippy::print_stdout, clippy::print_stderr)]

extern crate self as image_runtime;

#[doc(hidden)]
pub mod __private;
pub mod base;
pub mod build;
mod cli;
mod client;
pub mod context;
pub mod digest;
pub mod engine;
mod entry;
pub mod event;
pub mod plan;
pub mod protocol;
pub mod registry;
pub mod spec;
pub mod store;
pub mod ui;
pub mod worker;

pub use client::{Call, CallError, CallErrorKind};
pub use image_macros::image;
pub use spec::Image;

/// The macros of a program: `#[app::function]`, `#[app::main]`, `#[app::test]`, `app::config!`.
pub mod app {
    pub use image_macros::{config, function, main, test};
}

/// The code of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct ReadmeDoctests;
