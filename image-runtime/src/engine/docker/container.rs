//! Starts containers and follows them to their end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bollard::container::LogOutput;
use bollard::models::{
    ContainerCreateBody, DeviceRequest, EventMessage, HealthConfig, HostConfig,
    HostConfigLogConfig, ImageInspect, Mount as DockerMount, MountType, MountVolumeOptions,
};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, EventsOptionsBuilder, StartContainerOptions,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::sync::{OnceCell, mpsc, watch};
use tokio::time::timeout;

use super::elsewhere::{Returned, Sent};
use super::guard::{Guard, marks};
use super::volumes::VOLUME_PREFIX;
use super::{CACHE_LABEL, Daemon, VOLUME_LABEL};
use crate::engine::tail::{Output, Tail};
use crate::engine::{
    Attached, Container, ContainerSpec, EngineError, Exit, KILLED, Lacking, Limits, Mount,
    NewLayer, REST_OF_OUTPUT,
};
use crate::gpu::Gpu;

/// Before the name of a volume that is a cache.
const CACHE_PREFIX: &str = "image-runtime-cache-";

/// How long the word of the end and the word of its cause may lie apart.
const SOON: Duration = Duration::from_secs(1);

/// So many pieces of output are kept for who is behind in reading them.
const PIECES_AHEAD: usize = 8;

/// A container of a daemon.
#[derive(Clone, Debug)]
pub(super) struct DockerContainer(Arc<Running>);

#[derive(Debug)]
struct Running {
    daemon: Arc<Daemon>,
    image: ImageInspect,
    name: String,
    tail: Tail,
    /// Closed when all output has been read.
    reading: watch::Receiver<()>,
    exit: OnceCell<Exit>,
    removed_by_us: AtomicBool,
    /// What is to come here when it is gone.
    returned: Mutex<Option<Returned>>,
}

impl Daemon {
    /// Starts a container. Only where it is to be talked to does what it is attached to have an input that is open.
    pub(super) async fn start_container(
        self: &Arc<Self>,
        spec: &ContainerSpec,
        is_talked_to: bool,
    ) -> Result<(DockerContainer, Attached), EngineError> {
        let doing = || format!("starting a container for `{}`", spec.purpose);
        spec.limits.check()?;
        let missing = || Lacking::missing(spec.layer).while_doing(doing());
        let image = self.find_layer(&spec.layer).await?.ok_or_else(missing)?;
        let docker = &self.docker;
        let sent = match self.elsewhere.is_known() {
            true => Some(self.send(spec, &image).await?),
            false => None,
        };
        let mut body = create_body(spec, &image, sent.as_ref());
        if is_talked_to {
            body.attach_stdin = Some(true);
            body.open_stdin = Some(true);
            body.stdin_once = Some(true);
        }
        self.fit_cpus(spec.limits.cpus, &mut body).await?;
        let created = Guard::create(self, &spec.purpose, body).await;
        let guard = match created.map_err(self.failed_on(spec.layer, doing())) {
            Err(error) if sent.is_none() && self.elsewhere.finds_out(&error, &spec.mounts) => {
                return Box::pin(self.start_container(spec, is_talked_to)).await;
            }
            other => other?,
        };
        all_kept(guard.warnings())?;
        // Before the start, so that no output and no early end is missed.
        let options = AttachContainerOptionsBuilder::new()
            .stream(true)
            .stdin(is_talked_to)
            .stdout(true)
            .stderr(true);
        let attached = docker
            .attach_container(guard.name(), Some(options.build()))
            .await
            .map_err(self.failed(doing()))?;
        docker
            .start_container(guard.name(), None::<StartContainerOptions>)
            .await
            .map_err(self.failed(doing()))
            .map_err(|error| without_toolkit(error, &spec.gpus))?;
        let (read, reading) = watch::channel(());
        let container = DockerContainer(Arc::new(Running {
            daemon: Arc::clone(self),
            image,
            name: guard.release(),
            tail: Tail::default(),
            reading,
            exit: OnceCell::new(),
            removed_by_us: AtomicBool::new(false),
            returned: Mutex::new(sent.and_then(Sent::returned)),
        }));
        let running = Arc::clone(&container.0);
        let (said, output) = mpsc::channel(PIECES_AHEAD);
        tokio::spawn(async move {
            let mut output = attached.output;
            while let Some(Ok(piece)) = output.next().await {
                let from = match piece {
                    LogOutput::StdErr { .. } => Output::Stderr,
                    _ => Output::Stdout,
                };
                if is_talked_to && from == Output::Stdout {
                    // With who talks to it, what it reads is to end, too.
                    if said.send(piece.into_bytes()).await.is_err() {
                        break;
                    }
                } else {
                    running.tail.push(from, piece.as_ref());
                }
            }
            drop(read);
        });
        // A daemon tells of the past only for a while, so somebody listens from the beginning.
        let running = Arc::clone(&container.0);
        tokio::spawn(async move { running.exit().await.map(|_| ()) });
        let input = attached.input;
        Ok((container, Attached::Streams { input, output }))
    }
}

