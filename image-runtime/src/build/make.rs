//! Makes what is missing of images: each layer once, those of several images side by side, and what another program takes away
//! meanwhile once more.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures_util::TryFutureExt as _;
use futures_util::future::{BoxFuture, join_all, try_join, try_join_all};
use tracing::{Instrument as _, info_span};

use super::ahead::Ahead;
use super::{BuildError, Builder, Built, Looked, Prepared, Shelf, sweep_passing};
use crate::digest::LayerId;
use crate::event::{Event, Work};
use crate::plan::PlannedLayer;
use crate::spec::Image;
use crate::store::Lock;

/// How often the layers below may go while an image is made, before that is given up.
pub(super) const MOST_LOST: usize = 10;

/// Why layers of an image could not be made: with the index of that which could not, unless it is one of an image that it copies from.
type Fault = (Option<usize>, BuildError);

/// The lock of a layer, which this process is known to hold.
pub(super) struct LayerLock<'a> {
    layer: LayerId,
    held: &'a Mutex<HashSet<LayerId>>,
    _lock: Lock,
}

impl Drop for LayerLock<'_> {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&self.layer);
    }
}

impl Builder {
    /// Builds what is missing of images: of each that can be built, whatever is wrong with others.
    pub(super) async fn make_all(
        &self,
        images: &[Image],
    ) -> Vec<Result<(Looked, Built), BuildError>> {
        let begin = Instant::now();
        let _kept = self.store.keep_downloads().await;
        let looked = images.iter().map(|image| self.prepare_and_look(*image));
        let looked = join_all(looked).await;
        let mut layers = BTreeSet::new();
        for image in looked.iter().flatten() {
            // What keeps these from being counted keeps them from being made, too, and is told then.
            if let Ok(mut own) = self.to_make(&image.prepared, &image.missing).await {
                layers.append(&mut own);
            }
        }
        if !layers.is_empty() {
            // What stays is swept later.
            let _ = sweep_passing(&*self.engine, &self.store).await;
            self.events.tell(Event::BuildStarted {
                layers: layers.len(),
            });
        }
        let made = looked.into_iter().map(|looked| async {
            let looked = looked?;
            let made = self.make_image(&looked.prepared, &looked.missing).await;
            let (built, made) = made.map_err(|error| self.of(looked.image, error))?;
            self.note_build(looked.image, &looked.prepared);
            Ok((looked, built, made))
        });
        let made = join_all(made).await;
        let is_good = made.iter().all(Result::is_ok);
        if is_good && !layers.is_empty() {
            self.keep_within_limit().await;
        }
        if !layers.is_empty() {
            let made = made.iter().flatten().flat_map(|(_, _, layers)| layers);
            self.events.tell(match is_good {
                true => Event::BuildFinished {
                    built: made.collect::<BTreeSet<_>>().len(),
                    elapsed: begin.elapsed(),
                },
                false => Event::BuildFailed,
            });
        }
        let made = made.into_iter();
        made.map(|made| made.map(|(looked, built, _)| (looked, built)))
            .collect()
    }

    /// Removes the layers that were not used for the longest time, while all of them take more than they may.
    async fn keep_within_limit(&self) {
        // What a run makes that leaves the cache as it was does not stay anyway.
        let Some(most) = self.options.limit.filter(|_| !self.options.ignore_cache) else {
            return;
        };
        let (engine, store) = (&*self.engine, &*self.store);
        let removed = async {
            let mut shelf = Shelf::of(engine, store).await?;
            shelf
                .remove_while(engine, store, |shelf, used| {
                    shelf.size() > most && used < self.opened
                })
                .await
        };
        // The build is good all the same.
        if let Err(error) = removed.await {
            self.events.tell(Event::Notice {
                text: format!(
                    "layers could not be removed to keep within the store's limit: {error}"
                ),
            });
        }
    }

