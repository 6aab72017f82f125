//! The command line of every program with `#[app::main]`. This and `ui/` are the only places that print.

mod args;
mod build;
mod call;
mod call_timings;
mod deploy;
mod doctor;
mod export;
mod list;
mod lock;
mod logs;
mod names;
mod printer;
mod prune;
mod ps;
mod render;
mod secret;
mod serve;
mod shell;
mod stop;
mod timings;
mod volume;

use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use args::Command;
use args::{Arguments, Verb};
pub(crate) use call_timings::print as print_call_timings;
use names::{names_help, unknown};
use printer::Printer;
use timings::Timings;

use crate::build::{BuildOptions, LockUse};
use crate::client::{CallError, Host, runtime};
use crate::entry::MainSettings;
use crate::event::Events;
use crate::plan::{Chain, Part};
use crate::spec::{Image, Step};
use crate::ui::Ui;

/// Set to `1`, it makes every build of a program one that is `--locked`; unset, empty or `0`, it does nothing.
const LOCKED_VARIABLE: &str = "IMAGE_LOCKED";

/// What stands on the command line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// A command of ours; without one, the body of `main` runs.
    pub(crate) command: Option<Command>,
    /// `--quiet`
    pub(crate) quiet: bool,
}

/// Reads the command line. Wrong usage ends the process with code 2, `--help` with 0.
pub(crate) fn parse(package: &'static str) -> Line {
    // In texts the program is called as its file is: a package may have several.
    let mut command = Arguments::command().name(package);
    let matches = command.get_matches_mut();
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    if let Some(text) = arguments.without_json() {
        command.error(ErrorKind::ArgumentConflict, text).exit();
    }
    Line {
        quiet: arguments.quiet,
        command: arguments.verb.map(|verb| Command {
            verb,
            json: arguments.json,
            package,
            timings: Timings::default(),
        }),
    }
}

/// Says why a program cannot run, and answers the exit code.
pub(crate) fn fail<'a>(texts: impl IntoIterator<Item = &'a str>) -> ExitCode {
    let printer = Printer::new(false);
    texts.into_iter().for_each(|text| printer.error(text));
    ExitCode::FAILURE
}

impl Line {
    /// Without a command, deploys.
    pub(crate) fn or_deploy(&mut self, package: &'static str) {
        self.command.get_or_insert_with(|| Command {
            verb: Verb::Deploy,
            json: false,
            package,
            timings: Timings::default(),
        });
    }

    /// Who is told what happens.
    pub(crate) fn events(&self, ui: &Ui) -> Events {
        match &self.command {
            Some(Command {
                verb: Verb::Build(build),
                timings,
                ..
            }) if build.timings => timings.listen(ui.events()),
            _ => ui.events(),
        }
    }

    /// Whether this process keeps functions for others.
    pub(crate) fn keeps_functions(&self) -> bool {
        let verb = self.command.as_ref().map(|command| &command.verb);
        matches!(verb, Some(Verb::Serve)) && serve::is_keeper()
    }

    /// Whether it is to be measured where the time of calls goes.
    pub(crate) fn is_timed(&self) -> bool {
        let wanted = std::env::var(call_timings::VARIABLE).is_ok_and(|value| value == "1");
        let verb = self.command.as_ref().map(|command| &command.verb);
        wanted || matches!(verb, Some(Verb::Call(call)) if call.timings)
    }

    /// How images are to be built, or why that is unclear.
    pub(crate) fn build_options(&self, settings: &MainSettings) -> Result<BuildOptions, String> {
        let locked = std::env::var_os(LOCKED_VARIABLE).unwrap_or_default();
        let options = BuildOptions {
            program: settings.program,
            folder: settings.folder,
            lock: match locked.to_string_lossy().as_ref() {
                "1" => LockUse::Exact,
                "" | "0" => LockUse::Ignored,
                other => {
                    return Err(format!(
                        "`{LOCKED_VARIABLE}` is `{other}`, but it is `1`, where every build is to keep to `image.lock`, or `0`"
                    ));
                }
            },
            ..BuildOptions::default()
        };
        Ok(match self.command.as_ref().map(|command| &command.verb) {
            Some(Verb::Build(build)) => BuildOptions {
                pull: build.pull,
                no_cache: build.no_cache,
                ignore_cache: build.ignore_cache,
                lock: if build.locked {
                    LockUse::Exact
                } else {
                    options.lock
                },
                ..options
            },
            Some(Verb::Lock(lock)) => BuildOptions {
                pull: lock.update,
                renew: lock.update,
                lock: if lock.update {
                    LockUse::Ignored
                } else {
                    LockUse::Kept
                },
                ..options
            },
            _ => options,
        })
    }
}

impl Command {
    /// Whether it goes on until it is interrupted.
    fn has_no_other_end(&self) -> bool {
        match &self.verb {
            Verb::Serve => true,
            Verb::Logs(logs) => logs.follow,
            _ => false,
        }
    }