impl Daemon {
    /// A daemon refuses more CPUs than its machine has, although no container could have more than these.
    async fn fit_cpus(
        &self,
        asked: Option<f64>,
        body: &mut ContainerCreateBody,
    ) -> Result<(), EngineError> {
        let (Some(asked), Some(host)) = (asked, &mut body.host_config) else {
            return Ok(());
        };
        let asking = "asking how many CPUs there are";
        let info = self.docker.info().await.map_err(self.failed(asking))?;
        if info.ncpu.is_some_and(|there| asked > there as f64) {
            host.nano_cpus = None;
        }
        Ok(())
    }
}

/// A daemon that was never told of GPUs says so in its own words, which name no way out.
fn without_toolkit(error: EngineError, gpus: &[Gpu]) -> EngineError {
    match error {
        EngineError::Refused { doing, said } if !gpus.is_empty() => EngineError::Refused {
            doing,
            said: format!(
                "{said}\n  help: the daemon needs the NVIDIA Container Toolkit: install `nvidia-container-toolkit`, then \
                 `nvidia-ctk runtime configure --runtime=docker`, and start the daemon again"
            ),
        },
        other => other,
    }
}

fn create_body(
    spec: &ContainerSpec,
    image: &ImageInspect,
    sent: Option<&Sent>,
) -> ContainerCreateBody {
    let below = image.config.as_ref();
    let inherited = below
        .and_then(|config| config.env.as_deref())
        .unwrap_or_default();
    let user = if spec.user.is_empty() {
        "0"
    } else {
        &spec.user
    };
    ContainerCreateBody {
        image: image.id.clone(),
        // All of it, so that neither the image's entrypoint nor its command comes between.
        entrypoint: Some(spec.argv.clone()),
        env: Some(environment(spec, inherited)),
        working_dir: Some(spec.workdir.clone()),
        user: Some(user.to_owned()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        healthcheck: below
            .and_then(|config| config.healthcheck.as_ref())
            .map(|_| HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }),
        labels: Some(marks(&spec.purpose)),
        host_config: Some(HostConfig {
            auto_remove: Some(true),
            init: Some(false),
            network_mode: (!spec.network).then(|| "none".to_owned()),
            // Nothing is written to disk; what is attached sees the output all the same.
            log_config: Some(HostConfigLogConfig {
                typ: Some("none".to_owned()),
                config: None,
            }),
            mounts: Some(mounts(spec, sent)),
            volumes_from: sent.map(|sent| sent.volumes_from.clone()),
            device_requests: gpus(&spec.gpus),
            ..limited(&spec.limits)
        }),
        ..ContainerCreateBody::default()
    }
}

/// What `docker run --gpus` asks for.
fn gpus(gpus: &[Gpu]) -> Option<Vec<DeviceRequest>> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let ids = gpus.iter().map(|gpu| gpu.uuid.clone()).collect();
    let request = DeviceRequest {
        device_ids: Some(ids),
        capabilities: Some(vec![words(&["gpu", "compute", "utility"])]),
        ..DeviceRequest::default()
    };
    (!gpus.is_empty()).then(|| vec![request])
}

