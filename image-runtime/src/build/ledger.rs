//! What images were at their last builds: kept in the store so that a later build can say what changed.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{BuildError, Builder, Prepared};
use crate::context::{NodeKind, Tree};
use crate::digest::{Digest, Encoder};
use crate::plan::{Action, Explained, Forced, Known, Listing, Plan, StepRecord, Value, explain};
use crate::spec::Image;
use crate::store::{Folder, Store, StoreError};

/// How the names of listings begin.
const LISTING: &str = "files-";

/// An image at its last build.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The directory of the package that defines it.
    package: String,
    /// What people call it.
    image: String,
    /// Its steps.
    steps: Vec<StepRecord>,
    /// Those of the stages that it copies from.
    #[serde(default)]
    stages: BTreeMap<String, Vec<StepRecord>>,
}

impl Builder {
    /// Why each layer of an image would be built now, or need not be. Nothing is built.
    ///
    /// # Errors
    /// As [`Builder::plan`].
    pub async fn explain(&self, image: Image) -> Result<Vec<Explained>, BuildError> {
        let _kept = self.store.keep_downloads().await;
        let prepared = self.prepare(image).await?;
        let folder = self.store.builds();
        let before: Option<Record> = folder.read_record(&self.build_file(image, &prepared.name));
        let now = prepared.listings();
        let listing = |digest: &Digest| match now.get(digest) {
            Some(trees) => Some(listing(trees)),
            None => read_listing(&folder, digest),
        };
        let mut explained = Vec::new();
        for (copied, needed) in self.with_stages(&prepared).await? {
            let missing = self.missing(&copied.plan).await?;
            // What is missing of it stays missing: nothing is copied from it.
            if !needed && !missing.is_empty() {
                continue;
            }
            let stage = copied.stage();
            let before = before.as_ref().and_then(|record| match &stage {
                Some(stage) => record.stages.get(stage),
                None => Some(&record.steps),
            });
            let known = self.held_against(&copied.plan, before, &missing, &listing);
            let layers = explain(&copied.plan, &known).into_iter();
            explained.extend(layers.map(|layer| Explained {
                stage: stage.clone(),
                ..layer
            }));
        }
        Ok(explained)
    }

    /// What a plan is held against.
    fn held_against<'a>(
        &self,
        plan: &Plan,
        before: Option<&'a Vec<StepRecord>>,
        missing: &[usize],
        listing: &'a dyn Fn(&Digest) -> Option<Listing>,
    ) -> Known<'a> {
        Known {
            before: before.map(Vec::as_slice),
            first: missing.first().copied().unwrap_or(plan.layers.len()),
            run: match (self.options.no_cache, self.options.ignore_cache) {
                (true, _) => Some(Forced::NoCache),
                (_, true) => Some(Forced::IgnoreCache),
                _ => None,
            },
            listing,
        }
    }

    /// An image after the stages that it copies from, each once, and whether a layer that is to be built needs it.
    async fn with_stages<'a>(
        &self,
        image: &'a Prepared,
    ) -> Result<Vec<(&'a Prepared, bool)>, BuildError> {
        let mut all: Vec<(&Prepared, bool)> = Vec::new();
        let mut left = vec![(image, true)];
        while let Some((one, needed)) = left.pop() {
            let missing = self.missing(&one.plan).await?;
            for (index, layer) in one.plan.layers.iter().enumerate() {
                if let Action::Copy { step, .. } | Action::Run { step, .. } = layer.action {
                    let stages = one.others(step).iter().filter(|one| one.stage().is_some());
                    let needed = needed && missing.contains(&index);
                    left.extend(stages.map(|stage| (stage, needed)));
                }
            }
            match all
                .iter_mut()
                .find(|(other, _)| other.plan.top() == one.plan.top())
            {
                Some((_, before)) => *before |= needed,
                None => all.push((one, needed)),
            }
        }
        all.reverse();
        Ok(all)
    }

    /// The record of an image: of a package, a program of it, and a name.
    fn build_file(&self, image: Image, name: &str) -> String {
        let mut encoder = Encoder::new("image-runtime build 1");
        let package = image.spec().place.manifest_dir;
        encoder.text(package).text(self.options.program).text(name);
        format!("{}.json", encoder.finish())
    }

    /// Remembers what a built image is, for the next time that is asked.
    pub(super) fn note_build(&self, image: Image, prepared: &Prepared) {
        if self.options.ignore_cache {
            return;
        }
        let record = Record {
            package: image.spec().place.manifest_dir.to_owned(),
            image: prepared.name.clone(),
            steps: prepared.plan.steps.clone(),
            stages: prepared.stages(),
        };
        let (folder, file) = (self.store.builds(), self.build_file(image, &prepared.name));
        if folder
            .read_record(&file)
            .is_some_and(|known: Record| known == record)
        {
            return;
        }
        for (digest, trees) in prepared.listings() {
            let name = format!("{LISTING}{digest}");
            if !folder.join(&name).exists() {
                let bytes =
                    rmp_serde::to_vec(&listing(&trees)).expect("paths and texts can be encoded");
                // Without it, the next explanation says less.
                let _ = folder.write_cache(&name, &bytes);
            }
        }
        let record = serde_json::to_vec(&record).expect("records have string keys");
        let _ = folder.write_cache(&file, &record);
    }
}

