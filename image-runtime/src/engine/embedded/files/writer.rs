//! Puts the entries of a source into a directory that an overlay will show over the layers below it. What those hold is
//! looked at and never changed, and no overlay need be mounted for that.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Timespec};

use super::super::form::Form;
use super::attributes::Attributes;
use super::below::Below;
use super::tree::{Directory, InTheWay, Tree};
use crate::engine::exact::Exact;
use crate::engine::{Entry, EntryKind, FileSink};

/// As many links in a row as Linux follows.
const LINKS: usize = 40;

/// Writes entries below a root. Where something is already, [`EntryKind`] says what happens.
#[derive(Debug)]
pub(in crate::engine::embedded) struct Writer {
    tree: Tree,
    below: Below,
    /// Where directories really are, links followed.
    real: HashMap<PathBuf, PathBuf>,
}

/// What is at a path, here or in the layers below.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Directory,
    Link(PathBuf),
    Other,
}

impl Writer {
    /// Writes below an open directory, over the files of some layers, topmost first.
    pub(in crate::engine::embedded) fn new(
        root: BorrowedFd<'_>,
        below: Vec<PathBuf>,
        form: Form,
    ) -> io::Result<Self> {
        Ok(Self {
            tree: Tree::new(root, form, InTheWay::Stays)?,
            below: Below::new(below, form),
            real: HashMap::new(),
        })
    }

    /// Gives the new directories their times. Without it, they have the time of what was written into them last.
    pub(in crate::engine::embedded) fn finish(self) -> io::Result<()> {
        self.tree.finish()
    }

    fn put(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let (parent, name) = split(&entry.path)?;
        let real = self.real_directory(parent)?;
        let path = real.join(name);
        let found = self.find(&path)?;
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
        if entry.kind == EntryKind::Directory {
            if found == Found::Nothing {
                let at = self.open(&real)?;
                self.tree.new_directory(&at, &path, name, &attributes)?;
            } else {
                self.real_directory(&entry.path)?;
            }
            return Ok(());
        }
        match found {
            Found::Directory => {
                return Err(io::Error::new(
                    io::ErrorKind::IsADirectory,
                    "it is a directory in the image, so nothing else can be put there",
                ));
            }
            // Paths through it lead elsewhere from now on.
            Found::Link(_) => self.real.clear(),
            Found::Nothing | Found::Other => {}
        }
        let at = self.open(&real)?;
        match &entry.kind {
            EntryKind::Directory => Ok(()),
            EntryKind::File { size } => {
                let mut exact = Exact::new(content, *size);
                self.tree.file(&at, name, &mut exact, &attributes)?;
                exact.at_end()
            }
            EntryKind::Symlink { target } => {
                self.tree
                    .symlink(&at, name, target.as_os_str(), &attributes)
            }
            EntryKind::HardLink { target } => self.hard_link(target, &at, name),
            EntryKind::CharacterDevice { major, minor } => {
                let device = (*major, *minor);
                match self
                    .tree
                    .special(&at, name, FileType::CharacterDevice, device, &attributes)
                {
                    // An ordinary user makes none, and no container sees those of its layer in `/dev`.
                    Err(error)
                        if error.kind() == io::ErrorKind::PermissionDenied
                            && (self.tree.form != Form::Root || path.starts_with("dev")) =>
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

    fn hard_link(&mut self, target: &Path, at: &Directory, name: &OsStr) -> io::Result<()> {
        let (parent, file) = split(target)?;
        let linked = self.real_directory(parent).and_then(|parent| {
            let from = self.tree.directory(&parent)?;
            self.tree.hard_link((&from, file), at, name)
        });
        linked.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::new(error.kind(), no_such_file(target.display())),
            _ => error,
        })
    }

    /// What is at a path that leads through directories only.
    fn find(&mut self, path: &Path) -> io::Result<Found> {
        if let Some(found) = self.tree.look(path)? {
            return Ok(match FileType::from_raw_mode(found.st_mode) {
                FileType::Directory => Found::Directory,
                FileType::Symlink => Found::Link(self.tree.target(path)?),
                _ => Found::Other,
            });
        }
        let Some(shown) = self.below.at(path)? else {
            return Ok(Found::Nothing);
        };
        Ok(match shown.target()? {
            Some(target) => Found::Link(target),
            None if shown.is_directory() => Found::Directory,
            None => Found::Other,
        })
    }

    /// Where a directory really is: links are followed inside the root.
    fn real_directory(&mut self, path: &Path) -> io::Result<PathBuf> {
        if let Some(real) = self.real.get(path) {
            return Ok(real.clone());
        }
        let Some((parent, name)) = path.parent().zip(path.file_name()) else {
            return Ok(PathBuf::new());
        };
        let mut real = self.real_directory(parent)?;
        let mut rest: Vec<OsString> = vec![name.to_owned()];
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&name);
            match self.find(&next)? {
                Found::Directory => real = next,
                Found::Link(target) if links < LINKS => {
                    links += 1;
                    if target.is_absolute() {
                        real.clear();
                    }
                    let parts = target
                        .components()
                        .rev()
                        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
                    rest.extend(parts.map(|part| part.as_os_str().to_owned()));
                }
                found => {
                    let kind = match found {
                        Found::Nothing => io::ErrorKind::NotFound,
                        _ => io::ErrorKind::NotADirectory,
                    };
                    let path = path.display();
                    let text = format!(
                        "`/{path}` in the image is not a directory, so no files can be put in it"
                    );
                    return Err(io::Error::new(kind, text));
                }
            }
        }
        self.real.insert(path.to_owned(), real.clone());
        Ok(real)
    }

    /// Opens a directory. Where only the layers below have it, one that looks the same comes over it.
    fn open(&mut self, real: &Path) -> io::Result<Arc<Directory>> {
        match self.tree.directory(real) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        if let (Some(parent), Some(name)) = (real.parent(), real.file_name()) {
            let at = self.open(parent)?;
            let shown = self.below.at(real)?.ok_or(io::ErrorKind::NotFound)?;
            self.tree
                .new_directory(&at, real, name, &shown.attributes())?;
        }
        self.tree.directory(real)
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
fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
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
