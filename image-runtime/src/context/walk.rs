//! Finds what a directory holds, less what is ignored. Looks at names and metadata only; reads no file.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::ContextError;
use super::ignore::{Ignore, Verdict};

/// One thing in a directory.
#[derive(Debug)]
pub(super) struct Found {
    /// Its path from the directory that is walked.
    pub(super) path: PathBuf,
    /// What the system says of it; of a link, not of what it points to.
    pub(super) metadata: Metadata,
    /// Whether it is a directory that is only there for what an exception takes in below it.
    only_for_children: bool,
}

impl Found {
    /// A file that was named itself.
    pub(super) fn file(path: PathBuf, metadata: Metadata) -> Self {
        Self {
            path,
            metadata,
            only_for_children: false,
        }
    }
}

/// Finds all that lies in a directory: sorted by name, each directory before what it holds.
pub(super) fn walk(root: &Path, ignore: &Ignore) -> Result<Vec<Found>, ContextError> {
    walk_all(root, Path::new(""), Rc::default(), ignore)
}

/// Finds all that lies in the directory `start` of `root`, which patterns start from; the paths found start from `start`.
pub(super) fn walk_below(
    root: &Path,
    start: &Path,
    verdict: Verdict,
    ignore: &Ignore,
) -> Result<Vec<Found>, ContextError> {
    let mut found = walk_all(root, start, Rc::new(verdict), ignore)?;
    for one in &mut found {
        if let Ok(below) = one.path.strip_prefix(start) {
            one.path = below.to_owned();
        }
    }
    Ok(found)
}

fn walk_all(
    root: &Path,
    start: &Path,
    verdict: Rc<Verdict>,
    ignore: &Ignore,
) -> Result<Vec<Found>, ContextError> {
    let mut found = Vec::new();
    // What is still to be looked at, the next one last. A stack, so that no depth of directories can exhaust the thread's.
    let mut pending = children(root, start, &verdict, ignore)?;
    while let Some((path, metadata, verdict)) = pending.pop() {
        let ignored = verdict.ignored;
        if metadata.is_dir() {
            if !ignored || ignore.may_hold_exception(&path.to_string_lossy()) {
                pending.extend(children(root, &path, &Rc::new(verdict), ignore)?);
                found.push(Found {
                    path,
                    metadata,
                    only_for_children: ignored,
                });
            }
        } else if !ignored {
            refuse_special(root, &path, &metadata)?;
            found.push(Found {
                path,
                metadata,
                only_for_children: false,
            });
        }
    }
    if found.iter().any(|one| one.only_for_children) {
        found = without_needless(found);
    }
    Ok(found)
}

type Pending = (PathBuf, Metadata, Verdict);

/// What lies in one directory, the last name first.
fn children(
    root: &Path,
    directory: &Path,
    parent: &Rc<Verdict>,
    ignore: &Ignore,
) -> Result<Vec<Pending>, ContextError> {
    let at = root.join(directory);
    let error = |source| ContextError::read(&at, source);
    let mut children = Vec::new();
    for entry in fs::read_dir(&at).map_err(error)? {
        let entry = entry.map_err(error)?;
        let path = directory.join(entry.file_name());
        let metadata = match entry.metadata() {
            // Removed since the directory was listed: as if it had never been there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(|source| ContextError::read(&entry.path(), source))?,
        };
        let verdict = if ignore.is_empty() {
            Verdict::default()
        } else {
            ignore.judge(&path.to_string_lossy(), parent)
        };
        children.push((path, metadata, verdict));
    }
    // All have the same parent, so comparing the whole text compares the names.
    children.sort_unstable_by(|(a, ..), (b, ..)| b.as_os_str().cmp(a.as_os_str()));
    Ok(children)
}

/// Without the ignored directories below which no exception took anything in.
fn without_needless(found: Vec<Found>) -> Vec<Found> {
    let mut kept: Vec<Found> = Vec::with_capacity(found.len());
    // From the end: then what was kept last is below a directory if anything is.
    for one in found.into_iter().rev() {
        let holds = kept
            .last()
            .is_some_and(|last| last.path.starts_with(&one.path));
        if holds || !one.only_for_children {
            kept.push(one);
        }
    }
    kept.reverse();
    kept
}

fn refuse_special(root: &Path, path: &Path, metadata: &Metadata) -> Result<(), ContextError> {
    let kind = metadata.file_type();
    let kind = if kind.is_socket() {
        "socket"
    } else if kind.is_fifo() {
        "named pipe"
    } else if kind.is_block_device() || kind.is_char_device() {
        "device"
    } else {
        return Ok(());
    };
    Err(ContextError::Special {
        path: root.join(path),
        kind,
    })
}
