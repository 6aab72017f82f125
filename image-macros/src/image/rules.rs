//! Rules that no kind of value says by itself: of single steps, and of what may follow one.

use super::model::{Argument, Call};
use crate::diag::{Errors, Fault};
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
