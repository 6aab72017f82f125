//! Builds images: finds out what each layer is, which are missing, and makes those, each once.

mod added;
mod ahead;
mod archive;
mod base;
mod conda;
mod contents;
mod dockerfile;
mod error;
mod fetch;
mod help;
mod ledger;
mod lent;
mod locked;
mod locked_base;
mod network;
mod once;
mod owner;
mod passing;
mod pins;
mod pip;
mod placed;
mod render;
mod shelf;
mod standalone;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use futures_util::TryFutureExt as _;
use futures_util::future::{BoxFuture, join_all, try_join, try_join_all};
use tracing::{Instrument as _, info_span};

pub(crate) use base::known_base;
pub(crate) use conda::mirror as conda_mirror;
pub use contents::prune as prune_contents;
pub use error::{BuildError, StepFailed};
pub use ledger::prune as prune_ledger;
pub use locked::LockUse;
pub(crate) use network::{certificates, proxies};
pub use passing::sweep_passing;
pub use shelf::Shelf;

use crate::base::python::standalone::Mirror;
use crate::context::Tree;
use crate::digest::{Digest, LayerId};
use crate::engine::{Engine, Mount};
use crate::event::{Event, Events, Work};
use crate::plan::{
    Chain, Config, Expanded, Lockfile, Part, Plan, PlannedLayer, ResolvedBase, expand, lower,
};
use crate::registry::Names;
use crate::spec::dockerfile::MountKind;
use crate::spec::{Image, Step};
use crate::store::{Lock, Store};
use crate::worker::Launcher;
use ahead::Ahead;
use once::Once;

/// What a build is asked for beyond the images.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildOptions {
    /// Ask again what the bases are, even if that is known since less than a day.
    pub pull: bool,
    /// Build every layer, whether it exists or not, and replace it.
    pub no_cache: bool,
    /// Build every layer, and leave those that exist as they are.
    pub ignore_cache: bool,
    /// How `image.lock` is used.
    pub lock: LockUse,
    /// The directory of the package, where that lies.
    pub folder: &'static str,
    /// How many bytes all layers may take after a build: those that were not used for the longest time go.
    pub limit: Option<u64>,
}

/// An image that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The root file system.
    pub layer: LayerId,
    /// What its containers get.
    pub config: Config,
    /// Files of this machine that its containers see.
    pub added: Vec<Mount>,
    /// What it stands on, for people.
    pub base: String,
    /// How many layers this run built for it.
    pub built: usize,
}

/// Builds images on one engine, with one store.
#[derive(Debug)]
pub struct Builder {
    engine: Arc<dyn Engine>,
    store: Arc<Store>,
    launcher: Arc<Launcher>,
    events: Events,
    names: Names,
    options: BuildOptions,
    /// What was used since is not removed.
    opened: SystemTime,
    /// Images that this process built or found built.
    images: Once<Image, Built>,
    /// What bases are today, by what identifies their request.
    bases: Once<String, ResolvedBase>,
    /// What addresses hold today, of which no checksum is written.
    addresses: Once<String, Digest>,
    /// Layers whose use by this run is noted.
    noted: Mutex<HashSet<LayerId>>,
    /// Layers that this process has made or found made, and whether it was this process that made them.
    layers: Once<LayerId, bool>,
    /// Copies of directories that containers see without what is ignored.
    staged: added::Staged,
    /// Of a run that leaves the cache as it was, once it has layers.
    passing: tokio::sync::OnceCell<passing::Passing>,
    /// The image of the tool that installs conda packages, where one of its layers is needed.
    conda_tool: tokio::sync::OnceCell<Prepared>,
    /// The lock, where it is used and there.
    lock: tokio::sync::OnceCell<Option<Lockfile>>,
    /// Where Pythons come from that no registry gives.
    python_mirror: Mirror,
}

/// How often the layers below may go while an image is made, before that is given up.
const MOST_LOST: usize = 10;

/// An image whose layers are known.
#[derive(Debug)]
struct Prepared {
    name: String,
    /// What a lock calls it.
    locked_as: String,
    /// What its root is remembered as, and is; nothing of `scratch`.
    base: Option<(String, ResolvedBase)>,
    plan: Plan,
    trees: HashMap<usize, Tree>,
    /// What instructions copy, by their steps.
    copied: HashMap<usize, dockerfile::Files>,
    added: Vec<Mount>,
}

