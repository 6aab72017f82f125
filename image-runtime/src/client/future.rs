//! The runtime behind all calls, and a future that uses it from any executor.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::runtime::Runtime;

/// Drives sockets, timers and builds. Calls are awaited wherever the user awaits them.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("image-runtime")
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a process without threads makes no calls")
});

/// The runtime behind all calls.
pub(crate) fn runtime() -> &'static Runtime {
    &RUNTIME
}

/// What a future answers; nothing where it panics. For work in the background whose end somebody waits for: what is told of a panic on
/// stderr ends no wait.
pub(super) async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(future).catch_unwind().await.ok()
}

/// A future that finds the runtime's sockets and timers, whoever polls it.
pub(super) struct Anywhere<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Anywhere<T> {
    pub(super) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl<T> Future for Anywhere<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let _entered = runtime().enter();
        self.0.as_mut().poll(context)
    }
}

impl<T> std::fmt::Debug for Anywhere<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Anywhere")
    }
}
