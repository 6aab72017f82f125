//! Gives a tree to an engine, and makes sure that what is given is what was hashed.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::ContextError;
use super::hash;
use super::tree::{Node, NodeKind, Root};
use crate::digest::{Digest, Hasher};
use crate::engine::{Entry, EntryKind, FileSink, FileSource};

/// The modification time of everything copied: 1980-01-02, seconds since 1970. Zip files, and so Python's wheels, know no time before
/// 1980; one day later holds in every time zone.
pub(crate) const MTIME: u64 = 315_619_200;

/// A tree on its way to a place in an image.
pub(super) struct TreeSource {
    root: Root,
    nodes: Arc<[Node]>,
    target: PathBuf,
}

impl TreeSource {
    pub(super) fn new(root: Root, nodes: Arc<[Node]>, target: &str) -> Self {
        let path = inside(target);
        // A file becomes the target, unless that is a directory: one that ends in `/`, or the root of the image.
        let is_directory = target.ends_with('/') || path.as_os_str().is_empty();
        let target = match (&root, path.parent()) {
            (Root::File(_), Some(parent)) if !is_directory => {
                return Self {
                    nodes: renamed(&nodes, &path),
                    target: parent.to_owned(),
                    root,
                };
            }
            _ => path,
        };
        Self {
            root,
            nodes,
            target,
        }
    }
}

impl TreeSource {
    /// The directories down to the target.
    fn above(&self) -> impl Iterator<Item = Entry> {
        let mut above: Vec<_> = self.target.ancestors().collect();
        // The last one is the root, which is there.
        above.pop();
        above
            .into_iter()
            .rev()
            .map(|directory| entry(directory.to_owned(), 0o755, EntryKind::Directory))
    }

    fn entry_of(&self, node: &Node) -> Entry {
        let kind = match &node.kind {
            NodeKind::Directory => EntryKind::Directory,
            NodeKind::File { size, .. } => EntryKind::File { size: *size },
            NodeKind::Symlink { target } => EntryKind::Symlink {
                target: target.clone(),
            },
        };
        entry(self.target.join(&node.path), node.mode, kind)
    }
}

impl FileSource for TreeSource {
    fn entries(&self) -> Option<Vec<Entry>> {
        let nodes = self.nodes.iter().map(|node| self.entry_of(node));
        Some(self.above().chain(nodes).collect())
    }

    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        for directory in self.above() {
            sink.add(&directory, &mut io::empty())?;
        }
        for node in self.nodes.iter() {
            let entry = self.entry_of(node);
            if let NodeKind::File { digest, size } = node.kind {
                let mut content = Content::open(self.root.local(&node.path), digest, size)?;
                sink.add(&entry, &mut content)?;
                // A sink that stopped at the size has not seen the end, where the digest is compared.
                io::copy(&mut content, &mut io::sink())?;
            } else {
                sink.add(&entry, &mut io::empty())?;
            }
        }
        Ok(())
    }
}

fn entry(path: PathBuf, mode: u32, kind: EntryKind) -> Entry {
    Entry {
        path,
        kind,
        mode,
        uid: 0,
        gid: 0,
        mtime: MTIME,
    }
}

/// The only node of a file, with the name that the target gives it.
fn renamed(nodes: &[Node], target: &Path) -> Arc<[Node]> {
    let name = |node: &Node| {
        target
            .file_name()
            .map_or_else(|| node.path.clone(), PathBuf::from)
    };
    nodes
        .iter()
        .map(|node| Node {
            path: name(node),
            ..node.clone()
        })
        .collect()
}

/// An absolute path of an image as [`Entry::path`] has it.
fn inside(target: &str) -> PathBuf {
    let mut inside = PathBuf::new();
    for component in Path::new(target).components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::ParentDir => {
                inside.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    inside
}

/// The content of a file. Reading it fails at the end if it is not what was hashed, and as soon as it is longer.
pub(crate) struct Content {
    file: std::fs::File,
    path: PathBuf,
    left: u64,
    /// `None` once the digest was compared.
    expected: Option<(Hasher, Digest)>,
}

impl Content {
    /// Opens a file that was hashed.
    pub(crate) fn open(path: PathBuf, digest: Digest, size: u64) -> io::Result<Self> {
        let file =
            hash::open(&path).map_err(|error| io::Error::other(hash::failed(&path, error)))?;
        Ok(Self {
            file,
            path,
            left: size,
            expected: Some((Hasher::new(), digest)),
        })
    }

    fn changed(&self) -> io::Error {
        io::Error::other(ContextError::Changed {
            path: self.path.clone(),
        })
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.file.read(buffer)? as u64;
        if count > self.left {
            return Err(self.changed());
        }
        self.left -= count;
        let count = usize::try_from(count).expect("not more than the buffer holds");
        if let Some((hasher, _)) = &mut self.expected {
            hasher.update(&buffer[..count]);
        }
        if count == 0
            && let Some((hasher, digest)) = self.expected.take()
            && (self.left > 0 || hasher.finish() != digest)
        {
            return Err(self.changed());
        }
        Ok(count)
    }
}
