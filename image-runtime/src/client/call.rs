//! One call of one function.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::future::Anywhere;
use super::{CallError, Host};
use crate::protocol::value;
use crate::spec::FunctionSpec;

/// A call of an annotated function: `.await` it, or use [`.blocking()`](Self::blocking) without a runtime.
///
/// Nothing happens before that. Then the image is built if it has to be, a container is started if none is free, and the
/// function runs in it. The future can be awaited on any runtime, spawned, joined, selected. Dropping it while the function
/// runs ends the container it runs in.
///
/// Large byte buffers cross fastest as `serde_bytes::ByteBuf`: serde takes a `Vec<u8>` for a list of numbers.
#[must_use = "a call is made when it is awaited or by `.blocking()`"]
#[derive(Debug)]
pub struct Call<T> {
    function: &'static FunctionSpec,
    arguments: Result<Vec<u8>, String>,
    timeout: Option<Duration>,
    /// Its encoded result, once it has been polled.
    running: Option<Anywhere<Result<Vec<u8>, CallError>>>,
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
            running: None,
            result: PhantomData,
        }
    }

    /// How long the function may run, instead of what its `timeout` keyword says. Building and starting do not count.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}

impl<T: DeserializeOwned> Call<T> {
    /// Makes the call and waits for its result on this thread. For programs and threads without an async runtime.
    ///
    /// # Errors
    /// See [`CallErrorKind`](super::CallErrorKind).
    pub fn blocking(self) -> Result<T, CallError> {
        // Inside an async function of the user, tokio would let no future go on that has been polled often without a
        // pause; here is nobody to pause for.
        pollster::block_on(tokio::task::unconstrained(self))
    }
}

impl<T: DeserializeOwned> Future for Call<T> {
    type Output = Result<T, CallError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            function,
            arguments,
            timeout,
            running,
            ..
        } = self.get_mut();
        let running = running.get_or_insert_with(|| {
            let arguments = std::mem::replace(arguments, Ok(Vec::new()));
            Anywhere::new(run(function, arguments, *timeout))
        });
        let result = ready!(Pin::new(running).poll(context))?;
        Poll::Ready(value::decode(&result).map_err(|reason| {
            CallError::encoding(
                function.name,
                &format!("the result could not be decoded: {reason}"),
            )
        }))
    }
}

async fn run(
    function: &'static FunctionSpec,
    arguments: Result<Vec<u8>, String>,
    timeout: Option<Duration>,
) -> Result<Vec<u8>, CallError> {
    let arguments = arguments.map_err(|reason| {
        CallError::encoding(
            function.name,
            &format!("the arguments could not be encoded: {reason}"),
        )
    })?;
    Host::get().await?.call(function, &arguments, timeout).await
}
