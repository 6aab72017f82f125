//! Where entries go in a root file system that holds files already: directories that are there stay as they are, and
//! one that is a link, such as `/bin`, is followed.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::archive::{Place, relative};
use crate::engine::{Entry, EntryKind};

/// As many links in a row as Linux follows.
const LINKS: usize = 40;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Directory,
    /// A link: where it leads, from the root.
    Link(String),
    /// Anything else.
    File,
}

/// Places entries by what `look` finds at a path that no entry brought itself.
pub(super) fn over(look: impl FnMut(&Path) -> io::Result<Found> + Send + 'static) -> Place {
    let mut ground = Ground {
        look,
        directories: HashMap::new(),
    };
    Box::new(move |entry| ground.place(entry))
}

struct Ground<L> {
    look: L,
    /// Directories that entries named: where they are, and whether they are new, with nothing in them to look for.
    directories: HashMap<PathBuf, (PathBuf, bool)>,
}

impl<L: FnMut(&Path) -> io::Result<Found>> Ground<L> {
    fn place(&mut self, entry: &Entry) -> io::Result<Option<Entry>> {
        let Some((path, inside_new)) = self.real(&entry.path) else {
            return Ok(None);
        };
        let mut placed = Entry {
            path: path.clone(),
            ..entry.clone()
        };
        match &entry.kind {
            EntryKind::Directory => {
                let there = if inside_new {
                    None
                } else {
                    self.directory_at(path.clone())?
                };
                let is_new = there.is_none();
                let at = there.unwrap_or(path);
                self.directories.insert(entry.path.clone(), (at, is_new));
                return Ok(is_new.then_some(placed));
            }
            EntryKind::HardLink { target } => {
                if let Some((target, _)) = self.real(target) {
                    placed.kind = EntryKind::HardLink { target };
                }
            }
            _ => {}
        }
        Ok(Some(placed))
    }

    /// Where a path really is, and whether its directory is new; nothing for the root itself.
    fn real(&self, path: &Path) -> Option<(PathBuf, bool)> {
        let (parent, name) = (path.parent()?, path.file_name()?);
        Some(match self.directories.get(parent) {
            Some((real, is_new)) => (real.join(name), *is_new),
            None => (path.to_owned(), false),
        })
    }

    /// The directory at a path, where there is one already.
    fn directory_at(&mut self, path: PathBuf) -> io::Result<Option<PathBuf>> {
        let mut at = path.clone();
        for _ in 0..LINKS {
            match (self.look)(&at)? {
                Found::Directory => return Ok(Some(at)),
                Found::Nothing if at == path => return Ok(None),
                Found::Link(target) if target.starts_with('/') => at = relative(&target),
                Found::Link(target) => at.set_file_name(target),
                Found::Nothing | Found::File => break,
            }
        }
        let path = path.display();
        Err(io::Error::other(format!(
            "`/{path}` in the image is not a directory, so no files can be put in it"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(there: &'static [(&str, Found)], entries: Vec<Entry>) -> io::Result<Vec<String>> {
        let mut place = over(move |path| {
            let found = there.iter().find(|(known, _)| Path::new(known) == path);
            Ok(found.map_or(Found::Nothing, |(_, found)| found.clone()))
        });
        let placed: io::Result<Vec<_>> = entries.iter().map(&mut place).collect();
        Ok(placed?
            .into_iter()
            .flatten()
            .map(|entry| entry.path.display().to_string())
            .collect())
    }

    #[test]
    fn directories_that_are_there_stay_as_they_are() {
        let entries = vec![
            Entry::at("tmp", EntryKind::Directory),
            Entry::at("tmp/new", EntryKind::Directory),
            Entry::at("tmp/new/deeper", EntryKind::Directory),
            Entry::at("tmp/file", EntryKind::File { size: 0 }),
        ];
        let placed = place(&[("tmp", Found::Directory)], entries).unwrap();
        assert_eq!(placed, ["tmp/new", "tmp/new/deeper", "tmp/file"]);
    }

    #[test]
    fn links_to_directories_are_followed() {
        static THERE: std::sync::OnceLock<Vec<(&str, Found)>> = std::sync::OnceLock::new();
        let there = THERE.get_or_init(|| {
            vec![
                ("bin", Found::Link("/usr/bin".to_owned())),
                ("usr/bin", Found::Link("other".to_owned())),
                ("usr/other", Found::Directory),
            ]
        });
        let target = "bin/tool".into();
        let entries = vec![
            Entry::at("bin", EntryKind::Directory),
            Entry::at("bin/tool", EntryKind::File { size: 0 }),
            Entry::at("bin/same", EntryKind::HardLink { target }),
        ];
        assert_eq!(
            place(there, entries).unwrap(),
            ["usr/other/tool", "usr/other/same"]
        );
    }

    #[test]
    fn a_directory_where_a_file_is_says_so() {
        let entries = vec![Entry::at("etc", EntryKind::Directory)];
        let error = place(&[("etc", Found::File)], entries).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`/etc` in the image is not a directory"),
            "{error}"
        );
    }
}
