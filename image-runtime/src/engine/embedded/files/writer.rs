//! Puts the entries of a source into a directory: an empty one, or the mount of an overlay with the layers below.

use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::path::{Component, Path};

use rustix::fs::{FileType, Timespec};

use super::attributes::Attributes;
use super::tree::{InTheWay, Tree};
use crate::engine::exact::Exact;
use crate::engine::{Entry, EntryKind, FileSink};

/// Writes entries below a root. Where something is already, [`EntryKind`] says what happens.
#[derive(Debug)]
pub(in crate::engine::embedded) struct Writer {
    tree: Tree,
}

impl Writer {
    /// Writes below an open directory.
    pub(in crate::engine::embedded) fn new(root: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self {
            tree: Tree::new(root, InTheWay::Stays)?,
        })
    }

    /// Gives the new directories their times. Without it, they have the time of what was written into them last.
    pub(in crate::engine::embedded) fn finish(self) -> io::Result<()> {
        self.tree.finish()
    }

    fn put(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let (parent, name) = split(&entry.path)?;
        let at = self
            .tree
            .directory(parent)
            .map_err(|error| no_directory(parent, error))?;
        self.tree.keep_time(&at, parent)?;
        let attributes = Attributes {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            time: Timespec {
                tv_sec: i64::try_from(entry.mtime).unwrap_or(i64::MAX),
                tv_nsec: 0,
            },
            extended: Vec::new(),
        };
        match &entry.kind {
            EntryKind::Directory => {
                let path = &entry.path;
                if self
                    .tree
                    .new_directory(&at, path, name, &attributes)?
                    .is_none()
                {
                    let there = self.tree.directory(path);
                    there.map_err(|error| no_directory(path, error))?;
                }
                Ok(())
            }
            EntryKind::File { size } => {
                let mut exact = Exact::new(content, *size);
                self.tree.file(&at, name, &mut exact, &attributes)?;
                exact.at_end()
            }
            EntryKind::Symlink { target } => {
                self.tree
                    .symlink(&at, name, target.as_os_str(), &attributes)
            }
            EntryKind::HardLink { target } => {
                let (parent, file) = split(target)?;
                let linked = self
                    .tree
                    .directory(parent)
                    .and_then(|from| self.tree.hard_link((&from, file), &at, name));
                linked.map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => {
                        io::Error::new(error.kind(), no_such_file(target.display()))
                    }
                    _ => error,
                })
            }
            EntryKind::CharacterDevice { major, minor } => {
                let device = (*major, *minor);
                match self
                    .tree
                    .special(&at, name, FileType::CharacterDevice, device, &attributes)
                {
                    // An ordinary user makes none, and no container sees those of its layer in `/dev`.
                    Err(error)
                        if error.kind() == io::ErrorKind::PermissionDenied
                            && entry.path.starts_with("dev") =>
                    {
                        Ok(())
                    }
                    made => made,
                }
            }
            EntryKind::Fifo => self
                .tree
                .special(&at, name, FileType::Fifo, (0, 0), &attributes),
        }
    }
}

impl FileSink for Writer {
    fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        self.put(entry, content).map_err(|error| {
            let path = entry.path.display();
            io::Error::new(error.kind(), format!("`{path}`: {error}"))
        })
    }
}

/// What a hard link to nothing is told.
pub(super) fn no_such_file(target: impl std::fmt::Display) -> String {
    format!("it is a hard link to `{target}`, which did not come before it")
}

/// The directory and the name in it.
fn split(path: &Path) -> io::Result<(&Path, &std::ffi::OsStr)> {
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    path.parent()
        .zip(path.file_name())
        .filter(|_| is_plain)
        .ok_or_else(|| {
            io::Error::other(format!(
                "`{}` is no path from the root of an image",
                path.display()
            ))
        })
}

/// Why there is no directory to write into.
fn no_directory(path: &Path, error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::NotFound => io::Error::new(
            error.kind(),
            format!(
                "`/{}` in the image is not a directory, so no files can be put in it",
                path.display()
            ),
        ),
        _ => error,
    }
}
