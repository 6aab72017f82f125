//! An annotated function: its name, its image, its options, and how to call it with encoded arguments.

use std::pin::Pin;
use std::time::Duration;

use super::{ImageRef, Place, Secret};
use crate::protocol::Failure;

/// What `#[app::function]` knows of a function.
#[derive(Debug)]
pub struct FunctionSpec {
    /// The name it is called by: the function's own, or `name = "…"`.
    pub name: &'static str,
    /// Where the function stands.
    pub place: Place,
    /// The image it names; without one, the program's default.
    pub image: Option<ImageRef>,
    /// What the keywords say.
    pub options: FunctionOptions,
    /// The parameters, in order.
    pub parameters: &'static [Parameter],
    /// The result type as written; `()` where none is.
    pub result: &'static str,
    /// Runs the function on encoded arguments.
    pub invoke: Invoke,
    /// Crosses between JSON and the encoding of this function's values.
    pub json: JsonBridge,
}

/// A parameter of an annotated function, as written.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: &'static str,
}

/// The keywords of `#[app::function(…)]` and of `app::config!`.
#[derive(Clone, Copy, Debug, Default)]
pub struct FunctionOptions {
    /// [`timeout`](Self::timeout)
    pub timeout: Option<Duration>,
    /// [`env`](Self::env)
    pub env: &'static [(&'static str, &'static str)],
    /// [`secrets`](Self::secrets)
    pub secrets: &'static [Secret],
}

impl FunctionOptions {
    /// No option set.
    pub const fn new() -> Self {
        Self {
            timeout: None,
            env: &[],
            secrets: &[],
        }
    }

    /// `timeout = "5m"`: how long one call may run (`ms`, `s`, `m`, `h`). Without it, as long as it takes.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// `env = { "KEY": "value" }`: environment of the function, over the image's.
    #[must_use]
    pub const fn env(mut self, variables: &'static [(&'static str, &'static str)]) -> Self {
        self.env = variables;
        self
    }

    /// `secrets = [Secret::from_name("database")]`: variables of the function's environment, over `env` and the image's. Their values
    /// are hidden in what the function prints and in its errors.
    #[must_use]
    pub const fn secrets(mut self, secrets: &'static [Secret]) -> Self {
        self.secrets = secrets;
        self
    }
}

/// Decodes arguments, runs the function, encodes its result.
#[derive(Clone, Copy, Debug)]
pub enum Invoke {
    /// A `fn`.
    Blocking(fn(&[u8]) -> Result<Vec<u8>, Failure>),
    /// An `async fn`.
    Async(fn(&[u8]) -> InvokeFuture),
}

/// The run of an `async fn`.
pub type InvokeFuture = Pin<Box<dyn Future<Output = Result<Vec<u8>, Failure>>>>;

/// Crosses between JSON, for the command line, and the encoding of one function's values.
#[derive(Clone, Copy, Debug)]
pub struct JsonBridge {
    /// Encodes the arguments given as JSON values, one a parameter; the error is for people.
    pub encode_arguments: fn(Vec<serde_json::Value>) -> Result<Vec<u8>, String>,
    /// Decodes an encoded result to JSON; the error is for people.
    pub decode_result: fn(&[u8]) -> Result<serde_json::Value, String>,
}
