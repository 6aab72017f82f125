//! Builds images: finds out what each layer is, which are missing (`prepare.rs`), and makes those, each once (`make.rs`).

mod added;
mod again;
mod ahead;
mod apt;
mod archive;
mod base;
mod conda;
mod contents;
mod dockerfile;
mod error;
mod fetch;
mod help;
mod laid_out;
mod ledger;
mod lent;
mod locked;
mod locked_base;
mod make;
mod network;
mod once;
mod owner;
mod passing;
mod pins;
mod pip;
mod placed;
mod prepare;
mod render;
mod shelf;
mod standalone;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tracing::{Instrument as _, info_span};

pub(crate) use again::NotStarted;
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
use crate::event::Events;
use crate::plan::{Config, Lockfile, Plan, ResolvedBase};
use crate::registry::Names;
use crate::spec::Image;
use crate::store::Store;
use crate::worker::Launcher;
use once::Once;

/// What a build is asked for beyond the images.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildOptions {
    /// Ask again what the bases are, even if that is known since less than a day.
    pub pull: bool,
    /// Build every layer, whether it exists or not, and replace it.
    pub no_cache: bool,
    /// Build every layer that may bring other packages today, and those above, and replace them.
    pub renew: bool,
    /// Build every layer, and leave those that exist as they are.
    pub ignore_cache: bool,
    /// How `image.lock` is used.
    pub lock: LockUse,
    /// The program, as `image.lock` tells it from others of its package.
    pub program: &'static str,
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
    images: Once<Image, Arc<Built>>,
    /// What bases are today, by what identifies their request.
    bases: Once<String, ResolvedBase>,
    /// What addresses hold today, of which no checksum is written.
    addresses: Once<String, Digest>,
    /// Layers whose locks this process holds.
    locked_here: Mutex<HashSet<LayerId>>,
    /// Layers whose use by this run is noted.
    noted: Mutex<HashSet<LayerId>>,
    /// Layers that this process has made or found made, and whether it was this process that made them.
    layers: Once<LayerId, bool>,
    /// Copies of directories that containers see without what is ignored.
    staged: added::Staged,
    /// Held by whoever makes an image again that another program took away.
    again: tokio::sync::Mutex<()>,
    /// Of a run that leaves the cache as it was, once it has layers.
    passing: tokio::sync::OnceCell<passing::Passing>,
    /// The image of the tool that installs conda packages, where one of its layers is needed.
    conda_tool: tokio::sync::OnceCell<Prepared>,
    /// The lock, where it is used and there.
    lock: tokio::sync::OnceCell<Option<Lockfile>>,
    /// Where Pythons come from that no registry gives.
    python_mirror: Mirror,
}

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

/// An image of which it is known what is missing: indices into its plan.
#[derive(Debug)]
struct Looked {
    image: Image,
    prepared: Prepared,
    missing: Vec<usize>,
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
            locked_here: Mutex::default(),
            bases: Once::default(),
            addresses: Once::default(),
            noted: Mutex::default(),
            layers: Once::default(),
            staged: added::Staged::default(),
            again: tokio::sync::Mutex::default(),
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
    pub async fn build(&self, image: Image) -> Result<Arc<Built>, Arc<BuildError>> {
        self.images.get(image, self.build_now(image)).await
    }

    async fn build_now(&self, image: Image) -> Result<Arc<Built>, BuildError> {
        let span = info_span!("image.build", image = self.names.name(image));
        let mut made = self.make_all(&[image]).instrument(span).await;
        made.remove(0).map(|(_, built)| Arc::new(built))
    }

    /// What people call an image whose topmost layer this is, if this process has built one or found it built.
    pub fn name_of(&self, layer: &LayerId) -> Option<String> {
        let is_of = |built: &Arc<Built>| built.layer == *layer;
        let images = self.images.keys_where(is_of).into_iter();
        images.map(|image| self.names.name(image)).min()
    }

    /// Builds what is missing of several images; layers they share once, others side by side. One that cannot be built keeps no
    /// other from it.
    pub async fn build_all(&self, images: &[Image]) -> Vec<Result<Built, BuildError>> {
        let names = images.iter().map(|image| self.names.name(*image));
        let span = info_span!("image.build", image = names.collect::<Vec<_>>().join(", "));
        let mut all = Vec::new();
        for made in self.make_all(images).instrument(span).await {
            if let Ok((looked, built)) = &made {
                self.images.put(looked.image, Arc::new(built.clone())).await;
            }
            all.push(made.map(|(_, built)| built));
        }
        all
    }

    /// What an image's layers are, without building any.
    ///
    /// # Errors
    /// The base is not known and cannot be found out, or local files cannot be read.
    pub async fn plan(&self, image: Image) -> Result<Plan, BuildError> {
        let _kept = self.store.keep_downloads().await;
        Ok(self.prepare(image).await?.plan)
    }
}
