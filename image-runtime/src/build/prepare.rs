//! Finds out what the layers of an image are, without making any, and which of them are missing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use futures_util::future::{BoxFuture, try_join_all};

use super::contents::changes_packages;
use super::{BuildError, BuildOptions, Builder, Looked, Prepared, base};
use crate::context::Tree;
use crate::plan::{Chain, Expanded, MountSpec, Part, Plan, expand, lower};
use crate::spec::{Image, Step};

impl Builder {
    pub(super) fn prepare_and_look(
        &self,
        image: Image,
    ) -> BoxFuture<'_, Result<Looked, BuildError>> {
        Box::pin(async move {
            let prepared = self.prepare(image).await?;
            let look = async {
                let missing = self.missing(&prepared.plan).await?;
                // Before anything is built that would be of no use without them.
                for index in &missing {
                    self.secrets(&prepared, &prepared.plan.layers[*index])?;
                }
                self.sources(&prepared, &missing).await?;
                Ok(missing)
            };
            let missing = look.await.map_err(|error| self.of(image, error))?;
            Ok(Looked {
                image,
                prepared,
                missing,
            })
        })
    }

    pub(super) async fn prepare(&self, image: Image) -> Result<Prepared, BuildError> {
        let prepare = async {
            let chain = Chain::of(image);
            let mut prepared = self.prepare_chain(self.names.name(image), &chain).await?;
            self.pin(&mut prepared).await?;
            Ok(prepared)
        };
        prepare.await.map_err(|error| self.of(image, error))
    }

    /// An error, as that of an image.
    pub(super) fn of(&self, image: Image, error: BuildError) -> BuildError {
        error.of(self.names.name(image), image.spec().place)
    }

    /// What a chain's layers are. Boxed, because instructions copy from other chains.
    pub(super) fn prepare_chain<'a>(
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
                Some(Expanded::Run { mounts, .. }) if mounts.iter().any(MountSpec::is_bind) => {
                    let files = self.bound_files(&name, chain, index, mounts).await?;
                    copied.insert(index, files);
                }
                _ => {}
            }
        }
        let mut plan = lower(chain, &base, &instructions, |step| {
            let copied = copied.get(&step).map(|files| files.digest);
            copied.unwrap_or_else(|| *trees[&step].digest())
        });
        let layers = plan.layers.iter();
        let stay = match self.options {
            BuildOptions { no_cache: true, .. } => 0,
            BuildOptions { renew: true, .. } => layers
                .take_while(|layer| !changes_packages(&layer.action))
                .count(),
            _ => layers.len(),
        };
        for layer in &mut plan.layers[stay..] {
            layer.force = true;
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
    pub(super) async fn missing(&self, plan: &Plan) -> Result<Vec<usize>, BuildError> {
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
}
