//! The engine inside this program, without a daemon: layers are directories, stacked by overlayfs; containers are
//! processes in namespaces of their own.

mod add;
#[doc(hidden)]
pub mod cgroup;
mod container;
mod export;
mod files;
mod form;
mod gpu;
mod kernel;
mod landlock;
mod layers;
mod network;
mod overlay;
mod probe;
mod pull;
#[doc(hidden)]
pub mod sandbox;
mod seccomp;
mod user;
mod users;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use async_trait::async_trait;

use self::add::{Addition, GivenUp};
use self::cgroup::Cgroups;
use self::container::EmbeddedContainer;
use self::form::Form;
use self::layers::{Layers, Scratch};
use self::sandbox::{Bind, Sandbox};
use self::user::Identity;
use super::error::failed;
use super::{
    Attached, Attaching, Container, ContainerSpec, Engine, EngineError, EngineInfo, FileSource,
    LayerInfo, LayerSink, Mount, NewLayer, PackedLayer, Swept, Verified, VolumeInfo, on_thread,
};
use crate::base::oci;
use crate::digest::LayerId;
use crate::secrets::Login;
use crate::spec::ImageConfig;
use crate::store::Store;

/// Where programs are looked for in a container that says nothing else.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The engine inside this program.
#[derive(Clone, Debug)]
pub struct EmbeddedEngine {
    layers: Layers,
    registries: Arc<oci::Client>,
    cgroups: Arc<Cgroups>,
    /// Whether the kernel can leave out syncing what containers write.
    volatile: bool,
}

impl EmbeddedEngine {
    /// The engine on a store.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`]: what this kernel, this user or this file system lacks, and what to do about it.
    pub async fn open(store: &Store) -> Result<Self, EngineError> {
        let (layers, volatile) = probe::probe(store).await?;
        Ok(Self {
            registries: Arc::new(oci::Client::new(store.downloads())),
            layers,
            cgroups: Arc::new(Cgroups::of_machine()),
            volatile,
        })
    }

    /// All that a container needs but its process. Blocks.
    fn prepare(&self, spec: &ContainerSpec) -> io::Result<(Sandbox, Scratch)> {
        // What shows a GPU may be a directory with sockets.
        let shares_sockets = spec.network && !landlock::is_there() || !spec.gpus.is_empty();
        let mut scratch = self
            .layers
            .lease_to_run(&spec.layer, &spec.mounts, shares_sockets)?;
        let root = self.layers.root_of(&mut scratch, self.volatile)?;
        let identity = Identity::of(
            &spec.user,
            &self.layers.read(&scratch, "etc/passwd").unwrap_or_default(),
            &self.layers.read(&scratch, "etc/group").unwrap_or_default(),
        )?
        .within(self.layers.form())?;
        let host_name = scratch.id().to_owned();
        let mut env = spec.env.clone();
        let home = identity.home.clone().unwrap_or_else(|| "/".to_owned());
        for (name, value) in [("PATH", PATH), ("HOME", &home), ("HOSTNAME", &host_name)] {
            if !env.iter().any(|(known, _)| known == name) {
                env.push((name.to_owned(), value.to_owned()));
            }
        }
        let texts = network::files(&host_name);
        let mut binds = Vec::new();
        if !spec.gpus.is_empty() {
            let driver = gpu::driver(&spec.gpus)?;
            driver.add_env(&mut env, &spec.gpus);
            binds.extend(driver.binds);
        }
        binds.extend(spec.mounts.iter().map(|mount| self.bind(mount)));
        let sandbox = Sandbox {
            root,
            argv: spec.argv.clone(),
            env,
            workdir: spec.workdir.clone(),
            identity,
            host_name,
            texts,
            binds,
            network: spec.network,
            form: self.layers.form(),
            users: self.layers.namespace()?,
        };
        // In this order they go where nobody wants them any more: the place after what stands on it.
        Ok((sandbox, scratch))
    }

    /// Starts a process with this standard input.
    async fn start_reading(
        &self,
        input: OwnedFd,
        spec: &ContainerSpec,
    ) -> Result<Box<dyn Container>, EngineError> {
        let doing = format!("starting a container for `{}`", spec.purpose);
        let engine = self.clone();
        let wanted = spec.clone();
        let prepare = self.layers.on_thread(move || engine.prepare(&wanted));
        let prepared = prepare.await;
        let (sandbox, scratch) = prepared
            .map_err(failed(doing.clone()))
            .map_err(|error| error.on_disk_of(self.layers.path()))?;
        let cgroup = self.cgroups.create(scratch.id(), &spec.limits)?;
        let place = (&self.layers, scratch, cgroup);
        let container = EmbeddedContainer::start(place, sandbox, input, &spec.purpose).await;
        container
            .map(|container| Box::new(container) as _)
            .map_err(|error| failed(doing)(io::Error::other(error)))
    }

    fn bind(&self, mount: &Mount) -> Bind {
        let (source, target, read_only) = match mount {
            Mount::Local {
                source,
                target,
                access,
            } => (source.clone(), target, access.is_read_only()),
            Mount::Cache { name, target } => (self.layers.cache(name), target, false),
            Mount::Volume { name, target } => (self.layers.volume(name), target, false),
        };
        Bind {
            source,
            target: target.clone(),
            read_only,
        }
    }
}

fn memory_of_machine() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram * u64::from(info.mem_unit)
}

/// Removes what dead programs left in a store that exists.
pub(super) fn sweep_left(store: &Store) {
    for layers in Layers::existing(store) {
        layers.sweep();
    }
    Cgroups::of_machine().sweep();
}

#[async_trait]
impl Engine for EmbeddedEngine {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn shares_network(&self) -> bool {
        true
    }

