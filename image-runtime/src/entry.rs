//! Where a program begins: `#[app::main]` and `#[app::test]` come here, and find out whether this process is the host or
//! a worker.

use std::process::{ExitCode, Termination};

use crate::build::BuildOptions;
use crate::client::{self, Host, HostSettings, Kept, Role};
use crate::event::Events;
use crate::ui::{Ui, UiOptions};
use crate::{cli, registry, worker};

/// What `#[app::main]` knows.
#[derive(Clone, Copy, Debug)]
pub struct MainSettings {
    /// The package's name.
    pub package: &'static str,
    /// The program's name: a package may have several.
    pub program: &'static str,
    /// The package's directory when it was compiled.
    pub folder: &'static str,
    /// Whether the program takes our command line.
    pub cli: bool,
}

/// Runs a program: as a worker if it is one, as our command line if there are arguments for it, else the body of `main`.
pub fn run_main<R: Termination>(settings: MainSettings, body: impl FnOnce() -> R) -> ExitCode {
    run(settings, Some(|| body().report()))
}

/// Runs a program whose `main` has no body: it deploys its functions.
pub fn run_main_without_body(settings: MainSettings) -> ExitCode {
    run(settings, None::<fn() -> ExitCode>)
}

fn run(settings: MainSettings, body: Option<impl FnOnce() -> ExitCode>) -> ExitCode {
    become_what_this_process_is();
    let mut line = if settings.cli {
        cli::parse(settings.package)
    } else {
        cli::Line::default()
    };
    if body.is_none() {
        line.or_deploy(settings.package);
    }
    // Known before anything runs, so that nobody learns of it by a call that comes late.
    let program = match registry::Program::get() {
        Ok(program) => program,
        Err(error) => return cli::fail(error.faults()),
    };
    let ui = Ui::new(UiOptions {
        quiet: line.quiet,
        test: false,
    });
    let build = match line.build_options(&settings) {
        Ok(build) => build,
        Err(text) => return cli::fail([&*text]),
    };
    let role = Role::Deployed(program.app_name(settings.package));
    let is_timed = line.is_timed();
    let host = HostSettings {
        worker_arguments: Some(Vec::new()),
        events: line.events(&ui),
        is_timed,
        build,
        // What is measured is what this process does.
        kept: match is_timed {
            true => Kept::Here,
            false => Kept::Elsewhere(role),
        },
    };
    if client::is_supervisor() {
        keep(host, role);
    }
    Host::set(match line.keeps_functions() {
        true => HostSettings {
            events: client::with_listeners(host.events),
            kept: Kept::ForOthers(role),
            ..host
        },
        false => host,
    });
    let code = match (line.command, body) {
        (Some(command), _) => command.run(&ui),
        (None, Some(body)) => body(),
        (None, None) => ExitCode::SUCCESS,
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
    let settings = HostSettings {
        worker_arguments: registry::test_entry().map(worker_arguments),
        events: Ui::new(UiOptions {
            quiet: false,
            test: true,
        })
        .events(),
        is_timed: false,
        build: BuildOptions::default(),
        // Else all tests run in one process.
        kept: match std::env::var_os("NEXTEST") {
            Some(_) => Kept::Elsewhere(Role::Shared),
            None => Kept::Here,
        },
    };
    if client::is_supervisor() {
        keep(settings, Role::Shared);
    }
    Host::set(settings);
    body()
}

/// Keeps containers for other processes. Nobody looks at this one.
fn keep(settings: HostSettings, role: Role) -> ! {
    Host::set(HostSettings {
        events: client::with_listeners(Events::silent()),
        kept: Kept::ForOthers(role),
        ..settings
    });
    client::keep(role)
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
