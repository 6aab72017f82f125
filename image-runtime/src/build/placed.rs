//! Trees of files on their way to where an instruction puts them, with the owner and the permissions that it gives them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use tar::{Archive, EntryType};

use crate::context::MTIME;
use crate::engine::{Entry, EntryKind, FileSink, FileSource};
use crate::store::{RunDir, open_regular, read_small};

/// An absolute path as [`Entry::path`] has it.
pub(super) fn inside(path: &str) -> PathBuf {
    path.trim_matches('/').into()
}

/// Trees one after the other.
pub(super) struct Placed {
    /// Archives, which keep their owners and permissions.
    pub(super) archives: Vec<Box<dyn FileSource>>,
    pub(super) parts: Vec<Box<dyn FileSource>>,
    /// Where they go: directories above it keep their permissions.
    pub(super) above: PathBuf,
    pub(super) owner: Option<(u32, u32)>,
    pub(super) mode: Option<u32>,
}

impl FileSource for Placed {
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        for archive in self.archives {
            archive.walk(sink)?;
        }
        let mut placing = Placing {
            sink,
            above: &self.above,
            owner: self.owner,
            mode: self.mode,
        };
        for part in self.parts {
            part.walk(&mut placing)?;
        }
        Ok(())
    }
}

struct Placing<'a> {
    sink: &'a mut dyn FileSink,
    above: &'a Path,
    owner: Option<(u32, u32)>,
    mode: Option<u32>,
}

impl FileSink for Placing<'_> {
    fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let mut entry = entry.clone();
        if let Some((uid, gid)) = self.owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        let is_above = entry.kind == EntryKind::Directory && self.above.starts_with(&entry.path);
        let is_link = matches!(entry.kind, EntryKind::Symlink { .. });
        if let Some(mode) = self.mode.filter(|_| !is_above && !is_link) {
            entry.mode = mode;
        }
        self.sink.add(&entry, content)
    }
}

/// A directory and those above it.
pub(super) struct Directory(pub(super) PathBuf);

impl FileSource for Directory {
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        directories(&self.0, sink)
    }
}

/// A file whose text stands in a Dockerfile.
pub(super) struct Document {
    path: PathBuf,
    content: String,
}

impl Document {
    pub(super) fn new(path: PathBuf, content: &str) -> Self {
        Self {
            path,
            content: content.to_owned(),
        }
    }
}

impl FileSource for Document {
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        directories(parent(&self.path), sink)?;
        let size = self.content.len() as u64;
        let file = entry(self.path, 0o644, EntryKind::File { size });
        sink.add(&file, &mut Cursor::new(self.content))
    }
}

/// Files of an image, as a worker packed them (`worker/pack.rs` says how).
pub(super) struct Packed {
    archive: PathBuf,
    /// Goes with this value, and the archive with it.
    _folder: RunDir,
}

/// What is at a few paths of an image.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The texts of the first two, which are files.
    pub(super) texts: [String; 2],
    /// Which are directories.
    pub(super) directories: BTreeSet<usize>,
    /// Which are files.
    pub(super) files: BTreeSet<usize>,
}

impl Packed {
    pub(super) fn new(archive: PathBuf, folder: RunDir) -> Self {
        Self {
            archive,
            _folder: folder,
        }
    }