    /// Makes what is missing of an image; answers which layers this process made.
    pub(super) fn make_image<'a>(
        &'a self,
        image: &'a Prepared,
        missing: &'a [usize],
    ) -> BoxFuture<'a, Result<(Built, Vec<LayerId>), BuildError>> {
        Box::pin(async move {
            let mut made = Vec::new();
            let mut missing = missing.to_vec();
            let mut lost = 0;
            while let Err((index, error)) = self.make_layers(image, &missing, &mut made).await {
                // Those that it copies from were tried again by themselves.
                let Some(index) = index else {
                    return Err(error);
                };
                lost += 1;
                let is_lost = error.is_of_lost_layer() || self.has_lost(image, index).await;
                if lost == MOST_LOST || !is_lost {
                    return Err(error);
                }
                self.events.tell(Event::Notice {
                    text: format!(
                        "another program made anew or removed what {} stands on: it is made once more",
                        image.plan.layers[index].title
                    ),
                });
                self.forget_made(image);
                missing = self.missing(&image.plan).await?;
            }
            made.sort_unstable();
            made.dedup();
            let built = Built {
                layer: image.plan.top(),
                config: image.plan.config.clone(),
                added: image.added.clone(),
                base: image.plan.layers[0].title.clone(),
                built: made.len(),
            };
            Ok((built, made))
        })
    }

    /// Forgets which layers of an image are made, and of those that it copies from.
    pub(super) fn forget_made(&self, image: &Prepared) {
        for layer in &image.plan.layers {
            self.layers.forget(&layer.id);
        }
        let tool = self.conda_tool.get().filter(|_| image.has_conda());
        let sources = image.sources().chain(tool);
        sources.for_each(|source| self.forget_made(source));
    }

    /// Makes the layers of these indices and notes those that this process made; says which could not be made.
    async fn make_layers(
        &self,
        image: &Prepared,
        missing: &[usize],
        made: &mut Vec<LayerId>,
    ) -> Result<(), Fault> {
        let sources = async {
            let sources = self.sources(image, missing).await?;
            try_join_all(sources.into_iter().map(|source| self.make_missing(source))).await
        };
        // Side by side: what is copied from an image waits for it by itself.
        let sources = sources.map_err(|error| (None, error));
        let (below, own) = try_join(sources, self.make_own_layers(image, missing)).await?;
        made.extend(below.into_iter().flatten().chain(own));
        Ok(())
    }

    /// Makes what is missing of an image that others copy from; answers which layers this process made.
    pub(super) async fn make_missing(&self, image: &Prepared) -> Result<Vec<LayerId>, BuildError> {
        let missing = self.missing(&image.plan).await?;
        let (_, made) = self.make_image(image, &missing).await?;
        Ok(made)
    }

    async fn make_own_layers(
        &self,
        image: &Prepared,
        missing: &[usize],
    ) -> Result<Vec<LayerId>, Fault> {
        let ahead = Ahead::new(self, image, missing);
        let made = self.make_each(image, missing, &ahead).await;
        ahead.end().await;
        made
    }

    pub(super) async fn make_each(
        &self,
        image: &Prepared,
        missing: &[usize],
        ahead: &Ahead<'_>,
    ) -> Result<Vec<LayerId>, Fault> {
        let mut made = Vec::new();
        for index in missing {
            let fault = |error| (Some(*index), error);
            // These may need what a download holds, which therefore goes on.
            let below = async {
                for source in self.sources(image, &[*index]).await? {
                    self.make_missing(source).await?;
                }
                Ok(())
            };
            let below = ahead.beside(below).await;
            below.map_err(|error| (None, error))?;
            ahead.finish(*index).await;
            let make = Box::pin(self.make_once(image, *index, ahead));
            if ahead.beside(make).await.map_err(fault)? {
                made.push(image.plan.layers[*index].id);
            }
        }
        Ok(made)
    }

    /// Whether what a layer is made on cannot be used any more.
    async fn has_lost(&self, image: &Prepared, index: usize) -> bool {
        let below = index
            .checked_sub(1)
            .map(|below| image.plan.layers[below].id);
        match below {
            Some(below) => matches!(self.engine.has_layer(&below).await, Ok(false)),
            None => false,
        }
    }

    /// Makes a layer unless this process did, or another process does at this moment. Answers whether this process did.
    async fn make_once(
        &self,
        image: &Prepared,
        index: usize,
        ahead: &Ahead<'_>,
    ) -> Result<bool, BuildError> {
        let layer = &image.plan.layers[index];
        // On the heap: it is large, and one of many in the future of a build.
        let make = Box::pin(async {
            let _lock = self.lock_layer(layer.id).await?;
            if !layer.force && self.engine.has_layer(&layer.id).await? {
                return Ok(false);
            }
            ahead.begin(index);
            self.make(image, index).await?;
            self.check(image, index).await?;
            Ok(true)
        });
        self.layers
            .get(layer.id, self.told(layer, &image.name, make))
            .await
            .map_err(BuildError::Shared)
    }

    pub(super) async fn lock_layer(&self, layer: LayerId) -> Result<LayerLock<'_>, BuildError> {
        self.note_passing(&layer).await?;
        let held = || {
            self.locked_here
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let waiting = || {
            let here = held().contains(&layer);
            self.events.tell(Event::LayerWaiting { layer, here });
        };
        let name = format!("layer-{layer}");
        let locks = self.store.locks();
        let lock = locks.lock(&name, waiting);
        let lock = self.timed(layer, Work::Waiting, lock).await?;
        held().insert(layer);
        Ok(LayerLock {
            layer,
            held: &self.locked_here,
            _lock: lock,
        })
    }

    /// Does a part of the work on a layer, and tells how long it took.
    pub(super) async fn timed<T>(
        &self,
        layer: LayerId,
        on: Work,
        work: impl Future<Output = T>,
    ) -> T {
        let begin = Instant::now();
        let done = work.await;
        self.events.tell(Event::LayerSpent {
            layer,
            on,
            elapsed: begin.elapsed(),
        });
        done
    }

    /// Does something to a layer, and tells of its begin and its end.
    pub(super) async fn told<T>(
        &self,
        layer: &PlannedLayer,
        image: &str,
        work: impl Future<Output = Result<T, BuildError>>,
    ) -> Result<T, BuildError> {
        let begin = Instant::now();
        self.events.tell(Event::LayerStarted {
            layer: layer.id,
            title: layer.title.clone(),
            image: image.to_owned(),
        });
        let span = info_span!(
            "layer.build",
            image,
            title = layer.title,
            layer = %layer.id
        );
        let done = work.instrument(span).await;
        let elapsed = begin.elapsed();
        self.events.tell(match done {
            Ok(_) => Event::LayerFinished {
                layer: layer.id,
                elapsed,
            },
            Err(_) => Event::LayerFailed {
                layer: layer.id,
                elapsed,
            },
        });
        done
    }
}
