//! What a daemon keeps in volumes: caches of build steps, and the volumes of functions.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bollard::models::Volume;
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptions};

use super::error::status;
use super::{CACHE_LABEL, Daemon, SENT_LABEL, VOLUME_LABEL};
use crate::engine::{EngineError, VolumeInfo};

/// Before the name of a volume of functions.
pub(super) const VOLUME_PREFIX: &str = "image-runtime-volume-";

/// Seconds since 1970.
pub(super) fn seconds_now() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed();
    now.unwrap_or_default().as_secs()
}

impl Daemon {
    /// Those that carry a label.
    async fn labelled(&self, label: &str, doing: &str) -> Result<Vec<Volume>, EngineError> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let listed = self.docker.list_volumes(Some(options)).await;
        let listed = listed.map_err(self.failed(doing.to_owned()))?;
        Ok(listed.volumes.unwrap_or_default())
    }

    pub(super) async fn remove_caches(&self) -> Result<usize, EngineError> {
        self.remove_sent(Duration::ZERO).await?;
        let mut removed = 0;
        for volume in self.labelled(CACHE_LABEL, "listing caches").await? {
            removed += usize::from(self.remove_unused(&volume).await?);
        }
        Ok(removed)
    }

    /// Removes what was sent that no container has and that has been there for so long.
    pub(super) async fn remove_sent(&self, age: Duration) -> Result<(), EngineError> {
        for volume in self.labelled(SENT_LABEL, "listing what was sent").await? {
            let sent = volume.labels.get(SENT_LABEL).and_then(|at| at.parse().ok());
            let since = seconds_now().saturating_sub(sent.unwrap_or_default());
            if since >= age.as_secs() {
                self.remove_unused(&volume).await?;
            }
        }
        Ok(())
    }

    /// Answers whether it was removed: it may be gone already, or in use.
    async fn remove_unused(&self, volume: &Volume) -> Result<bool, EngineError> {
        let gone = self
            .docker
            .remove_volume(&volume.name, None::<RemoveVolumeOptions>);
        match gone.await {
            Ok(()) => Ok(true),
            Err(error) if matches!(status(&error), Some(404 | 409)) => Ok(false),
            Err(error) => Err(self.failed("removing a volume")(error)),
        }
    }

    pub(super) async fn list_volumes(&self) -> Result<Vec<VolumeInfo>, EngineError> {
        let volumes = self.labelled(VOLUME_LABEL, "listing volumes").await?;
        let info = |volume: Volume| {
            Some(VolumeInfo {
                name: volume.labels.get(VOLUME_LABEL)?.clone(),
                place: volume.name,
            })
        };
        let mut all: Vec<_> = volumes.into_iter().filter_map(info).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    pub(super) async fn delete_volume(&self, name: &str) -> Result<bool, EngineError> {
        let full = format!("{VOLUME_PREFIX}{name}");
        let gone = self
            .docker
            .remove_volume(&full, None::<RemoveVolumeOptions>);
        match gone.await {
            Ok(()) => Ok(true),
            Err(error) if status(&error) == Some(404) => Ok(false),
            Err(error) if status(&error) == Some(409) => Err(EngineError::VolumeInUse {
                name: name.to_owned(),
            }),
            Err(error) => Err(self.failed("removing a volume")(error)),
        }
    }
}