    /// Whether a file was asked for, rather than the content of directories.
    pub(super) fn has_files(&self) -> io::Result<bool> {
        for member in self.open()?.entries()? {
            if Name::of(&member?.path()?).is_some_and(|name| name.is_file) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What was asked for without what directories hold.
    pub(super) fn look(&self) -> io::Result<Seen> {
        let mut seen = Seen::default();
        for member in self.open()?.entries()? {
            let mut member = member?;
            let Some(name) = Name::of(&member.path()?) else {
                continue;
            };
            if !name.is_file {
                seen.directories.insert(name.number);
                continue;
            }
            seen.files.insert(name.number);
            if let Some(text) = seen.texts.get_mut(name.number) {
                let bytes = read_small(&mut member)?;
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        Ok(seen)
    }

    /// The files on their way to a path: the directory that files go into, if it ends in `/`.
    pub(super) fn placed_at(self, target: &str) -> impl FileSource + use<> {
        PackedSource {
            target: inside(target),
            is_directory: target.ends_with('/'),
            packed: self,
        }
    }

    fn open(&self) -> io::Result<Archive<io::BufReader<File>>> {
        // A container has written it.
        let file = open_regular(&self.archive)?;
        Ok(Archive::new(io::BufReader::new(file)))
    }
}

/// The name of a packed file.
struct Name {
    /// Of what was asked for.
    number: usize,
    /// Whether it was asked for itself, rather than the directory that holds it.
    is_file: bool,
    /// The file's own name, or its path in the directory.
    rest: PathBuf,
}

impl Name {
    fn of(path: &Path) -> Option<Self> {
        let mut parts = path.iter();
        let number = parts.next()?.to_str()?.parse().ok()?;
        let is_file = parts.next()? == "file";
        Some(Self {
            number,
            is_file,
            rest: parts.collect(),
        })
    }
}

struct PackedSource {
    packed: Packed,
    target: PathBuf,
    is_directory: bool,
}

impl PackedSource {
    fn place(&self, path: &Path) -> io::Result<PathBuf> {
        let name = Name::of(path).ok_or(io::ErrorKind::InvalidData)?;
        Ok(match name.is_file && !self.is_directory {
            true => self.target.clone(),
            false => self.target.join(name.rest),
        })
    }
}

impl FileSource for PackedSource {
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        let above = match self.is_directory {
            true => &self.target,
            false => parent(&self.target),
        };
        directories(above, sink)?;
        for member in self.packed.open()?.entries()? {
            put(&mut member?, &|path| self.place(path), sink)?;
        }
        Ok(())
    }
}

/// Gives a member of an archive to a sink, at the path where `place` says that it goes; links to other members go there, too.
pub(super) fn put(
    member: &mut tar::Entry<'_, impl Read>,
    place: &dyn Fn(&Path) -> io::Result<PathBuf>,
    sink: &mut dyn FileSink,
) -> io::Result<()> {
    let path = place(&member.path()?)?;
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let header = member.header();
    let link = member.link_name()?;
    let link = || link.clone().ok_or(io::ErrorKind::InvalidData);
    let kind = match header.entry_type() {
        EntryType::Directory => EntryKind::Directory,
        EntryType::Symlink => EntryKind::Symlink {
            target: link()?.into_owned(),
        },
        EntryType::Link => EntryKind::HardLink {
            target: place(&link()?)?,
        },
        EntryType::Fifo => EntryKind::Fifo,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => EntryKind::File {
            size: member.size(),
        },
        _ => {
            let said = format!("`{}` is no file, directory or link", path.display());
            return Err(io::Error::other(said));
        }
    };
    let number = |number: u64| u32::try_from(number).map_err(io::Error::other);
    let entry = Entry {
        path,
        kind,
        mode: header.mode()? & 0o7777,
        uid: number(header.uid()?)?,
        gid: number(header.gid()?)?,
        mtime: header.mtime()?,
    };
    sink.add(&entry, member)
}

/// A directory after those above it.
pub(super) fn directories(path: &Path, sink: &mut dyn FileSink) -> io::Result<()> {
    let mut all: Vec<_> = path.ancestors().collect();
    // The last one is the root, which is there.
    all.pop();
    for directory in all.into_iter().rev() {
        let entry = entry(directory.to_owned(), 0o755, EntryKind::Directory);
        sink.add(&entry, &mut io::empty())?;
    }
    Ok(())
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

pub(super) fn entry(path: PathBuf, mode: u32, kind: EntryKind) -> Entry {
    Entry {
        path,
        kind,
        mode,
        uid: 0,
        gid: 0,
        mtime: MTIME,
    }
}
