//! Conda: the one step that installs its packages, and the base that such a step needs.

use syn::{Ident, LitStr};

use super::model::{Argument, Base, Call};
use crate::conda_file;
use crate::diag::{Errors, Fault};
use crate::keyword::Checked;

/// The step that only images with conda can have.
pub(super) const STEP: &str = "micromamba_install";

/// `micromamba_install`: what its file asks for is added to what is written, and channels that are written go first.
pub(super) fn micromamba_install(call: &mut Call, errors: &mut Errors) {
    if let Some((name, Argument::Checked(Checked::Texts(channels)))) = call.keyword("channels")
        && channels.is_empty()
    {
        let fault = Fault::new("`channels` needs at least one channel");
        errors.at(name, fault.help("leave it out for `[\"conda-forge\"]`"));
    }
    let Some((keyword, Argument::Checked(Checked::Text(path)))) = call.keyword("spec_file") else {
        return;
    };
    let (span, path) = (keyword.span(), path.clone());
    let read = match conda_file::read(&path.value()) {
        Ok(read) => read,
        Err(faults) => {
            for fault in faults {
                errors.at(&path, fault);
            }
            return;
        }
    };
    let here = |texts: Vec<String>| {
        let texts = texts.into_iter();
        texts
            .map(|text| LitStr::new(&text, path.span()))
            .collect::<Vec<_>>()
    };
    call.files.push(path.value());
    if let Some(Argument::Strings(specs)) = call.positional.first_mut() {
        specs.extend(here(read.specs));
    }
    let from_file = here(read.channels);
    match call.keyword("channels") {
        Some((_, Argument::Checked(Checked::Texts(channels)))) => {
            let known: Vec<_> = channels.iter().map(LitStr::value).collect();
            let more = from_file
                .into_iter()
                .filter(|channel| !known.contains(&channel.value()));
            channels.extend(more);
        }
        _ if from_file.is_empty() => {}
        _ => call.keywords.push((
            Ident::new("channels", span),
            Argument::Checked(Checked::Texts(from_file)),
        )),
    }
}

/// Conda is there where an image starts from it.
pub(super) fn needs_its_base(base: Option<&Base>, steps: &[Option<Call>], errors: &mut Errors) {
    let Some(Base::Call(base)) = base else { return };
    if base.name == "micromamba" {
        return;
    }
    let steps = steps.iter().flatten();
    for step in steps.filter(|step| step.name == STEP) {
        let fault = Fault::new(format!(
            "`{}` needs an image with conda, and `{}` has none",
            step.name, base.name
        ));
        errors.at(
            &step.name,
            fault.help("let the image start from `micromamba()`"),
        );
    }
}
