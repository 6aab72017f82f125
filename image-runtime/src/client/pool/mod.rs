//! Pools of warm workers: a queue of calls, and containers that grow with it and go when they are idle.
//!
//! A call that finds an idle worker takes it and asks it directly (`checked_out`). All others wait in the pool's queue; there a
//! worker is driven by a task (`lane`) for as long as calls wait.

mod checked_out;
mod enter;
mod farewell;
mod idle;
mod known;
mod lane;
mod leaving;
mod start;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(super) use self::checked_out::CheckedOut;
pub(super) use self::enter::Enter;
pub(super) use self::known::Found;
use self::known::Known;
use self::lane::until;
pub(super) use self::leaving::Leaving;
use self::state::State;
use super::future::{caught, runtime};
use super::gateway::{self, Place};
use super::job::Job;
use super::timings::Timings;
use super::{CallError, Callee};
use tokio::sync::Notify;

use crate::build::Builder;
use crate::engine::Limits;
use crate::event::{Event, Events};
use crate::gpu::Gpus;
use crate::secrets::Mask;
use crate::spec::FunctionOptions;
use crate::worker::{Member, Worker, WorkerSpec, short_name};

/// What containers have in common that can serve each other's calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    pub(super) layer: crate::digest::LayerId,
    pub(super) env: Vec<(String, String)>,
    pub(super) workdir: String,
    pub(super) user: String,
    /// Local files that are no part of the image.
    pub(super) mounts: Vec<crate::engine::Mount>,
    pub(super) network: bool,
    pub(super) limits: Limits,
    /// The GPUs that each container takes, as alternatives.
    pub(super) gpu: &'static [crate::spec::Gpu],
    /// What is hidden in all that is printed.
    pub(super) mask: Mask,
    pub(super) size: Size,
    /// The function that has containers of its own: one that says how many, how long or how busy they are.
    pub(super) owner: Option<&'static str>,
    /// What they do before the first call: the containers of a class have its state.
    pub(super) enter: Option<Enter>,
}

impl PoolKey {
    /// A worker in such a container, before it has GPUs.
    pub(super) fn worker(&self, purpose: String) -> WorkerSpec {
        WorkerSpec {
            layer: self.layer,
            env: self.env.clone(),
            workdir: self.workdir.clone(),
            user: self.user.clone(),
            mounts: self.mounts.clone(),
            network: self.network,
            limits: self.limits,
            gpus: Vec::new(),
            mask: self.mask.clone(),
            purpose,
        }
    }
}

/// How many containers, how busy, for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Size {
    /// Calls that run at once in one container.
    pub(super) concurrency: usize,
    /// Containers that stay.
    pub(super) min: usize,
    /// Containers that there may be.
    pub(super) max: usize,
    /// Whether that was asked for. Else calls that functions in containers make find others, where all these only wait for such calls.
    pub(super) is_bound: bool,
    /// How long one stays without a call; nothing where it is used for one call only.
    pub(super) idle: Duration,
}

/// Without an `idle_timeout`.
const IDLE: Duration = Duration::from_secs(60);

/// Containers without a `max_containers`. Asking for it takes as long as a call.
static CORES: LazyLock<usize> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(4, |cores| cores.get().max(4)));

impl Size {
    /// What the keywords say.
    pub(super) fn of(options: &FunctionOptions) -> Self {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let min = options.min_containers.map_or(0, count);
        let max = options
            .max_containers
            .map_or_else(|| (*CORES).max(min), count);
        Self {
            concurrency: options.concurrency.map_or(1, count).max(1),
            // What a function says may contradict a default of the program.
            min: min.min(max),
            max: max.max(1),
            is_bound: options.max_containers.is_some(),
            idle: options.idle_timeout.unwrap_or(IDLE),
        }
    }

    /// Whether a container serves one call only.
    pub(super) fn is_single_use(&self) -> bool {
        self.idle.is_zero()
    }
}

/// All pools of this process.
#[derive(Debug)]
pub(super) struct Pools {
    builder: Arc<Builder>,
    gpus: Arc<Gpus>,
    events: Events,
    timings: Option<Arc<Timings>>,
    there: Mutex<There>,
}