impl Builder {
    /// A builder.
    pub fn new(
        engine: Arc<dyn Engine>,
        store: Arc<Store>,
        launcher: Arc<Launcher>,
        events: Events,
        names: Names,
        options: BuildOptions,
    ) -> Self {
        Self {
            engine,
            store,
            launcher,
            events,
            names,
            options,
            opened: SystemTime::now(),
            images: Once::default(),
            bases: Once::default(),
            addresses: Once::default(),
            noted: Mutex::default(),
            layers: Once::default(),
            staged: added::Staged::default(),
            passing: tokio::sync::OnceCell::new(),
            conda_tool: tokio::sync::OnceCell::new(),
            lock: tokio::sync::OnceCell::new(),
            python_mirror: Mirror::from_env(),
        }
    }

    /// Builds what is missing of an image. A second call for it in this process answers at once.
    ///
    /// # Errors
    /// The first layer that could not be made. Calls that waited for the same attempt get the same error.
    pub async fn build(&self, image: Image) -> Result<Built, Arc<BuildError>> {
        self.images.get(image, self.build_now(image)).await
    }

    async fn build_now(&self, image: Image) -> Result<Built, BuildError> {
        let span = info_span!("image.build", image = self.names.name(image));
        let work = async {
            let looked = [self.prepare_and_look(image).await?];
            let mut built = self.make_all(&looked).await?;
            self.note_build(image, &looked[0].0);
            Ok(built.remove(0))
        };
        work.instrument(span).await
    }

    /// What people call an image whose topmost layer this is, if this process has built one or found it built.
    pub fn name_of(&self, layer: &LayerId) -> Option<String> {
        let is_of = |built: &Built| built.layer == *layer;
        let images = self.images.keys_where(is_of).into_iter();
        images.map(|image| self.names.name(image)).min()
    }

    /// Builds what is missing of several images; layers they share once, others side by side.
    ///
    /// # Errors
    /// Why images could not even be planned: of each, since they may have nothing in common; nothing is built then.
    /// Otherwise the first layer that could not be made.
    pub async fn build_all(&self, images: &[Image]) -> Result<Vec<Built>, Vec<BuildError>> {
        let names = || images.iter().map(|image| self.names.name(*image));
        let span = info_span!(
            "image.build",
            image = names().collect::<Vec<_>>().join(", ")
        );
        let work = async {
            let prepared = self.prepare_all(images).await?;
            let built = self.make_all(&prepared).await;
            Ok::<_, Vec<_>>((prepared, built.map_err(|error| vec![error])?))
        };
        let (prepared, built) = work.instrument(span).await?;
        for ((image, built), (prepared, _)) in images.iter().zip(&built).zip(&prepared) {
            self.note_build(*image, prepared);
            self.images.put(*image, built.clone()).await;
        }
        Ok(built)
    }

    /// What images are and which of their layers are missing, or why that cannot be said of each.
    async fn prepare_all(
        &self,
        images: &[Image],
    ) -> Result<Vec<(Prepared, Vec<usize>)>, Vec<BuildError>> {
        let (mut prepared, mut faults) = (Vec::new(), Vec::new());
        for looked in join_all(images.iter().map(|image| self.prepare_and_look(*image))).await {
            match looked {
                Ok(image) => prepared.push(image),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            Ok(prepared)
        } else {
            Err(faults)
        }
    }

    /// What an image's layers are, without building any.
    ///
    /// # Errors
    /// The base is not known and cannot be found out, or local files cannot be read.
    pub async fn plan(&self, image: Image) -> Result<Plan, BuildError> {
        Ok(self.prepare(image).await?.plan)
    }

    fn prepare_and_look(
        &self,
        image: Image,
    ) -> BoxFuture<'_, Result<(Prepared, Vec<usize>), BuildError>> {
        Box::pin(async move {
            let prepared = self.prepare(image).await?;
            let missing = self.missing(&prepared.plan).await?;
            // Before anything is built that would be of no use without them.
            for index in &missing {
                self.secrets(&prepared, &prepared.plan.layers[*index])?;
            }
            self.sources(&prepared, &missing).await?;
            Ok((prepared, missing))
        })
    }

