//! Builds that leave the cache as it was (`--ignore-cache`): their layers have identities of their own, which nobody else finds, and
//! are removed when the run ends. What a killed run left is removed by the next build that makes layers, and by `prune`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{BuildError, Builder, contents};
use crate::digest::{Digest, Encoder, LayerId};
use crate::engine::{Engine, EngineError};
use crate::plan::Plan;
use crate::store::{RunDir, Store, StoreError};

/// The layers of this run, in the order in which they were begun.
const LAYERS: &str = "layers";

/// A run whose layers nobody else finds.
#[derive(Debug)]
pub(super) struct Passing {
    folder: RunDir,
    /// What makes its identities unlike all others.
    salt: Digest,
    layers: Mutex<File>,
}

impl Passing {
    fn new(store: &Store) -> Result<Self, StoreError> {
        let folder = store.passing()?;
        let path = folder.path().join(LAYERS);
        let layers = File::options().create_new(true).append(true).open(&path);
        let layers = layers.map_err(|source| StoreError::io("make", &path, source))?;
        let mut salt = Encoder::new("image-runtime passing run 1");
        // The folder's name may have been another run's: no two have it at the same time.
        let now = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default();
        salt.text(folder.id())
            .number(now.subsec_nanos().into())
            .number(now.as_secs());
        Ok(Self {
            folder,
            salt: salt.finish(),
            layers: Mutex::new(layers),
        })
    }

    fn id(&self, id: &LayerId) -> LayerId {
        let mut encoder = Encoder::new("image-runtime passing layer 1");
        encoder.digest(&self.salt).digest(id).finish()
    }

    fn note(&self, id: &LayerId) -> Result<(), StoreError> {
        let mut file = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.folder.path().join(LAYERS);
        writeln!(file, "{id}").map_err(|source| StoreError::io("write", &path, source))
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        // The names of layers that are still there are what these can be removed by.
        if !listed(self.folder.path()).is_empty() {
            self.folder.stay();
        }
    }
}

impl Builder {
    async fn passing(&self) -> Result<Option<&Passing>, StoreError> {
        if !self.options.ignore_cache {
            return Ok(None);
        }
        let new = || async { Passing::new(&self.store) };
        self.passing.get_or_try_init(new).await.map(Some)
    }

    /// Gives the layers of a plan identities of this run, where it leaves the cache as it was.
    pub(super) async fn pass(&self, plan: &mut Plan) -> Result<(), BuildError> {
        if let Some(passing) = self.passing().await? {
            let layers = plan.layers.iter_mut().map(|layer| &mut layer.id);
            let steps = plan.steps.iter_mut().map(|step| &mut step.id);
            for id in layers.chain(steps) {
                *id = passing.id(id);
            }
        }
        Ok(())
    }

    /// The identity under which this run makes a layer.
    pub(super) async fn own_id(&self, id: LayerId) -> Result<LayerId, BuildError> {
        let passing = self.passing().await?;
        Ok(passing.map_or(id, |passing| passing.id(&id)))
    }

    /// Notes that a layer is about to be made, so that it is removed where this run leaves the cache as it was.
    pub(super) async fn note_passing(&self, id: &LayerId) -> Result<(), BuildError> {
        if let Some(passing) = self.passing().await? {
            passing.note(id)?;
        }
        Ok(())
    }

    /// Removes what this run made, where it leaves the cache as it was. What is still in use is left to the next build.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn remove_passing(&self) -> Result<(), EngineError> {
        if let Some(passing) = self.passing.get() {
            remove(&*self.engine, &self.store, passing.folder.path()).await?;
        }
        Ok(())
    }
}

/// Removes what killed runs left that were to leave the cache as it was; answers how many layers.
///
/// # Errors
/// What the engine says; what is in use stays without one.
pub async fn sweep_passing(engine: &dyn Engine, store: &Store) -> Result<usize, EngineError> {
    let left = store.left_by_passing();
    if left.is_empty() {
        return Ok(0);
    }
    let swept = async {
        // Containers of those runs stand on their layers.
        engine.sweep().await?;
        let mut removed = 0;
        for folder in &left {
            removed += remove(engine, store, folder.path()).await?;
        }
        Ok(removed)
    };
    let swept = swept.await;
    for folder in left {
        if !listed(folder.path()).is_empty() {
            folder.leave();
        }
    }
    swept
}

/// The layers of all runs that leave the cache as it was: those of this store that no build finds.
pub(super) fn all_passing(store: &Store) -> HashSet<LayerId> {
    let folders = fs::read_dir(store.passing_runs()).into_iter().flatten();
    folders
        .flatten()
        .flat_map(|folder| listed(&folder.path()))
        .collect()
}

/// Removes the layers of a run, those first that stand on others; answers how many. As long as some are in use, it stays listed.
async fn remove(engine: &dyn Engine, store: &Store, folder: &Path) -> Result<usize, EngineError> {
    let (mut removed, mut in_use) = (0, false);
    for id in listed(folder).iter().rev() {
        match engine.remove_layer(id).await {
            Ok(()) => {
                contents::forget(store, engine.name(), id);
                removed += 1;
            }
            Err(EngineError::InUse { .. }) => in_use = true,
            Err(error) => return Err(error),
        }
    }
    if !in_use {
        // Where that fails, layers that are gone are removed once more.
        let _ = fs::write(folder.join(LAYERS), "");
    }
    Ok(removed)
}

/// The layers of a run, each once, in the order in which they were begun last.
fn listed(folder: &Path) -> Vec<LayerId> {
    let text = fs::read_to_string(folder.join(LAYERS)).unwrap_or_default();
    let mut seen = HashSet::new();
    let ids = text.lines().rev().filter_map(|line| line.parse().ok());
    let mut ids: Vec<_> = ids.filter(|id| seen.insert(*id)).collect();
    ids.reverse();
    ids
}
