//! `stop`: ends containers, whichever program made them.

use std::path::Path;

use super::args::Stop;
use super::printer::{Printer, counted};
use super::{Fault, list, names_help, ps};
use crate::client::{Request, Shown, Which, ask_all};
use crate::store::Store;

#[derive(serde::Serialize)]
struct Report {
    stopped: Vec<Shown>,
    /// Calls that had not begun.
    cancelled_calls: usize,
}

pub(super) async fn run(arguments: &Stop, printer: &Printer) -> Result<(), Fault> {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default();
    let program = program.to_string_lossy();
    let (which, said) = match &arguments.name {
        Some(name) => (Which::Named(name.clone()), name.as_str()),
        None => (Which::All, "--all"),
    };
    let by = format!("`{program} stop {said}` (process {})", std::process::id());
    let mut report = Report {
        stopped: Vec::new(),
        cancelled_calls: 0,
    };
    if let Some(store) = Store::existing() {
        let (answers, silent) = ask_all(&store, &Request::Stop { which, by }).await;
        ps::warn_of(&silent, printer);
        for mut answer in answers {
            report.stopped.append(&mut answer.containers);
            report.cancelled_calls += answer.cancelled;
        }
    }
    let nothing_runs = report.stopped.is_empty() && report.cancelled_calls == 0;
    if let Some(name) = &arguments.name
        && nothing_runs
        && !list::is_function(name)
    {
        return Err(unknown(name));
    }
    printer.report(&report, || {
        if let Some(name) = &arguments.name
            && nothing_runs
        {
            return format!("no container runs `{name}`");
        }
        let mut text = format!("ended {}", counted(report.stopped.len(), "container"));
        if report.cancelled_calls > 0 {
            let calls = counted(report.cancelled_calls, "call");
            text += &format!(" and cancelled {calls} that had not begun");
        }
        text
    });
    Ok(())
}

/// It may have run a moment ago, so this is no wrong usage.
fn unknown(name: &str) -> Fault {
    let help = names_help("function", name, &list::callable());
    Fault::Failed(format!(
        "no container that runs, and no function or class, is called `{name}`\n  help: {help}\n  \
         help: `ps` lists the containers that run"
    ))
}