    async fn prepare(&self, image: Image) -> Result<Prepared, BuildError> {
        let name = self.names.name(image);
        let chain = Chain::of(image);
        let mut prepared = self.prepare_chain(name, &chain).await?;
        self.pin(&mut prepared).await?;
        Ok(prepared)
    }

    /// What a chain's layers are. Boxed, because instructions copy from other chains.
    fn prepare_chain<'a>(
        &'a self,
        name: String,
        chain: &'a Chain,
    ) -> BoxFuture<'a, Result<Prepared, BuildError>> {
        Box::pin(self.prepare_this_chain(name, chain))
    }

    async fn prepare_this_chain(
        &self,
        name: String,
        chain: &Chain,
    ) -> Result<Prepared, BuildError> {
        let trees = self.read_trees(chain).await?;
        let base = self.resolve_base(chain, &name).await?;
        let instructions = expand(chain, &base)?;
        let mut copied = HashMap::new();
        for (index, instruction) in instructions.iter().enumerate() {
            match instruction {
                Some(Expanded::Copy(copy)) => {
                    copied.insert(index, self.find_files(&name, chain, index, copy).await?);
                }
                Some(Expanded::Run { mounts, .. }) => {
                    let bound = mounts.iter().filter(|mount| mount.kind == MountKind::Bind);
                    let bound: Vec<_> = bound.map(|mount| mount.name.clone()).collect();
                    if !bound.is_empty() {
                        copied.insert(index, self.bound_files(chain, index, bound).await?);
                    }
                }
                _ => {}
            }
        }
        let mut plan = lower(chain, &base, &instructions, |step| {
            let copied = copied.get(&step).map(|files| files.digest);
            copied.unwrap_or_else(|| *trees[&step].digest())
        });
        if self.options.no_cache {
            for layer in &mut plan.layers {
                layer.force = true;
            }
        }
        self.pass(&mut plan).await?;
        let added = self.added(chain).await?;
        Ok(Prepared {
            base: base::key(chain).map(|key| (key, base)),
            locked_as: name.clone(),
            name,
            plan,
            trees,
            copied,
            added,
        })
    }

    /// Reads the trees of the copy steps; unchanged ones are only looked at.
    async fn read_trees(&self, chain: &Chain) -> Result<HashMap<usize, Tree>, BuildError> {
        let trees = chain.steps.iter().enumerate().filter_map(|(index, step)| {
            let Part::Verb(verb) = step.part else {
                return None;
            };
            let (source, ignore) = match verb {
                Step::CopyLocalFile(copy) => (copy.source, None),
                Step::CopyLocalDir(copy) => (copy.source, Some(copy.ignore)),
                Step::AddLocalFile(add) if add.copy => (add.source, None),
                Step::AddLocalDir(add) if add.copy => (add.source, Some(add.ignore)),
                _ => return None,
            };
            let path = std::path::Path::new(step.place.manifest_dir).join(source);
            let store = Arc::clone(&self.store);
            let read = tokio::task::spawn_blocking(move || match ignore {
                None => Tree::file(&store, &path),
                Some(patterns) => Tree::directory(&store, &path, patterns),
            });
            Some(async move {
                let tree = read.await.expect("reading a tree does not panic");
                let tree = tree.map_err(|source| BuildError::Files {
                    place: step.place,
                    verb: verb.verb(),
                    source: Box::new(source),
                })?;
                Ok::<_, BuildError>((index, tree))
            })
        });
        Ok(try_join_all(trees).await?.into_iter().collect())
    }

    /// Which layers are to be built: indices into the plan, lowest first.
    async fn missing(&self, plan: &Plan) -> Result<Vec<usize>, BuildError> {
        if !self.options.ignore_cache {
            self.note_uses(plan);
        }
        let forced = plan.layers.iter().position(|layer| layer.force);
        let reusable = forced.unwrap_or(plan.layers.len());
        let mut first = reusable;
        while first > 0 && !self.engine.has_layer(&plan.layers[first - 1].id).await? {
            first -= 1;
        }
        Ok((first..plan.layers.len()).collect())
    }

    /// Notes that the layers of a plan are used by this run, each once.
    fn note_uses(&self, plan: &Plan) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        for layer in &plan.layers {
            if noted.insert(layer.id) {
                self.store.note_use(&layer.id);
            }
        }
    }

    async fn make_all(&self, images: &[(Prepared, Vec<usize>)]) -> Result<Vec<Built>, BuildError> {
        let begin = Instant::now();
        let mut layers = BTreeSet::new();
        for (image, missing) in images {
            layers.append(&mut self.to_make(image, missing).await?);
        }
        if !layers.is_empty() {
            // What stays is swept later.
            let _ = sweep_passing(&*self.engine, &self.store).await;
            self.events.tell(Event::BuildStarted {
                layers: layers.len(),
            });
        }
        let made = images
            .iter()
            .map(|(image, missing)| self.make_image(image, missing));
        let made = try_join_all(made).await;
        if made.is_ok() && !layers.is_empty() {
            self.keep_within_limit().await;
        }
        if !layers.is_empty() {
            self.events.tell(match &made {
                Ok(made) => Event::BuildFinished {
                    built: made
                        .iter()
                        .flat_map(|(_, layers)| layers)
                        .collect::<BTreeSet<_>>()
                        .len(),
                    elapsed: begin.elapsed(),
                },
                Err(_) => Event::BuildFailed,
            });
        }
        Ok(made?.into_iter().map(|(built, _)| built).collect())
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
    fn make_image<'a>(
        &'a self,
        image: &'a Prepared,
        missing: &'a [usize],
    ) -> BoxFuture<'a, Result<(Built, Vec<LayerId>), BuildError>> {
        Box::pin(async move {
            let mut made = Vec::new();
            let mut missing = missing.to_vec();
            let mut lost = 0;
            while let Err((index, error)) = self.make_layers(image, &missing, &mut made).await {
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
    fn forget_made(&self, image: &Prepared) {
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
    ) -> Result<(), (usize, BuildError)> {
        let sources = async {
            let sources = self.sources(image, missing).await?;
            try_join_all(sources.into_iter().map(|source| self.make_missing(source))).await
        };
        // Side by side: what is copied from an image waits for it by itself.
        let sources = sources.map_err(|error| (0, error));
        let (below, own) = try_join(sources, self.make_own_layers(image, missing)).await?;
        made.extend(below.into_iter().flatten().chain(own));
        Ok(())
    }

    /// Makes what is missing of an image that others copy from; answers which layers this process made.
    async fn make_missing(&self, image: &Prepared) -> Result<Vec<LayerId>, BuildError> {
        let missing = self.missing(&image.plan).await?;
        let (_, made) = self.make_image(image, &missing).await?;
        Ok(made)
    }

    async fn make_own_layers(
        &self,
        image: &Prepared,
        missing: &[usize],
    ) -> Result<Vec<LayerId>, (usize, BuildError)> {
        let ahead = Ahead::new(self, image, missing);
        let made = self.make_each(image, missing, &ahead).await;
        ahead.end().await;
        made
    }

    async fn make_each(
        &self,
        image: &Prepared,
        missing: &[usize],
        ahead: &Ahead<'_>,
    ) -> Result<Vec<LayerId>, (usize, BuildError)> {
        let mut made = Vec::new();
        for index in missing {
            let fault = |error| (*index, error);
            for source in self.sources(image, &[*index]).await.map_err(fault)? {
                // It may need what a download holds, which therefore goes on.
                let make = self.make_missing(source);
                ahead.beside(make).await.map_err(fault)?;
            }
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
        let make = async {
            let _lock = self.lock_layer(layer.id).await?;
            if !layer.force && self.engine.has_layer(&layer.id).await? {
                return Ok(false);
            }
            ahead.begin(index);
            Box::pin(self.make(image, index)).await?;
            self.check(image, index).await?;
            Ok(true)
        };
        self.layers
            .get(layer.id, self.told(layer, &image.name, make))
            .await
            .map_err(BuildError::Shared)
    }

    async fn lock_layer(&self, layer: LayerId) -> Result<Lock, BuildError> {
        self.note_passing(&layer).await?;
        let waiting = || self.events.tell(Event::LayerWaiting { layer });
        let name = format!("layer-{layer}");
        let locks = self.store.locks();
        let lock = locks.lock(&name, waiting);
        Ok(self.timed(layer, Work::Waiting, lock).await?)
    }

    /// Does a part of the work on a layer, and tells how long it took.
    async fn timed<T>(&self, layer: LayerId, on: Work, work: impl Future<Output = T>) -> T {
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
    async fn told<T>(
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
