//! Local files that containers see and images do not hold: `copy = false`.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::laid_out::LaidOut;
use super::{BuildError, Builder};
use crate::context::{ContextError, Tree};
use crate::engine::{Access, Mount};
use crate::plan::{Chain, ChainStep, Part};
use crate::spec::Step;
use crate::store::{RunDir, StoreError};

/// Copies, by the directory and the patterns. They stay as long as this process.
pub(super) type Staged = Mutex<HashMap<(PathBuf, &'static [&'static str]), RunDir>>;

impl Builder {
    /// What containers of an image see of this machine.
    pub(super) async fn added(&self, chain: &Chain) -> Result<Vec<Mount>, BuildError> {
        let mut mounts = Vec::new();
        for step in &chain.steps {
            let Part::Verb(verb) = step.part else {
                continue;
            };
            let (source, target, ignore) = match verb {
                verb if !verb.is_added() => continue,
                Step::AddLocalFile(add) => (add.source, add.target, None),
                Step::AddLocalDir(add) => (add.source, add.target, Some(add.ignore)),
                _ => continue,
            };
            let path = Path::new(step.place.manifest_dir).join(source);
            let path = real(&path).map_err(|error| files(step, error))?;
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let source = match ignore {
                Some(ignore) if !ignore.is_empty() || path.join(".dockerignore").exists() => {
                    self.stage(step, path, ignore).await?
                }
                _ => path,
            };
            mounts.push(Mount::Local {
                source,
                // A file may go into a directory.
                target: match target.strip_suffix('/') {
                    Some(folder) if ignore.is_none() => format!("{folder}/{name}"),
                    _ => target.to_owned(),
                },
                access: Access::Read,
            });
        }
        Ok(mounts)
    }

    /// A copy of a directory without what is ignored.
    async fn stage(
        &self,
        step: &ChainStep,
        path: PathBuf,
        ignore: &'static [&'static str],
    ) -> Result<PathBuf, BuildError> {
        let mut staged = self.staged.lock().await;
        let key = (path, ignore);
        if let Some(folder) = staged.get(&key) {
            return Ok(folder.path().join("files"));
        }
        let folder = self.store.run_dir()?;
        let files_in = folder.path().join("files");
        let (store, from, to) = (Arc::clone(&self.store), key.0.clone(), files_in.clone());
        let copy = move || {
            let tree = Tree::directory(&store, &from, ignore)?;
            let mut copy = LaidOut::new(&to);
            let copied = std::fs::create_dir(&to).and_then(|()| tree.source("/").walk(&mut copy));
            Ok::<_, ContextError>(copied)
        };
        let copied = tokio::task::spawn_blocking(copy).await;
        copied
            .expect("copying a tree does not panic")
            .map_err(|error| files(step, error))?
            .map_err(|error| StoreError::io("copy files to", &files_in, error))?;
        staged.insert(key, folder);
        Ok(files_in)
    }
}

fn real(path: &Path) -> Result<PathBuf, ContextError> {
    path.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ContextError::Missing {
            path: path.to_owned(),
        },
        _ => ContextError::read(path, error),
    })
}

fn files(step: &ChainStep, source: ContextError) -> BuildError {
    BuildError::Files {
        place: step.place,
        verb: match step.part {
            Part::Verb(verb) => verb.verb(),
            Part::Instruction(..) | Part::Python(_) | Part::Conda(_) => "COPY",
        },
        source: Box::new(source),
    }
}
