//! What `RUN --mount` lends to a command. It is mounted where there is something already; elsewhere it lies where no layer sees it, and a
//! link leads to it for as long as the command runs, so that no mount point stays in the layer.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::added::Copy;
use super::dockerfile::literally;
use super::{BuildError, Builder, Prepared};
use crate::context::Tree;
use crate::digest::{Digest, LayerId};
use crate::engine::{EngineError, MOUNT_ROOT, Mount};
use crate::plan::{Action, MountSpec, PlannedLayer};
use crate::protocol::Command;
use crate::secrets::Values;
use crate::spec::dockerfile::MountKind;
use crate::store::{Lock, RunDir, StoreError};
use crate::worker::{LINK, SECRET, UNLINK};

/// Where the worker keeps the values of secrets: in memory, seen in this container only.
const SECRETS: &str = "/dev/shm/image-runtime-secret";

/// What is lent to one command.
#[derive(Default)]
pub(super) struct Lent {
    pub(super) mounts: Vec<Mount>,
    /// Commands that the worker does itself, before.
    before: Vec<Command>,
    /// Path and where it leads, one after the other.
    links: Vec<String>,
    env: Vec<(String, String)>,
    locks: Vec<Lock>,
    /// Gone with this value.
    folder: Option<RunDir>,
}

impl Lent {
    /// A command, with what has to be done before and after.
    pub(super) fn around(&mut self, mut command: Command) -> Vec<Command> {
        command.env.append(&mut self.env);
        let mut all = std::mem::take(&mut self.before);
        if self.links.is_empty() {
            all.push(command);
            return all;
        }
        all.push(own(LINK, &self.links));
        all.push(command);
        all.push(own(UNLINK, &self.links));
        all
    }
}

/// A command of the worker itself.
fn own(name: &str, arguments: &[String]) -> Command {
    let mut argv = vec![name.to_owned()];
    argv.extend_from_slice(arguments);
    Command {
        argv,
        env: Vec::new(),
        workdir: "/".to_owned(),
    }
}

impl Builder {
    /// Has ready what the command of a layer is lent.
    pub(super) async fn lend(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        secrets: &Values,
    ) -> Result<Lent, BuildError> {
        let mut lent = Lent::default();
        let Action::Run { mounts, step, .. } = &layer.action else {
            return Ok(lent);
        };
        if mounts.is_empty() {
            return Ok(lent);
        }
        let there = self
            .targets_that_are_there(image, layer, parent, mounts)
            .await?;
        let mut trees = image.taken(*step);
        for (number, (mount, is_there)) in mounts.iter().zip(there).enumerate() {
            let refuse = |reason: String| BuildError::Mount {
                step: layer.title.clone(),
                reason,
            };
            if mount.kind == MountKind::Secret {
                let Some(value) = secrets.get(&mount.name) else {
                    if !mount.is_set {
                        continue;
                    }
                    return Err(refuse(format!(
                        "none of its secrets has a variable `{}`",
                        mount.name
                    )));
                };
                if !mount.env.is_empty() {
                    lent.env.push((mount.env.to_owned(), value.to_owned()));
                }
                if mount.target.is_empty() {
                    continue;
                }
                if is_there {
                    return Err(refuse(format!("`{}` is there already", mount.target)));
                }
                let file = format!("{SECRETS}-{number}");
                let mut keep = own(SECRET, std::slice::from_ref(&file));
                keep.env.push(("VALUE".to_owned(), value.to_owned()));
                lent.before.push(keep);
                lent.links.extend([mount.target.clone(), file]);
                continue;
            }
            let place = match is_there {
                true => mount.target.clone(),
                false => format!("{MOUNT_ROOT}/mount/{number}"),
            };
            if !is_there {
                lent.links.extend([mount.target.clone(), place.clone()]);
            }
            let lend = match mount.kind {
                MountKind::Cache => {
                    let name = format!("run-{}", Digest::of(mount.name.as_bytes()).short());
                    if mount.is_set {
                        let locks = self.store.locks();
                        lent.locks
                            .push(locks.lock(&format!("cache-{name}"), || {}).await?);
                    }
                    Mount::Cache {
                        name,
                        target: place,
                    }
                }
                _ => {
                    let tree = match mount.kind {
                        MountKind::Bind => trees.next(),
                        _ => None,
                    };
                    if lent.folder.is_none() {
                        lent.folder = Some(self.store.run_dir()?);
                    }
                    let folder = lent.folder.as_ref().expect("it was made just now");
                    let source = folder.path().join(format!("lent-{number}"));
                    let source = self.lay_out(&source, tree)?;
                    Mount::Local {
                        source,
                        target: place,
                        read_only: mount.kind == MountKind::Bind && !mount.is_set,
                    }
                }
            };
            lent.mounts.push(lend);
        }
        Ok(lent)
    }

    /// Makes a directory with what is lent in it; answers what is to be mounted.
    fn lay_out(
        &self,
        directory: &Path,
        tree: Option<&Tree>,
    ) -> Result<std::path::PathBuf, BuildError> {
        let failed = |error| StoreError::io("make", directory, error);
        fs::create_dir(directory).map_err(failed)?;
        let Some(tree) = tree else {
            let everybody = fs::Permissions::from_mode(0o1777);
            fs::set_permissions(directory, everybody).map_err(failed)?;
            return Ok(directory.to_owned());
        };
        let mut copy = Copy(directory.to_owned());
        tree.source("/")
            .walk(&mut copy)
            .map_err(EngineError::Files)?;
        Ok(match tree.root().is_dir() {
            true => directory.to_owned(),
            false => directory.join(&tree.nodes()[0].path),
        })
    }

    /// Which targets of mounts exist in the layer below.
    async fn targets_that_are_there(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        mounts: &[MountSpec],
    ) -> Result<Vec<bool>, BuildError> {
        // Of the first two the content would be asked for.
        let mut wanted = vec!["/".to_owned(), "/".to_owned()];
        wanted.extend(mounts.iter().map(|mount| match mount.target.is_empty() {
            true => "/dev/image-runtime/nothing".to_owned(),
            false => literally(&mount.target),
        }));
        // Root looks, whoever runs the command.
        let looking = PlannedLayer {
            action: Action::Workdir,
            ..layer.clone()
        };
        let seen = self.look(image, &looking, parent, &wanted).await?;
        let is_there = |index| seen.directories.contains(&index) || seen.files.contains(&index);
        Ok((2..wanted.len()).map(is_there).collect())
    }
}
