//! One tree out of many packages: directories named by several, directories that are merged into `usr`, parents that nobody named.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{UnpackError, generated};
use crate::base::debian::path::{follow_merged, is_excluded};
use crate::engine::{Entry, EntryKind, FileSink};

/// Gives entries to a sink and remembers what is there.
pub(super) struct Merge<'a> {
    sink: &'a mut dyn FileSink,
    merged: &'static [&'static str],
    date: u64,
    there: HashMap<PathBuf, There>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Directory,
    File,
    Other,
}

impl<'a> Merge<'a> {
    /// A tree that has the merged directories and nothing else.
    pub(super) fn new(
        sink: &'a mut dyn FileSink,
        merged: &'static [&'static str],
        date: u64,
    ) -> io::Result<Self> {
        let mut merge = Self {
            sink,
            merged,
            date,
            there: HashMap::new(),
        };
        for name in merged {
            let inside = Path::new("usr").join(name);
            merge.directory(&inside)?;
            let link = EntryKind::Symlink { target: inside };
            merge.put(generated(name.into(), link, 0o777, date), There::Other, &[])?;
        }
        Ok(merge)
    }

    /// Takes an entry of a package.
    pub(super) fn add(
        &mut self,
        package: &str,
        mut entry: Entry,
        content: &[u8],
    ) -> io::Result<()> {
        if entry.path.as_os_str().is_empty() || self.is_merged_link(&entry) {
            return Ok(());
        }
        entry.path = follow_merged(entry.path, self.merged);
        if is_excluded(&entry.path) {
            return Ok(());
        }
        let refuse = |reason: String| {
            Err(UnpackError {
                package: package.to_owned(),
                reason: format!("`{}` {reason}", entry.path.display()),
            }
            .into())
        };
        let parent = entry.path.parent().unwrap_or(Path::new(""));
        if let Some(below) = parent.ancestors().find(|above| {
            self.there
                .get(*above)
                .is_some_and(|there| *there != There::Directory)
        }) {
            return refuse(format!(
                "lies below `{}`, which is no directory",
                below.display()
            ));
        }
        let becomes = match (&entry.kind, self.there.get(&entry.path)) {
            (EntryKind::Directory, Some(There::Directory)) => return Ok(()),
            (_, Some(_)) => return refuse("is in another package too".to_owned()),
            (EntryKind::Directory, None) => There::Directory,
            (EntryKind::File { .. }, None) => There::File,
            (EntryKind::HardLink { target }, None) => {
                let target = follow_merged(target.clone(), self.merged);
                if self.there.get(&target) != Some(&There::File) {
                    return refuse(format!(
                        "is a link to `{}`, which is no file of the package",
                        target.display()
                    ));
                }
                entry.kind = EntryKind::HardLink { target };
                There::File
            }
            _ => There::Other,
        };
        let parent = parent.to_owned();
        self.directory(&parent)?;
        self.put(entry, becomes, content)
    }

    /// Takes a file that this program makes up. It replaces none.
    pub(super) fn generated(
        &mut self,
        path: impl Into<PathBuf>,
        mode: u32,
        content: &[u8],
    ) -> io::Result<()> {
        let size = content.len() as u64;
        let entry = generated(path.into(), EntryKind::File { size }, mode, self.date);
        self.add("image-runtime", entry, content)
    }

    /// Makes sure that a directory is there.
    pub(super) fn directory(&mut self, path: &Path) -> io::Result<()> {
        let missing: Vec<PathBuf> = path
            .ancestors()
            .take_while(|above| !above.as_os_str().is_empty() && !self.there.contains_key(*above))
            .map(Path::to_owned)
            .collect();
        missing.into_iter().rev().try_for_each(|path| {
            let entry = generated(path, EntryKind::Directory, 0o755, self.date);
            self.put(entry, There::Directory, &[])
        })
    }

    /// Whether an entry is one of the links that are there from the start: packages of newer suites hold them.
    fn is_merged_link(&self, entry: &Entry) -> bool {
        let EntryKind::Symlink { target } = &entry.kind else {
            return false;
        };
        self.merged
            .iter()
            .any(|name| entry.path == Path::new(name) && *target == Path::new("usr").join(name))
    }

    fn put(&mut self, entry: Entry, becomes: There, mut content: &[u8]) -> io::Result<()> {
        self.sink.add(&entry, &mut content)?;
        self.there.insert(entry.path, becomes);
        Ok(())
    }
}
