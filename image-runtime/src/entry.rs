//! Where a program begins: `#[app::main]` and `#[app::test]` come here, and find out whether this process is the host or
//! a worker.

use std::process::{ExitCode, Termination};

use crate::build::BuildOptions;
use crate::client::{Host, HostSettings};
use crate::ui::{Ui, UiOptions};
use crate::{cli, registry, worker};

/// What `#[app::main]` knows.
#[derive(Clone, Copy, Debug)]
pub struct MainSettings {
    /// The package's name.
    pub package: &'static str,
    /// The package's directory when it was compiled.
    pub folder: &'static str,
    /// Whether the program takes our command line.
    pub cli: bool,
}

/// Runs a program: as a worker if it is one, as our command line if there are arguments for it, else the body of `main`.
pub fn run_main<R: Termination>(settings: MainSettings, body: impl FnOnce() -> R) -> ExitCode {
    become_what_this_process_is();
    let line = if settings.cli {
        cli::parse(settings.package)
    } else {
        cli::Line::default()
    };
    let ui = Ui::new(UiOptions {
        quiet: line.quiet,
        test: false,
    });
    Host::set(HostSettings {
        worker_arguments: Some(Vec::new()),
        events: line.events(&ui),
        is_timed: line.is_timed(),
        build: line.build_options(settings.folder),
    });
    // Known before anything runs, so that nobody learns of it by a call that comes late.
    if let Err(error) = registry::Program::get() {
        return cli::fail(&error.to_string());
    }
    let code = match line.command {
        None => body().report(),
        Some(command) => command.run(&ui),
    };
    cli::print_call_timings();
    code
}

/// Goes on as a worker, or as what clears up after a host, where this process was started for that.
fn become_what_this_process_is() {
    if worker::is_reaper() {
        worker::reap();
    }
    worker::run_named_function();
    if worker::is_worker() {
        worker::serve();
    }
}

/// Runs a test: as a worker if this process is one, else its body.
pub fn run_test<R>(body: impl FnOnce() -> R) -> R {
    become_what_this_process_is();
    Host::set(HostSettings {
        worker_arguments: registry::test_entry().map(worker_arguments),
        events: Ui::new(UiOptions {
            quiet: false,
            test: true,
        })
        .events(),
        is_timed: false,
        build: BuildOptions::default(),
    });
    body()
}

/// The arguments by which a test program runs one test and nothing else.
fn worker_arguments(test: &str) -> Vec<String> {
    [
        test,
        "--exact",
        "--nocapture",
        "--include-ignored",
        "--test-threads=1",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Runs the body of an `async fn`, on a runtime of its own.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a process without threads runs nothing")
        .block_on(future)
}
