//! How a pool grows and shrinks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::CallError;
use super::super::future::{caught, runtime};
use super::super::job::Job;
use super::state::State;
use super::{Enter, Pool, PoolKey, gateway};
use crate::build::NotStarted;
use crate::event::{Event, Events};
use crate::gpu::{Claim, Gpus};
use crate::worker::{StartError, Worker};

/// How often those that keep GPUs for nothing look whether others want them.
const LOOK: Duration = Duration::from_millis(200);

impl PoolKey {
    /// Takes the GPUs of a container, as soon as they can be had: nothing where it needs none. Without an error there are none for it, because
    /// it is unwanted now.
    pub(in super::super) async fn claim(
        &self,
        gpus: &Gpus,
        events: &Events,
        function: &str,
        unwanted: impl Fn() -> bool,
    ) -> Result<Option<Claim>, Option<CallError>> {
        if self.gpu.is_empty() {
            return Ok(None);
        }
        let waiting = || {
            let text = format!("`{function}` waits for a GPU: those that it may have are in use");
            events.tell(Event::Notice { text });
        };
        let inventory = gpus.inventory().await;
        let claimed = gpus.claims.claim(self.gpu, inventory, waiting, unwanted);
        match claimed.await {
            Ok(Some(claim)) => Ok(Some(claim)),
            Ok(None) => Err(None),
            Err(error) => Err(Some(CallError::no_claim(&error))),
        }
    }
}

impl Pool {
    /// Brings the calls that wait and the workers together, and starts containers where there are too few.
    pub(super) fn advance(self: &Arc<Self>, state: &mut State) {
        if state.is_closing {
            return;
        }
        let size = self.key.size;
        let mut waiting = state.queue.len();
        for lane in state.lanes.iter().filter(|lane| lane.room > 0) {
            if waiting == 0 {
                break;
            }
            lane.bell.notify_one();
            waiting = waiting.saturating_sub(lane.room);
        }
        while waiting > 0
            && let Some(worker) = self.pop_idle(state)
        {
            let lane = state.add_lane(size.concurrency);
            runtime().spawn(Arc::clone(self).drive(worker, lane));
            waiting = waiting.saturating_sub(size.concurrency);
        }

        let coming = state.starting * size.concurrency;
        let wanted = match waiting.saturating_sub(coming) {
            0 => 0,
            // Those that are there will be done sooner than another could begin.
            more if self.will_soon_be_done(state, more) => 0,
            more => more.div_ceil(size.concurrency),
        };
        let there = state.containers();
        let wanted = wanted
            .max(size.min.saturating_sub(there - state.ending))
            .min(self.more(state));
        for _ in 0..wanted {
            self.start(state);
        }
    }

    /// How many containers more there may be. Where their number was not asked for, those whose calls only wait for others do not count
    /// for calls that functions in containers make: these may be what they wait for.
    fn more(&self, state: &State) -> usize {
        let size = self.key.size;
        let there = state.containers();
        let more = size.max.saturating_sub(there);
        if size.is_bound {
            return more;
        }
        let at_work = there.saturating_sub(state.suspended / size.concurrency);
        let nested = state.nested().div_ceil(size.concurrency);
        more.max(size.max.saturating_sub(at_work).min(nested))
    }

    /// The idle worker that was used last, if one still lives.
    pub(super) fn pop_idle(self: &Arc<Self>, state: &mut State) -> Option<Worker> {
        while let Some((worker, _)) = state.idle.pop() {
            if worker.is_alive() {
                return Some(worker);
            }
            self.retire(state, worker);
        }
        None
    }

    /// Keeps a worker that has nothing to do.
    pub(super) fn rest(self: &Arc<Self>, state: &mut State, worker: Worker) {
        let is_used_up = self.key.size.is_single_use() && !worker.is_unused();
        if is_used_up || state.is_closing {
            self.dismiss(state, worker);
            return;
        }
        worker.member().rests();
        state.idle.push((worker, Instant::now()));
        if !state.queue.is_empty() {
            self.advance(state);
        }
        if !state.is_watched && state.living() > self.key.size.min {
            state.is_watched = true;
            runtime().spawn(Arc::clone(self).remove_idle());
        }
    }

    /// Whether the lanes that there are will have done so many calls before a container has started, as far as one can tell.
    fn will_soon_be_done(self: &Arc<Self>, state: &mut State, calls: usize) -> bool {
        let workers = state.lanes.len() + state.direct + state.starting;
        let workers = workers.saturating_sub(state.suspended / self.key.size.concurrency);
        let Some(pace) = state.pace.filter(|_| workers > 0) else {
            return false;
        };
        let has_waited = |since: Instant| since.elapsed() >= state.start_took;
        if state.queue.front().is_some_and(|job| has_waited(job.since)) {
            return false;
        }
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        if pace.saturating_mul(calls) / workers >= state.start_took {
            return false;
        }
        if !state.is_rechecked {
            state.is_rechecked = true;
            let (pool, wait) = (Arc::clone(self), state.start_took);
            runtime().spawn(async move {
                tokio::time::sleep(wait).await;
                let mut state = pool.lock();
                state.is_rechecked = false;
                pool.advance(&mut state);
            });
        }
        true
    }

