//! One call of one function.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::future::Anywhere;
use super::handle::Handle;
use super::job::Wishes;
use super::route::Route;
use super::{CallError, Callee};
use crate::protocol::How;
use crate::protocol::payload::{self, Way};
use crate::spec::{FunctionSpec, Retries};

/// A call of an annotated function: `.await` it, or use [`.blocking()`](Self::blocking) without a runtime.
///
/// Nothing happens before that. Then the image is built if it has to be, a container is started if none is free, and the
/// function runs in it. The future can be awaited on any runtime, spawned, joined, selected. Dropping it while the function
/// runs ends the container it runs in; where other calls run in it, too, as soon as these have ended.
///
/// An argument or a result that is a `Vec<u8>`, a `&[u8]` or a `serde_bytes::ByteBuf` crosses as bytes, and a large one is not copied on
/// the way. Inside of other types `ByteBuf` does: there serde takes a `Vec<u8>` for a list of numbers.
#[must_use = "a call is made when it is awaited or by `.blocking()`"]
#[derive(Debug)]
pub struct Call<T> {
    callee: Callee,
    arguments: Result<Vec<u8>, String>,
    wishes: Wishes,
    /// Its encoded result, once it has been polled.
    running: Option<Anywhere<Result<Vec<u8>, CallError>>>,
    way: Way<T>,
}

impl<T> Call<T> {
    /// A call with encoded arguments. `remote` makes it.
    #[doc(hidden)]
    pub fn new(callee: impl Into<Callee>, arguments: Result<Vec<u8>, String>, way: Way<T>) -> Self {
        Self {
            callee: callee.into(),
            arguments,
            wishes: Wishes::of(How::Once),
            running: None,
            way,
        }
    }

    /// How long the function may run, instead of what its `timeout` keyword says. Building and starting do not count, nor does
    /// waiting for a free container.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.wishes.timeout = Some(limit);
        self
    }

    /// How often a call that failed is made again, instead of what the function's `retries` keyword says: each time after a
    /// second. See [`FunctionOptions::retries`](crate::spec::FunctionOptions::retries) for what is retried.
    pub fn retries(mut self, times: u32) -> Self {
        self.wishes.retries = Some(Retries::times(times));
        self
    }

    /// Makes the call at once, in the background. `f::spawn(…)` is short for `f::remote(…).spawn()`.
    pub fn spawn(self) -> Handle<T> {
        let wishes = Wishes {
            how: How::Spawned,
            ..self.wishes
        };
        Handle::new(self.callee, self.arguments, wishes, self.way)
    }

    /// Makes the call and waits for its result on this thread. For programs and threads without an async runtime.
    ///
    /// # Errors
    /// See [`CallErrorKind`](super::CallErrorKind).
    pub fn blocking(self) -> Result<T, CallError> {
        block_on(self)
    }
}

impl<T> Future for Call<T> {
    type Output = Result<T, CallError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            callee,
            arguments,
            wishes,
            running,
            way,
        } = self.get_mut();
        let running = running.get_or_insert_with(|| {
            let arguments = std::mem::replace(arguments, Ok(Vec::new()));
            Anywhere::new(run(callee.clone(), arguments, *wishes))
        });
        let result = ready!(Pin::new(running).poll(context))?;
        Poll::Ready(decoded(callee.function, result, *way))
    }
}

/// Makes a call, and waits for its encoded result.
async fn run(
    callee: Callee,
    arguments: Result<Vec<u8>, String>,
    wishes: Wishes,
) -> Result<Vec<u8>, CallError> {
    let arguments = arguments.map_err(|reason| not_encoded(callee.function, &reason))?;
    Route::find(&callee, wishes).await?.call(arguments).await
}

pub(super) fn not_encoded(function: &FunctionSpec, reason: &str) -> CallError {
    CallError::encoding(
        function.name,
        &format!("the arguments could not be encoded: {reason}"),
    )
}

pub(super) fn decoded<T>(
    function: &FunctionSpec,
    result: Vec<u8>,
    way: Way<T>,
) -> Result<T, CallError> {
    payload::result(result, way).map_err(|reason| {
        CallError::encoding(
            function.name,
            &format!("the result could not be decoded: {reason}"),
        )
    })
}

/// Waits on this thread.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    // Inside an async function of the user, tokio would let no future go on that has been polled often without a
    // pause; here is nobody to pause for.
    pollster::block_on(tokio::task::unconstrained(future))
}
