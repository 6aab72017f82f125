//! Instructions of Dockerfiles: where their files come from, and whom they belong to.

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{BuildError, Builder, Prepared};
use crate::context::{Context, MTIME, Taken, copied};
use crate::digest::{Digest, LayerId};
use crate::engine::{Entry, EntryKind, FileSink, FileSource, NewLayer};
use crate::plan::{Chain, CopySpec, Part, PlannedLayer};

/// The files that a `COPY` takes in.
pub(super) struct Files {
    taken: Vec<Taken>,
    pub(super) digest: Digest,
}

impl Builder {
    /// Reads the files that an instruction takes from its context directory.
    pub(super) async fn read_context(
        &self,
        chain: &Chain,
        index: usize,
        copy: &CopySpec,
    ) -> Result<Files, BuildError> {
        let step = chain.steps[index];
        let Part::Instruction(_, origin) = step.part else {
            unreachable!("only instructions copy from a context directory")
        };
        let folder = Path::new(step.place.manifest_dir);
        let context = folder.join(origin.context);
        let file = origin.dockerfile.file.map(|file| folder.join(file));
        let (store, sources) = (Arc::clone(&self.store), copy.sources.clone());
        let taken = tokio::task::spawn_blocking(move || {
            if sources.is_empty() {
                return Ok(Vec::new());
            }
            Context::open(&context, file.as_deref())?.take(&store, &sources)
        })
        .await
        .expect("reading files does not panic")
        .map_err(|source| BuildError::Files {
            place: step.place,
            verb: if copy.add { "ADD" } else { "COPY" },
            source: Box::new(source),
        })?;
        Ok(Files {
            digest: copied::digest(&taken),
            taken,
        })
    }
}

/// Whom copied files belong to, and where exactly they go.
struct Place {
    owner: Option<(u32, u32)>,
    /// With a `/` at the end if it is a directory.
    target: String,
}

impl Builder {
    /// Makes the layer of a `COPY` or an `ADD`.
    pub(super) async fn make_copy(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        step: usize,
        copy: &CopySpec,
    ) -> Result<(), BuildError> {
        let place = Place {
            owner: None,
            target: copy.target.clone(),
        };
        let mut parts: Vec<Box<dyn FileSource>> = Vec::new();
        if let Some(files) = image.copied.get(&step) {
            parts.extend(files.taken.iter().map(|taken| taken.tree.source(&place.target)));
        }
        parts.extend(copy.documents.iter().map(|(name, content)| {
            let name = if place.target.ends_with('/') { name } else { "" };
            Box::new(Document {
                path: inside(&format!("{}{name}", place.target)),
                content: content.clone(),
            }) as _
        }));
        let new = NewLayer {
            id: layer.id,
            parent: Some(parent),
            title: layer.title.clone(),
        };
        let files = Placed {
            above: inside(&place.target),
            parts,
            owner: place.owner,
            mode: copy.mode,
        };
        Ok(self.engine.add_files(&new, Box::new(files)).await?)
    }

    /// Makes a working directory.
    pub(super) async fn make_workdir(
        &self,
        layer: &PlannedLayer,
        parent: LayerId,
    ) -> Result<(), BuildError> {
        let new = NewLayer {
            id: layer.id,
            parent: Some(parent),
            title: layer.title.clone(),
        };
        let files = Placed {
            above: inside(&layer.config.workdir),
            parts: vec![Box::new(Directory(inside(&layer.config.workdir)))],
            owner: None,
            mode: None,
        };
        Ok(self.engine.add_files(&new, Box::new(files)).await?)
    }
}

/// An absolute path as [`Entry::path`] has it.
fn inside(path: &str) -> PathBuf {
    path.trim_matches('/').into()
}

/// Trees one after the other, with the owner and the permissions that an instruction gives them.
struct Placed {
    parts: Vec<Box<dyn FileSource>>,
    /// Where they go: directories above it keep their permissions.
    above: PathBuf,
    owner: Option<(u32, u32)>,
    mode: Option<u32>,
}

impl FileSource for Placed {
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
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
struct Directory(PathBuf);

impl FileSource for Directory {
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        directories(&self.0, sink)
    }
}

/// A file whose text stands in a Dockerfile.
struct Document {
    path: PathBuf,
    content: String,
}

impl FileSource for Document {
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        directories(self.path.parent().unwrap_or(Path::new("")), sink)?;
        let size = self.content.len() as u64;
        let file = entry(self.path, 0o644, EntryKind::File { size });
        sink.add(&file, &mut Cursor::new(self.content))
    }
}

/// A directory after those above it.
fn directories(path: &Path, sink: &mut dyn FileSink) -> io::Result<()> {
    let mut all: Vec<_> = path.ancestors().collect();
    // The last one is the root, which is there.
    all.pop();
    for directory in all.into_iter().rev() {
        let entry = entry(directory.to_owned(), 0o755, EntryKind::Directory);
        sink.add(&entry, &mut io::empty())?;
    }
    Ok(())
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
