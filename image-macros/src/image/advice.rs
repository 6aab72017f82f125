//! Advice: what is right, and still not what one wants. Warnings at the tokens, or errors where the image is `strict`.

use quote::format_ident;
use syn::LitStr;

use super::model::{Argument, Call};
use crate::advice::{self, Advice};
use crate::diag::{Errors, Fault};
use crate::keyword::Checked;
use crate::python::requirements::Requirements;
use crate::text::pep508;

/// Steps that put files of this machine into the image.
const COPIES: [&str; 4] = [
    "copy_local_file",
    "copy_local_dir",
    "add_local_file",
    "add_local_dir",
];

/// Steps that are slow, and need not be done again because of an edit.
const INSTALLS: [&str; 6] = [
    "apt_install",
    "pip_install",
    "pip_install_from_requirements",
    "pip_install_from_pyproject",
    "uv_sync",
    "micromamba_install",
];

/// Bases and steps whose first argument is a file or a directory of this machine.
const LOCAL: [&str; 8] = [
    "from_dockerfile",
    "copy_local_file",
    "copy_local_dir",
    "add_local_file",
    "add_local_dir",
    "pip_install_from_requirements",
    "pip_install_from_pyproject",
    "uv_sync",
];

/// Keywords whose value is one.
const LOCAL_KEYWORDS: [&str; 2] = ["context_dir", "spec_file"];

/// Adds the advice on an image to its base and its steps, of which each has those after it.
pub(super) fn look(calls: &mut [&mut Call]) {
    for index in 0..calls.len() {
        let (call, later) = (&calls[index], &calls[index + 1..]);
        let mut advice = unpinned(call);
        advice.extend(copied_before(call, later));
        advice.extend(names_itself(call));
        advice.extend(only_here(call));
        calls[index].advice.extend(advice);
    }
}

/// Makes all advice on an image errors.
pub(super) fn refuse(calls: &[&mut Call], errors: &mut Errors) {
    for advice in calls.iter().flat_map(|call| &call.advice) {
        errors.at(&advice.name, Fault::new(advice.note.as_str()));
    }
}

/// Requirements that name no exact version: another one may be installed tomorrow.
fn unpinned(call: &Call) -> Vec<Advice> {
    let one = |span, note| Advice {
        name: format_ident!("unpinned_requirement", span = span),
        note,
    };
    match &call.positional[..] {
        [Argument::Strings(texts)] if call.name == "pip_install" => {
            let loose = texts
                .iter()
                .filter(|text| !pep508::is_pinned(&text.value()));
            loose
                .map(|text| {
                    let requirement = text.value();
                    let (name, _) = pep508::name_and_extras(&requirement);
                    one(text.span(), format!("`{name}` names no exact version, so a later build may install another one; write `{name}==…`"))
                })
                .collect()
        }
        [
            Argument::Checked(Checked::Text(path)),
            Argument::Requirements(read),
        ] => loose_lines(read)
            .map(|note| one(path.span(), note))
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

fn loose_lines(read: &Requirements) -> Option<String> {
    let (first, more) = read.unpinned.split_first()?;
    let and_more = match more.len() {
        0 => String::new(),
        count => format!(", and {count} more,"),
    };
    Some(format!(
        "{first}{and_more} names no exact version, so a later build may install another one; `uv pip compile` pins all of them"
    ))
}

/// A copy whose every edit makes a later install anew.
fn copied_before(call: &Call, later: &[&mut Call]) -> Option<Advice> {
    if !COPIES.iter().any(|copy| call.name == copy) {
        return None;
    }
    let target = match call.positional.get(1) {
        Some(Argument::Checked(Checked::Text(target))) => target.value(),
        _ => return None,
    };
    let install = later
        .iter()
        .find(|step| INSTALLS.iter().any(|name| step.name == name))?;
    if install.takes_from(&target) {
        return None;
    }
    let (copy, install) = (&call.name, &install.name);
    Some(Advice {
        name: format_ident!("copy_before_install", span = call.name.span()),
        note: format!(
            "`{copy}` stands before `{install}`, so each edit of the files installs again; let the copy follow the install"
        ),
    })
}

/// Paths that lead to something else, or to nothing, on another machine.
fn only_here(call: &Call) -> Vec<Advice> {
    let is_local = LOCAL.iter().any(|verb| call.name == verb);
    let first = call.positional.first().filter(|_| is_local);
    let named = call
        .keywords
        .iter()
        .filter(|(keyword, _)| LOCAL_KEYWORDS.iter().any(|local| keyword == local));
    let paths = first.into_iter().chain(named.map(|(_, value)| value));
    let of_one = |path: &Argument| {
        let Argument::Checked(Checked::Text(text)) = path else {
            return None;
        };
        advice::only_here(
            text,
            "the image is another one elsewhere, or cannot be built",
        )
    };
    paths.filter_map(of_one).collect()
}

/// Variables whose value names what was there before, as a shell would replace it. Nothing replaces it.
fn names_itself(call: &Call) -> Vec<Advice> {
    let [Argument::Checked(Checked::Map(entries))] = &call.positional[..] else {
        return Vec::new();
    };
    let of_one = |(key, value): &(LitStr, LitStr)| {
        let (key, text) = (key.value(), value.value());
        let written = reference_to(&key, &text)?;
        Some(Advice {
            name: format_ident!("literal_variable", span = value.span()),
            note: format!(
                "`{written}` stays as it is: `env` replaces no variables; write the whole value, or `.dockerfile_commands(\"ENV {key}={text}\")`"
            ),
        })
    };
    entries.iter().filter_map(of_one).collect()
}

/// `$NAME` or `${NAME}` in a text, as it is written there.
fn reference_to(name: &str, text: &str) -> Option<String> {
    let braced = format!("${{{name}}}");
    if text.contains(&braced) {
        return Some(braced);
    }
    let bare = format!("${name}");
    let mut after = text
        .match_indices(&bare)
        .map(|(at, _)| &text[at + bare.len()..]);
    let ends = |rest: &str| {
        !rest.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_')
    };
    after.any(ends).then_some(bare)
}

impl Call {
    /// Whether it is told to install from a path of the image.
    fn takes_from(&self, path: &str) -> bool {
        let names =
            |text: String| text.contains(path) || text.starts_with('/') && path.starts_with(&text);
        let named = |value: &Argument| match value {
            Argument::Checked(Checked::Text(text)) => names(text.value()),
            Argument::Strings(texts) => texts.iter().any(|text| names(text.value())),
            _ => false,
        };
        self.keywords.iter().any(|(_, value)| named(value)) || self.positional.iter().any(named)
    }
}
