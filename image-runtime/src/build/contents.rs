//! Which packages layers hold: the worker looks inside, once a layer.

use std::os::unix::fs::PermissionsExt;

use std::collections::BTreeMap;

use super::{BuildError, Builder, Prepared, conda};
use crate::digest::LayerId;
use crate::engine::{EngineError, Mount};
use crate::plan::{Action, Contents, Holdings};
use crate::protocol::Command;
use crate::secrets::Mask;
use crate::store::StoreError;
use crate::worker::INSPECT;

/// Hashes of the files of Python packages, by `name==version`.
type Hashes = BTreeMap<String, Vec<String>>;

/// Where the answer is put inside.
const ANSWER: &str = "/dev/image-runtime/contents";

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
        let above = self.contents(image, index, layers[index].id).await?;
        let below = self.contents(image, index, layers[index - 1].id).await?;
        let mut holds = above.above(&below);
        if conda::is_conda(&layers[index]) {
            // Those among them that Python sees are conda's.
            holds.python.clear();
        }
        let known: Hashes = self
            .store
            .contents()
            .read_record(&self.hashes_file(&layers[index].id))
            .unwrap_or_default();
        for package in &mut holds.python {
            if let Some(hashes) = known.get(&package.to_string()) {
                package.hashes.clone_from(hashes);
            }
        }
        Ok(holds)
    }

    /// Keeps the hashes of a layer's Python packages, as long as it is not made anew.
    pub(super) fn note_hashes(&self, of: &LayerId, holds: &Holdings) -> Result<(), BuildError> {
        let hashes: Hashes = holds
            .python
            .iter()
            .filter(|package| !package.hashes.is_empty())
            .map(|package| (package.to_string(), package.hashes.clone()))
            .collect();
        if !hashes.is_empty() {
            let folder = self.store.contents();
            folder.write_record(&self.hashes_file(of), &hashes)?;
        }
        Ok(())
    }

    /// The packages of a layer. What was found is kept as long as the layer is not made anew.
    async fn contents(
        &self,
        image: &Prepared,
        index: usize,
        of: LayerId,
    ) -> Result<Contents, BuildError> {
        let folder = self.store.contents();
        let file = self.contents_file(&of);
        if let Some(known) = folder.read_record(&file) {
            return Ok(known);
        }
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
            read_only: false,
        };
        let layer = &image.plan.layers[index];
        let (none, commands, mounts) = (Mask::default(), vec![command], vec![mount]);
        let worker = self
            .run_in(image, layer, of, &none, commands, mounts)
            .await?;
        worker.remove().await?;
        let answer = std::fs::read(shared.join("packages.json")).map_err(EngineError::Files)?;
        let contents: Contents =
            serde_json::from_slice(&answer).map_err(|error| EngineError::Files(error.into()))?;
        folder.write_record(&file, &contents)?;
        Ok(contents)
    }

    /// Forgets what a layer held that is about to be made.
    pub(super) fn forget_contents(&self, of: &LayerId) -> Result<(), BuildError> {
        let folder = self.store.contents();
        folder.remove(&self.contents_file(of))?;
        Ok(folder.remove(&self.hashes_file(of))?)
    }

    /// Engines that share a store need not have made the same.
    fn contents_file(&self, of: &LayerId) -> String {
        format!("{}-{of}.json", self.engine.name())
    }

    fn hashes_file(&self, of: &LayerId) -> String {
        format!("{}-{of}-hashes.json", self.engine.name())
    }
}

/// Whether a layer can bring packages.
fn changes_packages(action: &Action) -> bool {
    !matches!(
        action,
        Action::Base(_) | Action::CopyFiles { .. } | Action::Copy { .. } | Action::Workdir
    )
}
