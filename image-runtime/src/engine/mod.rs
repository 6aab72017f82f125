//! The border to what builds layers and runs containers. It speaks of layers, processes, files and limits only;
//! what all engines do is written above it.

pub mod docker;
#[cfg(embedded)]
pub mod embedded;
mod error;
mod exact;
#[cfg(test)]
pub(crate) mod fake;
mod files;
mod limits;
mod owner;
mod packed;
mod packing;
mod select;
mod tail;
mod testament;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;

pub use error::{EngineError, Lacking};
pub use files::{Entry, EntryKind, FileSink, FileSource, NoFiles};
pub use limits::Limits;
pub(crate) use owner::{Owner, is_running};
pub use packed::{LayerSink, PackedLayer};
pub use select::{ENGINE_VARIABLE, Selected, select};

pub(crate) use tail::LONGEST as LONGEST_LAST_LINE;
pub(crate) use testament::testament;

use crate::digest::LayerId;
use crate::gpu::Gpu;
use crate::secrets::Login;
use crate::spec::ImageConfig;
use crate::store::Store;

/// The exit code of a process that was killed, as the kernel does when memory runs out.
const KILLED: i64 = 137;

/// How long the rest of a container's output may take to arrive when its process has ended.
const REST_OF_OUTPUT: Duration = Duration::from_secs(5);

/// Does something that blocks.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Ends what still runs of a program that has ended: `testament` is its [`testament`].
pub(crate) fn end_running(testament: impl AsFd) {
    #[cfg(embedded)]
    testament::end_running(testament);
    #[cfg(not(embedded))]
    let _ = testament;
}

/// Removes what dead programs left in a store that exists, of an engine that keeps its layers there. Nothing is made.
pub(crate) fn sweep_left(store: &Store) {
    #[cfg(embedded)]
    embedded::sweep_left(store);
    #[cfg(not(embedded))]
    let _ = store;
}

/// Removes what a program that has ended left at a daemon, if it asked one for anything: `testament` is its [`testament`], `owner` its label.
pub(crate) async fn sweep_left_at_daemon(testament: impl AsFd, owner: &str) {
    if let Some(unfinished) = testament::unfinished(testament) {
        docker::sweep_left(owner, unfinished).await;
    }
}

/// Builds layers and runs containers of them.
///
/// A layer is known by its [`LayerId`] alone. It exists whole or not at all: whatever is interrupted leaves no layer.
/// Everything that an engine makes is marked as ours, so that [`Engine::sweep`] and `prune` find it.
#[async_trait]
pub trait Engine: Send + Sync + std::fmt::Debug {
    /// The engine's name in `IMAGE_ENGINE`.
    fn name(&self) -> &'static str;

    /// Whether containers that have a network have that of this machine, and none of their own.
    fn shares_network(&self) -> bool {
        false
    }

    /// Whether other users and other stores have the same layers.
    fn shares_layers(&self) -> bool {
        false
    }

    /// What the engine is, for `doctor`.
    async fn info(&self) -> Result<EngineInfo, EngineError>;

    /// Whether a layer exists.
    async fn has_layer(&self, layer: &LayerId) -> Result<bool, EngineError>;

    /// What tells a layer from one that is made anew in its place, by whomever; `None` where it does not exist.
    async fn made(&self, layer: &LayerId) -> Result<Option<String>, EngineError>;

    /// All layers that exist, in no order.
    async fn layers(&self) -> Result<Vec<LayerInfo>, EngineError>;

    /// Removes a layer. One that does not exist is no error; one in use is [`EngineError::InUse`].
    async fn remove_layer(&self, layer: &LayerId) -> Result<(), EngineError>;

    /// Makes a layer: the parent (or nothing) with some files put over it. A file that is there already is replaced.
    async fn add_files(
        &self,
        new: &NewLayer,
        files: Box<dyn FileSource>,
    ) -> Result<(), EngineError>;

    /// Asks which manifest an image reference names today. The answer is `sha256:…`.
    /// A private registry is told the login, else the user's own of Docker's configuration.
    async fn resolve(&self, reference: &str, login: Option<&Login>) -> Result<String, EngineError>;