    async fn info(&self) -> Result<EngineInfo, EngineError> {
        let kernel = rustix::system::uname();
        let fact = |name: &str, value: String| (name.to_owned(), value);
        let mut facts = vec![
            fact("kernel", kernel.release().to_string_lossy().into_owned()),
            fact("runs as", probe::runs_as(&self.layers)),
        ];
        facts.extend(self.cgroups.facts());
        Ok(EngineInfo {
            product: "embedded engine".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: self.layers.path().display().to_string(),
            platform: oci::platform(),
            only_root: self.layers.form() == Form::User,
            cpus: std::thread::available_parallelism()
                .ok()
                .and_then(|count| u64::try_from(count.get()).ok()),
            memory: Some(memory_of_machine()),
            facts,
        })
    }

    async fn has_layer(&self, layer: &LayerId) -> Result<bool, EngineError> {
        Ok(self.layers.has(layer))
    }

    async fn made(&self, layer: &LayerId) -> Result<Option<String>, EngineError> {
        let since_epoch = |made: SystemTime| made.duration_since(SystemTime::UNIX_EPOCH).ok();
        let made = self.layers.created(layer).and_then(since_epoch);
        Ok(made.map(|made| made.as_nanos().to_string()))
    }

    async fn layers(&self) -> Result<Vec<LayerInfo>, EngineError> {
        let layers = self.layers.clone();
        self.layers
            .on_thread(move || layers.list())
            .await
            .map_err(failed("listing layers"))
    }

    async fn remove_layer(&self, layer: &LayerId) -> Result<(), EngineError> {
        let (layers, id) = (self.layers.clone(), *layer);
        let removed = self.layers.on_thread(move || layers.remove(&id)).await;
        if removed.map_err(failed("removing a layer"))? {
            return Ok(());
        }
        Err(EngineError::InUse {
            layer: layer.short(),
        })
    }

    async fn add_files(
        &self,
        new: &NewLayer,
        files: Box<dyn FileSource>,
    ) -> Result<(), EngineError> {
        let given_up = GivenUp::default();
        let addition = Addition {
            layers: self.layers.clone(),
            new: new.clone(),
            files,
            given_up: Arc::clone(&given_up),
        };
        let _told = SetOnDrop(given_up);
        let made = self.layers.on_thread(move || Ok(addition.make())).await;
        made.map_err(failed(format!("making `{}`", new.title)))?
            .map_err(|error| error.on_disk_of(self.layers.path()))
    }

    async fn resolve(&self, reference: &str, login: Option<&Login>) -> Result<String, EngineError> {
        self.registries.logged_in(login).resolve(reference).await
    }

    async fn pull(
        &self,
        new: &NewLayer,
        reference: &str,
        digest: &str,
        login: Option<&Login>,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<ImageConfig, EngineError> {
        let image = (reference, digest);
        let registries = self.registries.logged_in(login);
        let pulled = pull::pull(&registries, &self.layers, new, image, progress).await;
        pulled.map_err(|error| error.on_disk_of(self.layers.path()))
    }

    async fn export(
        &self,
        layer: &LayerId,
        to: &dyn LayerSink,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Vec<PackedLayer>, EngineError> {
        let exported = export::export(&self.layers, layer, to, progress).await;
        exported.map_err(|error| error.on_disk_of(self.layers.path()))
    }

    async fn start(&self, spec: &ContainerSpec) -> Result<Box<dyn Container>, EngineError> {
        let input = File::open("/dev/null").map_err(failed("opening `/dev/null`"))?;
        self.start_reading(input.into(), spec).await
    }

    fn attaching(&self) -> Attaching {
        Attaching::Always
    }

    async fn start_attached(
        &self,
        spec: &ContainerSpec,
    ) -> Result<(Box<dyn Container>, Attached), EngineError> {
        let pair = || {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            io::Result::Ok((ours, theirs))
        };
        let (ours, theirs) = pair().map_err(failed("making a socket"))?;
        let container = self.start_reading(theirs.into(), spec).await?;
        Ok((container, Attached::Socket(ours)))
    }

    async fn sweep(&self) -> Result<Swept, EngineError> {
        let (layers, cgroups) = (self.layers.clone(), self.cgroups.clone());
        let containers = on_thread(move || {
            let containers = layers.sweep();
            cgroups.sweep();
            containers
        });
        Ok(Swept {
            containers: containers.await,
        })
    }

    async fn verify(&self) -> Result<Option<Verified>, EngineError> {
        let layers = self.layers.clone();
        self.layers
            .on_thread_as_root(move || layers.verify())
            .await
            .map(Some)
            .map_err(failed("verifying layers"))
    }

    async fn remove_caches(&self) -> Result<usize, EngineError> {
        let layers = self.layers.clone();
        self.layers
            .on_thread(move || layers.remove_caches())
            .await
            .map_err(failed("removing a cache"))
    }

    async fn volumes(&self) -> Result<Vec<VolumeInfo>, EngineError> {
        let layers = self.layers.clone();
        let listed = self.layers.on_thread(move || layers.list_volumes()).await;
        listed.map_err(failed("listing volumes"))
    }

    async fn remove_volume(&self, name: &str) -> Result<bool, EngineError> {
        let (layers, volume) = (self.layers.clone(), name.to_owned());
        let removed = self.layers.on_thread(move || layers.remove_volume(&volume));
        let removed = removed.await.map_err(failed("removing a volume"))?;
        removed.ok_or_else(|| EngineError::VolumeInUse {
            name: name.to_owned(),
        })
    }
}

/// Tells a thread that nobody waits for it any more.
struct SetOnDrop(GivenUp);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