fn limited(limits: &Limits) -> HostConfig {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    HostConfig {
        memory: limits.memory.map(whole),
        // Memory and swap together: no swap beyond it.
        memory_swap: limits.memory.map(whole),
        pids_limit: limits.pids.map(whole),
        nano_cpus: limits.cpus.map(|cpus| (cpus * 1e9) as i64),
        ..HostConfig::default()
    }
}

/// A daemon that cannot keep a limit says so in a warning and goes on without. (Where it cannot count swap it says that, too;
/// the memory itself is limited then.)
fn all_kept(warnings: &[String]) -> Result<(), EngineError> {
    let Some(warning) = warnings
        .iter()
        .find(|warning| warning.to_lowercase().contains("discarded"))
    else {
        return Ok(());
    };
    let words = warning.to_lowercase();
    let limit = match () {
        () if words.contains("memory") => "memory",
        () if words.contains("pids") => "pids",
        () => "cpu",
    };
    Err(EngineError::Limit {
        limit,
        reason: warning.clone(),
        help: "see `docker info` for what the daemon's machine lacks, or ask for no limit"
            .to_owned(),
    })
}

/// A name without `=` takes out what the image says.
fn environment(spec: &ContainerSpec, inherited: &[String]) -> Vec<String> {
    let given = |name: &str| spec.env.iter().any(|(known, _)| known == name);
    let out = inherited
        .iter()
        .filter_map(|variable| variable.split('=').next())
        .filter(|name| !given(name))
        .map(str::to_owned);
    spec.env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .chain(out)
        .collect()
}

fn mounts(spec: &ContainerSpec, sent: Option<&Sent>) -> Vec<DockerMount> {
    let is_seen = |mount: &&Mount| sent.is_none() || !matches!(mount, Mount::Local { .. });
    spec.mounts.iter().filter(is_seen).map(mount).collect()
}

fn mount(mount: &Mount) -> DockerMount {
    match mount {
        Mount::Local {
            source,
            target,
            access,
        } => DockerMount {
            typ: Some(MountType::BIND),
            source: Some(source.to_string_lossy().into_owned()),
            target: Some(target.clone()),
            read_only: Some(access.is_read_only()),
            ..DockerMount::default()
        },
        Mount::Cache { name, target } => {
            kept(format!("{CACHE_PREFIX}{name}"), (CACHE_LABEL, name), target)
        }
        Mount::Volume { name, target } => kept(
            format!("{VOLUME_PREFIX}{name}"),
            (VOLUME_LABEL, name),
            target,
        ),
    }
}

/// A volume of the daemon, which makes it where it is missing.
pub(super) fn kept(name: String, (label, value): (&str, &str), target: &str) -> DockerMount {
    DockerMount {
        typ: Some(MountType::VOLUME),
        source: Some(name),
        target: Some(target.to_owned()),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            labels: Some(HashMap::from([(label.to_owned(), value.to_owned())])),
            ..MountVolumeOptions::default()
        }),
        ..DockerMount::default()
    }
}

impl Running {
    /// How the process ended; waits for it.
    async fn exit(&self) -> Result<Exit, EngineError> {
        self.exit.get_or_try_init(|| self.listen()).await.copied()
    }

    /// Listens to the events of this container from its beginning: they tell of the end also when it is past and the
    /// container is gone, and of its cause.
    async fn listen(&self) -> Result<Exit, EngineError> {
        let doing = || format!("waiting for container `{}`", self.name);
        let filters = HashMap::from([
            ("container".to_owned(), vec![self.name.clone()]),
            ("event".to_owned(), vec!["die".to_owned(), "oom".to_owned()]),
        ]);
        let options = EventsOptionsBuilder::new()
            .since("1")
            .filters(&filters)
            .build();
        let mut events = self.daemon.docker.events(Some(options));
        let mut exit = Exit::default();
        loop {
            let event = events
                .try_next()
                .await
                .map_err(self.daemon.failed(doing()))?;
            let event = event.ok_or_else(|| EngineError::Refused {
                doing: doing(),
                said: "the engine stopped telling of it".to_owned(),
            })?;
            exit.out_of_memory |= is_oom(&event);
            if let Some(code) = exit_code(&event) {
                exit.code = code;
                break;
            }
        }
        let may_be_memory = exit.code == KILLED && !self.removed_by_us.load(Ordering::Relaxed);
        if may_be_memory && !exit.out_of_memory {
            let next = timeout(SOON, events.try_next()).await;
            exit.out_of_memory = matches!(next, Ok(Ok(Some(event))) if is_oom(&event));
        }
        exit.out_of_memory &= exit.code == KILLED;
        // The connection that brings the output may be behind; it ends when all is read.
        let mut reading = self.reading.clone();
        let _ = timeout(REST_OF_OUTPUT, reading.changed()).await;
        Ok(exit)
    }
}

