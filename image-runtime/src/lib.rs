//! Rust functions that run inside the container image they name.
//!
//! ```no_run
//! use image_runtime::{Image, app, image};
//!
//! const TOOLS: Image = image!(debian_slim().apt_install("graphviz"));
//!
//! #[app::function(image = TOOLS, timeout = "1m")]
//! fn version() -> std::io::Result<String> {
//!     let output = std::process::Command::new("dot").arg("-V").output()?;
//!     Ok(String::from_utf8_lossy(&output.stderr).into_owned())
//! }
//!
//! #[app::main]
//! async fn main() {
//!     match version::remote().await {
//!         Ok(version) => println!("{version}"),
//!         Err(error) => eprintln!("{error}"),
//!     }
//! }
//! ```
//!
//! * [`image!`] defines an image; [`spec::base`] and [`spec::verb`] list what can stand in it.
//! * [`app::function`] adds to a function `f::remote(…)`, a [`Call`]; `f::map(…)`, many calls, a [`Map`]; `f::spawn(…)`, a call in
//!   the background, a [`Handle`]; and to one that returns an iterator or a stream `f::stream(…)`, its [`Items`].
//! * [`app::cls`] does so for methods that share a state, which each container makes once: `Model::handle(7).predict.remote(1.0)`.
//! * [`app::python`] does so for a function of a Python file.
//! * [`app::main`] and [`app::test`] make a program that can be the host of calls and the worker that serves them.
//! * [`CallError`] says why a call gave no result.

#![warn(clippy::print_stdout, clippy::print_stderr)]

extern crate self as image_runtime;

// Hidden modules are open to this workspace's own tests and to expansions, and change without notice.
#[doc(hidden)]
pub mod __private;
#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod build;
mod cli;
mod client;
#[doc(hidden)]
pub mod context;
#[doc(hidden)]
pub mod digest;
#[doc(hidden)]
pub mod engine;
mod entry;
#[doc(hidden)]
pub mod event;
mod export;
#[doc(hidden)]
pub mod gpu;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod protocol;
#[doc(hidden)]
pub mod registry;
mod rfc3339;
#[doc(hidden)]
pub mod secrets;
pub mod spec;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod ui;
#[doc(hidden)]
pub mod worker;

pub use client::{
    BlockingItems, BlockingMap, Call, CallError, CallErrorKind, CallId, Class, Handle, Items, Map,
};
pub use image_macros::image;
pub use spec::{Image, Secret, Volume};

/// The macros of a program: `#[app::function]`, `#[app::cls]`, `#[app::python]`, `#[app::main]`, `#[app::test]`, `app::config!`.
pub mod app {
    pub use image_macros::{cls, config, function, main, python, test};
}

/// The code of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct ReadmeDoctests;
