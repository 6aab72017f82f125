//! A worker that one caller asks directly.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Pool;
use crate::worker::Worker;

/// A worker for one call. It goes back to its pool by [`CheckedOut::give_back`]; dropped otherwise, its container ends.
#[derive(Debug)]
pub(in super::super) struct CheckedOut {
    pool: Arc<Pool>,
    worker: Option<Worker>,
}

impl CheckedOut {
    pub(super) fn new(pool: Arc<Pool>, worker: Worker) -> Self {
        Self {
            pool,
            worker: Some(worker),
        }
    }

    /// Lets other calls use the worker.
    pub(in super::super) fn give_back(mut self) {
        if let Some(worker) = self.worker.take() {
            let mut state = self.pool.lock();
            state.direct -= 1;
            self.pool.rest(&mut state, worker);
        }
    }
}

impl Drop for CheckedOut {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            let mut state = self.pool.lock();
            state.direct -= 1;
            self.pool.retire(&mut state, worker);
            // Those that wait need not wait for its end where there may be more.
            self.pool.advance(&mut state);
        }
    }
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
