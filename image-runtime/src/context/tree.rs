//! A local file or directory as a step takes it in: its entries and the digest that identifies them.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::ContextError;
use super::hash::{Job, hash_all};
use super::ignore::Ignore;
use super::stat::{Stamp, StatCache, is_settled};
use super::walk::{Found, walk};
use crate::digest::{Digest, Encoder};
use crate::engine::FileSource;
use crate::store::Store;

/// The first field of a tree's digest. Another encoding gets another tag.
const TAG: &str = "image-runtime tree 1";

/// A local file, or the content of a local directory.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Root,
    nodes: Arc<[Node]>,
    digest: Digest,
    files_read: usize,
}

/// Where a tree's files lie.
#[derive(Clone, Debug)]
pub(super) enum Root {
    /// A file: the only node.
    File(PathBuf),
    /// A directory: the nodes' paths start from it.
    Directory(PathBuf),
}

impl Root {
    /// Where a node lies on this machine.
    pub(super) fn local(&self, path: &Path) -> PathBuf {
        match self {
            Self::File(file) => file.clone(),
            Self::Directory(directory) => directory.join(path),
        }
    }
}

/// One file, directory or symbolic link of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its path from the copied directory; the name of a file that was named itself.
    pub path: PathBuf,
    /// Permission bits with set-uid, set-gid and sticky.
    pub mode: u32,
    /// What it is.
    pub kind: NodeKind,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// The digest of its content.
        digest: Digest,
        /// Its length in bytes.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// What it points to, as stored.
        target: PathBuf,
    },
}

impl Tree {
    /// The file at a path. A link there is followed. Reads the file unless the store knows it unchanged.
    ///
    /// # Errors
    /// The path is missing, is no file, or cannot be read.
    pub fn file(store: &Store, path: &Path) -> Result<Self, ContextError> {
        Self::file_at(store, path, SystemTime::now())
    }

    fn file_at(store: &Store, path: &Path, now: SystemTime) -> Result<Self, ContextError> {
        let real = real_path(path)?;
        let metadata = fs::metadata(&real).map_err(|error| ContextError::read(path, error))?;
        let name = path.file_name().filter(|_| metadata.is_file());
        let Some(name) = name else {
            let path = path.to_owned();
            return Err(ContextError::WrongKind {
                path,
                wanted: "file",
                verb: "copy_local_file",
            });
        };
        let found = vec![Found::file(name.into(), metadata)];
        Self::of(store, Root::File(real), found, now)
    }

    /// The content of the directory at a path, less what its `.dockerignore` and `ignore` leave out. A link at the path is
    /// followed, those in the directory are kept. Reads the files that the store does not know unchanged.
    ///
    /// # Errors
    /// The path is missing, is no directory, cannot be read, or holds something that is no file, directory or link; or a pattern is
    /// malformed.
    pub fn directory(store: &Store, path: &Path, ignore: &[&str]) -> Result<Self, ContextError> {
        Self::directory_at(store, path, ignore, SystemTime::now())
    }

    fn directory_at(
        store: &Store,
        path: &Path,
        ignore: &[&str],
        now: SystemTime,
    ) -> Result<Self, ContextError> {
        let real = real_path(path)?;
        if !real.is_dir() {
            let path = path.to_owned();
            return Err(ContextError::WrongKind {
                path,
                wanted: "directory",
                verb: "copy_local_dir",
            });
        }
        let found = walk(&real, &Ignore::of_directory(&real, ignore)?)?;
        Self::of(store, Root::Directory(real), found, now)
    }

    /// What was found in a directory, which is a real path.
    pub(super) fn of_found(
        store: &Store,
        directory: PathBuf,
        found: Vec<Found>,
    ) -> Result<Self, ContextError> {
        Self::of(store, Root::Directory(directory), found, SystemTime::now())
    }

    fn of(
        store: &Store,
        root: Root,
        found: Vec<Found>,
        now: SystemTime,
    ) -> Result<Self, ContextError> {
        let mut nodes = Vec::with_capacity(found.len());
        for found in &found {
            nodes.push(Node::of(&root, found)?);
        }
        let files_read = fill_in_contents(store, &root, &found, &mut nodes, now)?;
        Ok(Self {
            digest: digest(&nodes),
            root,
            nodes: nodes.into(),
            files_read,
        })
    }

