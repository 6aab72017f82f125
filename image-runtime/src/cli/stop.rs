//! `stop`: ends containers, whichever program made them.

use super::args::Stop;
use super::printer::{Printer, counted};
use super::{Fault, list, names_help, program_name, ps};
use crate::client::{Request, Shown, Which, ask_all};
use crate::store::Store;

#[derive(serde::Serialize)]
struct Report {
    stopped: Vec<Shown>,
    /// Calls that had not begun.
    cancelled_calls: usize,
    /// Apps that were deployed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ended_apps: Vec<String>,
}

pub(super) async fn run(arguments: &Stop, printer: &Printer) -> Result<(), Fault> {
    let program = program_name();
    let (which, said) = match &arguments.name {
        Some(name) => (Which::Named(name.clone()), name.as_str()),
        None => (Which::All, "--all"),
    };
    let by = format!("`{program} stop {said}` (process {})", std::process::id());
    let mut report = Report {
        stopped: Vec::new(),
        cancelled_calls: 0,
        ended_apps: Vec::new(),
    };
    if let Some(store) = Store::existing() {
        let (answers, silent) = ask_all(&store, &Request::Stop { which, by }).await;
        ps::warn_of(&silent, printer);
        for mut answer in answers {
            report.stopped.append(&mut answer.containers);
            report.cancelled_calls += answer.cancelled;
            report
                .ended_apps
                .extend(answer.deployed.map(|(app, _)| app));
        }
    }
    let nothing_runs =
        report.stopped.is_empty() && report.cancelled_calls == 0 && report.ended_apps.is_empty();
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
        for app in &report.ended_apps {
            text += &format!("\n`{app}` is not deployed any more");
        }
        text
    });
    Ok(())
}

/// It may have run a moment ago, so this is no wrong usage.
fn unknown(name: &str) -> Fault {
    let help = names_help("function", name, &list::callable());
    Fault::Failed(format!(
        "no container that runs, no app that is deployed, and no function or class is called `{name}`\n  help: {help}\n  \
         help: `ps` lists the containers that run"
    ))
}
