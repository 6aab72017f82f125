//! What workers print while no call is under way: threads and processes that functions have left running in them.

use std::sync::Arc;
use std::time::Duration;

use super::super::future::runtime;
use super::{Enter, Pool};
use crate::worker::Worker;

/// How soon it is looked again where a worker is not idle: then its call reads what is printed.
const AGAIN: Duration = Duration::from_millis(100);

impl Pool {
    /// Tells what a worker prints whenever it is idle, until it has ended. One for a single call ends with that.
    pub(super) fn hear_of_idle(self: &Arc<Self>, worker: &Worker) {
        if self.key.size.is_single_use() {
            return;
        }
        let printed = worker.printed();
        let (pool, container) = (Arc::downgrade(self), worker.name().to_owned());
        runtime().spawn(async move {
            while printed.something().await {
                let Some(pool) = pool.upgrade() else {
                    break;
                };
                if !pool.tell_of_idle(&container) {
                    drop(pool);
                    tokio::time::sleep(AGAIN).await;
                }
            }
        });
    }

    /// Tells what an idle worker has printed, as what its last function prints; answers whether there is such a worker.
    fn tell_of_idle(&self, container: &str) -> bool {
        let mut lines = Vec::new();
        let function = {
            let mut state = self.lock();
            let mut idle = state.idle.iter_mut().map(|(worker, _)| worker);
            let Some(worker) = idle.find(|worker| worker.name() == container) else {
                return false;
            };
            worker.tell_printed(&mut |line| lines.push(line));
            worker.member().doing().function
        };
        let class = self.key.enter.as_ref().map(Enter::class_name);
        let function = function.or(class).or(self.key.owner);
        let mut tell = self.output_of(function.unwrap_or("function"), container);
        lines.into_iter().for_each(&mut tell);
        true
    }
}