/// The pools that there are.
#[derive(Debug, Default)]
struct There {
    pools: HashMap<PoolKey, Arc<Pool>>,
    known: Known,
}

/// The workers of one kind of container, and the calls that wait for one.
#[derive(Debug)]
pub(super) struct Pool {
    key: PoolKey,
    builder: Arc<Builder>,
    gpus: Arc<Gpus>,
    events: Events,
    /// Takes where the time of calls goes, if somebody wants to know.
    pub(super) timings: Option<Arc<Timings>>,
    state: Mutex<State>,
    /// Rung when a container that is entered has to look at who still waits for it.
    entering: Notify,
}

impl Pools {
    pub(super) fn new(
        builder: Arc<Builder>,
        gpus: Arc<Gpus>,
        events: Events,
        timings: Option<Arc<Timings>>,
    ) -> Self {
        Self {
            builder,
            gpus,
            events,
            timings,
            there: Mutex::default(),
        }
    }

    /// The pool of a function. Its key is asked for where that may have changed since the last call.
    pub(super) fn of(
        &self,
        callee: &Callee,
        found: Found,
        key: impl FnOnce(&Found) -> Result<PoolKey, CallError>,
    ) -> Result<Arc<Pool>, CallError> {
        let There { pools, known } = &mut *self.lock();
        if let Some(pool) = known.get(callee, &found) {
            return Ok(pool);
        }
        let pool = self.get(pools, key(&found)?);
        known.put(callee, found, &pool);
        Ok(pool)
    }

    fn get(&self, pools: &mut HashMap<PoolKey, Arc<Pool>>, key: PoolKey) -> Arc<Pool> {
        if let Some(pool) = pools.get(&key) {
            return Arc::clone(pool);
        }
        // Those of other arguments or secrets that nobody has any more, and nothing runs in.
        pools.retain(|_, pool| Arc::strong_count(pool) > 1 || pool.lock().is_in_use());
        let pool = Arc::new(Pool {
            key: key.clone(),
            builder: Arc::clone(&self.builder),
            gpus: Arc::clone(&self.gpus),
            events: self.events.clone(),
            timings: self.timings.clone(),
            state: Mutex::default(),
            entering: Notify::new(),
        });
        if pool.exit_spec().is_some() {
            pool.say_farewell_at_the_end();
        }
        pools.insert(key, Arc::clone(&pool));
        pool
    }

    /// Takes out the calls that wait for a container, or to be made once more, of the functions that are meant.
    pub(super) fn take_waiting(&self, is_meant: impl Fn(&str) -> bool) -> Vec<Job> {
        let mut taken = Vec::new();
        for pool in self.lock().pools.values() {
            let state = &mut *pool.lock();
            let queue = std::mem::take(&mut state.queue);
            let (meant, others): (VecDeque<_>, _) =
                queue.into_iter().partition(|job| is_meant(job.name()));
            state.queue = others;
            taken.extend(meant);
            let later = state.later.extract_if(|_, job| is_meant(job.name()));
            taken.extend(later.map(|(_, job)| job));
        }
        taken
    }

