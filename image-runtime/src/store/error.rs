//! What can go wrong with the store, and what to do about it.

use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Neither the environment nor the user's home says where it is.
    #[error(
        "there is no place for the local store: no home directory is known\n  help: set `IMAGE_STORE` to a directory that can be written to"
    )]
    NoPlace,
    /// Its path cannot be written down everywhere it has to be.
    #[error("the store cannot be in `{}`: the path is not UTF-8\n  help: set `IMAGE_STORE` to a directory whose path is", path.display())]
    NoText {
        /// The path.
        path: PathBuf,
    },
    /// `IMAGE_STORE_LIMIT` is no size.
    #[error("`IMAGE_STORE_LIMIT` is `{text}`, but {expected}")]
    Limit {
        /// What it is.
        text: String,
        /// What it has to be.
        expected: String,
    },
    /// It lies on a file system that cannot be written to.
    #[error("cannot {doing} `{}`: the file system is read-only\n  help: set `IMAGE_STORE` to a directory that can be written to", path.display())]
    ReadOnly {
        /// What was being done: `write`.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
    },
    /// It belongs to someone else.
    #[error("cannot {doing} `{}`: permission denied{owner}\n  help: make that user own the store, or set `IMAGE_STORE` to a directory of your own", path.display())]
    Denied {
        /// What was being done: `write`.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// Whose it is, where that is the reason: `; it belongs to user 0, and this is user 1000`.
        owner: String,
    },
    /// The disk or the quota is full.
    #[error("cannot {doing} `{}`: no space is left on the disk\n  help: free some space: `prune` removes what is not in use, and `IMAGE_STORE` can name another disk", path.display())]
    NoSpace {
        /// What was being done: `write`.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
    },
    /// Anything else.
    #[error("cannot {doing} `{}`\n  help: `IMAGE_STORE` can name another directory for the store", path.display())]
    Io {
        /// What was being done: `write`.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Whether no room is left: on the disk, or of what this user may use of it.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

impl StoreError {
    /// The error of doing something to a path of the store.
    pub fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            _ if is_full(&source) => Self::NoSpace { doing, path },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { doing, path },
            ErrorKind::PermissionDenied => {
                let owner = foreign_owner(&path);
                Self::Denied { doing, path, owner }
            }
            _ => Self::Io {
                doing,
                path,
                source,
            },
        }
    }
}

/// Says whose the nearest existing path is, if it is not ours.
fn foreign_owner(path: &Path) -> String {
    let own = rustix::process::geteuid().as_raw();
    path.ancestors()
        .find_map(|path| path.symlink_metadata().ok())
        .map(|metadata| metadata.uid())
        .filter(|owner| *owner != own)
        .map(|owner| format!("; it belongs to user {owner}, and this is user {own}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: ErrorKind) -> String {
        StoreError::io("write", Path::new("/store/v1/x"), kind.into()).to_string()
    }

    #[test]
    fn every_error_names_the_path_and_what_to_do() {
        for (kind, reason) in [
            (ErrorKind::ReadOnlyFilesystem, "read-only"),
            (ErrorKind::PermissionDenied, "permission denied"),
            (ErrorKind::StorageFull, "no space is left"),
            (ErrorKind::QuotaExceeded, "no space is left"),
            (ErrorKind::NotADirectory, "cannot write"),
        ] {
            let text = said(kind);
            assert!(
                text.contains("`/store/v1/x`") && text.contains(reason),
                "{text}"
            );
            assert!(
                text.contains("help: ") && text.contains("IMAGE_STORE"),
                "{text}"
            );
        }
    }
}
