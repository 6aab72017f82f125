//! Stand-in.

use std::process::{ExitCode, Termination};

/// What `#[app::main]` knows.
#[derive(Clone, Copy, Debug)]
pub struct MainSettings {
    /// The package's name.
    pub package: &'static str,
    /// Whether the program takes our command line.
    pub cli: bool,
}

/// Runs a program: as a worker if it is one, as our command line if there are arguments for it, else the body of `main`.
pub fn run_main<R: Termination>(settings: MainSettings, body: impl FnOnce() -> R) -> ExitCode {
    let _ = settings;
    body().report()
}

/// Runs a test: as a worker if this process is one, else its body.
pub fn run_test<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// Runs the body of an `async fn`, on a runtime of its own.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}