    /// Does it. The exit code is 0 if it went well, 1 if the work failed, 2 if a name on the command line is none of ours,
    /// and what shells say of a signal where one came.
    pub(crate) fn run(self, ui: &Ui) -> ExitCode {
        let printer = Printer::new(self.json);
        let has_no_other_end = self.has_no_other_end();
        let work = async {
            let done = match self.verb {
                Verb::Shell(arguments) => return shell::run(&arguments).await,
                Verb::Build(arguments) => build::run(&arguments, &self.timings, &printer).await,
                Verb::Lock(arguments) => lock::run(&arguments, &printer).await,
                Verb::Images => list::images(&printer),
                Verb::Functions => list::functions(&printer),
                Verb::Render(arguments) => render::run(&arguments, &printer).await,
                Verb::Call(arguments) => call::run(&arguments, &printer).await,
                Verb::Ps => ps::run(&printer).await,
                Verb::Stop(arguments) => stop::run(&arguments, &printer).await,
                Verb::Logs(arguments) => logs::run(&arguments, self.package, &printer).await,
                Verb::Push(arguments) => export::push(&arguments, &printer).await,
                Verb::Export(arguments) => export::files(&arguments, &printer).await,
                Verb::Secret(arguments) => secret::run(&arguments, &printer),
                Verb::Volume(arguments) => volume::run(&arguments, &printer).await,
                Verb::Doctor(arguments) => doctor::run(&arguments, self.package, &printer).await,
                Verb::Prune(arguments) => prune::run(&arguments, &printer).await,
                Verb::Deploy => deploy::run(self.package, &printer).await,
                Verb::Serve => serve::run(self.package, &printer).await,
            };
            done.map(|()| ExitCode::SUCCESS)
        };
        let done = runtime().block_on(async {
            tokio::select! {
                done = work => done,
                signal = interruption() => Err(Fault::Interrupted(signal)),
            }
        });
        match done {
            Ok(code) => code,
            Err(fault) => {
                ui.clear();
                if !(matches!(fault, Fault::Interrupted(_)) && has_no_other_end) {
                    printer.errors(&fault.texts());
                }
                fault.exit_code()
            }
        }
    }
}

/// Why a command did not do its work.
enum Fault {
    /// What was asked for does not exist or does not make sense.
    Usage(String),
    /// It was tried and failed.
    Failed(String),
    /// Several things were, and these failed.
    SeveralFailed(Vec<String>),
    /// A program in a container did not run, which has this exit code.
    NotRun(String, u8),
    /// This signal came.
    Interrupted(SignalKind),
}

impl Fault {
    fn texts(&self) -> Vec<&str> {
        match self {
            Self::Usage(text) | Self::Failed(text) | Self::NotRun(text, _) => vec![text],
            Self::SeveralFailed(texts) => texts.iter().map(String::as_str).collect(),
            Self::Interrupted(_) => vec!["interrupted"],
        }
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::NotRun(_, code) => ExitCode::from(*code),
            Self::Failed(_) | Self::SeveralFailed(_) => ExitCode::FAILURE,
            Self::Interrupted(signal) => {
                ExitCode::from(u8::try_from(128 + signal.as_raw_value()).unwrap_or(1))
            }
        }
    }

    fn failed(error: &dyn std::error::Error) -> Self {
        Self::Failed(crate::client::chain(error))
    }
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Vec<CallError>> for Fault {
    /// Each fault once: images may have failed for the same reason.
    fn from(errors: Vec<CallError>) -> Self {
        let mut texts: Vec<String> = Vec::new();
        for text in errors.iter().map(ToString::to_string) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        Self::SeveralFailed(texts)
    }
}

/// Waits for the signals by which people and supervisors end a program. Then what is drawn is cleared, and containers end
/// because this process does.
async fn interruption() -> SignalKind {
    let one = |kind| async move {
        match signal(kind) {
            Ok(mut signals) => signals.recv().await,
            // The signal then ends the process by itself.
            Err(_) => std::future::pending().await,
        };
        kind
    };
    tokio::select! {
        kind = one(SignalKind::interrupt()) => kind,
        kind = one(SignalKind::terminate()) => kind,
    }
}

/// What this program is called on the command line.
fn program_name() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&program).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

async fn host() -> Result<std::sync::Arc<Host>, Fault> {
    Ok(Host::get().await?)
}

/// What an image does not hold, although its definition names it: files with `copy = false`.
fn left_out(image: Image) -> Vec<String> {
    let added = Chain::of(image).steps.into_iter();
    let added = added.filter_map(|step| match step.part {
        Part::Verb(step) if step.is_added() => Some(step),
        _ => None,
    });
    let said = added.filter_map(|step| {
        let (source, target) = match step {
            Step::AddLocalFile(step) => (step.source, step.target),
            Step::AddLocalDir(step) => (step.source, step.target),
            _ => return None,
        };
        Some(format!(
            "`{source}` is not in it: with `copy = false`, only containers of this program see it, at `{target}`\n  \
             help: leave out `copy = false`"
        ))
    });
    said.collect()
}
