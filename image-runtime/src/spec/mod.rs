//! The data that the macros write: images and functions as `const` values, without allocation.

mod app;
pub mod base;
mod class;
mod config;
pub mod dockerfile;
mod failure;
mod function;
mod gpu;
mod image;
pub(crate) mod python;
mod script;
pub(crate) mod secret;
pub mod verb;
pub(crate) mod volume;

pub use app::{AppSpec, TestEntry};
pub use base::Base;
pub use class::{ClassSpec, ExitSpec};
pub use config::ImageConfig;
pub use failure::Failure;
pub use function::{
    BuildFunction, FunctionOptions, FunctionSpec, Invoke, InvokeFuture, ItemSink, JsonBridge,
    Parameter, Retries, StreamFuture,
};
pub use gpu::Gpu;
pub use image::{Image, ImageRef, ImageSpec, Place};
pub use python::{Project, Requirements};
pub use script::{EncodeReturned, PythonSpec};
pub use secret::{Secret, Secrets};
pub use verb::Step;
pub use volume::{Volume, Volumes};
