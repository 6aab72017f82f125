//! What `RUN --mount` lends to a command. It is mounted where there is something already; elsewhere it lies where no layer sees it, and a
//! link leads to it for as long as the command runs, so that no mount point stays in the layer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::dockerfile::literally;
use super::laid_out::LaidOut;
use super::{BuildError, Builder, Prepared};
use crate::digest::{Digest, LayerId};
use crate::engine::{Access, EngineError, FileSource, MOUNT_ROOT, Mount};
use crate::plan::{Action, MountSpec, PlannedLayer};
use crate::protocol::Command;
use crate::secrets::Values;
use crate::spec::dockerfile::{MountKind, Source};
use crate::store::{Lock, RunDir, StoreError};
use crate::worker::{HOLD, LINK, SECRET, UNLINK};

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

/// What engines call a cache.
fn cache_name(mount: &MountSpec) -> String {
    format!("run-{}", Digest::of(mount.name.as_bytes()).short())
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
        // Root looks, whoever runs the command.
        let looking = PlannedLayer {
            action: Action::Workdir,
            ..layer.clone()
        };
        let there = self
            .targets_that_are_there(image, &looking, parent, mounts)
            .await?;
        // In the same order by everybody, and each once: nobody waits for who waits for him.
        let locked = mounts.iter().filter(|mount| mount.is_locked());
        for name in locked.map(cache_name).collect::<BTreeSet<_>>() {
            let (locks, lock) = (self.store.locks(), format!("cache-{name}"));
            lent.locks.push(locks.lock(&lock, || {}).await?);
        }
        let mut held = BTreeMap::new();
        let (mut trees, mut others) = (image.taken(*step), image.others(*step).iter());
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
                    let name = cache_name(mount);
                    if mount.is_locked() {
                        held.insert(name.clone(), place.clone());
                    }
                    Mount::Cache {
                        name,
                        target: place,
                    }
                }
                _ => {
                    if lent.folder.is_none() {
                        lent.folder = Some(self.store.run_dir()?);
                    }
                    let folder = lent.folder.as_ref().expect("it was made just now");
                    let directory = folder.path().join(format!("lent-{number}"));
                    let source = match mount.kind {
                        MountKind::Bind(Source::Context) => {
                            let tree = trees.next().expect("its files were read");
                            let is_file = !tree.root().is_dir();
                            lay_out(&directory, tree.source("/"), is_file)?
                        }
                        MountKind::Bind(_) => {
                            let other = others.next().expect("its image was found out");
                            let wanted = [literally(&mount.name)];
                            let packed = self.pack_of(image, &looking, other, &wanted).await?;
                            let is_file = packed.has_files().map_err(EngineError::Files)?;
                            lay_out(&directory, Box::new(packed.placed_at("/")), is_file)?
                        }
                        _ => make_directory(&directory, 0o1777)?,
                    };
                    Mount::Local {
                        source,
                        target: place,
                        access: match mount.is_bind() && !mount.is_set {
                            true => Access::Read,
                            false => Access::Passing,
                        },
                    }
                }
            };
            lent.mounts.push(lend);
        }
        if !held.is_empty() {
            let places: Vec<_> = held.into_values().collect();
            lent.before.insert(0, own(HOLD, &places));
        }
        Ok(lent)
    }

    /// Which targets of mounts exist in the layer below.
    async fn targets_that_are_there(
        &self,
        image: &Prepared,
        looking: &PlannedLayer,
        parent: LayerId,
        mounts: &[MountSpec],
    ) -> Result<Vec<bool>, BuildError> {
        // Of the first two the content would be asked for.
        let mut wanted = vec!["/".to_owned(), "/".to_owned()];
        wanted.extend(mounts.iter().map(|mount| match mount.target.is_empty() {
            true => "/dev/image-runtime/nothing".to_owned(),
            false => literally(&mount.target),
        }));
        let seen = self.look(image, looking, parent, &wanted).await?;
        let is_there = |index| seen.directories.contains(&index) || seen.files.contains(&index);
        Ok((2..wanted.len()).map(is_there).collect())
    }
}

/// Makes a directory with what is lent in it; answers what is to be mounted: the directory, or the only file in it.
fn lay_out(
    directory: &Path,
    files: Box<dyn FileSource>,
    is_file: bool,
) -> Result<PathBuf, BuildError> {
    let made = make_directory(directory, 0o755)?;
    files
        .walk(&mut LaidOut::new(directory))
        .map_err(EngineError::Files)?;
    if !is_file {
        return Ok(made);
    }
    only_file(directory).map_err(|error| StoreError::io("lend what is in", directory, error).into())
}

/// Whoever packed it may have packed something else: a link would lead to a file of this machine.
fn only_file(directory: &Path) -> io::Result<PathBuf> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            return Ok(entry.path());
        }
    }
    Err(io::Error::other("a file was to be lent, and there is none"))
}

fn make_directory(directory: &Path, mode: u32) -> Result<PathBuf, BuildError> {
    let made = fs::create_dir(directory)
        .and_then(|()| fs::set_permissions(directory, fs::Permissions::from_mode(mode)));
    made.map_err(|error| StoreError::io("make", directory, error))?;
    Ok(directory.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::placed::entry;
    use crate::engine::{EntryKind, FileSink};

    /// One file of a kind.
    struct One(EntryKind);

    impl FileSource for One {
        fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
            sink.add(&entry("x".into(), 0o644, self.0), &mut &b"text"[..])
        }
    }

    #[test]
    fn where_a_file_is_lent_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = One(EntryKind::File { size: 4 });
        let lent = lay_out(&folder.path().join("file"), Box::new(file), true).unwrap();
        assert_eq!(fs::read(lent).unwrap(), b"text");
        // A link would be followed to what it names on this machine.
        let target = "/etc".into();
        let others = [EntryKind::Symlink { target }, EntryKind::Directory];
        for (number, other) in others.into_iter().enumerate() {
            let directory = folder.path().join(format!("other-{number}"));
            let error = lay_out(&directory, Box::new(One(other)), true).unwrap_err();
            assert!(format!("{error:?}").contains("there is none"), "{error:?}");
        }
    }
}