    /// Makes a layer without parent out of an image that [`Engine::resolve`] found, under the digest it gave.
    /// `progress` is told the bytes done and the bytes in all (0 where unknown).
    async fn pull(
        &self,
        new: &NewLayer,
        reference: &str,
        digest: &str,
        login: Option<&Login>,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<ImageConfig, EngineError>;

    /// Packs a layer and all below it, hands them to `to`, the lowest first, and answers what they are.
    /// `progress` is told the bytes packed and the bytes in all (0 where unknown).
    async fn export(
        &self,
        layer: &LayerId,
        to: &dyn LayerSink,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Vec<PackedLayer>, EngineError>;

    /// Starts a process in a new container. Where the engine sees other files than this machine's and one of the mounts is
    /// [`Access::Live`], that is [`EngineError::Elsewhere`].
    async fn start(&self, spec: &ContainerSpec) -> Result<Box<dyn Container>, EngineError>;

    /// When to use [`start_attached`](Self::start_attached).
    fn attaching(&self) -> Attaching {
        Attaching::Never
    }

    /// Starts a process and holds on to its standard input and output, or to a socket that is its standard input.
    async fn start_attached(
        &self,
        spec: &ContainerSpec,
    ) -> Result<(Box<dyn Container>, Attached), EngineError> {
        Err(EngineError::Refused {
            doing: format!("starting a container for `{}`", spec.purpose),
            said: format!("`{}` cannot be talked to in that way", self.name()),
        })
    }

    /// Removes what owners that no longer live left behind: containers, half-made layers.
    async fn sweep(&self) -> Result<Swept, EngineError>;

    /// Looks whether the layers are as they were made, and keeps those that are not from being used: the next build makes
    /// them anew. Nothing where the engine has no files that anybody else could change.
    async fn verify(&self) -> Result<Option<Verified>, EngineError> {
        Ok(None)
    }

    /// Removes caches of build steps ([`Mount::Cache`]); answers how many.
    async fn remove_caches(&self) -> Result<usize, EngineError>;

    /// All volumes ([`Mount::Volume`]), by name.
    async fn volumes(&self) -> Result<Vec<VolumeInfo>, EngineError>;

    /// Removes a volume with all that is in it; answers whether there was one. One in use is [`EngineError::VolumeInUse`].
    async fn remove_volume(&self, name: &str) -> Result<bool, EngineError>;
}

/// A container that was started. When its owner's process ends, its own process must be able to notice
/// (by its socket); dropping this value kills nothing.
#[async_trait]
pub trait Container: Send + Sync + std::fmt::Debug {
    /// A name for people: short, unique among those that run.
    fn name(&self) -> &str;

    /// Waits for the process to end.
    async fn wait(&self) -> Result<Exit, EngineError>;

    /// The last lines that the process wrote to the standard output and standard error it was started with, oldest first.
    fn last_output(&self) -> Vec<String>;

    /// Makes a layer of the container's parent and everything written in it since. The process may still run, but does nothing;
    /// an engine may end it.
    async fn save(&self, new: &NewLayer) -> Result<(), EngineError>;

    /// Ends the process if it runs, and removes everything of the container; what mounts say that is [`Access::Returned`] is here then.
    /// Doing it twice is no error.
    async fn remove(&self) -> Result<(), EngineError>;
}

/// A layer about to be made.
#[derive(Clone, Debug)]
pub struct NewLayer {
    /// Its identity.
    pub id: LayerId,
    /// The layer below, if any.
    pub parent: Option<LayerId>,
    /// What it is, for people: `pip_install(numpy)`.
    pub title: String,
}

/// What an engine tells of a layer.
#[derive(Clone, Debug)]
pub struct LayerInfo {
    /// Its identity.
    pub id: LayerId,
    /// The layer below, if any.
    pub parent: Option<LayerId>,
    /// What it is, for people.
    pub title: String,
    /// When it was made.
    pub created: SystemTime,
    /// Bytes of the layer and all below it.
    pub size: u64,
}

/// What an engine tells of a volume.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct VolumeInfo {
    /// Its name.
    pub name: String,
    /// Where it is: a directory of this machine, or what the daemon calls it.
    pub place: String,
}

/// What an engine is.
#[derive(Clone, Debug, serde::Serialize)]
pub struct EngineInfo {
    /// Name of the product: `Docker Engine`, `Podman Engine`.
    pub product: String,
    /// Its version.
    pub version: String,
    /// Where it is reached: `unix:///var/run/docker.sock`.
    pub address: String,
    /// OCI platform: `linux/amd64`.
    pub platform: String,
    /// Whether containers have no user but root: all files belong to root then, and no process is anybody else's.
    pub only_root: bool,
    /// How many CPUs its containers have together, where that is known.
    pub cpus: Option<u64>,
    /// How many bytes of memory they have together, where that is known.
    pub memory: Option<u64>,
    /// Further facts worth showing, as name and value.
    pub facts: Vec<(String, String)>,
}

/// A process to run in a container of a layer.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// The layer that is the root file system. Writes go to a fresh layer above it.
    pub layer: LayerId,
    /// Program and arguments. The program is an absolute path in the container.
    pub argv: Vec<String>,
    /// The environment of the process: all of it, except that an engine may set `PATH`, `HOME` and `HOSTNAME` where
    /// they are not given. A layer that is saved may show it: what must not stay goes another way.
    pub env: Vec<(String, String)>,
    /// Working directory, absolute. Made if it is missing.
    pub workdir: String,
    /// User, as in an image's configuration; empty for root.
    pub user: String,
    /// What else is seen inside.
    pub mounts: Vec<Mount>,
    /// Whether the process reaches the network.
    pub network: bool,
    /// What it may use of the machine.
    pub limits: Limits,
    /// The GPUs that it sees, with what it takes to compute on them.
    pub gpus: Vec<Gpu>,
    /// What the container is for, for people: `call train`, `build pip_install(numpy)`.
    pub purpose: String,
}

