//! One call of one function.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::future::Anywhere;
use super::{CallError, Host};
use crate::protocol::value;
use crate::spec::FunctionSpec;

/// A call of an annotated function, not made yet: `.await` it, or use [`.blocking()`](Self::blocking) without a runtime.
///
/// The image is built if it has to be, a container is started if none is free, and the function runs in it.
/// Dropping the future of a call that is under way ends the container it runs in.
#[must_use = "a call is made when it is awaited or by `.blocking()`"]
#[derive(Debug)]
pub struct Call<T> {
    function: &'static FunctionSpec,
    arguments: Result<Vec<u8>, String>,
    timeout: Option<Duration>,
    result: PhantomData<fn() -> T>,
}

impl<T> Call<T> {
    /// A call with encoded arguments. `remote` makes it.
    #[doc(hidden)]
    pub fn new(function: &'static FunctionSpec, arguments: Result<Vec<u8>, String>) -> Self {
        Self {
            function,
            arguments,
            timeout: None,
            result: PhantomData,
        }
    }

    /// How long the function may run, instead of what its `timeout` keyword says. Building and starting do not count.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}

impl<T: DeserializeOwned + 'static> Call<T> {
    /// Makes the call and waits for its result on this thread. For programs and threads without an async runtime.
    ///
    /// # Errors
    /// See [`CallErrorKind`](super::CallErrorKind).
    pub fn blocking(self) -> Result<T, CallError> {
        pollster::block_on(self.into_future())
    }

    async fn run(self) -> Result<T, CallError> {
        let name = self.function.name;
        let arguments = self.arguments.map_err(|reason| {
            CallError::encoding(
                name,
                &format!("the arguments could not be encoded: {reason}"),
            )
        })?;
        let host = Host::get().await?;
        let result = host.call(self.function, &arguments, self.timeout).await?;
        value::decode(&result).map_err(|reason| {
            CallError::encoding(name, &format!("the result could not be decoded: {reason}"))
        })
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for Call<T> {
    type Output = Result<T, CallError>;
    type IntoFuture = CallFuture<T>;

    fn into_future(self) -> CallFuture<T> {
        CallFuture(Anywhere::new(self.run()))
    }
}

/// A call under way.
#[must_use = "a call goes on only while it is awaited"]
pub struct CallFuture<T>(Anywhere<Result<T, CallError>>);

impl<T> Future for CallFuture<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> std::fmt::Debug for CallFuture<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallFuture")
    }
}
