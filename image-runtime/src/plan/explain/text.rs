//! What people are told: one line a layer.

use std::fmt;

use super::{Change, Explained, Forced, Reason};
use crate::plan::{StepRecord, Value};

/// How many things of one kind are named.
const NAMED: usize = 3;
/// How much of a value is shown.
const SHOWN: usize = 60;

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            layer,
            stage,
            reason,
            ..
        } = self;
        let stage = stage.as_ref().map(|stage| format!("[{stage}] "));
        let stage = stage.unwrap_or_default();
        match reason {
            Reason::Reused => write!(f, "reused  {stage}{layer}"),
            reason => write!(f, "built   {stage}{layer}: {reason}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reused => f.write_str("it is there"),
            Self::Forced { by: Forced::Step } => f.write_str("`force_build = true`"),
            Self::Forced {
                by: Forced::NoCache,
            } => f.write_str("`--no-cache`"),
            Self::Forced {
                by: Forced::IgnoreCache,
            } => f.write_str("`--ignore-cache`"),
            Self::NeverBuilt => f.write_str("the image was never built here"),
            Self::Changed { changes } => {
                let changes: Vec<_> = changes.iter().map(ToString::to_string).collect();
                f.write_str(&changes.join("; "))
            }
            Self::Below => f.write_str("a layer below it is built"),
            Self::Removed => {
                f.write_str("it or what it stands on was removed, damaged or built anew since")
            }
            Self::Identified => {
                f.write_str("another version of image-runtime built it in another way")
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewStep { step } => write!(f, "`{step}` is new"),
            Self::GoneStep { step } => write!(f, "`{step}` before it is gone"),
            Self::Base { old, new } => write!(f, "the base changed: {old} → {new}"),
            Self::Keyword {
                verb,
                keyword,
                old,
                new,
            } => {
                f.write_str(&of(verb, keyword))?;
                match (old, new) {
                    (Some(old), Some(new)) => write!(f, ": {} → {}", quoted(old), quoted(new)),
                    (None, Some(new)) => write!(f, " is now given: {}", quoted(new)),
                    (Some(old), None) => write!(f, " is no longer given, was {}", quoted(old)),
                    (None, None) => f.write_str(" changed"),
                }
            }
            Self::Items {
                verb,
                keyword,
                removed,
                added,
            } => {
                f.write_str(&of(verb, keyword))?;
                match (&removed[..], &added[..]) {
                    ([old], [new]) => write!(f, ": {} → {}", quoted(old), quoted(new)),
                    ([], []) => f.write_str(" are in another order"),
                    _ => {
                        let kinds = [("without", listed(removed)), ("with", listed(added))];
                        write!(f, ": {}", told(kinds))
                    }
                }
            }
            Self::Files {
                verb,
                changed,
                mode_changed,
                removed,
                added,
            } => {
                let told = told([
                    ("changed", listed(changed)),
                    ("mode changed of", listed(mode_changed)),
                    ("removed", listed(removed)),
                    ("added", listed(added)),
                ]);
                match told.is_empty() {
                    true => write!(f, "what `{verb}` takes from elsewhere changed"),
                    false => f.write_str(&told),
                }
            }
        }
    }
}

/// The value, for people.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Long(digest) => format!("text {}", digest.short()),
        Value::Files(digest) => format!("files {}", digest.short()),
        Value::List(items) => items.join(", "),
        Value::Pairs(pairs) => {
            let pairs = pairs.iter();
            let pairs: Vec<_> = pairs
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            pairs.join(", ")
        }
    }
}

/// A base: what people call it, and what pins it.
pub(super) fn base(step: &StepRecord) -> String {
    let pins = step.facts.iter().find_map(|fact| match &fact.value {
        Value::Text(digest) if fact.name == "digest" => Some(quoted(digest)),
        Value::Files(packages) => Some(format!("`packages {}`", packages.short())),
        _ => None,
    });
    format!("{} {}", step.title, pins.unwrap_or_default())
        .trim_end()
        .to_owned()
}

/// A keyword and whose it is.
fn of(verb: &str, keyword: &str) -> String {
    match (verb, keyword) {
        (verb, keyword) if verb.eq_ignore_ascii_case(keyword) => format!("`{verb}`"),
        (verb, keyword) => format!("`{keyword}` of `{verb}`"),
    }
}

fn told<const N: usize>(kinds: [(&str, Option<String>); N]) -> String {
    let kinds = kinds.into_iter();
    let told = kinds.filter_map(|(what, listed)| Some(format!("{what} {}", listed?)));
    told.collect::<Vec<_>>().join(", ")
}

/// The first few; nothing where there is nothing.
fn listed(items: &[String]) -> Option<String> {
    if items.is_empty() {
        return None;
    }
    let named: Vec<_> = items.iter().take(NAMED).map(|item| quoted(item)).collect();
    let named = named.join(", ");
    Some(match items.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    })
}

/// The text in one line, shortened; of digests, as much as people compare.
fn quoted(text: &str) -> String {
    let line = text.replace(['\n', '\r'], " ");
    let most = if line.starts_with("sha256:") {
        19
    } else {
        SHOWN
    };
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("`{}…`", &line[..end]),
        None => format!("`{line}`"),
    }
}
