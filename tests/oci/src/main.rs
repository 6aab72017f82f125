//! The embedded engine's sandbox behind the command line of an OCI runtime: `create`, `start`, `state`, `kill`, `delete`.
//!
//! No program of a user contains it. Suites that test runtimes, and the comparison with runc in `tests/`, drive the sandbox through it.
//! What of a bundle's `config.json` the sandbox does not do is an error; README.md lists it with the reasons.

mod capabilities;
mod config;
mod container;
mod keeper;
mod limits;
mod mounts;
mod translate;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::container::Container;

/// The embedded engine's sandbox behind the command line of an OCI runtime.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where the states of containers are kept
    #[arg(long, default_value = "/run/image-oci")]
    root: PathBuf,
    /// A file to which errors are appended, and what of a configuration was not followed
    #[arg(long)]
    log: Option<PathBuf>,
    /// How: only `text` is known
    #[arg(long, default_value = "text", value_parser = ["text"])]
    log_format: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a container, up to the point where its program would run
    Create {
        /// A name that no other container has
        id: String,
        /// The directory with `config.json`
        #[arg(short, long, default_value = ".")]
        bundle: PathBuf,
        /// A file for the number of its process
        #[arg(long)]
        pid_file: Option<PathBuf>,
        /// How many open files besides the first three the program gets: none
        #[arg(long, default_value = "0")]
        preserve_fds: u32,
    },
    /// Runs the program
    Start {
        /// Which container
        id: String,
    },
    /// Prints what became of a container
    State {
        /// Which container
        id: String,
    },
    /// Sends a signal to the program
    Kill {
        /// Which container
        id: String,
        /// A name or a number
        #[arg(default_value = "TERM")]
        signal: String,
    },
    /// Forgets a container that has ended
    Delete {
        /// Which container
        id: String,
        /// Ends it before
        #[arg(short, long)]
        force: bool,
    },
    /// Keeps a container: its process is this one's child
    #[command(hide = true)]
    Keep {
        id: String,
        bundle: PathBuf,
        /// Where to tell that it was made, or why not
        report: i32,
    },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let Err(error) = run(&options) else {
        return ExitCode::SUCCESS;
    };
    let text = format!("error: {error:#}\n");
    log(&options, &text);
    // Who closed the standard error does not want to know.
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::FAILURE
}

fn run(options: &Options) -> Result<()> {
    let root = &options.root;
    match &options.command {
        Command::Create {
            id,
            bundle,
            pid_file,
            preserve_fds,
        } => {
            anyhow::ensure!(
                *preserve_fds == 0 || container::none_open(*preserve_fds),
                "`--preserve-fds`: a container gets no open files but the first three"
            );
            Container::create(options, id, bundle, pid_file.as_deref())
        }
        Command::Start { id } => Container::find(root, id)?.start(),
        Command::State { id } => {
            let state = Container::find(root, id)?.state();
            let text = serde_json::to_string_pretty(&state)?;
            Ok(writeln!(std::io::stdout(), "{text}")?)
        }
        Command::Kill { id, signal } => Container::find(root, id)?.kill(signal),
        Command::Delete { id, force } => Container::find(root, id)?.delete(*force),
        Command::Keep { id, bundle, report } => keeper::keep(options, id, bundle, *report),
    }
}

/// Tells what the specification wants to be told and does not want to fail.
fn warn(options: &Options, text: &str) {
    let text = format!("warning: {text}\n");
    log(options, &text);
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Appends to the log, where there is one.
fn log(options: &Options, text: &str) {
    let Some(path) = &options.log else { return };
    let opened = OpenOptions::new().append(true).create(true).open(path);
    // Nothing depends on it.
    let _ = opened.and_then(|mut file| file.write_all(text.as_bytes()));
}