/// Forgets images of packages that are gone, and what lay in files that no image copied at its last build.
///
/// # Errors
/// A file cannot be removed.
pub fn prune(store: &Store) -> Result<(), StoreError> {
    let folder = store.builds();
    let mut wanted = HashSet::new();
    let names = || {
        let entries = std::fs::read_dir(folder.path())
            .into_iter()
            .flatten()
            .flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok())
    };
    for name in names().filter(|name| !name.starts_with(LISTING)) {
        match folder.read_record::<Record>(&name) {
            Some(record) if Path::new(&record.package).exists() => {
                let steps = record.stages.values().chain([&record.steps]).flatten();
                let facts = steps.flat_map(|step| &step.facts);
                wanted.extend(facts.filter_map(|fact| match &fact.value {
                    Value::Files(digest) => Some(format!("{LISTING}{digest}")),
                    _ => None,
                }));
            }
            _ => folder.remove(&name)?,
        }
    }
    for name in names().filter(|name| name.starts_with(LISTING)) {
        if !wanted.contains(&name) {
            folder.remove(&name)?;
        }
    }
    Ok(())
}

impl Prepared {
    /// The trees that its steps take in, by what identifies those of one step.
    fn listings(&self) -> BTreeMap<Digest, Vec<&Tree>> {
        let trees = self.trees.values().map(|tree| (*tree.digest(), vec![tree]));
        let copied = self
            .copied
            .values()
            .filter_map(|files| Some((files.digest, files.local()?)));
        let below = self.sources().flat_map(Self::listings);
        trees.chain(copied).chain(below).collect()
    }

    /// What people call it, where it is a stage that others copy from.
    fn stage(&self) -> Option<String> {
        let stage = self.locked_as.strip_prefix(&self.name)?;
        stage.strip_prefix(", ").map(str::to_owned)
    }

    /// The steps of the stages that it copies from.
    fn stages(&self) -> BTreeMap<String, Vec<StepRecord>> {
        let mut stages = BTreeMap::new();
        for source in self.sources() {
            stages.append(&mut source.stages());
            if let Some(stage) = source.stage() {
                stages.insert(stage, source.plan.steps.clone());
            }
        }
        stages
    }
}

fn read_listing(folder: &Folder, digest: &Digest) -> Option<Listing> {
    rmp_serde::from_slice(&folder.read(&format!("{LISTING}{digest}"))?).ok()
}

fn listing(trees: &[&Tree]) -> Listing {
    let nodes = trees.iter().flat_map(|tree| tree.nodes());
    let entries = nodes.map(|node| {
        let what = match &node.kind {
            NodeKind::Directory => "directory".to_owned(),
            NodeKind::File { digest, .. } => digest.short(),
            NodeKind::Symlink { target } => format!("→ {}", target.display()),
        };
        let path = node.path.to_string_lossy().into_owned();
        (path, format!("{:o} {what}", node.mode))
    });
    Listing(entries.collect())
}
