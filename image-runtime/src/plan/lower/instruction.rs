//! Instructions of Dockerfiles: what identifies what is there after one, and what makes its layer.

use super::child;
use crate::digest::{Digest, LayerId};
use crate::plan::fields::{Fields, StepRecord};
use crate::plan::{Action, Config, Expanded, MountSpec};
use crate::spec::dockerfile::MountKind;

/// What identifies all that is there after an instruction, where that changes with it.
pub(super) fn record(
    parent: &LayerId,
    instruction: &Expanded,
    config: &Config,
    title: &str,
    files: impl Fn() -> Digest,
) -> Option<StepRecord> {
    let child = |keyword: &str, fields: &dyn for<'a> Fn(&'a mut Fields) -> &'a mut Fields| {
        child(parent, keyword, title.to_owned(), |all| fields(all))
    };
    Some(match instruction {
        Expanded::Run {
            argv,
            script,
            arguments,
            mounts,
        } => child("RUN", &|fields| {
            fields
                .list("command", argv.iter().map(String::as_str))
                .text("script", script.unwrap_or_default())
                .pairs("ARG", texts(arguments))
                .text("user", &config.user);
            if !mounts.is_empty() {
                let flags: Vec<_> = mounts.iter().map(|mount| mount.flag(None)).collect();
                fields.list("--mount", flags.iter().map(String::as_str));
            }
            if mounts.iter().any(MountSpec::is_bind) {
                fields.files("files", &files());
            }
            fields
        }),
        Expanded::Copy(copy) => child(if copy.add { "ADD" } else { "COPY" }, &|fields| {
            fields
                .text("target", &copy.target)
                .text("--chown", &copy.owner)
                .mode("--chmod", copy.mode)
                .files("files", &files())
                .pairs("documents", texts(&copy.documents))
        }),
        Expanded::Workdir(path) => child("WORKDIR", &|fields| {
            fields.text("path", path).text("user", &config.user)
        }),
        Expanded::Env(variables) => child("ENV", &|fields| fields.pairs("env", texts(variables))),
        Expanded::User(user) => child("USER", &|fields| fields.text("user", user)),
        Expanded::Shell(argv) => child("SHELL", &|fields| {
            fields.list("arguments", argv.iter().map(String::as_str))
        }),
        _ => return None,
    })
}

fn texts(pairs: &[(String, String)]) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
    let pairs = pairs.iter();
    pairs.map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Whether the step of an instruction is told secrets.
pub(super) fn takes_secrets(instruction: &Expanded) -> bool {
    match instruction {
        Expanded::Run { mounts, .. } => mounts.iter().any(|m| m.kind == MountKind::Secret),
        _ => false,
    }
}

/// What makes the layer of an instruction; those that are configuration have none.
pub(super) fn action(instruction: &Expanded, step: usize) -> Option<Action> {
    Some(match instruction {
        Expanded::Run {
            argv,
            script,
            arguments,
            mounts,
        } => Action::Run {
            argv: argv.clone(),
            script: *script,
            env: arguments.clone(),
            mounts: mounts.clone(),
            step,
        },
        Expanded::Copy(copy) => Action::Copy {
            step,
            copy: copy.clone(),
        },
        Expanded::Workdir(_) => Action::Workdir,
        _ => return None,
    })
}
