//! The layers below the directory that files are written into: what an overlay of them would show.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Timespec;
use rustix::io::Errno;

use super::super::form::Form;
use super::attributes::Attributes;

/// Layers, seen through one another. All paths that are asked for lead from the root through directories only, never
/// through links; so nothing outside the layers is read.
#[derive(Debug)]
pub(super) struct Below {
    /// The files of each, topmost first.
    layers: Vec<PathBuf>,
    form: Form,
    /// Which layers have a part of a directory.
    directories: HashMap<PathBuf, Arc<[usize]>>,
}

/// Something that the layers show.
#[derive(Debug)]
pub(super) struct Shown {
    path: PathBuf,
    metadata: Metadata,
}

impl Below {
    pub(super) fn new(layers: Vec<PathBuf>, form: Form) -> Self {
        Self {
            layers,
            form,
            directories: HashMap::new(),
        }
    }

    /// What is at a path, if anything is.
    pub(super) fn at(&mut self, path: &Path) -> io::Result<Option<Shown>> {
        for layer in self
            .with_part_of(path.parent().unwrap_or(Path::new("")))?
            .iter()
        {
            let path = self.layers[*layer].join(path);
            if let Some(metadata) = look(&path)? {
                return Ok((!is_whiteout(&metadata)).then_some(Shown { path, metadata }));
            }
        }
        Ok(None)
    }

    /// The layers that have a part of a directory, topmost first: none if there is no such directory.
    fn with_part_of(&mut self, directory: &Path) -> io::Result<Arc<[usize]>> {
        if let Some(known) = self.directories.get(directory) {
            return Ok(Arc::clone(known));
        }
        let layers: Arc<[usize]> = match directory.parent() {
            None => (0..self.layers.len()).collect(),
            Some(parent) => {
                let mut with = Vec::new();
                for layer in self.with_part_of(parent)?.iter() {
                    let path = self.layers[*layer].join(directory);
                    match look(&path)? {
                        None => continue,
                        Some(metadata) if metadata.is_dir() => with.push(*layer),
                        // It hides what is below it, and is no directory.
                        Some(_) => break,
                    }
                    if is_opaque(&path, self.form)? {
                        break;
                    }
                }
                with.into()
            }
        };
        self.directories
            .insert(directory.to_owned(), Arc::clone(&layers));
        Ok(layers)
    }
}

impl Shown {
    pub(super) fn is_directory(&self) -> bool {
        self.metadata.is_dir()
    }

    /// Where it leads, if it is a link.
    pub(super) fn target(&self) -> io::Result<Option<PathBuf>> {
        if self.metadata.is_symlink() {
            fs::read_link(&self.path).map(Some)
        } else {
            Ok(None)
        }
    }

    /// What a directory over it has to have, so that it looks the same.
    pub(super) fn attributes(&self) -> Attributes {
        Attributes {
            mode: self.metadata.mode() & 0o7777,
            uid: self.metadata.uid(),
            gid: self.metadata.gid(),
            time: Timespec {
                tv_sec: self.metadata.mtime(),
                tv_nsec: self.metadata.mtime_nsec(),
            },
            extended: Vec::new(),
        }
    }
}

fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

fn is_whiteout(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

fn is_opaque(directory: &Path, form: Form) -> io::Result<bool> {
    let mut value = [0];
    match rustix::fs::lgetxattr(directory, form.opaque(), &mut value) {
        Ok(length) => Ok(value[..length] == *b"y"),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
