//! Which packages layers hold: the worker looks inside, once a layer.

use std::os::unix::fs::PermissionsExt;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{BuildError, Builder, Prepared, conda};
use crate::digest::LayerId;
use crate::engine::{Access, EngineError, Mount};
use crate::plan::{Action, Contents, Holdings};
use crate::protocol::Command;
use crate::secrets::Mask;
use crate::store::{Store, StoreError, open_regular, read_small};
use crate::worker::INSPECT;

/// Where the answer is put inside.
const ANSWER: &str = "/dev/image-runtime/contents";

/// What is known of a layer. It counts as long as the layer is not made anew, by whatever program.
#[derive(Clone, Serialize, Deserialize)]
struct Known {
    /// Which making of the layer it is of.
    made: String,
    contents: Contents,
    /// Hashes of the files of Python packages, by the package.
    hashes: BTreeMap<String, Vec<String>>,
}

impl Builder {
    /// What a layer of an image brings; it exists.
    pub(super) async fn holdings(
        &self,
        image: &Prepared,
        index: usize,
    ) -> Result<Holdings, BuildError> {
        let layers = &image.plan.layers;
        if !changes_packages(&layers[index].action) {
            return Ok(Holdings::default());
        }
        let above = self.known(image, index, layers[index].id).await?;
        let below = self.known(image, index, layers[index - 1].id).await?;
        let mut holds = above.contents.above(&below.contents);
        if conda::is_conda(&layers[index]) {
            // Those among them that Python sees are conda's.
            holds.python.clear();
        }
        for package in &mut holds.python {
            if let Some(hashes) = above.hashes.get(&package.to_string()) {
                package.hashes.clone_from(hashes);
            }
        }
        Ok(holds)
    }

    /// Keeps the hashes of a layer's Python packages.
    pub(super) async fn note_hashes(
        &self,
        image: &Prepared,
        index: usize,
        holds: &Holdings,
    ) -> Result<(), BuildError> {
        let of = image.plan.layers[index].id;
        let known = self.known(image, index, of).await?;
        let hashed = holds.python.iter();
        let hashed = hashed.filter(|package| !package.hashes.is_empty());
        let hashes = hashed.map(|package| (package.to_string(), package.hashes.clone()));
        let hashes = hashes.collect();
        self.note(&of, &Known { hashes, ..known })
    }

    /// What is known of a layer; what was never found out is, now.
    async fn known(
        &self,
        image: &Prepared,
        index: usize,
        of: LayerId,
    ) -> Result<Known, BuildError> {
        let made = self.engine.made(&of).await?.unwrap_or_default();
        let known: Option<Known> = self.store.contents().read_record(&self.file(&of));
        if let Some(known) = known.filter(|known| known.made == made) {
            return Ok(known);
        }
        let known = Known {
            made,
            contents: self.inspect(image, index, of).await?,
            hashes: BTreeMap::new(),
        };
        self.note(&of, &known)?;
        Ok(known)
    }

    async fn inspect(
        &self,
        image: &Prepared,
        index: usize,
        of: LayerId,
    ) -> Result<Contents, BuildError> {
        let run = self.store.run_dir()?;
        let shared = run.path().join("contents");
        // The image's user need not be ours; the directory above is private.
        let made = std::fs::create_dir(&shared)
            .and_then(|()| std::fs::set_permissions(&shared, PermissionsExt::from_mode(0o777)));
        made.map_err(|error| StoreError::io("make", &shared, error))?;
        let command = Command {
            argv: vec![INSPECT.to_owned(), format!("{ANSWER}/packages.json")],
            env: Vec::new(),
            workdir: "/".to_owned(),
        };
        let mount = Mount::Local {
            source: shared.clone(),
            target: ANSWER.to_owned(),
            access: Access::Returned,
        };
        let layer = &image.plan.layers[index];
        let (none, commands, mounts) = (Mask::default(), vec![command], vec![mount]);
        let worker = self
            .run_in(image, layer, of, &none, commands, mounts)
            .await?;
        worker.remove().await?;
        let answer = open_regular(&shared.join("packages.json")).and_then(read_small);
        let answer = answer.map_err(EngineError::Files)?;
        let mut contents: Contents =
            serde_json::from_slice(&answer).map_err(|error| EngineError::Files(error.into()))?;
        let urls = contents.python.values_mut();
        let mut urls: Vec<_> = urls.filter_map(|(_, url)| url.as_mut()).collect();
        if !urls.is_empty() {
            // A URL may hold what nobody is to read. That of the base is a login, which installs nothing.
            for layer in &image.plan.layers[1..=index] {
                let secrets = self.secrets(image, layer)?;
                for url in &mut urls {
                    **url = secrets.named_in(std::mem::take(url));
                }
            }
        }
        Ok(contents)
    }

    fn note(&self, of: &LayerId, known: &Known) -> Result<(), BuildError> {
        let record = serde_json::to_vec(known).expect("records have string keys");
        // What is lost is found out again.
        Ok(self.store.contents().write_cache(&self.file(of), &record)?)
    }

    fn file(&self, of: &LayerId) -> String {
        file(self.engine.name(), of)
    }
}

/// Engines that share a store need not have made the same.
fn file(engine: &str, of: &LayerId) -> String {
    format!("{engine}-{of}.json")
}

/// Forgets what was in a layer that is gone.
pub(super) fn forget(store: &Store, engine: &str, of: &LayerId) {
    // Where that fails, `prune` does it.
    let _ = store.contents().remove(&file(engine, of));
}

/// Forgets what was in layers of an engine that are gone: in all but these.
///
/// # Errors
/// A file cannot be removed.
pub fn prune(store: &Store, engine: &str, kept: &[LayerId]) -> Result<(), StoreError> {
    let kept: HashSet<_> = kept.iter().map(|layer| file(engine, layer)).collect();
    let folder = store.contents();
    let entries = std::fs::read_dir(folder.path());
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_of_engine = name
            .strip_prefix(engine)
            .is_some_and(|rest| rest.starts_with('-'));
        if is_of_engine && !kept.contains(&name) {
            folder.remove(&name)?;
        }
    }
    Ok(())
}

/// Whether a layer can bring packages.
pub(super) fn changes_packages(action: &Action) -> bool {
    !matches!(
        action,
        Action::Base(_) | Action::CopyFiles { .. } | Action::Copy { .. } | Action::Workdir
    )
}
