//! A daemon that does not see the files of this machine: it runs on another one, in a virtual machine or in a container. What containers
//! are to see of them is sent into volumes. It goes there through another container, a carrier, which is never started: what is put into a
//! container itself would be in the layer that is made of it.

mod files;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
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
use futures_util::StreamExt as _;
use tokio::sync::{Mutex, mpsc};

use self::files::{Files, Pieces, unpack};
use super::archive::{Pipe, write};
use super::container::kept;
use super::error::optional;
use super::guard::{Guard, marks};
use super::volumes::seconds_now;
use super::{Daemon, SENT_LABEL};
use crate::digest::Digest;
use crate::engine::{Access, ContainerSpec, EngineError, MOUNT_ROOT, Mount, Owner, on_thread};

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
        let words = said.to_lowercase();
        let is_missing = words.contains("does not exist") || words.contains("no such file");
        let is_named = |local: Local<'_>| {
            said.contains(&*local.source.to_string_lossy()) && local.source.exists()
        };
        let is_missed = is_missing && locals(mounts).any(is_named);
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

impl Local<'_> {
    fn is_file(&self) -> bool {
        self.source.is_file()
    }
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
        // All files lie in one volume.
        if written.iter().any(Local::is_file) {
            written.extend(read.extract_if(.., |local| local.is_file()));
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
        let (files, directories): (Vec<_>, Vec<_>) =
            locals.iter().copied().partition(Local::is_file);
        let mut mounts: Vec<_> = directories
            .iter()
            .map(|local| match local.access {
                Access::Fixed => {
                    let now = seconds_now().to_string();
                    kept(name_of(local.source), (SENT_LABEL, &now), local.target)
                }
                _ => unnamed(local.target),
            })
            .collect();
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
        for local in directories {
            match local.access {
                Access::Fixed => self.put_once(carrier.name(), local).await?,
                _ => self.put_directory(carrier.name(), local).await?,
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
        self.put(carrier, MOUNT_ROOT, move |archive| {
            let is_file = |place: &&PathBuf| files.iter().any(|(_, file)| file == *place);
            for place in places.iter().filter(|place| !is_file(place)) {
                let mut above: Vec<_> = place.ancestors().collect();
                // The last one is the root itself.
                above.pop();
                for directory in above.into_iter().rev() {
                    archive.put_empty_directory(directory)?;
                }
            }
            files
                .iter()
                .try_for_each(|(source, target)| archive.put(target, source))
        })
        .await
    }

    async fn put_directory(&self, carrier: &str, local: Local<'_>) -> Result<(), EngineError> {
        let source = local.source.to_owned();
        self.put(carrier, local.target, move |archive| {
            archive.put_content(&source)
        })
        .await?;
        let metadata = fs::metadata(local.source).map_err(EngineError::Files)?;
        if (metadata.mode() & 0o7777, metadata.uid(), metadata.gid()) == (0o755, 0, 0) {
            return Ok(());
        }
        // As one that is in the directory above: Docker leaves mode and owner of the one that an archive is put into.
        let target = Path::new(local.target);
        let above = target.parent().unwrap_or(target).to_string_lossy();
        let name = PathBuf::from(target.file_name().unwrap_or_default());
        let source = local.source.to_owned();
        self.put(carrier, &above, move |archive| {
            archive.put_directory(&name, &source)
        })
        .await
    }

    /// Puts what never changes where nobody has put it. One at a time does so here; other machines have other names for it.
    async fn put_once(&self, carrier: &str, local: Local<'_>) -> Result<(), EngineError> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
        let _turn = ONE_AT_A_TIME.lock().await;
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
        self.put(carrier, local.target, |archive| {
            archive.put_empty_file(WHOLE)
        })
        .await
    }

    async fn put(
        &self,
        carrier: &str,
        target: &str,
        fill: impl FnOnce(&mut Files<&mut Pipe>) -> io::Result<()> + Send + 'static,
    ) -> Result<(), EngineError> {
        let (archive, packing) = write(|pipe| {
            let mut files = Files::new(pipe);
            fill(&mut files)?;
            files.finish()
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

/// The name of the volume of what never changes. Machines that were copied from one another have the same paths.
fn name_of(source: &Path) -> String {
    let source = source.to_string_lossy();
    let machine = Owner::this_process();
    let name = Digest::of(format!("{} {source}", machine.boot()).as_bytes());
    format!("{SENT_PREFIX}{name}")
}

/// A volume that goes with the last container that has it.
fn unnamed(target: &str) -> DockerMount {
    DockerMount {
        typ: Some(MountType::VOLUME),
        target: Some(target.to_owned()),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
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
