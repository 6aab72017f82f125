//! What the macros' expansions name. Not for anybody else: it changes without notice.

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use inventory;
pub use serde_json;

pub use crate::client::Call;
pub use crate::entry::{MainSettings, block_on, run_main, run_test};
pub use crate::protocol::Failure;
pub use crate::registry::{RegisteredApp, RegisteredFunction, RegisteredImage, RegisteredTest};
pub use crate::spec::base::{BuilderVersion, PythonVersion, debian_slim, from_registry, scratch};
pub use crate::spec::verb;
pub use crate::spec::{
    AppSpec, Base, FunctionOptions, FunctionSpec, Image, ImageRef, ImageSpec, Invoke, JsonBridge, Parameter, Place, Step, TestEntry,
};
use crate::protocol::value;

/// A type that can be an argument of an annotated function: it crosses to the container and back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of an annotated function: it does not implement serde's `Serialize` and `Deserialize`",
    label = "cannot be sent to the container",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to the type"
)]
pub trait Argument: Serialize + DeserializeOwned {}
impl<T: Serialize + DeserializeOwned> Argument for T {}

/// A type that can be the result of an annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of an annotated function: it does not implement serde's `Serialize` and `Deserialize`",
    label = "cannot be sent back from the container",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to the type"
)]
pub trait Output: Serialize + DeserializeOwned + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Send + 'static> Output for T {}

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

/// Decodes the tuple of arguments.
pub fn decode_arguments<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    value::decode(bytes).map_err(|reason| Failure::Encoding {
        reason: format!("the arguments could not be decoded: {reason}"),
    })
}

/// Encodes the result.
pub fn encode_result<T: Serialize>(result: &T) -> Result<Vec<u8>, Failure> {
    value::encode(result).map_err(|reason| Failure::Encoding {
        reason: format!("the result could not be encoded: {reason}"),
    })
}

/// Decodes one argument given as JSON; `name` is the parameter's.
pub fn argument_from_json<T: DeserializeOwned>(name: &str, json: serde_json::Value) -> Result<T, String> {
    serde_json::from_value(json).map_err(|error| format!("argument `{name}`: {error}"))
}

/// Encodes the tuple of arguments.
pub fn encode_arguments<T: Serialize>(arguments: &T) -> Result<Vec<u8>, String> {
    value::encode(arguments)
}

/// Decodes an encoded result to JSON.
pub fn result_to_json<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<serde_json::Value, String> {
    serde_json::to_value(value::decode::<T>(bytes)?).map_err(|error| error.to_string())
}

/// An error on its way to the host: `(&Returned(&error)).failure()` takes [`ViaError`] where the error has sources and
/// [`ViaDisplay`] where it can only be shown.
pub struct Returned<'a, E>(pub &'a E);

/// The chain of a `std::error::Error`.
pub trait ViaError {
    /// The failure with the texts of the error and of its sources.
    fn failure(&self) -> Failure;
}

impl<E: std::error::Error> ViaError for Returned<'_, E> {
    fn failure(&self) -> Failure {
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
#[diagnostic::on_unimplemented(message = "`{Self}` cannot be the error of an annotated function: it does not implement `Display`")]
pub trait ViaDisplay {
    /// The failure with the text.
    fn failure(&self) -> Failure;
}

impl<E: Display> ViaDisplay for &Returned<'_, E> {
    fn failure(&self) -> Failure {
        Failure::Returned {
            chain: vec![format!("{:#}", self.0)],
        }
    }
}
