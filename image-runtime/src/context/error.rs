//! What can go wrong with local files.

use std::io;
use std::path::{Path, PathBuf};

use super::ignore::PatternError;

/// Local files cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// The path that a step names is not there.
    #[error(
        "`{}` does not exist: it was there when this program was compiled\n  help: put it back, or change the step that copies it",
        path.display()
    )]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A directory was named where a file is wanted, or the other way round.
    #[error("`{}` must be a {wanted}\n  help: `{verb}` copies a {wanted}", path.display())]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// `file` or `directory`.
        wanted: &'static str,
        /// The verb of the step.
        verb: &'static str,
    },
    /// A socket, a named pipe or a device.
    #[error(
        "`{}` is a {kind}: only files, directories and symbolic links can be copied\n  help: name it in `.dockerignore` or in `ignore = [..]`",
        path.display()
    )]
    Special {
        /// The path.
        path: PathBuf,
        /// What it is, for people.
        kind: &'static str,
    },
    /// A line of `.dockerignore` is no pattern.
    #[error("`{}` line {line}: {reason}", path.display())]
    IgnoreFile {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: PatternError,
    },
    /// One of the step's own patterns is none.
    #[error("`ignore`: {0}")]
    IgnorePattern(PatternError),
    /// A pattern of `COPY` is none.
    #[error("`COPY`: {0}")]
    CopyPattern(PatternError),
    /// The directory of `context_dir` is none.
    #[error("the context directory `{}` is no directory", path.display())]
    NoContext {
        /// The path.
        path: PathBuf,
    },
    /// What `COPY` names is not in the context directory.
    #[error(
        "`{path}` is not in the context directory `{}`, or is ignored there\n  help: see `.dockerignore`, or name another `context_dir`",
        context.display()
    )]
    NotInContext {
        /// As written.
        path: String,
        /// The directory.
        context: PathBuf,
    },
    /// A link leads out of the context directory.
    #[error("`{}` is a link that leads out of the context directory: what it names cannot be copied", path.display())]
    OutsideContext {
        /// The link.
        path: PathBuf,
    },
    /// The file is not what was hashed.
    #[error("`{}` changed while it was copied: no layer was made of it\n  help: build again when nothing writes to it, or ignore it", path.display())]
    Changed {
        /// The path.
        path: PathBuf,
    },
    /// The file was hashed and is gone.
    #[error("`{}` was removed while it was copied: no layer was made\n  help: build again when nothing removes it, or ignore it", path.display())]
    Vanished {
        /// The path.
        path: PathBuf,
    },
    /// Anything else.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ContextError {
    /// The error of reading a path.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }
}
