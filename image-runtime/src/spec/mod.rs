//! The data that the macros write: images and functions as `const` values, without allocation.

mod app;
pub mod base;
pub mod dockerfile;
mod function;
mod image;
pub(crate) mod python;
pub(crate) mod secret;
pub mod verb;

pub use app::{AppSpec, TestEntry};
pub use base::Base;
pub use function::{
    BuildFunction, FunctionOptions, FunctionSpec, Invoke, InvokeFuture, ItemSink, JsonBridge,
    Parameter, Retries, StreamFuture,
};
pub use image::{Image, ImageRef, ImageSpec, Place};
pub use python::{Project, Requirements};
pub use secret::{Secret, Secrets};
pub use verb::Step;
