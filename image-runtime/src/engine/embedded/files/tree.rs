//! The directory that files are written into. Every path is resolved by the kernel with that directory as its root, so no
//! name and no link leads out of it.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dev, Mode, OFlags, ResolveFlags, Stat, Timespec};
use rustix::io::Errno;

use super::super::form::Form;
use super::attributes::{Attributes, times};

/// How many directories are held open. Files come directory by directory, so few are enough.
const OPEN: usize = 64;
const CHUNK: usize = 128 * 1024;

/// What becomes of a directory that is where something else is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InTheWay {
    /// It stays, and that is an error.
    Stays,
    /// It goes, with all that is in it.
    Goes,
}

/// Tells two files apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Inode(Dev, u64);

impl Inode {
    pub(super) fn of(file: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self::in_stat(&rustix::fs::fstat(file)?))
    }

    pub(super) fn in_stat(stat: &Stat) -> Self {
        Self(stat.st_dev, stat.st_ino)
    }
}

/// A directory that is open.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) fd: OwnedFd,
    pub(super) inode: Inode,
}

/// What is known of a directory until all is written.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Where it is, and the time and mode that it gets in the end: writing into it changes the time, and takes rights that the
    /// mode may not give to who writes.
    end: Option<(PathBuf, Timespec, Mode)>,
    /// The names of files of lower layers that are hidden.
    pub(super) hidden: HashSet<OsString>,
    /// Whether nothing of lower layers is seen in it.
    pub(super) is_opaque: bool,
}

/// A directory and what is written below it.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    pub(super) form: Form,
    pub(super) in_the_way: InTheWay,
    pub(super) open: HashMap<PathBuf, Arc<Directory>>,
    pub(super) known: HashMap<Inode, Known>,
    pub(super) buffer: Vec<u8>,
}

impl Tree {
    pub(super) fn new(root: BorrowedFd<'_>, form: Form, in_the_way: InTheWay) -> io::Result<Self> {
        let root = rustix::fs::openat(root, c".", DIRECTORY, Mode::empty())?;
        let mut known: HashMap<_, Known> = HashMap::new();
        let found = rustix::fs::fstat(&root)?;
        let mode = Mode::from_raw_mode(found.st_mode);
        if !mode.contains(Mode::RWXU) {
            rustix::fs::fchmod(&root, mode | Mode::RWXU)?;
        }
        // The root keeps its time, too: a layer is the same whenever it is made.
        let time = Timespec {
            tv_sec: found.st_mtime as _,
            tv_nsec: found.st_mtime_nsec as _,
        };
        known.entry(Inode::in_stat(&found)).or_default().end = Some((PathBuf::new(), time, mode));
        Ok(Self {
            root,
            form,
            in_the_way,
            open: HashMap::new(),
            known,
            buffer: vec![0; CHUNK],
        })
    }

    /// What is known of a directory.
    pub(super) fn known(&mut self, directory: &Directory) -> &mut Known {
        self.known.entry(directory.inode).or_default()
    }

    /// Opens the directory at a path, following links inside the root; the empty path is the root.
    pub(super) fn directory(&mut self, path: &Path) -> io::Result<Arc<Directory>> {
        if let Some(directory) = self.open.get(path) {
            return Ok(Arc::clone(directory));
        }
        let fd = self.resolve(path)?;
        let inode = Inode::of(fd.as_fd())?;
        let directory = Arc::new(Directory { fd, inode });
        if self.open.len() == OPEN {
            self.open.clear();
        }
        self.open.insert(path.to_owned(), Arc::clone(&directory));
        Ok(directory)
    }

    /// What is at a path, links not followed.
    pub(super) fn look(&mut self, path: &Path) -> io::Result<Option<Stat>> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(None);
        };
        let found = self.directory(parent).and_then(|at| stat(&at, name));
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// Where a link leads.
    pub(super) fn target(&mut self, path: &Path) -> io::Result<PathBuf> {
        let at = self.directory(path.parent().unwrap_or(Path::new("")))?;
        let target =
            rustix::fs::readlinkat(&at.fd, path.file_name().unwrap_or_default(), Vec::new())?;
        Ok(OsString::from_vec(target.into_bytes()).into())
    }

    fn resolve(&self, path: &Path) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            // A rename or mount anywhere on the machine while a `..` of a link is followed gives EAGAIN.
            match rustix::fs::openat2(&self.root, path, DIRECTORY, Mode::empty(), inside) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                opened => return Ok(opened?),
            }
        }
    }

    /// Makes a directory; answers nothing where something is already.
    pub(super) fn new_directory(
        &mut self,
        at: &Directory,
        path: &Path,
        name: &OsStr,
        attributes: &Attributes,
    ) -> io::Result<Option<Directory>> {
        match rustix::fs::mkdirat(&at.fd, name, attributes.first_mode() | Mode::RWXU) {
            Err(Errno::EXIST) => return Ok(None),
            made => made?,
        }
        let directory = Self::directory_at(at, name)?;
        self.set(&directory, path, attributes)?;
        Ok(Some(directory))
    }

    /// Opens a directory, but not a link to one.
    pub(super) fn directory_at(at: &Directory, name: &OsStr) -> io::Result<Directory> {
        let flags = DIRECTORY.union(OFlags::NOFOLLOW);
        let fd = rustix::fs::openat(&at.fd, name, flags, Mode::empty())?;
        let inode = Inode::of(fd.as_fd())?;
        Ok(Directory { fd, inode })
    }

    /// Gives a directory its attributes, the time and the rights of its owner last of all.
    pub(super) fn set(
        &mut self,
        directory: &Directory,
        path: &Path,
        attributes: &Attributes,
    ) -> io::Result<()> {
        let open = Attributes {
            mode: attributes.mode | Mode::RWXU.as_raw_mode(),
            ..attributes.clone()
        };
        open.set(directory.fd.as_fd(), self.form)?;
        self.known(directory).end = Some((path.to_owned(), attributes.time, attributes.mode()));
        Ok(())
    }

    /// Gives the directories their times and modes. Nothing may be written after this.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let known = std::mem::take(&mut self.known);
        let mut ends: Vec<_> = known
            .into_iter()
            .filter_map(|(inode, known)| Some((inode, known.end?)))
            .collect();
        // The deepest first: who may not enter a directory any more does not come to those in it.
        ends.sort_unstable_by_key(|(_, (path, ..))| Reverse(path.components().count()));
        for (inode, (path, time, mode)) in ends {
            // A link may have taken the place of a directory on the way.
            if let Ok(directory) = self.resolve(&path)
                && Inode::of(directory.as_fd())? == inode
            {
                if !mode.contains(Mode::RWXU) {
                    rustix::fs::fchmod(&directory, mode)?;
                }
                rustix::fs::futimens(&directory, &times(time))?;
            }
        }
        Ok(())
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

pub(super) fn stat(at: &Directory, name: &OsStr) -> io::Result<Stat> {
    Ok(rustix::fs::statat(&at.fd, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Opening a link gives ELOOP where links are not followed.
pub(super) fn is_not_directory(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::NOTDIR | Errno::LOOP)
    )
}
