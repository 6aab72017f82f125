//! Why a secret cannot be had. No text holds a value.

use std::io;
use std::path::PathBuf;

use super::login;
use crate::spec::secret::Source;

/// A secret cannot be had, or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The variable is not set.
    #[error(
        "the secret `{0}` is missing: no such variable is set\n  help: set `{0}` in the environment of this program"
    )]
    NoVariable(&'static str),
    /// The variable is no text.
    #[error("the secret `{0}` cannot be used: the variable’s value is not UTF-8")]
    NotUnicode(&'static str),
    /// The store has no such secret.
    #[error("the secret `{name}` is missing: `{}` has none of that name\n  help: make it with `secret create {name} {variables}`{}", folder.display(), login::reads(variables))]
    NoName {
        /// The name asked for.
        name: String,
        /// Where secrets are kept.
        folder: PathBuf,
        /// What it holds, as `secret create` takes it.
        variables: &'static str,
    },
    /// The variable of a login is not set.
    #[error(
        "the secret `{0}` is missing: no such variable is set\n  help: set `{0}` in the environment of this program to `username:password`, \
         the login at the registry"
    )]
    NoLoginVariable(&'static str),
    /// The file of variables cannot be read.
    #[error("the secrets of `{}` are missing: it cannot be read\n  help: the path starts from the folder of the crate’s Cargo.toml", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file of variables holds something else.
    #[error("the secrets of `{}` cannot be read: variable {line} is not of the form `NAME=value`", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        line: usize,
    },
    /// It is there, and holds no login for a registry.
    #[error("{}", login::missing(.0))]
    NoLogin(Source),
    /// There is nowhere to keep secrets.
    #[error(
        "there is no place for secrets: no home directory is known\n  help: set `IMAGE_STORE` or `XDG_CONFIG_HOME` to a directory"
    )]
    NoPlace,
    /// A name is taken.
    #[error("there is a secret `{0}` already\n  help: `--force` takes its place")]
    Exists(String),
    /// A name cannot be that of a secret.
    #[error(
        "{0:?} is not a name of a secret: up to 64 letters, digits, `.`, `_` and `-`, starting with a letter or a digit"
    )]
    Name(String),
    /// The store of secrets cannot be used.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
