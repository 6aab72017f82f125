//! Containers that go when the work on them ends, is given up, or its process has died.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};

use super::error::{is_missing, optional, status};
use super::{Daemon, OWNER_LABEL, PURPOSE_LABEL};
use crate::engine::owner::{Life, Owner};
use crate::engine::testament::Unfinished;
use crate::engine::{EngineError, Swept};

/// What marks a container as ours.
pub(super) fn marks(purpose: &str) -> HashMap<String, String> {
    [
        (OWNER_LABEL.to_owned(), Owner::this_process().to_label()),
        (PURPOSE_LABEL.to_owned(), purpose.to_owned()),
    ]
    .into()
}

/// A container that is removed when this value is dropped, also where the work on it is given up half-way.
#[derive(Debug)]
pub(super) struct Guard {
    daemon: Arc<Daemon>,
    /// With what counts it; nothing once it is somebody else's.
    name: Option<(String, Unfinished)>,
    warnings: Vec<String>,
}

impl Guard {
    /// Makes a container. Its name begins with what it is for.
    pub(super) async fn create(
        daemon: &Arc<Daemon>,
        purpose: &str,
        body: ContainerCreateBody,
    ) -> Result<Self, Error> {
        let mut guard = Self {
            daemon: Arc::clone(daemon),
            name: Some((new_name(purpose), Unfinished::begin())),
            warnings: Vec::new(),
        };
        // In a task of its own, which goes on when nobody waits any more: a daemon makes the container all the same,
        // and it cannot be removed before it is there.
        let made = tokio::spawn(async move {
            let options = CreateContainerOptionsBuilder::new()
                .name(guard.name())
                .build();
            let docker = &guard.daemon.docker;
            let made = docker.create_container(Some(options), body).await?;
            guard.warnings = made.warnings;
            Ok(guard)
        });
        made.await.map_err(io::Error::other)?
    }

    pub(super) fn name(&self) -> &str {
        self.name.as_ref().map_or("", |(name, _)| name)
    }

    /// What the daemon thought worth saying of it.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Removes the container now.
    pub(super) async fn remove(mut self) -> Result<(), EngineError> {
        let removed = self.daemon.remove_container(self.name()).await;
        if let Some((_, counted)) = self.name.take()
            && removed.is_ok()
        {
            counted.done();
        }
        removed
    }

    /// Leaves the container to somebody else.
    pub(super) fn release(mut self) -> String {
        let Some((name, counted)) = self.name.take() else {
            return String::new();
        };
        counted.done();
        name
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and what clears up after it finds the container.
        if let (Some((name, counted)), Ok(runtime)) =
            (self.name.take(), tokio::runtime::Handle::try_current())
        {
            let daemon = Arc::clone(&self.daemon);
            runtime.spawn(async move {
                if daemon.remove_container(&name).await.is_ok() {
                    counted.done();
                }
            });
        }
    }
}

/// `call-train-1f0c9a2b`: readable, and taken by no other.
fn new_name(purpose: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let words: String = purpose
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(24)
        .collect();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let unique = format!("{}:{}:{count}", std::process::id(), now.as_nanos());
    let unique = crate::digest::Digest::of(unique.as_bytes()).short();
    format!(
        "image-runtime-{}-{}",
        words.trim_matches('-'),
        &unique[..10]
    )
}

impl Daemon {
    /// Removes a container; one that is gone is no error.
    pub(super) async fn remove_container(&self, name: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        match self.docker.remove_container(name, Some(options)).await {
            Err(error) if is_missing(&error) => Ok(()),
            // It is being removed already.
            Err(error) if status(&error) == Some(409) => self.until_gone(name).await,
            other => other.map_err(self.failed("removing a container")),
        }
    }

    async fn until_gone(&self, name: &str) -> Result<(), EngineError> {
        for _ in 0..500 {
            let found = optional(self.docker.inspect_container(name, None).await)
                .map_err(self.failed("removing a container"))?;
            if found.is_none() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(EngineError::Refused {
            doing: "removing a container".to_owned(),
            said: format!("`{name}` is still there after ten seconds"),
        })
    }

    /// Removes the containers of processes that have ended.
    pub(super) async fn sweep_containers(&self) -> Result<Swept, EngineError> {
        let listed = self.list_containers(&[("label", OWNER_LABEL)]).await?;
        let here = Owner::this_process();
        let mut swept = Swept::default();
        for container in listed
            .iter()
            .filter(|container| is_left_behind(container, &here))
        {
            if let Some(id) = &container.id {
                self.remove_container(id).await?;
                swept.containers += 1;
            }
        }
        Ok(swept)
    }

    /// How many containers of an owner there are that were never started.
    pub(super) async fn count_created(&self, owner: &str) -> Result<usize, EngineError> {
        let label = format!("{OWNER_LABEL}={owner}");
        let filters = [("label", label.as_str()), ("status", "created")];
        Ok(self.list_containers(&filters).await?.len())
    }

    async fn list_containers(
        &self,
        filters: &[(&str, &str)],
    ) -> Result<Vec<ContainerSummary>, EngineError> {
        let filters: HashMap<_, _> = filters
            .iter()
            .map(|&(name, value)| (name.to_owned(), vec![value.to_owned()]))
            .collect();
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let listed = self.docker.list_containers(Some(options)).await;
        listed.map_err(self.failed("listing containers"))
    }
}

/// Nothing is known of owners on another machine: then only what has long stood still is left behind.
fn is_left_behind(container: &ContainerSummary, here: &Owner) -> bool {
    const LONG: u64 = 3600;
    let label = container
        .labels
        .as_ref()
        .and_then(|labels| labels.get(OWNER_LABEL));
    let Some(owner) = label.and_then(|label| Owner::from_label(label)) else {
        return false;
    };
    match owner.life(here) {
        Life::Lives => false,
        Life::Ended => true,
        Life::Unknown => {
            let created = Duration::from_secs(container.created.unwrap_or_default().max(0) as u64);
            let age = (SystemTime::UNIX_EPOCH + created)
                .elapsed()
                .unwrap_or_default();
            container.state != Some(ContainerSummaryStateEnum::RUNNING) && age.as_secs() > LONG
        }
    }
}
