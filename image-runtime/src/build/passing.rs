//! Builds that leave the cache as it was (`--ignore-cache`): their layers have identities of their own, which nobody else finds, and
//! are removed when the run ends. What a killed run left is removed by the next build that makes layers, and by `prune`.

use std::fs::{self, File};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use super::{BuildError, Builder};
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
        let layers = File::create(&path).map_err(|source| StoreError::io("make", &path, source))?;
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

    /// Removes what this run made, where it leaves the cache as it was.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn remove_passing(&self) -> Result<(), EngineError> {
        match self.passing.get() {
            Some(passing) => remove(&*self.engine, &passing.folder).await,
            None => Ok(()),
        }
    }
}

/// Removes what killed runs left that were to leave the cache as it was; answers how many layers.
///
/// # Errors
/// What the engine says; what is in use stays without one.
pub async fn sweep_passing(engine: &dyn Engine, store: &Store) -> Result<usize, EngineError> {
    let mut removed = 0;
    for folder in store.left_by_passing() {
        let count = listed(&folder).len();
        match remove(engine, &folder).await {
            Ok(()) => removed += count,
            Err(error) => {
                folder.leave();
                if !matches!(error, EngineError::InUse { .. }) {
                    return Err(error);
                }
            }
        }
    }
    Ok(removed)
}

/// Each stands on an earlier one.
async fn remove(engine: &dyn Engine, folder: &RunDir) -> Result<(), EngineError> {
    for id in listed(folder).iter().rev() {
        engine.remove_layer(id).await?;
    }
    Ok(())
}

fn listed(folder: &RunDir) -> Vec<LayerId> {
    let text = fs::read_to_string(folder.path().join(LAYERS)).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}