    /// Takes out the idle containers that are meant and whose class does something before they end.
    pub(super) fn take_leaving(&self, is_meant: impl Fn(&Arc<Member>) -> bool) -> Vec<Leaving> {
        let there = self.lock();
        let pools = there.pools.values();
        let pools = pools.filter(|pool| pool.exit_spec().is_some());
        pools
            .flat_map(|pool| pool.take_leaving(&is_meant))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, There> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// Puts a call into the queue.
    pub(super) fn submit(job: Job) {
        let pool = Arc::clone(&job.target.pool);
        let mut state = pool.lock();
        state.put(job);
        pool.advance(&mut state);
        pool.entering.notify_waiters();
    }

    /// Puts a call into the queue once so much time has passed, unless it is taken out before.
    pub(super) fn submit_after(job: Job, delay: Duration) {
        let pool = Arc::clone(&job.target.pool);
        let number = pool.lock().keep(job);
        runtime().spawn(async move {
            tokio::time::sleep(delay).await;
            let job = pool.lock().later.remove(&number);
            if let Some(mut job) = job.filter(|job| !job.is_abandoned()) {
                job.since = Instant::now();
                Self::submit(job);
            }
        });
    }

    /// Starts the containers that are to be there without a call.
    pub(super) fn begin(self: &Arc<Self>) {
        self.advance(&mut self.lock());
    }

    /// An idle worker for a call that takes it alone; none where other calls wait already. Whether it still lives is seen when it is asked.
    pub(super) fn take_idle(self: &Arc<Self>) -> Option<CheckedOut> {
        if self.key.size.concurrency > 1 {
            return None;
        }
        let mut state = self.lock();
        if !state.queue.is_empty() {
            return None;
        }
        let (worker, _) = state.idle.pop()?;
        state.direct += 1;
        Some(CheckedOut::new(Arc::clone(self), worker))
    }

    /// Lets every lane see what its callers want now.
    pub(super) fn look_up(&self) {
        for lane in &self.lock().lanes {
            lane.bell.notify_one();
        }
        self.entering.notify_waiters();
    }

    /// How many calls can run at once.
    pub(super) fn places(&self) -> usize {
        let Size {
            concurrency, max, ..
        } = self.key.size;
        concurrency.saturating_mul(max)
    }

    /// How many inputs of a map are read before the first answers are taken.
    pub(super) fn inputs_ahead(&self) -> usize {
        /// Enough for what is quick: a hundredth of a second's work.
        const AHEAD: Duration = Duration::from_millis(10);
        const MOST: u128 = 1024;
        let quick = match self.lock().pace {
            Some(pace) => (AHEAD.as_nanos() / pace.as_nanos().max(1)).min(MOST),
            None => 0,
        };
        let quick = usize::try_from(quick).unwrap_or(0);
        self.places().saturating_mul(2).saturating_add(quick)
    }

    /// What tells it from others, for as long as it is there.
    pub(super) fn id(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    /// Where its calls run.
    pub(super) fn place(self: &Arc<Self>) -> Place {
        let Size {
            concurrency,
            is_bound,
            ..
        } = self.key.size;
        Place {
            pool: self.id(),
            most: is_bound.then(|| self.places()),
            in_each: concurrency,
            wish: self.gpus.wish(self.key.gpu),
        }
    }

    /// Whether this function makes the state that its containers have.
    pub(super) fn is_entered_by(&self, function: &str) -> bool {
        self.key
            .enter
            .as_ref()
            .is_some_and(|enter| enter.name() == function)
    }

    /// One of the calls that run waits for others that it made.
    pub(super) fn suspend(self: &Arc<Self>) {
        let mut state = self.lock();
        state.suspended += 1;
        self.advance(&mut state);
    }

    /// One of the calls that waited for others goes on, or has ended.
    pub(super) fn resume(&self) {
        self.lock().suspended -= 1;
    }

    /// Takes what a function prints.
    pub(super) fn output_of(
        &self,
        function: &'static str,
        container: &str,
    ) -> Box<dyn FnMut(String) + Send> {
        let events = self.events.clone();
        let container = short_name(container).to_owned();
        Box::new(move |line| {
            events.tell(Event::FunctionOutput {
                function,
                container: container.clone(),
                line,
            });
        })
    }

    /// Removes the container of an idle worker in the background, once its class has had its last word.
    fn dismiss(self: &Arc<Self>, state: &mut State, worker: Worker) {
        runtime().spawn(self.leaving(state, worker).leave());
    }

    /// Removes a worker's container in the background; its place is free when that is done.
    fn retire(self: &Arc<Self>, state: &mut State, worker: Worker) {
        state.ending += 1;
        let pool = Arc::clone(self);
        runtime().spawn(pool.removed(worker));
    }

    /// Removes a worker's container.
    async fn removed(self: Arc<Self>, worker: Worker) {
        // Its process has lost its socket and ends by itself; an error of the engine changes nothing for anybody.
        caught(worker.remove()).await;
        let mut state = self.lock();
        state.ending -= 1;
        self.advance(&mut state);
    }

    /// No holder of this lock can panic half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
