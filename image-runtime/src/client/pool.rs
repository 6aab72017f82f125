//! Warm workers: started when a call finds none free, kept until the program ends.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::future::runtime;
use crate::worker::{Launcher, StartError, Worker, WorkerSpec};

/// What containers have in common that can serve each other's calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    pub(super) layer: crate::digest::LayerId,
    pub(super) env: Vec<(String, String)>,
    pub(super) workdir: String,
    pub(super) user: String,
    /// Local files that are no part of the image.
    pub(super) mounts: Vec<crate::engine::Mount>,
}

/// All pools of this process.
#[derive(Debug)]
pub(super) struct Pools {
    launcher: Arc<Launcher>,
    pools: Mutex<HashMap<PoolKey, Arc<Pool>>>,
}

#[derive(Debug)]
struct Pool {
    idle: Mutex<Vec<Worker>>,
    /// How many calls may run at once, each in its own container.
    places: Arc<Semaphore>,
}

/// A worker for one call. It goes back to its pool by [`CheckedOut::give_back`]; dropped otherwise, its container ends.
#[derive(Debug)]
pub(super) struct CheckedOut {
    pool: Arc<Pool>,
    worker: Option<Worker>,
    place: Option<OwnedSemaphorePermit>,
}

impl Pools {
    pub(super) fn new(launcher: Arc<Launcher>) -> Self {
        Self {
            launcher,
            pools: Mutex::default(),
        }
    }

    /// A free worker, or a new one.
    pub(super) async fn check_out(
        &self,
        key: PoolKey,
        purpose: &str,
    ) -> Result<CheckedOut, StartError> {
        let pool = self.pool(&key);
        let place = Arc::clone(&pool.places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let worker = match pool.take_idle() {
            Some(worker) => worker,
            None => {
                let spec = WorkerSpec {
                    layer: key.layer,
                    env: key.env,
                    workdir: key.workdir,
                    user: key.user,
                    mounts: key.mounts,
                    purpose: purpose.to_owned(),
                };
                self.launcher.start(spec).await?
            }
        };
        Ok(CheckedOut {
            pool,
            worker: Some(worker),
            place: Some(place),
        })
    }

    fn pool(&self, key: &PoolKey) -> Arc<Pool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(key) {
            return Arc::clone(pool);
        }
        let places = std::thread::available_parallelism().map_or(4, |cores| cores.get().max(4));
        let pool = Arc::new(Pool {
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(places)),
        });
        pools.insert(key.clone(), Arc::clone(&pool));
        pool
    }
}

impl Pool {
    /// The worker that was used last, if it still lives.
    fn take_idle(&self) -> Option<Worker> {
        loop {
            let worker = self
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()?;
            if worker.is_alive() {
                return Some(worker);
            }
            end(worker, None);
        }
    }
}

impl CheckedOut {
    /// Lets other calls use the worker.
    pub(super) fn give_back(mut self) {
        if let Some(worker) = self.worker.take() {
            self.pool
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(worker);
        }
    }
}

impl Drop for CheckedOut {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            end(worker, self.place.take());
        }
    }
}

/// Removes a worker's container in the background; its place is free when that is done.
fn end(worker: Worker, place: Option<OwnedSemaphorePermit>) {
    runtime().spawn(async move {
        // Its process has lost its socket and ends by itself; an error of the engine changes nothing for anybody.
        let _ = worker.remove().await;
        drop(place);
    });
}

impl Deref for CheckedOut {
    type Target = Worker;

    fn deref(&self) -> &Worker {
        self.worker.as_ref().expect("only `give_back` takes it")
    }
}

impl DerefMut for CheckedOut {
    fn deref_mut(&mut self) -> &mut Worker {
        self.worker.as_mut().expect("only `give_back` takes it")
    }
}
