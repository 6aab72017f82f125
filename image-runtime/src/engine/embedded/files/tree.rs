//! The directory that files are written into. Every path is resolved by the kernel with that directory as its root, so no
//! name and no link leads out of it.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Dev, Mode, OFlags, ResolveFlags, Timespec};
use rustix::io::Errno;

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

    pub(super) fn in_stat(stat: &rustix::fs::Stat) -> Self {
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
    /// Where it is, and the time that it gets: later than anything is written into it, which changes the time.
    time: Option<(PathBuf, Timespec)>,
    /// The names of files of lower layers that are hidden.
    pub(super) hidden: HashSet<OsString>,
    /// Whether nothing of lower layers is seen in it.
    pub(super) is_opaque: bool,
}

/// A directory and what is written below it.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    pub(super) in_the_way: InTheWay,
    pub(super) open: HashMap<PathBuf, Arc<Directory>>,
    pub(super) known: HashMap<Inode, Known>,
    pub(super) buffer: Vec<u8>,
}

impl Tree {
    pub(super) fn new(root: BorrowedFd<'_>, in_the_way: InTheWay) -> io::Result<Self> {
        let mut tree = Self {
            root: rustix::fs::openat(root, c".", DIRECTORY, Mode::empty())?,
            in_the_way,
            open: HashMap::new(),
            known: HashMap::new(),
            buffer: vec![0; CHUNK],
        };
        let root = tree.directory(Path::new(""))?;
        tree.keep_time(&root, Path::new(""))?;
        Ok(tree)
    }

    /// Lets a directory that was there before keep its time: a layer is the same whenever it is made.
    pub(super) fn keep_time(&mut self, directory: &Directory, path: &Path) -> io::Result<()> {
        let known = self.known(directory);
        if known.time.is_none() {
            known.time = Some((path.to_owned(), time_of(directory.fd.as_fd())?));
        }
        Ok(())
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
        match rustix::fs::mkdirat(&at.fd, name, attributes.first_mode()) {
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

    /// Gives a directory its attributes, the time last of all.
    pub(super) fn set(
        &mut self,
        directory: &Directory,
        path: &Path,
        attributes: &Attributes,
    ) -> io::Result<()> {
        attributes.set(directory.fd.as_fd())?;
        self.known(directory).time = Some((path.to_owned(), attributes.time));
        Ok(())
    }

    /// Gives the directories their times. Nothing may be written after this.
    pub(super) fn finish(mut self) -> io::Result<()> {
        for (inode, known) in std::mem::take(&mut self.known) {
            let Some((path, time)) = known.time else {
                continue;
            };
            // A link may have taken the place of a directory on the way.
            if let Ok(directory) = self.resolve(&path)
                && Inode::of(directory.as_fd())? == inode
                // Overlayfs would copy a directory that nothing was written into.
                && time_of(directory.as_fd())? != time
            {
                rustix::fs::futimens(&directory, &times(time))?;
            }
        }
        Ok(())
    }
}

fn time_of(directory: BorrowedFd<'_>) -> io::Result<Timespec> {
    let stat = rustix::fs::fstat(directory)?;
    Ok(Timespec {
        tv_sec: stat.st_mtime,
        tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
    })
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Opening a link gives ELOOP where links are not followed.
pub(super) fn is_not_directory(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::NOTDIR | Errno::LOOP)
    )
}