    /// What identifies the tree: a digest of all paths, kinds, modes, contents and link targets; not of times and owners.
    ///
    /// The fields, in the encoding of [`Encoder`]: the tag, the number of nodes, and for each node in order its path, `directory`,
    /// `file` or `symlink`, its mode as a number, and then the content's digest or the link's target.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Where it lies on this machine: the file, or the directory.
    pub fn root(&self) -> &Path {
        let (Root::File(path) | Root::Directory(path)) = &self.root;
        path
    }

    /// The nodes: sorted by the names in their paths, each directory before what it holds.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How many files had to be read to know their digests.
    pub fn files_read(&self) -> usize {
        self.files_read
    }

    /// The tree on its way to an absolute path in an image, as `COPY` puts it there: a directory's content goes into the target; a
    /// file becomes the target, or goes into it where it ends in `/`. Directories above the target are not given: a sink makes those
    /// that are missing and leaves the others as they are.
    ///
    /// Each file is compared with its digest while it is given: one that changed fails the walk.
    pub fn source(&self, target: &str) -> Box<dyn FileSource> {
        Box::new(super::source::TreeSource::new(
            self.root.clone(),
            Arc::clone(&self.nodes),
            target,
        ))
    }
}

impl Node {
    /// The node of what was found; the digest of a file's content is not known yet.
    fn of(root: &Root, found: &Found) -> Result<Self, ContextError> {
        let metadata = &found.metadata;
        let mut node = Self {
            path: found.path.clone(),
            mode: metadata.mode() & 0o7777,
            kind: NodeKind::Directory,
        };
        if metadata.is_symlink() {
            let path = root.local(&node.path);
            let target = fs::read_link(&path).map_err(|error| super::hash::failed(&path, error))?;
            // Links have no mode of their own; some systems show one all the same.
            node.mode = 0o777;
            node.kind = NodeKind::Symlink { target };
        } else if metadata.is_file() {
            let digest = Digest::from_bytes([0; 32]);
            node.kind = NodeKind::File {
                digest,
                size: metadata.len(),
            };
        }
        Ok(node)
    }
}

/// Finds the digest of each file, from the store or by reading; answers how many were read.
fn fill_in_contents(
    store: &Store,
    root: &Root,
    found: &[Found],
    nodes: &mut [Node],
    now: SystemTime,
) -> Result<usize, ContextError> {
    let (Root::File(root_path) | Root::Directory(root_path)) = root;
    let known = StatCache::load(&store.trees(), root_path);
    let mut keep = Vec::with_capacity(known.len());
    let (mut unknown, mut jobs) = (Vec::new(), Vec::new());
    for (index, (found, node)) in found.iter().zip(nodes.iter_mut()).enumerate() {
        let NodeKind::File { digest, size } = &mut node.kind else {
            continue;
        };
        let stamp = Stamp::of(&found.metadata);
        if let Some(there) = known.get(&stamp) {
            *digest = there;
            keep.push((stamp, there));
        } else {
            jobs.push(Job {
                path: root.local(&found.path),
                size: *size,
            });
            unknown.push(index);
        }
    }
    for (index, hashed) in unknown.iter().zip(hash_all(&jobs)?) {
        nodes[*index].kind = NodeKind::File {
            digest: hashed.digest,
            size: hashed.size,
        };
        // A file that was written to while it was read is what was read; only the stamp says nothing of it.
        let stamp = Stamp::of(&hashed.metadata);
        if stamp == Stamp::of(&found[*index].metadata) && is_settled(&hashed.metadata, now) {
            keep.push((stamp, hashed.digest));
        }
    }
    if !jobs.is_empty() || keep.len() < known.len() {
        StatCache::of(keep).save(&store.trees(), root_path);
    }
    Ok(jobs.len())
}

fn digest(nodes: &[Node]) -> Digest {
    let mut encoder = Encoder::new(TAG);
    encoder.number(nodes.len() as u64);
    for node in nodes {
        encoder.bytes(node.path.as_os_str().as_bytes());
        match &node.kind {
            NodeKind::Directory => encoder.text("directory").number(node.mode.into()),
            NodeKind::File { digest, .. } => {
                encoder.text("file").number(node.mode.into()).digest(digest)
            }
            NodeKind::Symlink { target } => encoder
                .text("symlink")
                .number(node.mode.into())
                .bytes(target.as_os_str().as_bytes()),
        };
    }
    encoder.finish()
}

/// The path with all links followed.
pub(super) fn real_path(path: &Path) -> Result<PathBuf, ContextError> {
    fs::canonicalize(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ContextError::Missing {
            path: path.to_owned(),
        },
        _ => ContextError::read(path, error),
    })
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
