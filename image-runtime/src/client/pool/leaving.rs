//! Containers that end in good order: their class has its last word.

use std::sync::Arc;

use super::super::future::caught;
use super::Pool;
use super::state::State;
use crate::worker::{Member, Worker};

/// A worker that is no longer its pool's to use.
pub(in super::super) struct Leaving {
    pool: Arc<Pool>,
    worker: Worker,
}

impl Leaving {
    /// Whether it is the one that others see as this.
    pub(in super::super) fn is(&self, member: &Arc<Member>) -> bool {
        Arc::ptr_eq(self.worker.member(), member)
    }

    /// Lets the class do what it does before a container ends, and removes that.
    pub(in super::super) async fn leave(mut self) {
        caught(self.pool.exit(&mut self.worker)).await;
        self.pool.removed(self.worker).await;
    }
}

impl Pool {
    /// Takes a worker out, whose place is free when it has left.
    pub(super) fn leaving(self: &Arc<Self>, state: &mut State, worker: Worker) -> Leaving {
        state.ending += 1;
        Leaving {
            pool: Arc::clone(self),
            worker,
        }
    }

    /// Takes out the idle containers that are meant.
    pub(super) fn take_leaving(
        self: &Arc<Self>,
        is_meant: impl Fn(&Arc<Member>) -> bool,
    ) -> Vec<Leaving> {
        let state = &mut *self.lock();
        let meant = |(worker, _): &mut (Worker, _)| is_meant(worker.member());
        let meant: Vec<_> = state.idle.extract_if(.., meant).collect();
        let leaving = meant.into_iter();
        leaving
            .map(|(worker, _)| self.leaving(state, worker))
            .collect()
    }
}
