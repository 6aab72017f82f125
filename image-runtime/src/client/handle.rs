//! A call that runs in the background.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::Notify;

use super::call::{block_on, decoded, not_encoded};
use super::future::{Anywhere, caught, runtime};
use super::job::Wishes;
use super::route::Route;
use super::{CallError, CallErrorKind, Callee};
use crate::protocol::payload::Way;
use crate::spec::FunctionSpec;
use crate::worker;

/// A call that was made by `f::spawn(…)` and runs in the background, whether or not anybody waits for it.
///
/// Dropping it lets the call run on, unheard. When the program ends, so do its calls.
pub struct Handle<T> {
    state: Arc<State>,
    way: Way<T>,
}

struct State {
    id: CallId,
    function: &'static FunctionSpec,
    /// Encoded.
    result: OnceLock<Result<Vec<u8>, CallError>>,
    /// Told when the result is there.
    finished: Notify,
    /// Told when the call is to end.
    cancelled: Notify,
    /// Whether somebody waits for it without a limit.
    is_awaited: AtomicBool,
    /// Where it is made.
    route: OnceLock<Route>,
}

/// What tells a spawned call from all others of the programs that run on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId {
    process: u32,
    number: u64,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call-{:x}-{}", self.process, self.number)
    }
}

impl CallId {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            process: std::process::id(),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl<T> Handle<T> {
    pub(super) fn new(
        callee: Callee,
        arguments: Result<Vec<u8>, String>,
        wishes: Wishes,
        way: Way<T>,
    ) -> Self {
        let function = callee.function;
        let state = Arc::new(State {
            id: CallId::new(),
            function,
            result: OnceLock::new(),
            finished: Notify::new(),
            cancelled: Notify::new(),
            is_awaited: AtomicBool::new(false),
            route: OnceLock::new(),
        });
        let told = Arc::clone(&state);
        let begun = Instant::now();
        let mut call = Box::pin(async move {
            let result = tokio::select! {
                result = caught(told.run(callee, arguments, wishes)) => {
                    result.unwrap_or_else(|| Err(CallError::lost(function.name)))
                }
                () = told.cancelled.notified() => {
                    Err(CallError::cancelled(function.name, "`Handle::cancel`", begun.elapsed()))
                }
            };
            let _ = told.result.set(result);
            told.finished.notify_waiters();
        });
        // A function in a container may end before another thread has asked for it.
        let _entered = runtime().enter();
        if !worker::is_serving() || call.as_mut().now_or_never().is_none() {
            runtime().spawn(call);
        }
        Self { state, way }
    }

    /// What tells the call from all others.
    pub fn id(&self) -> CallId {
        self.state.id
    }

    /// Whether there is a result, or an error.
    pub fn is_finished(&self) -> bool {
        self.state.result.get().is_some()
    }

    /// Ends the call, wherever it is: it does not begin, or the container it runs in ends. [`get`](Self::get) then gives
    /// [`CallErrorKind::Cancelled`]. A call that has ended keeps its result.
    pub fn cancel(&self) -> impl Future<Output = ()> + Send + use<T> {
        self.state.cancelled.notify_one();
        let state = Arc::clone(&self.state);
        async move {
            state.finished().await;
        }
    }

    /// Waits for the result. It can be had more than once.
    ///
    /// # Errors
    /// See [`CallErrorKind`].
    pub fn get(&self) -> impl Future<Output = Result<T, CallError>> + Send + use<T> {
        let (state, way) = (Arc::clone(&self.state), self.way);
        async move {
            if state.result.get().is_none() {
                state.is_awaited.store(true, Ordering::SeqCst);
                state.say_whether_awaited();
            }
            state.finished().await;
            state.decoded(way)
        }
    }

    /// Waits for the result for so long, and no longer. The call runs on, however this ends.
    ///
    /// # Errors
    /// [`CallErrorKind::TimedOut`] where there is no result yet; else see [`CallErrorKind`].
    pub fn get_timeout(
        &self,
        limit: Duration,
    ) -> impl Future<Output = Result<T, CallError>> + Send + use<T> {
        let (state, way) = (Arc::clone(&self.state), self.way);
        let waiting = Arc::clone(&state);
        let in_time = Anywhere::new(async move {
            tokio::time::timeout(limit, waiting.finished())
                .await
                .is_ok()
        });
        async move {
            if in_time.await {
                return state.decoded(way);
            }
            Err(CallError::new(
                CallErrorKind::TimedOut,
                format!(
                    "`{}` has no result after {limit:?} of waiting; it runs on\n  \
                     help: wait for it again, or end it with `.cancel()`",
                    state.function.name
                ),
            ))
        }
    }

    /// Waits for the result on this thread. For programs and threads without an async runtime.
    ///
    /// # Errors
    /// See [`CallErrorKind`].
    pub fn get_blocking(&self) -> Result<T, CallError> {
        block_on(self.get())
    }

    /// Waits for the result on this thread for so long, and no longer.
    ///
    /// # Errors
    /// As [`get_timeout`](Self::get_timeout).
    pub fn get_timeout_blocking(&self, limit: Duration) -> Result<T, CallError> {
        block_on(self.get_timeout(limit))
    }
}

impl State {
    async fn run(
        &self,
        callee: Callee,
        arguments: Result<Vec<u8>, String>,
        wishes: Wishes,
    ) -> Result<Vec<u8>, CallError> {
        let arguments = arguments.map_err(|reason| not_encoded(self.function, &reason))?;
        let route = Route::find(&callee, wishes).await?;
        let _ = self.route.set(route.clone());
        let call = route.call(arguments);
        self.say_whether_awaited();
        call.await
    }

    /// Of those who say that it is awaited and where it is made, the second tells.
    fn say_whether_awaited(&self) {
        if self.is_awaited.load(Ordering::SeqCst)
            && let Some(route) = self.route.get()
        {
            route.is_awaited();
        }
    }

    async fn finished(&self) {
        loop {
            let finished = self.finished.notified();
            if self.result.get().is_some() {
                return;
            }
            finished.await;
        }
    }

    fn decoded<T>(&self, way: Way<T>) -> Result<T, CallError> {
        match self.result.get() {
            // It can be asked for again.
            Some(Ok(result)) => decoded(self.function, result.clone(), way),
            Some(Err(error)) => Err(error.clone()),
            None => unreachable!("it was waited for"),
        }
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("id", &self.state.id)
            .field("function", &self.state.function.name)
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
