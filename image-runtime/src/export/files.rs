//! Writes an image as files: the directory of an OCI layout, or one archive of it that `docker load` takes, too.
//!
//! Nothing is to be seen at the path before all of it is there.

use std::collections::HashSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde::Serialize;
use tempfile::{NamedTempFile, TempDir};

use super::documents::{Documents, MANIFEST, json, named};
use crate::base::oci::reference::Reference;
use crate::digest::Digest;
use crate::engine::{EngineError, LayerSink, PackedLayer};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image that is being written.
pub(super) struct Files {
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    into: Into,
    /// A layer may be there twice.
    written: HashSet<Digest>,
}

enum Into {
    Archive(tar::Builder<NamedTempFile>),
    Directory(TempDir),
    Finished,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    media_type: &'static str,
    manifests: [Entry<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    media_type: &'static str,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Annotations>,
    platform: Platform<'a>,
}

/// Names of the image: by which skopeo finds it, and by which containerd calls it.
#[derive(Serialize)]
struct Annotations {
    #[serde(rename = "io.containerd.image.name")]
    name: String,
    #[serde(rename = "org.opencontainers.image.ref.name")]
    tag: String,
}

#[derive(Serialize)]
struct Platform<'a> {
    architecture: &'a str,
    os: &'a str,
}

/// What `docker load` looks for.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Loadable {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

impl Files {
    /// Begins to write beside the path.
    pub(super) fn create(path: &Path) -> Result<Self, EngineError> {
        let is_archive = path.extension().is_some_and(|end| end == "tar");
        let begin = || {
            let path = std::path::absolute(path)?;
            let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
            if !parent.is_dir() {
                return Err(io::Error::other(format!(
                    "there is no directory `{}`\n  help: make it first",
                    parent.display()
                )));
            }
            // Its text names a file that nobody knows.
            let kind = |error: io::Error| io::Error::from(error.kind());
            let mut builder = tempfile::Builder::new();
            builder.prefix(".image-runtime-");
            if is_archive {
                if path.is_dir() {
                    return Err(io::Error::other(
                        "it is a directory\n  help: name a file, or a directory without `.tar` for an OCI layout",
                    ));
                }
                let builder = builder.permissions(Permissions::from_mode(0o644));
                let archive = tar::Builder::new(builder.tempfile_in(parent).map_err(kind)?);
                return Ok(Into::Archive(archive));
            }
            if path.symlink_metadata().is_ok() {
                return Err(io::Error::other(
                    "something is there already\n  help: remove it, name another directory, or a file that ends in `.tar`",
                ));
            }
            let builder = builder.permissions(Permissions::from_mode(0o755));
            let directory = builder.tempdir_in(parent).map_err(kind)?;
            fs::create_dir_all(directory.path().join("blobs/sha256"))?;
            Ok(Into::Directory(directory))
        };
        Ok(Self {
            path: path.to_owned(),
            state: Arc::new(Mutex::new(State {
                into: begin().map_err(failed(path))?,
                written: HashSet::new(),
            })),
        })
    }

    /// Writes what makes an image of the layers, and puts all of it in its place.
    pub(super) async fn finish(
        &self,
        documents: &Documents,
        layers: &[PackedLayer],
        name: Option<&str>,
    ) -> Result<(), EngineError> {
        let config = Digest::of(&documents.config);
        let manifest = Digest::of(&documents.manifest);
        let (os, architecture) = documents.platform.split_once('/').unwrap_or_default();
        let name = name.map(Reference::parse);
        let index = Index {
            schema_version: 2,
            media_type: INDEX,
            manifests: [Entry {
                media_type: MANIFEST,
                digest: named(&manifest),
                size: documents.manifest.len(),
                annotations: name.as_ref().map(|name| Annotations {
                    name: name.tagged(),
                    tag: name.tag.clone(),
                }),
                platform: Platform { architecture, os },
            }],
        };
        let loadable = Loadable {
            config: blob(&config),
            repo_tags: name.iter().map(Reference::tagged).collect(),
            layers: layers.iter().map(|layer| blob(&layer.digest)).collect(),
        };
        let mut small = vec![
            (blob(&config), documents.config.clone()),
            (blob(&manifest), documents.manifest.clone()),
            ("index.json".to_owned(), json(&index)),
            (
                "oci-layout".to_owned(),
                br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
            ),
        ];
        let is_archive = self.path.extension().is_some_and(|end| end == "tar");
        if is_archive {
            small.push(("manifest.json".to_owned(), json(&[loadable])));
        }
        let path = self.path.clone();
        self.with(move |state| {
            for (name, bytes) in small {
                state.into.small(&name, &bytes)?;
            }
            state.into.put_in_place(&path)
        })
        .await
    }

    /// Does something that blocks.
    async fn with(
        &self,
        work: impl FnOnce(&mut State) -> io::Result<()> + Send + 'static,
    ) -> Result<(), EngineError> {
        let state = Arc::clone(&self.state);
        let done = tokio::task::spawn_blocking(move || {
            work(&mut state.lock().expect("nobody panics with it"))
        });
        done.await
            .unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .map_err(failed(&self.path))
    }
}

#[async_trait]
impl LayerSink for Files {
    async fn has(&self, _: &PackedLayer) -> Result<bool, EngineError> {
        Ok(false)
    }

    async fn take(&self, layer: &PackedLayer, file: &Path) -> Result<(), EngineError> {
        let (digest, size, file) = (layer.digest, layer.size, file.to_owned());
        self.with(move |state| {
            if !state.written.insert(digest) {
                return Ok(());
            }
            state.into.file(&blob(&digest), size, &file)
        })
        .await
    }
}

impl Into {
    /// Writes a file of a few bytes.
    fn small(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Archive(archive) => append(archive, name, bytes.len() as u64, bytes),
            Self::Directory(directory) => fs::write(directory.path().join(name), bytes),
            Self::Finished => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Writes the content of another file, which it may take away.
    fn file(&mut self, name: &str, size: u64, file: &Path) -> io::Result<()> {
        match self {
            Self::Archive(archive) => append(archive, name, size, File::open(file)?),
            Self::Directory(directory) => {
                let target = directory.path().join(name);
                match fs::rename(file, &target) {
                    // On another disk.
                    Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                        fs::copy(file, &target).map(drop)
                    }
                    moved => moved,
                }
            }
            Self::Finished => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn put_in_place(&mut self, path: &Path) -> io::Result<()> {
        match std::mem::replace(self, Self::Finished) {
            Self::Archive(archive) => {
                let mut file = archive.into_inner()?;
                file.flush()?;
                file.persist(path).map_err(|error| error.error)?;
            }
            Self::Directory(directory) => {
                fs::rename(directory.path(), path)?;
                // What is there now is no longer temporary.
                let _ = directory.keep();
            }
            Self::Finished => {}
        }
        Ok(())
    }
}

fn append(
    archive: &mut tar::Builder<NamedTempFile>,
    name: &str,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o644);
    header.set_size(size);
    archive.append_data(&mut header, name, content)
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{digest}")
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> EngineError {
    let doing = format!("writing `{}`", path.display());
    move |error| EngineError::Refused {
        doing,
        said: error.to_string(),
    }
}
