//! The engine of a Docker or Podman daemon.

mod address;
mod archive;
mod build;
mod connect;
mod container;
mod elsewhere;
mod error;
mod export;
mod guard;
mod layer;
mod left;
mod load;
mod place;
mod registry;
mod volumes;

use std::sync::Arc;

use async_trait::async_trait;
use bollard::Docker;

use self::address::Surroundings;
use self::connect::Server;
use self::elsewhere::Elsewhere;
pub(super) use self::left::sweep_left;
use super::{
    Attached, Attaching, Container, ContainerSpec, Engine, EngineError, EngineInfo, FileSource,
    LayerInfo, LayerSink, NewLayer, PackedLayer, Swept, VolumeInfo,
};
use crate::digest::LayerId;
use crate::secrets::Login;
use crate::spec::ImageConfig;

const ENGINE: &str = "Docker";

// Labels. What carries one is ours.
const LAYER_LABEL: &str = "image-runtime.layer";
const TITLE_LABEL: &str = "image-runtime.title";
const PARENT_LABEL: &str = "image-runtime.parent";
const OWNER_LABEL: &str = "image-runtime.owner";
const PURPOSE_LABEL: &str = "image-runtime.purpose";
const CACHE_LABEL: &str = "image-runtime.cache";
const VOLUME_LABEL: &str = "image-runtime.volume";
/// When it was sent, in seconds since 1970.
const SENT_LABEL: &str = "image-runtime.sent";

/// The engine of a Docker or Podman daemon. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DockerEngine(Arc<Daemon>);

/// A daemon that answered.
#[derive(Debug)]
struct Daemon {
    docker: Docker,
    address: String,
    server: Server,
    elsewhere: Elsewhere,
}

impl DockerEngine {
    /// Connects to the daemon that `DOCKER_HOST` or a Docker context names, else to the first local one that answers.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] where none answers, [`EngineError::Unsupported`] where it is too old.
    pub async fn connect() -> Result<Self, EngineError> {
        let daemon = connect::connect(&Surroundings::of_process()).await?;
        Ok(Self(Arc::new(daemon)))
    }

    /// Connects to the daemon at an address such as `unix:///var/run/docker.sock` or `tcp://localhost:2375`.
    ///
    /// # Errors
    /// As [`DockerEngine::connect`].
    pub async fn connect_to(address: &str) -> Result<Self, EngineError> {
        let host = Some(address.to_owned());
        let daemon = connect::connect(&Surroundings {
            host,
            ..Surroundings::default()
        })
        .await?;
        Ok(Self(Arc::new(daemon)))
    }

    /// Whether `DOCKER_HOST` or a Docker context was set on purpose.
    pub fn is_chosen() -> bool {
        !matches!(Surroundings::of_process().chosen(), Ok(None))
    }
}

#[async_trait]
impl Engine for DockerEngine {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn shares_layers(&self) -> bool {
        true
    }

    async fn info(&self) -> Result<EngineInfo, EngineError> {
        let daemon = &self.0;
        let asking = "asking what the engine is";
        let info = daemon.docker.info().await.map_err(daemon.failed(asking))?;
        let (major, minor) = daemon.server.api;
        let product = match daemon.server.product.as_str() {
            "Libpod" => "Podman Engine".to_owned(),
            other => format!("{other} Engine"),
        };
        let architecture = match info.architecture.as_deref().unwrap_or_default() {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let facts = [
            ("API", Some(format!("{major}.{minor}"))),
            ("storage driver", info.driver),
            ("data", info.docker_root_dir),
            ("system", info.operating_system),
            (
                "cgroups",
                info.cgroup_version.map(|version| version.to_string()),
            ),
            ("processors", info.ncpu.map(|count| count.to_string())),
            (
                "memory",
                info.mem_total.map(|bytes| format!("{} MiB", bytes >> 20)),
            ),
        ];
        Ok(EngineInfo {
            product,
            version: daemon.server.version.clone(),
            address: daemon.address.clone(),
            only_root: false,
            cpus: info.ncpu.and_then(|count| u64::try_from(count).ok()),
            memory: info.mem_total.and_then(|bytes| u64::try_from(bytes).ok()),
            platform: format!(
                "{}/{architecture}",
                info.os_type.as_deref().unwrap_or("linux")
            ),
            facts: facts
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect(),
        })
    }

    async fn has_layer(&self, layer: &LayerId) -> Result<bool, EngineError> {
        Ok(self.0.find_layer(layer).await?.is_some())
    }

    async fn made(&self, layer: &LayerId) -> Result<Option<String>, EngineError> {
        Ok(self.0.find_layer(layer).await?.and_then(|image| image.id))
    }

    async fn layers(&self) -> Result<Vec<LayerInfo>, EngineError> {
        self.0.list_layers().await
    }

    async fn remove_layer(&self, layer: &LayerId) -> Result<(), EngineError> {
        self.0.delete_layer(layer).await
    }

    async fn add_files(
        &self,
        new: &NewLayer,
        files: Box<dyn FileSource>,
    ) -> Result<(), EngineError> {
        self.0.add_files(new, files).await
    }

    async fn resolve(&self, reference: &str, login: Option<&Login>) -> Result<String, EngineError> {
        self.0.resolve(reference, login).await
    }

    async fn pull(
        &self,
        new: &NewLayer,
        reference: &str,
        digest: &str,
        login: Option<&Login>,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<ImageConfig, EngineError> {
        self.0.pull(new, reference, digest, login, progress).await
    }

    async fn export(
        &self,
        layer: &LayerId,
        to: &dyn LayerSink,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Vec<PackedLayer>, EngineError> {
        self.0.export(layer, to, progress).await
    }

    async fn start(&self, spec: &ContainerSpec) -> Result<Box<dyn Container>, EngineError> {
        let (container, _) = self.0.start_container(spec, false).await?;
        Ok(Box::new(container))
    }

    fn attaching(&self) -> Attaching {
        Attaching::Apart
    }

    async fn start_attached(
        &self,
        spec: &ContainerSpec,
    ) -> Result<(Box<dyn Container>, Attached), EngineError> {
        let (container, attached) = self.0.start_container(spec, true).await?;
        Ok((Box::new(container), attached))
    }

    async fn sweep(&self) -> Result<Swept, EngineError> {
        let swept = self.0.sweep_containers().await?;
        if self.0.elsewhere.is_known() {
            self.0.remove_sent(elsewhere::KEPT).await?;
        }
        Ok(swept)
    }

    async fn remove_caches(&self) -> Result<usize, EngineError> {
        self.0.remove_caches().await
    }

    async fn volumes(&self) -> Result<Vec<VolumeInfo>, EngineError> {
        self.0.list_volumes().await
    }

    async fn remove_volume(&self, name: &str) -> Result<bool, EngineError> {
        self.0.delete_volume(name).await
    }
}
