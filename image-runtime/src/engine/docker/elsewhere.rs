//! A daemon that does not see the files of this machine: it runs on another one, in a virtual machine or in a container. What containers
//! are to see of them is sent into volumes. It goes there through another container, a carrier, which is never started: what is put into a
//! container itself would be in the layer that is made of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, HostConfig, ImageInspect, Mount as DockerMount, MountType,
    MountVolumeOptions,
};
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::archive::write;
use super::container::kept;
use super::error::optional;
use super::guard::{Guard, marks};
use super::volumes::seconds_now;
use super::{Daemon, SENT_LABEL};
use crate::digest::Digest;
use crate::engine::{Access, ContainerSpec, EngineError, MOUNT_ROOT, Mount, on_thread};

const SENDING: &str = "sending files to the daemon";

/// Before the name of a volume with what never changes.
const SENT_PREFIX: &str = "image-runtime-sent-";

/// How long it stays that no container has: each edit of a program makes another one.
pub(super) const KEPT: Duration = Duration::from_secs(5 * 60);

/// What is put last into such a volume.
const WHOLE: &str = ".image-runtime-whole";

/// Whether a daemon sees other files than this machine's; it is found out where it misses one.
#[derive(Debug, Default)]
pub(super) struct Elsewhere(AtomicBool);

impl Elsewhere {
    pub(super) fn is_known(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A daemon that says that a file is not there which is there sees other files.
    pub(super) fn finds_out(&self, error: &EngineError, mounts: &[Mount]) -> bool {
        let EngineError::Refused { said, .. } = error else {
            return false;
        };
        let is_missed = locals(mounts)
            .any(|local| said.contains(&*local.source.to_string_lossy()) && local.source.exists());
        if is_missed {
            self.0.store(true, Ordering::Relaxed);
        }
        is_missed
    }
}

/// A [`Mount::Local`].
#[derive(Clone, Copy)]
struct Local<'a> {
    source: &'a Path,
    target: &'a str,
    access: Access,
}

fn locals(mounts: &[Mount]) -> impl Iterator<Item = Local<'_>> {
    mounts.iter().filter_map(|mount| match mount {
        Mount::Local {
            source,
            target,
            access,
        } => Some(Local {
            source,
            target,
            access: *access,
        }),
        Mount::Cache { .. } | Mount::Volume { .. } => None,
    })
}

/// What was sent for one container.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The containers whose volumes it has, and how, as Docker writes it.
    pub(super) volumes_from: Vec<String>,
    carriers: Vec<Guard>,
    returned: Vec<(String, PathBuf)>,
}

impl Sent {
    /// What is to come back: nothing else is needed once there is the container.
    pub(super) fn returned(mut self) -> Option<Returned> {
        let carrier = self.carriers.pop()?;
        (!self.returned.is_empty()).then_some(Returned {
            carrier,
            directories: self.returned,
        })
    }
}

/// What is to come back from a container.
#[derive(Debug)]
pub(super) struct Returned {
    carrier: Guard,
    /// Where it is there, and where it belongs here.
    directories: Vec<(String, PathBuf)>,
}

impl Daemon {
    /// Sends what a container is to see.
    pub(super) async fn send(
        self: &Arc<Self>,
        spec: &ContainerSpec,
        image: &ImageInspect,
    ) -> Result<Sent, EngineError> {
        let mut sent = Sent::default();
        let (mut read, mut written) = (Vec::new(), Vec::new());
        for local in locals(&spec.mounts) {
            let metadata = fs::metadata(local.source).map_err(EngineError::Files)?;
            let is_below = Path::new(local.target).starts_with(MOUNT_ROOT);
            if local.access == Access::Live || !(metadata.is_dir() || is_below) {
                return Err(EngineError::Elsewhere {
                    path: local.source.to_owned(),
                    address: self.address.clone(),
                });
            }
            match local.access.is_read_only() {
                true => read.push(local),
                false => written.push(local),
            }
        }
        let targets: Vec<_> = spec.mounts.iter().map(Mount::target).collect();
        for (locals, how) in [(read, "ro"), (written, "rw")] {
            if locals.is_empty() {
                continue;
            }
            let carrier = self.carry(spec, image, &locals, &targets).await?;
            sent.volumes_from.push(format!("{}:{how}", carrier.name()));
            sent.carriers.push(carrier);
            let returned = locals
                .iter()
                .filter(|local| local.access == Access::Returned);
            let returned = returned.map(|local| (local.target.to_owned(), local.source.to_owned()));
            sent.returned.extend(returned);
        }
        Ok(sent)
    }