/// Something put into a container. Targets lie under [`MOUNT_ROOT`], so that no mount point is ever part of a layer; only a container
/// that is never saved has others, too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mount {
    /// A file or directory of this machine.
    Local {
        /// Its absolute path here.
        source: PathBuf,
        /// Its absolute path inside.
        target: String,
        /// What the process does with it.
        access: Access,
    },
    /// A directory that is kept between builds and shared by them.
    Cache {
        /// Its name: `[a-z0-9.-]+`.
        name: String,
        /// Its absolute path inside.
        target: String,
    },
    /// A directory that stays until [`Engine::remove_volume`]: empty at first, root's, and shared by all containers that name it.
    Volume {
        /// Its name: a file name of ASCII letters, digits, `.`, `_` and `-`.
        name: String,
        /// Its absolute path inside.
        target: String,
    },
}

impl Mount {
    /// Its absolute path inside.
    pub fn target(&self) -> &str {
        match self {
            Self::Local { target, .. }
            | Self::Cache { target, .. }
            | Self::Volume { target, .. } => target,
        }
    }
}

/// What a process does with a [`Mount::Local`]. Where an engine sees other files than this machine's, that decides whether a copy will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// It reads. What is there never changes as long as it has that name.
    Fixed,
    /// It reads.
    Read,
    /// What it writes is of no use to anybody later.
    Passing,
    /// The files that it writes at the top of the directory are read here when the container is gone.
    Returned,
    /// Both sides see at once what the other one writes.
    Live,
}

impl Access {
    /// Whether the process cannot write.
    pub fn is_read_only(self) -> bool {
        matches!(self, Self::Fixed | Self::Read)
    }
}

/// When to start a process and hold on to it, in place of meeting it at a socket that both see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attaching {
    /// Never: the engine cannot.
    Never,
    /// Where containers see no socket of this machine.
    Apart,
    /// Always: it takes less.
    Always,
}

/// What a process is held on to by.
pub enum Attached {
    /// The other end of a socket that is its standard input. It never blocks.
    Socket(UnixStream),
    /// Its standard input and output.
    Streams {
        /// What it reads. It ends by `shutdown`.
        input: Pin<Box<dyn AsyncWrite + Send>>,
        /// What it writes.
        output: mpsc::Receiver<Bytes>,
    },
}

/// Where mounts go. `/dev` is a file system of its own in every container, so mount points made there stay in no layer.
pub const MOUNT_ROOT: &str = "/dev/image-runtime";

/// Where a container finds the libraries of the GPU's driver, if the engine puts them there.
pub const DRIVER_LIBRARIES: &str = "/dev/image-runtime/nvidia";

/// How a process ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// The exit code; 128 and the signal's number where a signal ended it.
    pub code: i64,
    /// Whether the kernel ended it for want of memory.
    pub out_of_memory: bool,
    /// The most memory that was used at a time, in bytes, where that was limited and the engine knows.
    pub memory_peak: Option<u64>,
}

/// What [`Engine::sweep`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Swept {
    /// Containers.
    pub containers: usize,
}

/// What [`Engine::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// How many layers were looked at.
    pub layers: usize,
    /// Those that are not as they were made.
    pub damaged: Vec<Damaged>,
}

/// A layer that is not as it was made.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Damaged {
    /// How its identity begins.
    pub layer: String,
    /// What it is, for people; empty where that is lost.
    pub title: String,
    /// What is wrong with it: a few things.
    pub faults: Vec<String>,
}
