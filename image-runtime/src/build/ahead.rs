//! Downloads for later steps while an earlier one runs: what they install comes into the caches, from where they take it.
//!
//! Each is a container of what the running step stands on, which is removed with all that was written in it. It may fail: the step itself
//! says why, if there is a reason that stays. Steps with secrets are left out, so that no other container learns their values.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use super::steps::{apt_cache, apt_fetch};
use super::{BuildError, Builder, Prepared, pip};
use crate::digest::LayerId;
use crate::engine::Mount;
use crate::event::Event;
use crate::plan::{Action, PlannedLayer};
use crate::protocol::{Command, RunOutcome};
use crate::secrets::{Mask, Values};

/// So many containers at once download for later steps.
const MOST: usize = 2;

/// What is downloaded for the steps of one image that are still to come.
pub(super) struct Ahead<'a> {
    builder: &'a Builder,
    image: &'a Prepared,
    /// Layers that are to be made: indices into the plan, lowest first.
    missing: &'a [usize],
    state: Mutex<State<'a>>,
    /// Says that the step that failed was the last one.
    end: watch::Sender<bool>,
}

#[derive(Default)]
struct State<'a> {
    running: FuturesUnordered<BoxFuture<'a, usize>>,
    /// Layers that were downloaded for, and those of them that still are.
    begun: HashSet<usize>,
    unfinished: HashSet<usize>,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(builder: &'a Builder, image: &'a Prepared, missing: &'a [usize]) -> Self {
        Self {
            builder,
            image,
            missing,
            state: Mutex::default(),
            end: watch::Sender::new(false),
        }
    }

    /// Begins what can be downloaded while a layer is made: what the one below it has the tools for.
    pub(super) fn begin(&self, making: usize) {
        let layers = &self.image.plan.layers;
        let Some(below) = making.checked_sub(1).map(|below| layers[below].id) else {
            return;
        };
        let mut state = self.state();
        for later in self.missing.iter().copied().filter(|index| *index > making) {
            let is_possible = match &layers[later].action {
                Action::AptInstall(_) => !uses_apt(&layers[making]),
                Action::PipInstall { .. } | Action::UvSync { .. } => {
                    !layers[making..later].iter().any(brings_python)
                }
                _ => false,
            };
            if is_possible
                && layers[later].secrets.all.is_empty()
                && state.unfinished.len() < MOST
                && state.begun.insert(later)
            {
                state.unfinished.insert(later);
                let end = self.end.subscribe();
                let (builder, image) = (self.builder, self.image);
                state.running.push(Box::pin(async move {
                    builder
                        .fetch_ahead(image, &image.plan.layers[later], below, end)
                        .await;
                    later
                }));
            }
        }
    }

    /// Does something while downloads go on.
    pub(super) async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            let done = work.as_mut().poll(context);
            if done.is_pending() {
                let mut state = self.state();
                while let Poll::Ready(Some(index)) = state.running.poll_next_unpin(context) {
                    state.unfinished.remove(&index);
                }
            }
            done
        })
        .await
    }

    /// Waits for the downloads of a layer, if there are any: its step would only do the same once more.
    pub(super) async fn finish(&self, index: usize) {
        poll_fn(|context| {
            let mut state = self.state();
            while state.unfinished.contains(&index) {
                match state.running.poll_next_unpin(context) {
                    Poll::Ready(Some(done)) => state.unfinished.remove(&done),
                    Poll::Ready(None) => break,
                    Poll::Pending => return Poll::Pending,
                };
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Ends what is still going on, and waits until nothing of it is there.
    pub(super) async fn end(self) {
        self.end.send_replace(true);
        let state = self.state.into_inner();
        let running = state.unwrap_or_else(PoisonError::into_inner).running;
        running.for_each(|_| std::future::ready(())).await;
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn brings_python(layer: &PlannedLayer) -> bool {
    matches!(
        layer.action,
        Action::SuitePython { .. } | Action::StandalonePython { .. }
    )
}

/// apt allows one process at a time in its cache.
fn uses_apt(layer: &PlannedLayer) -> bool {
    matches!(
        layer.action,
        Action::AptInstall(_) | Action::SuitePython { .. }
    )
}

impl Builder {
    /// Downloads for a layer in a container of one below.
    async fn fetch_ahead(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        below: LayerId,
        mut end: watch::Receiver<bool>,
    ) {
        self.events.tell(Event::FetchStarted {
            layer: layer.id,
            title: layer.title.clone(),
            image: image.name.clone(),
        });
        // The step itself tells what is wrong, if anything is.
        let is_there = self.try_to_fetch_ahead(layer, below, &mut end).await;
        self.events.tell(Event::FetchEnded {
            layer: layer.id,
            is_there: is_there.unwrap_or(false),
        });
    }

    async fn try_to_fetch_ahead(
        &self,
        layer: &PlannedLayer,
        below: LayerId,
        end: &mut watch::Receiver<bool>,
    ) -> Result<bool, BuildError> {
        let none = Values::default();
        match &layer.action {
            Action::AptInstall(packages) => {
                let locks = self.store.locks();
                let _lock = locks.lock("cache-apt", || {}).await?;
                let commands = match &layer.pins {
                    Some(pins) => {
                        apt_fetch(&pins.apt.iter().map(String::as_str).collect::<Vec<_>>())
                    }
                    None => apt_fetch(packages),
                };
                self.run_aside(layer, below, commands, vec![apt_cache()], end)
                    .await
            }
            Action::PipInstall { uv, .. } | Action::UvSync { uv, .. } => {
                let installation = self.python_packages(layer, &none)?;
                let mut mounts = self.uv_mounts(uv).await?;
                mounts.extend(installation.mounts.iter().cloned());
                let commands = pip::for_cache(&installation.commands);
                self.run_aside(layer, below, commands, mounts, end).await
            }
            _ => Ok(false),
        }
    }

    /// Runs commands of which nothing is kept; answers whether all of them succeeded.
    async fn run_aside(
        &self,
        layer: &PlannedLayer,
        below: LayerId,
        mut commands: Vec<Command>,
        mut mounts: Vec<Mount>,
        end: &mut watch::Receiver<bool>,
    ) -> Result<bool, BuildError> {
        self.dress(layer, &Values::default(), &mut commands, &mut mounts);
        let mut spec = self.worker_spec(layer, below, &Mask::default(), mounts);
        spec.purpose = format!("downloads for {}", layer.title);
        let mut worker = self.launcher.start(spec).await?;
        let run = async {
            for command in &commands {
                if worker.run(command, &mut |_| {}).await? != RunOutcome::Exited(0) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let all = tokio::select! {
            all = run => all,
            _ = end.wait_for(|ended| *ended) => Ok(false),
        };
        worker.remove().await?;
        all
    }
}
