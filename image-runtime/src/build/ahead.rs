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

use super::pip::{self, Installation};
use super::{BuildError, Builder, Prepared, apt};
use crate::digest::LayerId;
use crate::engine::Mount;
use crate::event::Event;
use crate::plan::{Action, PlannedLayer};
use crate::protocol::{Command, RunOutcome};
use crate::secrets::{Mask, Values};
use crate::store::Lock;

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

/// How something is downloaded.
struct Download {
    commands: Vec<Command>,
    mounts: Vec<Mount>,
    /// The cache it goes to, where that is one program's at a time.
    _lock: Option<Lock>,
    /// What the mounts show.
    _files: Option<Installation>,
}

/// Waits until nothing is downloaded ahead any more.
async fn ended(end: &mut watch::Receiver<bool>) {
    // Without a sender that is so, too.
    let _ = end.wait_for(|ended| *ended).await;
}

/// Whether a layer brings another Python than the one below it has.
fn brings_python(layer: &PlannedLayer) -> bool {
    matches!(
        layer.action,
        Action::SuitePython { .. } | Action::StandalonePython { .. } | Action::Conda { .. }
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
        let ready = tokio::select! {
            ready = self.ready_to_fetch(layer) => ready,
            () = ended(&mut end) => Ok(None),
        };
        let is_there = match ready {
            Ok(Some(ready)) => self.run_aside(layer, below, ready, &mut end).await,
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        self.events.tell(Event::FetchEnded {
            layer: layer.id,
            is_there: is_there.unwrap_or(false),
        });
    }

    /// How what a layer needs is downloaded; nothing for one that needs nothing.
    async fn ready_to_fetch(&self, layer: &PlannedLayer) -> Result<Option<Download>, BuildError> {
        Ok(Some(match &layer.action {
            Action::AptInstall(packages) => Download {
                commands: match &layer.pins {
                    Some(pins) => {
                        apt::fetch(&pins.apt.iter().map(String::as_str).collect::<Vec<_>>())
                    }
                    None => apt::fetch(packages),
                },
                mounts: vec![apt::cache()],
                _lock: Some(self.store.locks().lock(apt::LOCK, || {}).await?),
                _files: None,
            },
            Action::PipInstall { uv, .. } | Action::UvSync { uv, .. } => {
                let installation = self.python_packages(layer, &Values::default())?;
                let mut mounts = self.uv_mounts(uv).await?;
                mounts.extend(installation.mounts.iter().cloned());
                Download {
                    commands: pip::for_cache(&installation.commands),
                    mounts,
                    _lock: None,
                    _files: Some(installation),
                }
            }
            _ => return Ok(None),
        }))
    }

    /// Downloads, and keeps nothing else; answers whether all commands succeeded.
    async fn run_aside(
        &self,
        layer: &PlannedLayer,
        below: LayerId,
        mut download: Download,
        end: &mut watch::Receiver<bool>,
    ) -> Result<bool, BuildError> {
        let (commands, mounts) = (&mut download.commands, &mut download.mounts);
        self.dress(layer, &Values::default(), commands, mounts);
        let mounts = std::mem::take(mounts);
        let mut spec = self.worker_spec(layer, below, &Mask::default(), mounts);
        spec.purpose = format!("downloads for {}", layer.title);
        let mut worker = self.launcher.start(spec).await?;
        let run = async {
            for command in &*commands {
                if worker.run(command, &mut |_| {}).await? != RunOutcome::Exited(0) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let all = tokio::select! {
            all = run => all,
            () = ended(end) => Ok(false),
        };
        worker.remove().await?;
        all
    }
}
