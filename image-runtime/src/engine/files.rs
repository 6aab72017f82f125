//! A tree of files on its way into a layer: a source walks it in order and gives each entry to a sink.

use std::io::{self, Read};
use std::path::PathBuf;

/// One file, directory, link or device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path from the root of the image, without a leading `/`, `.` or `..`. Parents come before children.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with set-uid, set-gid and sticky: at most `0o7777`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, seconds since 1970.
    pub mtime: u64,
}

#[cfg(test)]
impl Entry {
    /// An entry of root's, which everybody may read.
    pub(crate) fn at(path: &str, kind: EntryKind) -> Self {
        Self {
            path: path.into(),
            kind,
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: 0,
        }
    }
}

/// What an [`Entry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory. One that is there already stays as it is: content, mode and owner. A link to one is followed.
    Directory,
    /// A regular file.
    File {
        /// Its length in bytes: exactly what the content gives.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// What it points to, as stored.
        target: PathBuf,
    },
    /// A hard link to a file that came before; mode, owner and time are that file's.
    HardLink {
        /// The path of that file, in the form of [`Entry::path`].
        target: PathBuf,
    },
    /// A character device.
    CharacterDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// Takes the entries of a tree, in order.
pub trait FileSink {
    /// Takes one entry. `content` is read to its end for a [`EntryKind::File`] and is empty otherwise.
    ///
    /// # Errors
    /// What reading the content or keeping it fails with; the layer is then not made.
    fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()>;
}

/// A tree of files that can be walked once. The walk runs on a thread where blocking is allowed.
pub trait FileSource: Send {
    /// All entries that the walk will give, in its order; nothing where only the walk tells.
    fn entries(&self) -> Option<Vec<Entry>> {
        None
    }

    /// Gives every entry to the sink.
    ///
    /// # Errors
    /// What reading fails with, with the path in its text, or what the sink answered.
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()>;
}

/// No files at all: the tree of `scratch()`.
#[derive(Debug)]
pub struct NoFiles;

impl FileSource for NoFiles {
    fn walk(self: Box<Self>, _sink: &mut dyn FileSink) -> io::Result<()> {
        Ok(())
    }
}
