//! Rules that no kind of value says by itself: of single steps, and of what may follow one.

use super::model::{Argument, Base, Call};
use crate::diag::{Errors, Fault};
use crate::dockerfile::Kind;
use crate::keyword::Checked;

/// `shell` names a program: without one there is nothing to hand a line to.
pub(super) fn shell(call: &mut Call, errors: &mut Errors) {
    if let [Argument::Checked(Checked::Texts(arguments))] = &call.positional[..]
        && arguments.is_empty()
    {
        let fault = Fault::new("`shell` needs at least a program");
        errors.at(&call.name, fault.help("such as `[\"/bin/bash\", \"-c\"]`"));
    }
}

/// `env` sets something.
pub(super) fn env(call: &mut Call, errors: &mut Errors) {
    if let [Argument::Checked(Checked::Map(variables))] = &call.positional[..]
        && variables.is_empty()
    {
        let fault = Fault::new("`env` needs at least one variable");
        errors.at(
            &call.name,
            fault.help("such as `env({ \"KEY\": \"value\" })`"),
        );
    }
}

/// Files that are put in when a container starts are not there while later steps run.
pub(super) fn nothing_after_added(steps: &[Option<Call>], errors: &mut Errors) {
    let mut added = None;
    for step in steps.iter().flatten() {
        match added {
            _ if is_added(step) => added = Some(&step.name),
            Some(verb) => {
                let fault = Fault::new(format!(
                    "`{}` follows `{verb}(…, copy = false)`, whose files are not there while an image is built",
                    step.name
                ));
                errors.at(
                    &step.name,
                    fault.help(format!(
                        "let `{verb}` be the last step, or leave `copy = false` out"
                    )),
                );
            }
            None => {}
        }
    }
}

/// Whether `copy = false` is written.
fn is_added(step: &Call) -> bool {
    let written = step.keywords.iter().find(|(name, _)| name == "copy");
    matches!(written, Some((_, Argument::Checked(Checked::Flag(false)))))
}

/// Steps that run programs of the image.
const RUNNING: [&str; 6] = [
    "apt_install",
    "pip_install",
    "pip_install_from_requirements",
    "pip_install_from_pyproject",
    "uv_sync",
    "run_commands",
];

/// In `scratch()` there is nothing to run until something is put in.
pub(super) fn nothing_runs_in_nothing(
    base: Option<&Base>,
    steps: &[Option<Call>],
    errors: &mut Errors,
) {
    let Some(Base::Call(base)) = base else { return };
    if base.name != "scratch" {
        return;
    }
    // A step that is wrong may have been meant to put something in.
    let known = steps.iter().map_while(Option::as_ref);
    if let Some(step) = first_that_runs(known) {
        let fault = Fault::new(format!(
            "`{}` runs programs of the image, and `{}` has none",
            step.name, base.name
        ));
        let help = "let the image start from `debian_slim()`, or put the programs in first, such as with `copy_local_dir`";
        errors.at(&step.name, fault.help(help));
    }
}

/// The first step that runs programs of the image, if no step before it may have put them in.
pub(super) fn first_that_runs<'a>(steps: impl Iterator<Item = &'a Call>) -> Option<&'a Call> {
    let mut before = steps.take_while(|step| !puts_files_in(step));
    before.find(|step| RUNNING.iter().any(|verb| step.name == verb))
}

/// Whether there may be files where there were none before a step.
fn puts_files_in(step: &Call) -> bool {
    match &step.positional[..] {
        [Argument::Dockerfile(read)] => {
            let mut instructions = read.stages.iter().flat_map(|stage| &stage.instructions);
            instructions.any(|instruction| matches!(instruction.kind, Kind::Copy(_)))
        }
        _ => {
            let only_configure = ["env", "workdir", "entrypoint", "cmd", "shell"];
            let mut others = RUNNING.iter().chain(&only_configure);
            !others.any(|verb| step.name == verb)
        }
    }
}
