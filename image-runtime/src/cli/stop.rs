//! `stop`: ends containers, whichever program made them.

use super::args::Stop;
use super::printer::{Printer, counted};
use super::{Fault, program_name, ps};
use crate::client::{Request, Shown, Which, ask_all};
use crate::registry::Program;
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
    if let Some(name) = &arguments.name
        && report.stopped.is_empty()
        && report.cancelled_calls == 0
        && report.ended_apps.is_empty()
    {
        return Err(nothing_runs(name));
    }
    printer.report(&report, || {
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

fn nothing_runs(name: &str) -> Fault {
    let is_function = Program::get().is_ok_and(|program| program.function(name).is_some());
    match is_function {
        true => Fault::Failed(format!("no container runs `{name}`")),
        false => Fault::Usage(format!(
            "no container and no function that runs is called `{name}`\n  help: `ps` lists those there are"
        )),
    }
}
