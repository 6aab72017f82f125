//! `deploy`: functions that go on running in the background.

use std::path::PathBuf;

use super::printer::{Printer, counted};
use super::{Fault, build, list, program_name};
use crate::client::{Deployed, chain, deploy};
use crate::registry::Program;
use crate::secrets::{self, SecretError};
use crate::spec::secret::Secrets;

#[derive(serde::Serialize)]
struct Report {
    app: &'static str,
    pid: u32,
    /// Where programs of this build find it.
    socket: PathBuf,
    functions: Vec<&'static str>,
    /// The processes whose place it takes.
    replaced: Vec<i32>,
}

pub(super) async fn run(package: &'static str, printer: &Printer) -> Result<(), Fault> {
    let program = list::program()?;
    build::all().await?;
    warn_of_secrets(program, "deploy", printer);
    let app = program.app_name(package);
    let Deployed {
        pid,
        socket,
        replaced,
    } = deploy(app).await?;
    let report = Report {
        app,
        pid,
        socket,
        functions: program.functions().map(|function| function.name).collect(),
        replaced,
    };
    printer.report(&report, || {
        let functions = counted(report.functions.len(), "function");
        let mut text = format!("`{app}` is deployed with {functions} (process {pid})");
        if !report.replaced.is_empty() {
            text += ", in place of what was before";
        }
        text + &how_to_reach(app)
    });
    Ok(())
}

/// Says which functions cannot be called because of secrets that are not there. All others can.
pub(super) fn warn_of_secrets(program: &Program, verb: &str, printer: &Printer) {
    let mut missing: Vec<(String, Vec<String>)> = Vec::new();
    for function in program.functions() {
        let Secrets { all, folder } = program.secrets_of(function);
        let each = all.chunks(1).map(|all| Secrets { all, folder });
        let errors = each.filter_map(|secret| secrets::values(&secret).err());
        for error in errors {
            let mut text = chain(&error);
            if let SecretError::NoVariable(_) = error {
                text += &format!(", and `{verb}` again: functions see what it saw");
            }
            let name = format!("`{}`", function.name);
            match missing.iter_mut().find(|(known, _)| *known == text) {
                Some((_, functions)) => functions.push(name),
                None => missing.push((text, vec![name])),
            }
        }
    }
    for (text, functions) in missing {
        printer.warn(&format!(
            "{} cannot be called: {text}",
            functions.join(", ")
        ));
    }
}

/// What there is to do with functions that run.
pub(super) fn how_to_reach(app: &str) -> String {
    let program = program_name();
    format!(
        "\n  call: `{program} call FUNCTION [JSON…]`, or `FUNCTION::remote(…)` in any run of this build\n  \
         see: `{program} ps`, `{program} logs --follow`\n  \
         end: `{program} stop {app}`"
    )
}
