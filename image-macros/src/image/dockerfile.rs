//! Reads the Dockerfile of `from_dockerfile` and the instructions of `dockerfile_commands`.

use syn::LitStr;

use super::builder;
use super::model::{Argument, Call};
use crate::diag::Errors;
use crate::dockerfile::{self, Place, Problem, Request};
use crate::keyword::Checked;
use crate::text::local;

/// What a context directory is when none is given: the folder of the crate's `Cargo.toml`.
const CONTEXT: &str = ".";

/// Reads the file of a base.
pub(crate) fn from_dockerfile(call: &mut Call, errors: &mut Errors) {
    builder::add_python(call, errors);
    let context = context(call);
    let entries = match call.keyword("build_args") {
        Some((_, Argument::Checked(Checked::Map(entries)))) => entries.clone(),
        _ => Vec::new(),
    };
    let build_args: Vec<_> = entries
        .iter()
        .map(|(name, value)| (name.value(), value.value()))
        .collect();
    let written_target = match call.keyword("target") {
        Some((_, Argument::Checked(Checked::Text(text)))) => Some(text.clone()),
        _ => None,
    };
    let target = written_target.as_ref().map(LitStr::value);
    let Some(Argument::Checked(Checked::Text(path))) = call.positional.first() else {
        return;
    };
    let path = path.clone();
    let file = path.value();
    let text = match local::read(&file) {
        Ok(text) => text,
        Err(fault) => return errors.at(&path, fault),
    };
    let request = Request {
        file: &file,
        build_args: &build_args,
        context: &local::in_crate(&context),
        target: target.as_deref(),
        has_secrets: call.keyword("secrets").is_some(),
        is_whole: call.is_whole,
    };
    match dockerfile::file(&text, &request) {
        Ok(read) => call.positional.push(Argument::Dockerfile(read)),
        Err(problems) => {
            for Problem { place, fault } in problems {
                match place {
                    Place::Line(line) => {
                        errors.at(&path, fault.after(&format!("`{file}` line {line}: ")));
                    }
                    Place::BuildArg(index) => errors.at(&entries[index].0, fault),
                    Place::Target => errors.at(&written_target, fault),
                }
            }
        }
    }
}

/// Reads the instructions of a step: as if they stood below each other.
pub(crate) fn dockerfile_commands(call: &mut Call, errors: &mut Errors) {
    let context = context(call);
    let Some(Argument::Strings(texts)) = call.positional.first() else {
        return;
    };
    let texts = texts.clone();
    let whole: Vec<_> = texts.iter().map(LitStr::value).collect();
    let request = Request {
        file: "",
        build_args: &[],
        context: &local::in_crate(&context),
        target: None,
        has_secrets: call.keyword("secrets").is_some(),
        is_whole: call.is_whole,
    };
    match dockerfile::commands(&whole.join("\n"), &request) {
        Ok(read) => call.positional = vec![Argument::Dockerfile(read)],
        Err(problems) => {
            for Problem { place, fault } in problems {
                let Place::Line(line) = place else { continue };
                errors.at(written_at(&texts, &whole, line), fault);
            }
        }
    }
}

/// The text that holds a line of all texts below each other.
fn written_at<'a>(texts: &'a [LitStr], whole: &[String], line: u32) -> &'a LitStr {
    let mut last = 0;
    texts
        .iter()
        .zip(whole)
        .find(|(_, text)| {
            last += 1 + text.matches('\n').count();
            line as usize <= last
        })
        .map_or(&texts[texts.len() - 1], |(text, _)| text)
}

fn context(call: &mut Call) -> String {
    match call.keyword("context_dir") {
        Some((_, Argument::Checked(Checked::Text(text)))) => text.value(),
        _ => CONTEXT.to_owned(),
    }
}
