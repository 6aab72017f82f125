//! `ps`: the containers that run now on this store, of all programs. Each program is asked; no engine is.

use std::time::{Duration, SystemTime};

use super::Fault;
use super::printer::{Printer, counted, table};
use crate::client::{Request, Shown, ask_all};
use crate::store::Store;
use crate::ui::format;

pub(super) async fn run(printer: &Printer) -> Result<(), Fault> {
    let (mut containers, mut deployed) = (Vec::new(), Vec::new());
    if let Some(store) = Store::existing() {
        let (answers, silent) = ask_all(&store, &Request::List).await;
        warn_of(&silent, printer);
        for answer in answers {
            containers.extend(answer.containers);
            deployed.extend(answer.deployed);
        }
    }
    containers.sort_by(|a: &Shown, b| (a.since, &a.container).cmp(&(b.since, &b.container)));
    printer.report(&containers, || {
        let mut text = match containers.is_empty() {
            true => "no container runs".to_owned(),
            false => text(&containers),
        };
        for (app, pid) in deployed {
            text += &format!("\n`{app}` is deployed (process {pid})");
        }
        text
    });
    Ok(())
}

/// Says which programs could not be asked.
pub(super) fn warn_of(silent: &[i32], printer: &Printer) {
    for pid in silent {
        printer.warn(&format!(
            "process {pid} does not answer, so its containers are not known"
        ));
    }
}

fn text(containers: &[Shown]) -> String {
    let rows: Vec<_> = containers.iter().map(row).collect();
    let header = [
        "CONTAINER",
        "FUNCTION",
        "IMAGE",
        "STATE",
        "SINCE",
        "LIMITS",
        "PROGRAM",
    ];
    let programs: std::collections::BTreeSet<_> = containers.iter().map(|one| one.pid).collect();
    format!(
        "{}{} of {}",
        table(header, &rows),
        counted(containers.len(), "container"),
        counted(programs.len(), "program")
    )
}

fn row(one: &Shown) -> [String; 7] {
    let since = Duration::from_secs(one.since);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let age = now.unwrap_or_default().saturating_sub(since);
    let memory = one
        .memory
        .map(|bytes| format!("{} memory", format::size(bytes)));
    let cpu = one.cpu.map(|cpus| format!("{cpus} CPU"));
    let limits: Vec<_> = memory.into_iter().chain(cpu).collect();
    [
        one.container.clone(),
        // What serves no function is for something else.
        format::shorten(one.function.as_ref().unwrap_or(&one.purpose), 40),
        one.image.clone().unwrap_or_default(),
        one.state.clone(),
        format!("{} ago", format::seconds(age.as_secs())),
        limits.join(", "),
        format!("{} ({})", one.program, one.pid),
    ]
}
