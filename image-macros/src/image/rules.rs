//! Rules of single steps that no kind of value says by itself.

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
