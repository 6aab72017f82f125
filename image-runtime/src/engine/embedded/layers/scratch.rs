//! Places for what lives no longer than this program: drafts of layers, and containers, whose leases keep what they stand on.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::caches::{self, cache_line};
use super::mounted::Mounted;
use super::record::{Stack, is_absence};
use super::volumes::volume_line;
use super::{Layers, Users, inside};
use crate::digest::LayerId;
use crate::engine::{Access, Mount};
use crate::store::{RunDir, StoreError, random_id, remove_directory};

/// Which layers a container stands on, and which caches it uses.
pub(super) const LEASE: &str = "lease";

/// What the last container of a place stood on, which is nobody's lease.
pub(super) const LAPSED: &str = "lapsed";

impl Layers {
    pub(super) fn scratch(&self, kind: &'static str) -> Result<Scratch, StoreError> {
        let run = RunDir::create(&self.root.join(kind))?;
        Ok(Scratch {
            id: run.id().to_owned(),
            run: Some(run),
            kind,
            stack: Stack::new(),
            mounted: None,
            is_apart: false,
            uses_caches: false,
            users: self.users.clone(),
        })
    }

    /// A place where a layer is made.
    pub(in crate::engine::embedded) fn draft(&self) -> Result<Scratch, StoreError> {
        self.scratch("drafts")
    }

    /// The same with an empty directory to write into.
    pub(in crate::engine::embedded) fn empty_draft(&self) -> io::Result<Scratch> {
        let scratch = self.draft().map_err(io::Error::other)?;
        fs::create_dir(scratch.upper())?;
        fs::set_permissions(scratch.upper(), fs::Permissions::from_mode(0o755))?;
        // Nothing says what time its root has, and it has to be the same everywhere.
        File::open(scratch.upper())?.set_modified(SystemTime::UNIX_EPOCH)?;
        Ok(scratch)
    }

