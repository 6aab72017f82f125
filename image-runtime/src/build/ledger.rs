//! What images were at their last builds: kept in the store so that a later build can say what changed.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{BuildError, Builder, Prepared};
use crate::context::{NodeKind, Tree};
use crate::digest::{Digest, Encoder};
use crate::plan::{Explained, Forced, Known, Listing, StepRecord, Value, explain};
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
}

impl Builder {
    /// Why each layer of an image would be built now, or need not be. Nothing is built.
    ///
    /// # Errors
    /// As [`Builder::plan`].
    pub async fn explain(&self, image: Image) -> Result<Vec<Explained>, BuildError> {
        let prepared = self.prepare(image).await?;
        let missing = self.missing(&prepared.plan).await?;
        let folder = self.store.builds();
        let before: Option<Record> = folder.read_record(&self.build_file(image, &prepared.name));
        let now = prepared.listings();
        let listing = |digest: &Digest| match now.get(digest) {
            Some(trees) => Some(listing(trees)),
            None => read_listing(&folder, digest),
        };
        let known = Known {
            before: before.as_ref().map(|record| record.steps.as_slice()),
            first: missing
                .first()
                .copied()
                .unwrap_or(prepared.plan.layers.len()),
            run: match (self.options.no_cache, self.options.ignore_cache) {
                (true, _) => Some(Forced::NoCache),
                (_, true) => Some(Forced::IgnoreCache),
                _ => None,
            },
            listing: &listing,
        };
        Ok(explain(&prepared.plan, &known))
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
                let facts = record.steps.iter().flat_map(|step| &step.facts);
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
        trees.chain(copied).collect()
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