    /// Makes a carrier of volumes and fills them.
    async fn carry(
        self: &Arc<Self>,
        spec: &ContainerSpec,
        image: &ImageInspect,
        locals: &[Local<'_>],
        targets: &[&str],
    ) -> Result<Guard, EngineError> {
        let is_file = |local: &Local<'_>| local.source.is_file();
        let mut mounts: Vec<_> = locals
            .iter()
            .filter(|local| !is_file(local))
            .map(|local| match local.access {
                Access::Fixed => {
                    let name = Digest::of(local.source.to_string_lossy().as_bytes());
                    let (name, now) = (format!("{SENT_PREFIX}{name}"), seconds_now().to_string());
                    kept(name, (SENT_LABEL, &now), local.target)
                }
                _ => unnamed(local.target),
            })
            .collect();
        let files: Vec<_> = locals.iter().copied().filter(is_file).collect();
        if !files.is_empty() {
            mounts.push(unnamed(MOUNT_ROOT));
        }
        let body = ContainerCreateBody {
            image: image.id.clone(),
            entrypoint: Some(spec.argv.clone()),
            labels: Some(marks(&spec.purpose)),
            host_config: Some(HostConfig {
                mounts: Some(mounts),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let carrier = Guard::create(self, "files", body)
            .await
            .map_err(self.failed_on(spec.layer, SENDING))?;
        if !files.is_empty() {
            let files = files
                .iter()
                .map(|file| (file.source.to_owned(), below_root(file.target)))
                .collect();
            let places = targets
                .iter()
                .filter(|target| Path::new(target).starts_with(MOUNT_ROOT))
                .map(|target| below_root(target))
                .collect();
            self.put_files(carrier.name(), files, places).await?;
        }
        for local in locals.iter().filter(|local| !is_file(local)) {
            match local.access {
                Access::Fixed => self.put_once(carrier.name(), *local).await?,
                _ => self.put_directory(carrier.name(), *local).await?,
            }
        }
        Ok(carrier)
    }

    /// Puts files below the root of mounts, and directories where others are mounted.
    async fn put_files(
        &self,
        carrier: &str,
        files: Vec<(PathBuf, PathBuf)>,
        places: Vec<PathBuf>,
    ) -> Result<(), EngineError> {
        self.put(carrier, MOUNT_ROOT, move |tar| {
            for place in &places {
                if files.iter().any(|(_, file)| file == place) {
                    continue;
                }
                for directory in place
                    .ancestors()
                    .filter(|path| !path.as_os_str().is_empty())
                {
                    append_empty(tar, directory)?;
                }
            }
            files
                .iter()
                .try_for_each(|(source, target)| tar.append_path_with_name(source, target))
        })
        .await
    }

    async fn put_directory(&self, carrier: &str, local: Local<'_>) -> Result<(), EngineError> {
        let source = local.source.to_owned();
        let target = Path::new(local.target);
        let above = target.parent().unwrap_or(target).to_string_lossy();
        let name = PathBuf::from(target.file_name().unwrap_or_default());
        // By its name and not by `.`, of which Docker does not take over mode and owner.
        self.put(carrier, &above, move |tar| {
            tar.append_dir(&name, &source)?;
            append_content(tar, &source, &name, &mut HashMap::new())
        })
        .await
    }

    /// Puts what never changes where nobody has put it. One at a time does so here; other machines have other names for it.
    async fn put_once(&self, carrier: &str, local: Local<'_>) -> Result<(), EngineError> {
        let source = local.source.to_owned();
        let locked = on_thread(move || {
            let directory = File::open(source)?;
            directory.lock()?;
            Ok(directory)
        });
        let _lock: File = locked.await.map_err(EngineError::Files)?;
        let options = ContainerArchiveInfoOptionsBuilder::new()
            .path(&format!("{}/{WHOLE}", local.target))
            .build();
        let found = self
            .docker
            .get_container_archive_info(carrier, Some(options));
        let found = optional(found.await).map_err(self.failed(SENDING))?;
        if found.is_some() {
            return Ok(());
        }
        self.put_directory(carrier, local).await?;
        self.put(carrier, local.target, |tar| {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_mode(0o444);
            tar.append_data(&mut header, WHOLE, io::empty())
        })
        .await
    }

    async fn put(
        &self,
        carrier: &str,
        target: &str,
        fill: impl FnOnce(&mut tar::Builder<&mut super::archive::Pipe>) -> io::Result<()>
        + Send
        + 'static,
    ) -> Result<(), EngineError> {
        let (archive, packing) = write(|pipe| {
            let mut tar = tar::Builder::new(pipe);
            tar.follow_symlinks(false);
            // Docker knows no sparse files.
            tar.sparse(false);
            fill(&mut tar)?;
            tar.finish()
        });
        let options = UploadToContainerOptionsBuilder::new().path(target).build();
        let body = bollard::body_try_stream(archive);
        let answer = self
            .docker
            .upload_to_container(carrier, Some(options), body);
        let answer = answer.await.map_err(self.failed(SENDING));
        packing.finish(answer).await
    }

    /// Brings back what a container has written, which is gone.
    pub(super) async fn bring_back(&self, returned: Returned) -> Result<(), EngineError> {
        let mut brought = Ok(());
        for (from, to) in &returned.directories {
            let one = self.bring(returned.carrier.name(), from, to.clone()).await;
            brought = brought.and(one);
        }
        let removed = returned.carrier.remove().await;
        brought.and(removed)
    }

    async fn bring(&self, carrier: &str, from: &str, to: PathBuf) -> Result<(), EngineError> {
        let options = DownloadFromContainerOptionsBuilder::new()
            .path(from)
            .build();
        let mut archive = self.docker.download_from_container(carrier, Some(options));
        let (sender, pieces) = mpsc::channel(8);
        let unpacking = on_thread(move || unpack(Pieces::new(pieces), &to));
        let receiving = async move {
            while let Some(piece) = archive.next().await {
                // Who unpacks has ended, and says why.
                if sender.send(piece?).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let (received, unpacked) = tokio::join!(receiving, unpacking);
        received.map_err(self.failed("bringing files back from the daemon"))?;
        unpacked.map_err(EngineError::Files)
    }
}

/// A volume that goes with the last container that has it.
fn unnamed(target: &str) -> DockerMount {
    DockerMount {
        typ: Some(MountType::VOLUME),
        target: Some(target.to_owned()),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            labels: Some(HashMap::new()),
            ..MountVolumeOptions::default()
        }),
        ..DockerMount::default()
    }
}

/// A path from the root of mounts on.
fn below_root(target: &str) -> PathBuf {
    let path = Path::new(target);
    path.strip_prefix(MOUNT_ROOT).unwrap_or(path).to_owned()
}

fn append_empty<W: io::Write>(tar: &mut tar::Builder<W>, directory: &Path) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o755);
    header.set_size(0);
    tar.append_data(&mut header, directory, io::empty())
}

/// Appends all that is in a directory. Names of the same file stay names of one, which `append_dir_all` knows nothing of; nobody
/// reaches a socket through a copy.
fn append_content<W: io::Write>(
    tar: &mut tar::Builder<W>,
    directory: &Path,
    inside: &Path,
    known: &mut HashMap<(u64, u64), PathBuf>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, inside) = (entry.path(), inside.join(entry.file_name()));
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            tar.append_dir(&inside, &path)?;
            append_content(tar, &path, &inside, known)?;
        } else if metadata.is_file() && metadata.nlink() > 1 {
            match known.entry((metadata.dev(), metadata.ino())) {
                Occupied(first) => {
                    let mut header = tar::Header::new_gnu();
                    header.set_metadata(&metadata);
                    header.set_entry_type(tar::EntryType::Link);
                    header.set_size(0);
                    tar.append_link(&mut header, &inside, first.get())?;
                }
                Vacant(vacant) => {
                    tar.append_path_with_name(&path, &inside)?;
                    vacant.insert(inside);
                }
            }
        } else if !metadata.file_type().is_socket() {
            tar.append_path_with_name(&path, &inside)?;
        }
    }
    Ok(())
}

/// Takes the files at the top of a directory that was packed, and nothing else: what is in the archive is a container's.
fn unpack(archive: impl Read, to: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            continue;
        }
        let path = entry.path()?.into_owned();
        let parts: Vec<_> = path.components().collect();
        if let [_, Component::Normal(name)] = parts[..] {
            io::copy(&mut entry, &mut File::create(to.join(name))?)?;
        }
    }
    Ok(())
}

/// Reads what comes in pieces.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Pieces {
    fn new(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self {
            pieces,
            piece: Bytes::new(),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let taken = self.piece.split_to(buffer.len().min(self.piece.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}