    /// Makes the directories of an overlay over a stack. Its root has the time, mode and owner that the stack's has.
    pub(in crate::engine::embedded) fn prepare(
        &self,
        scratch: &Scratch,
        below: &Path,
    ) -> io::Result<()> {
        for name in ["upper", "work"] {
            // There may be one, as if it were new.
            match fs::create_dir(scratch.path().join(name)) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
        let root = fs::metadata(below)?;
        if self.form.has_users() {
            chown(scratch.upper(), Some(root.uid()), Some(root.gid()))?;
        }
        File::open(scratch.upper())?.set_modified(root.modified()?)?;
        let mode = fs::Permissions::from_mode(root.mode() & 0o7777);
        fs::set_permissions(scratch.upper(), mode)
    }

    /// A place on a layer and all below it, or on nothing. As long as it is there, none of them is removed.
    ///
    /// # Errors
    /// A layer does not exist, or the place cannot be made.
    pub(in crate::engine::embedded) fn lease(&self, top: Option<&LayerId>) -> io::Result<Scratch> {
        let mut scratch = self.place(top, &[], false)?;
        scratch.unmount()?;
        Ok(scratch)
    }

    /// The same for a container that has these mounts, and may share sockets with others besides. Its stack may be mounted there already.
    ///
    /// # Errors
    /// See [`Self::lease`].
    pub(in crate::engine::embedded) fn lease_to_run(
        &self,
        top: &LayerId,
        mounts: &[Mount],
        shares_sockets: bool,
    ) -> io::Result<Scratch> {
        let mut scratch = self.place(Some(top), mounts, true)?;
        let has_no_sockets = |mount: &Mount| matches!(mount, Mount::Local { access, .. } if *access == Access::Fixed);
        scratch.is_apart = !shares_sockets && mounts.iter().all(has_no_sockets);
        Ok(scratch)
    }

    fn place(&self, top: Option<&LayerId>, mounts: &[Mount], runs: bool) -> io::Result<Scratch> {
        let uses_caches = caches::are_used(mounts);
        if uses_caches {
            self.remove_torn_caches()?;
        }
        // Nobody removes a layer between the look at it and the lease.
        let lock = self.lock(false)?;
        if uses_caches {
            self.mark_caches()?;
        }
        let stack = match top {
            Some(top) => self.stack(top)?,
            None => Stack::new(),
        };
        let lease: String = stack
            .iter()
            .map(|(layer, _)| format!("{layer}\n"))
            .chain(mounts.iter().filter_map(|mount| match mount {
                Mount::Local { .. } => None,
                Mount::Cache { name, .. } => Some(format!("{}\n", cache_line(name))),
                Mount::Volume { name, .. } => Some(format!("{}\n", volume_line(name))),
            }))
            .collect();
        let mut scratch = match self.spares.take(runs.then_some(&stack)) {
            Some(spare) => spare.renamed()?,
            None => self.scratch("containers").map_err(io::Error::other)?,
        };
        for mount in mounts {
            match mount {
                Mount::Local { .. } => {}
                Mount::Cache { name, .. } => fs::create_dir_all(self.cache(name))?,
                Mount::Volume { name, .. } => self.make_volume(name)?,
            }
        }
        let [file, lapsed] = [LEASE, LAPSED].map(|name| scratch.path().join(name));
        match fs::read_to_string(&lapsed) {
            Ok(last) if last == lease => fs::rename(lapsed, file)?,
            _ => fs::write(file, lease)?,
        }
        drop(lock);
        scratch.uses_caches = uses_caches;
        if scratch.stack != stack {
            scratch.unmount()?;
            scratch.stack = stack;
        }
        Ok(scratch)
    }

    /// Keeps layers from being removed that are there, or will be: as long as this is there.
    ///
    /// # Errors
    /// It cannot be written down.
    pub(in crate::engine::embedded) fn reserve(
        &self,
        layers: impl Iterator<Item = LayerId>,
    ) -> io::Result<Scratch> {
        let reserved = self.scratch("containers").map_err(io::Error::other)?;
        let lease: String = layers.map(|layer| format!("{layer}\n")).collect();
        let _lock = self.lock(false)?;
        fs::write(reserved.path().join(LEASE), lease)?;
        Ok(reserved)
    }

    /// What containers use: the lines of all leases. Those of containers whose owners died count until they are swept.
    pub(super) fn leased(&self) -> io::Result<HashSet<String>> {
        self.leased_but(None)
    }

    /// The same without one of them, by its folder.
    pub(super) fn leased_but(&self, without: Option<&str>) -> io::Result<HashSet<String>> {
        let mut leased = HashSet::new();
        for entry in fs::read_dir(self.root.join("containers"))? {
            let entry = entry?;
            if without.is_some_and(|folder| entry.file_name() == folder) {
                continue;
            }
            // Whoever is not sure removes nothing.
            match fs::read_to_string(entry.path().join(LEASE)) {
                Ok(lease) => leased.extend(lease.lines().map(str::to_owned)),
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(leased)
    }
}

/// A place in the store for what lives no longer than this program: it holds `upper` and `work` of an overlay.
#[derive(Debug)]
pub(in crate::engine::embedded) struct Scratch {
    /// There until this goes.
    run: Option<RunDir>,
    id: String,
    pub(super) kind: &'static str,
    /// What it stands on.
    pub(super) stack: Stack,
    /// Its overlay, where that is mounted already.
    pub(super) mounted: Option<Mounted>,
    /// Whether nobody else can have been given what the container had open: with its root another one would read and write whatever is in
    /// that place later. It goes by sockets, which lie in a directory that both see, or in a network.
    pub(super) is_apart: bool,
    /// Whether the container writes to caches.
    pub(super) uses_caches: bool,
    /// Who owns what lies in it.
    users: Option<Arc<Users>>,
}

impl Scratch {
    fn run(&self) -> &RunDir {
        self.run.as_ref().expect("it is taken when this goes")
    }

    /// The layers that it stands on, topmost first.
    pub(in crate::engine::embedded) fn layers(&self) -> impl ExactSizeIterator<Item = &LayerId> {
        self.stack.iter().map(|(layer, _)| layer)
    }

    /// What is written over the layers.
    pub(in crate::engine::embedded) fn upper(&self) -> PathBuf {
        self.path().join("upper")
    }

    pub(in crate::engine::embedded) fn path(&self) -> &Path {
        self.run().path()
    }

    /// Eight hexadecimal digits, unlike those of all that was here before.
    pub(in crate::engine::embedded) fn id(&self) -> &str {
        &self.id
    }

    /// The name of the directory.
    pub(super) fn folder(&self) -> &str {
        self.run().id()
    }

    /// Ends the mount of its overlay, if there is one. What was written stays.
    ///
    /// # Errors
    /// What the kernel made for that mount alone cannot be removed.
    pub(super) fn unmount(&mut self) -> io::Result<()> {
        match self.mounted.take() {
            Some(_) => self.forget_mount(),
            None => Ok(()),
        }
    }

    /// The same, and nothing was written.
    ///
    /// # Errors
    /// What is there cannot be removed.
    pub(super) fn renew(&mut self) -> io::Result<()> {
        self.unmount()?;
        remove_if_there(&self.upper())
    }

    /// Removes what a mount has left beside what was written: it marks the place as not for another one.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(super) fn forget_mount(&self) -> io::Result<()> {
        remove_if_there(&self.path().join("work").join("work"))
    }

    /// The same place for something else.
    fn renamed(mut self) -> io::Result<Self> {
        self.id = random_id()?;
        Ok(self)
    }

    /// Leaves it to a later sweep.
    pub(super) fn keep_for_sweep(mut self) {
        if let Some(run) = self.run.take() {
            run.leave();
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.mounted = None;
        // What cannot be removed now is swept later.
        if let Some(run) = self.run.take() {
            let _ = inside(self.users.as_deref(), || drop(run));
        }
    }
}

fn remove_if_there(directory: &Path) -> io::Result<()> {
    match remove_directory(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
