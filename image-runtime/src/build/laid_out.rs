//! Files in a directory of this machine, for containers to see.

use std::collections::HashSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::geteuid;

use crate::engine::{Entry, EntryKind, FileSink};

/// The bits by which its owner reads and changes a directory.
const OWN: u32 = 0o700;

/// Writes files into a directory, and never outside of it. They belong to whom they are said to where root writes them.
pub(super) struct LaidOut {
    directory: PathBuf,
    /// Nothing is written through these.
    links: HashSet<PathBuf>,
}

impl LaidOut {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            links: HashSet::new(),
        }
    }

    fn place(&self, path: &Path) -> io::Result<PathBuf> {
        let is_plain = |part| matches!(part, Component::Normal(_));
        let leaves = !path.components().all(is_plain)
            || path.ancestors().any(|above| self.links.contains(above));
        match leaves {
            true => Err(io::Error::other(format!(
                "`{}` leads out of the directory that it is put into",
                path.display()
            ))),
            false => Ok(self.directory.join(path)),
        }
    }
}

impl FileSink for LaidOut {
    fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let path = self.place(&entry.path)?;
        let mut mode = entry.mode;
        match &entry.kind {
            EntryKind::Directory => {
                fs::create_dir_all(&path)?;
                // An ordinary user could not write into it, nor remove it.
                if !geteuid().is_root() {
                    mode |= OWN;
                }
            }
            EntryKind::File { .. } => {
                io::copy(content, &mut File::create_new(&path)?)?;
            }
            EntryKind::Symlink { target } => {
                symlink(target, &path)?;
                self.links.insert(entry.path.clone());
                return give(&path, entry);
            }
            EntryKind::HardLink { target } => {
                return fs::hard_link(self.place(target)?, &path);
            }
            EntryKind::Fifo => mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0)?,
            EntryKind::CharacterDevice { .. } => {
                return Err(io::Error::other("a device is no file that can be lent"));
            }
        }
        give(&path, entry)?;
        fs::set_permissions(&path, Permissions::from_mode(mode))
    }
}

/// Ordinary users can give nothing away; what is theirs is root's in a container of theirs.
fn give(path: &Path, entry: &Entry) -> io::Result<()> {
    match lchown(path, Some(entry.uid), Some(entry.gid)) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(())
        }
        given => given,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::placed::entry;

    fn add(files: &mut LaidOut, path: &str, kind: EntryKind) -> io::Result<()> {
        let entry = Entry {
            uid: 7,
            gid: 8,
            ..entry(path.into(), 0o555, kind)
        };
        files.add(&entry, &mut &b"text"[..])
    }

    #[test]
    fn nothing_is_written_outside_whatever_links_and_names_say() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        let mut files = LaidOut::new(&inside);
        let target = outside.clone();
        add(&mut files, "link", EntryKind::Symlink { target }).unwrap();
        for path in ["link/file", "../out/file", "/file", "link"] {
            add(&mut files, path, EntryKind::File { size: 4 }).unwrap_err();
        }
        for target in ["link", "link/file", "../out"] {
            let target = target.into();
            add(&mut files, "hard", EntryKind::HardLink { target }).unwrap_err();
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn files_have_their_owners_where_root_writes_them() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mut files = LaidOut::new(folder.path());
        add(&mut files, "deep", EntryKind::Directory).unwrap();
        add(&mut files, "deep/file", EntryKind::File { size: 4 }).unwrap();
        let own = fs::metadata(folder.path()).unwrap();
        let file = fs::metadata(folder.path().join("deep/file")).unwrap();
        let owner = match own.uid() {
            0 => (7, 8),
            uid => (uid, own.gid()),
        };
        assert_eq!((file.uid(), file.gid()), owner);
        assert_eq!(file.mode() & 0o777, 0o555);
    }
}