fn is_oom(event: &EventMessage) -> bool {
    event.action.as_deref() == Some("oom")
}

fn exit_code(event: &EventMessage) -> Option<i64> {
    let attributes = event.actor.as_ref()?.attributes.as_ref()?;
    (event.action.as_deref()? == "die")
        .then(|| attributes.get("exitCode")?.parse().ok())
        .flatten()
}

#[async_trait]
impl Container for DockerContainer {
    fn name(&self) -> &str {
        &self.0.name
    }

    async fn wait(&self) -> Result<Exit, EngineError> {
        self.0.exit().await
    }

    fn last_output(&self) -> Vec<String> {
        self.0.tail.lines()
    }

    async fn save(&self, new: &NewLayer) -> Result<(), EngineError> {
        self.0.daemon.save(&self.0.name, &self.0.image, new).await
    }

    async fn remove(&self) -> Result<(), EngineError> {
        self.0.removed_by_us.store(true, Ordering::Relaxed);
        let removed = self.0.daemon.remove_container(&self.0.name).await;
        let returned = self.0.returned.lock();
        let returned = returned.unwrap_or_else(PoisonError::into_inner).take();
        match returned {
            Some(returned) => removed.and(self.0.daemon.bring_back(returned).await),
            None => removed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_reach_the_daemon_in_its_own_units() {
        let host = limited(&Limits {
            memory: Some(32 << 20),
            pids: Some(7),
            cpus: Some(1.5),
        });
        assert_eq!(host.memory, Some(33_554_432));
        assert_eq!(host.memory_swap, host.memory);
        assert_eq!(host.pids_limit, Some(7));
        assert_eq!(host.nano_cpus, Some(1_500_000_000));
        assert_eq!(limited(&Limits::default()), HostConfig::default());
    }

    #[test]
    fn gpus_are_asked_for_as_docker_run_does() {
        assert_eq!(gpus(&[]), None);
        let gpu = Gpu {
            index: 3,
            minor: 3,
            uuid: "GPU-abc".to_owned(),
            name: "Tesla T4".to_owned(),
            memory: 1,
        };
        let asked = gpus(std::slice::from_ref(&gpu)).unwrap().remove(0);
        assert_eq!(asked.device_ids, Some(vec!["GPU-abc".to_owned()]));
        assert_eq!(asked.capabilities.unwrap()[0][0], "gpu");
        let error = || EngineError::Refused {
            doing: "starting".to_owned(),
            said: "could not select device driver".to_owned(),
        };
        let text = without_toolkit(error(), &[gpu]).to_string();
        assert!(
            text.contains("could not select") && text.contains("nvidia-ctk"),
            "{text}"
        );
        let text = without_toolkit(error(), &[]).to_string();
        assert!(!text.contains("nvidia-ctk"), "{text}");
    }

    #[test]
    fn a_limit_that_the_daemon_discards_is_an_error() {
        let lacks = "or the cgroup is not mounted.";
        for (warning, limit) in [
            (
                "support memory limit capabilities LACKS Limitation discarded.",
                "`memory`",
            ),
            (
                "support PIDs limit capabilities LACKS PIDs limit discarded.",
                "`pids`",
            ),
            ("support CPU CFS quota LACKS Quota discarded.", "`cpu`"),
        ] {
            let warning = format!("Your kernel does not {}", warning.replace("LACKS", lacks));
            let error = all_kept(&[String::new(), warning.clone()]).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(limit) && text.contains(&warning), "{text}");
        }
        let swap = format!("No swap limit capabilities {lacks} Memory limited without swap.");
        all_kept(&[swap]).unwrap();
        all_kept(&[]).unwrap();
    }
}
