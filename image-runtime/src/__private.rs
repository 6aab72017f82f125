//! What the macros' expansions name. Not for anybody else: it changes without notice.

mod bytes;
mod crossing;
mod items;
mod state;

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use bytes::{CannotTake, Put, PutOther, Take, TakeOther};
pub use crossing::{CannotCross, CannotEncode, Crossing, Encode, arguments, json_arguments};
pub use inventory;
pub use serde_json;

pub use crate::protocol::payload::{Bulk, result};
pub use futures_util::{Stream, StreamExt};
pub use items::{send_items, send_stream};
pub use state::{Shared, State};

pub use crate::client::{Call, Callee, Class, Handle, Instance, Items, Map};
pub use crate::entry::{MainSettings, block_on, run_main, run_main_without_body, run_test};
pub use crate::registry::{RegisteredApp, RegisteredFunction, RegisteredImage, RegisteredTest};
pub use crate::spec::Failure;
pub use crate::spec::base::{
    BuilderVersion, PythonVersion, debian_slim, from_dockerfile, from_registry, micromamba, scratch,
};
pub use crate::spec::dockerfile;
pub use crate::spec::verb;
pub use crate::spec::{
    AppSpec, Base, BuildFunction, ClassSpec, ExitSpec, FunctionOptions, FunctionSpec, Gpu, Image,
    ImageRef, ImageSpec, Invoke, JsonBridge, Parameter, Place, Project, PythonSpec, Requirements,
    Retries, Secret, Step, TestEntry, Volume,
};

/// Why no step can follow an image, if none can: its last files are put in when a container starts.
pub const fn cannot_be_extended(base: &Base) -> Option<&'static str> {
    match base {
        Base::Image(named) if named.image.spec().ends_added() => Some(
            "no step can follow an image that ends with `copy = false`: its files are not there while an image is built\n\
             help: leave `copy = false` out there, or add the files last in each image that needs them",
        ),
        _ => None,
    }
}

/// Why no conda package can be installed into what extends an image, if none can.
pub const fn has_no_conda(base: &Base) -> Option<&'static str> {
    match base {
        Base::Image(named) if !named.image.spec().has_conda() => Some(
            "`micromamba_install` needs an image with conda, and the one that is extended has none\n\
             help: let that image start from `micromamba()`",
        ),
        _ => None,
    }
}

/// Why no program of the image can run in what extends an image, if none can.
pub const fn has_no_programs(base: &Base) -> Option<&'static str> {
    match base {
        Base::Image(named) if named.image.spec().holds_nothing() => Some(
            "this step runs programs of the image, and the one that is extended holds nothing\n\
             help: let that image start from `debian_slim()`, or put the programs in first, such as with `copy_local_dir`",
        ),
        _ => None,
    }
}

/// What a function without `#[app::function]` is where a type of its name is looked for.
pub mod not_annotated {
    /// That function.
    #[derive(Clone, Copy, Debug)]
    pub struct Function__ {}
}

/// What every type answers that is none of an annotated function.
pub trait NotAnnotated {
    /// No function, which is refused.
    const BUILD__: BuildFunction = BuildFunction {
        spec: || unreachable!("it has been refused"),
        parameters: 0,
        makes_stream: false,
        source: "",
    };
}
impl<T: ?Sized> NotAnnotated for T {}

/// Why a function cannot run while an image is built, if it cannot.
pub const fn cannot_run_while_building(function: &BuildFunction) -> Option<&'static str> {
    if function.source.is_empty() {
        return Some(
            "`run_function` takes a function under `#[app::function]`\n\
             help: write `#[app::function]` above it",
        );
    }
    if function.makes_stream {
        return Some(
            "`run_function` takes a function that returns once, not one that makes a stream",
        );
    }
    if function.parameters > 0 {
        return Some(
            "`run_function` takes a function without parameters\n\
             help: write one that calls it with its arguments",
        );
    }
    None
}

/// No function that makes a stream has it.
#[diagnostic::on_unimplemented(
    message = "`remote` gives one value, and this function makes a stream of them",
    label = "call `stream` in place of `remote`"
)]
pub trait MakesOneValue {}

/// A type that can be an argument of an annotated function: it crosses to the container and back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of an annotated function: it does not implement serde's `Serialize` and `Deserialize`",
    label = "cannot be sent to the container",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to the type; for a type of another crate, look for its `serde` feature"
)]
pub trait Argument: Serialize + DeserializeOwned {}
// Without the attribute each of serde's traits would be an error of its own.
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Argument for T {}

/// A type that can be the result of an annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of an annotated function: it does not implement serde's `Serialize` and `Deserialize`",
    label = "cannot be sent back from the container",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to the type; for a type of another crate, look for its `serde` feature",
    note = "a `Result` under another name, as an alias gives it one, is taken for a value: write `Result<…>`"
)]
pub trait Output: Serialize + DeserializeOwned {}
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Output for T {}

/// The two types of a `Result`, under whatever alias.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a `Result`")]
pub trait ResultType {
    /// Of `Ok`.
    type Ok;
    /// Of `Err`.
    type Err;
}
impl<T, E> ResultType for Result<T, E> {
    type Ok = T;
    type Err = E;
}

/// Refuses a type that cannot be an argument.
pub const fn argument<T: Argument>() {}

/// Refuses a type that cannot be a result.
pub const fn output<T: Output>() {}

/// Refuses an error type that cannot be shown.
pub const fn returned_error<E: ReturnedError>() {}

/// A type that can be the error of an annotated function: its text crosses.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of an annotated function: it does not implement `Display`",
    label = "has no text that could be sent back from the container"
)]
pub trait ReturnedError: Display {}
#[diagnostic::do_not_recommend]
impl<E: Display> ReturnedError for E {}

/// An error on its way to the host: `(&Returned(&error)).failure__()` takes [`ViaError`] where the error has sources,
/// [`ViaDisplay`] where it can only be shown, and [`NoText`] for a type that [`returned_error`] has refused. No trait of the user has a method of that name.
pub struct Returned<'a, E>(pub &'a E);

impl<E> Clone for Returned<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<E> Copy for Returned<'_, E> {}

/// The chain of a `std::error::Error`.
pub trait ViaError {
    /// The failure with the texts of the error and of its sources.
    fn failure__(&self) -> Failure;
}

impl<E: std::error::Error> ViaError for Returned<'_, E> {
    fn failure__(&self) -> Failure {
        let mut chain = vec![self.0.to_string()];
        let mut source = self.0.source();
        while let Some(error) = source {
            chain.push(error.to_string());
            source = error.source();
        }
        Failure::Returned { chain }
    }
}

/// The text of anything that can be shown. `{:#}` of `anyhow::Error` and `eyre::Report` holds the whole chain.
pub trait ViaDisplay {
    /// The failure with the text.
    fn failure__(&self) -> Failure;
}

impl<E: Display> ViaDisplay for &Returned<'_, E> {
    fn failure__(&self) -> Failure {
        Failure::Returned {
            chain: vec![format!("{:#}", self.0)],
        }
    }
}

/// The stand-in for a type that has been refused.
pub trait NoText: Sized {
    /// Never called.
    fn failure__(self) -> Failure {
        unreachable!("the type has been refused")
    }
}

impl<E> NoText for Returned<'_, E> {}
