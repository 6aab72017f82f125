//! `serve`: functions that go on running here, and always as this program is now: the process that keeps them is started again when the program
//! was built again.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use super::deploy::{how_to_reach, warn_of_secrets};
use super::printer::{Printer, counted};
use super::{Fault, build, list};
use crate::client::serve_here;

/// Set in the process that keeps the functions.
const VARIABLE: &str = "IMAGE_RUNTIME_SERVES";

/// How often it is looked whether the program is another one.
const PAUSE: Duration = Duration::from_millis(250);

/// Whether this process is to keep functions.
pub(super) fn is_keeper() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

pub(super) async fn run(package: &'static str, printer: &Printer) -> Result<(), Fault> {
    if is_keeper() {
        return keep(package, printer).await;
    }
    let path = std::env::current_exe().map_err(|error| Fault::Failed(error.to_string()))?;
    loop {
        // Before it starts: what is built meanwhile is another one.
        let begun = stamp(&path);
        let mut keeper = Keeper::start(&path)?;
        let mut is_there = true;
        loop {
            tokio::time::sleep(PAUSE).await;
            if is_there && let Some(code) = keeper.ended()? {
                if code == Some(0) {
                    return Ok(());
                }
                is_there = false;
                printer.say("waiting for another build of this program");
            }
            let now = stamp(&path);
            if now.is_some() && now != begun {
                tokio::time::sleep(PAUSE).await;
                // The linker has done its work.
                if stamp(&path) == now {
                    break;
                }
            }
        }
        printer.say("the program was built again");
    }
}

async fn keep(package: &'static str, printer: &Printer) -> Result<(), Fault> {
    let program = list::program()?;
    build::all().await?;
    warn_of_secrets(program, "serve", printer);
    let app = program.app_name(package);
    let functions = counted(program.functions().len(), "function");
    let ended = serve_here(app, |serving| {
        printer.report(serving, || {
            let others: Vec<_> = serving.replaced.iter().map(i32::to_string).collect();
            let place = match others.is_empty() {
                true => String::new(),
                false => format!(", in place of process {}", others.join(", ")),
            };
            format!(
                "serving `{app}` with {functions}{place}{}",
                how_to_reach(app)
            )
        });
    });
    Ok(ended.await?)
}

/// What tells the program's file from another.
fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.modified().ok()?))
}

/// The process that keeps the functions. It ends with this value, in good order.
struct Keeper(Child);

impl Keeper {
    fn start(path: &PathBuf) -> Result<Self, Fault> {
        let started = Command::new(path)
            .args(std::env::args_os().skip(1))
            .env(VARIABLE, "1")
            .spawn();
        started.map(Self).map_err(|error| {
            Fault::Failed(format!("`{}` cannot be started: {error}", path.display()))
        })
    }

    /// Its exit code, once it has ended by itself.
    fn ended(&mut self) -> Result<Option<Option<i32>>, Fault> {
        let ended = self.0.try_wait();
        let ended = ended.map_err(|error| Fault::Failed(error.to_string()))?;
        Ok(ended.map(|status| status.code()))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // One that has ended has been waited for, or hears nothing.
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
            let _ = self.0.wait();
        }
    }
}