    fn start(self: &Arc<Self>, state: &mut State) {
        state.starting += 1;
        let function = state.queue.front().map(|job| job.name());
        let class = self.key.enter.as_ref().map(Enter::class_name);
        let function = class.or(function).or(self.key.owner);
        let function = function.unwrap_or("function");
        let pool = Arc::clone(self);
        runtime().spawn(async move {
            let started = caught(pool.started(function)).await;
            match started.unwrap_or_else(|| Err(Some(CallError::lost(function)))) {
                Ok((worker, took)) => {
                    let lane = {
                        let mut state = pool.lock();
                        state.starting -= 1;
                        state.start_took = took;
                        state.add_lane(pool.key.size.concurrency)
                    };
                    pool.drive(worker, lane).await;
                }
                Err(Some(error)) => pool.did_not_start(&error),
                Err(None) => {
                    let mut state = pool.lock();
                    state.starting -= 1;
                    state.queue.retain(|job| !job.is_abandoned());
                    // A call may have come in the meantime.
                    pool.advance(&mut state);
                }
            }
        });
    }

    /// A container that is ready, and how long that took. Without an error there is none because nobody waits for it any more.
    async fn started(
        self: &Arc<Self>,
        function: &'static str,
    ) -> Result<(Worker, Duration), Option<CallError>> {
        let claim = self.claim(function).await?;
        let mut spec = self.key.worker(format!("call {function}"));
        spec.gpus = claim
            .as_ref()
            .map_or_else(Vec::new, |claim| claim.gpus.clone());
        let begun = Instant::now();
        let started = self.builder.start(spec).await;
        let mut worker = started.map_err(|error| match error {
            // Calls that were meant to end with it wait no more; others wait for another container.
            NotStarted::Start(StartError::Stopped(_)) => None,
            error => Some(CallError::not_started(&error)),
        })?;
        if let Some(timings) = &self.timings {
            let times = worker.start_times();
            timings.note_start(function, times.start, times.handshake);
        }
        worker.keep(claim);
        gateway::serve(&mut worker, self);
        self.hear_of_idle(&worker);
        let worker = self.enter(worker).await?;
        Ok((worker, begun.elapsed()))
    }

    /// Takes the GPUs of a container. Without an error there are none for it, because nobody waits any more.
    async fn claim(&self, function: &str) -> Result<Option<Claim>, Option<CallError>> {
        // Those that are to be there without a call are wanted all the same.
        let unwanted = || {
            let state = self.lock();
            state.living() > self.key.size.min && state.queue.iter().all(Job::is_abandoned)
        };
        let key = &self.key;
        key.claim(&self.gpus, &self.events, function, unwanted)
            .await
    }

    /// Fails the calls that wait, unless others still come to them. Where all others only wait themselves, it may be for these: those that
    /// functions in containers make fail then.
    fn did_not_start(&self, error: &CallError) {
        let failed: Vec<_> = {
            let mut state = self.lock();
            state.starting -= 1;
            let there = state.lanes.len() + state.direct + state.starting;
            let hopeless = match there.saturating_sub(state.suspended / self.key.size.concurrency) {
                0 if there == 0 => state.queue.len(),
                0 => state.nested(),
                _ => 0,
            };
            state.queue.drain(..hopeless).collect()
        };
        for job in failed {
            job.end(Err(error.clone()));
        }
    }

    /// Removes workers that have been idle for too long, until none is left that may go.
    async fn remove_idle(self: Arc<Self>) {
        let size = self.key.size;
        let has_gpus = !self.key.gpu.is_empty();
        loop {
            // Who holds a GPU and does nothing with it lets others have it.
            let is_wanted = has_gpus && self.gpus.claims.are_wanted();
            let wait = {
                let mut state = self.lock();
                loop {
                    let since = state.idle.first().map(|(_, since)| *since);
                    let Some(since) = since.filter(|_| state.living() > size.min) else {
                        state.is_watched = false;
                        return;
                    };
                    let left = size.idle.saturating_sub(since.elapsed());
                    if !left.is_zero() && !is_wanted {
                        break if has_gpus { left.min(LOOK) } else { left };
                    }
                    let (worker, _) = state.idle.remove(0);
                    self.dismiss(&mut state, worker);
                }
            };
            tokio::time::sleep(wait).await;
        }
    }
}
