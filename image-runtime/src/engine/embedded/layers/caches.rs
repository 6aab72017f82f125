//! Caches of build steps: directories that outlive containers, in which a package manager trusts what it finds. It does not sync what it
//! writes there, so what a power cut leaves of it may be files of the right name with nothing in them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;
use std::time::SystemTime;

use super::{Layers, Scratch};
use crate::engine::Mount;

/// Beside the caches while they are in use: for which start of the machine. It goes when nobody writes to them and all is on the disk.
const UNSYNCED: &str = "caches.unsynced";

/// How the line of a cache begins in a lease.
const LINE: &str = "cache ";

pub(super) fn cache_line(name: &str) -> String {
    format!("{LINE}{name}")
}

pub(super) fn are_used(mounts: &[Mount]) -> bool {
    let is_cache = |mount: &Mount| matches!(mount, Mount::Cache { .. });
    mounts.iter().any(is_cache)
}

impl Layers {
    /// The directory of a cache.
    pub(in crate::engine::embedded) fn cache(&self, name: &str) -> PathBuf {
        self.root.join("caches").join(name)
    }

    fn unsynced(&self) -> PathBuf {
        self.root.join(UNSYNCED)
    }

    /// Removes the caches that no container uses; answers how many.
    ///
    /// # Errors
    /// What the file system says.
    pub(in crate::engine::embedded) fn remove_caches(&self) -> io::Result<usize> {
        let lock = self.lock(true)?;
        let retired = self.retire_caches(&self.leased()?)?;
        // As of layers: only what is out of sight goes, and nobody waits for that.
        drop(lock);
        Ok(retired.len())
    }

    /// Removes the caches where the machine went down while they were written to.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn remove_torn_caches(&self) -> io::Result<()> {
        if !self.are_caches_torn()? {
            return Ok(());
        }
        let lock = self.lock(true)?;
        // Who marks them holds the lock, and may have been about to.
        if !self.are_caches_torn()? {
            return Ok(());
        }
        // Nobody has used them since: who does comes by here first.
        let retired = self.retire_caches(&HashSet::new())?;
        fs::remove_file(self.unsynced())?;
        drop(lock);
        drop(retired);
        Ok(())
    }

    fn are_caches_torn(&self) -> io::Result<bool> {
        match fs::read(self.unsynced()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            marked => Ok(marked? != boot().as_bytes()),
        }
    }

    /// Takes the caches out of sight that are not in these leases. To be called by who holds the lock alone.
    fn retire_caches(&self, leased: &HashSet<String>) -> io::Result<Vec<Scratch>> {
        let mut retired = Vec::new();
        for entry in fs::read_dir(self.root.join("caches"))? {
            let entry = entry?;
            if !leased.contains(&cache_line(&entry.file_name().to_string_lossy())) {
                retired.push(self.retire(&entry.path())?);
            }
        }
        Ok(retired)
    }

    /// Marks that caches are being written to, on the disk before they are. To be called by who holds the lock.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn mark_caches(&self) -> io::Result<()> {
        let (unsynced, boot) = (self.unsynced(), boot());
        if fs::read_to_string(&unsynced).is_ok_and(|marked| marked == boot) {
            // It says since when.
            return File::open(&unsynced)?.set_modified(SystemTime::now());
        }
        let mut file = File::create(&unsynced)?;
        file.write_all(boot.as_bytes())?;
        file.sync_all()?;
        File::open(&self.root)?.sync_all()
    }

    /// Since when caches have been written to, if only who has this place may do so still: what a sync from here on puts on the disk.
    pub(super) fn caches_written(&self, by: Option<&Scratch>) -> Option<SystemTime> {
        let unsynced = self.unsynced();
        let since = fs::metadata(&unsynced).ok()?.modified().ok()?;
        let is_of_now = fs::read_to_string(unsynced).is_ok_and(|marked| marked == boot());
        let leased = self.leased_but(by.map(Scratch::folder)).ok()?;
        let is_used = leased.iter().any(|line| line.starts_with(LINE));
        (is_of_now && !is_used).then_some(since)
    }

    /// Takes the mark away after a sync, where nobody has begun to write since. To be called by who holds the lock alone.
    pub(super) fn unmark_caches(&self, by: Option<&Scratch>, written: Option<SystemTime>) {
        if written.is_some() && self.caches_written(by) == written {
            // It costs the caches where the machine goes down before that is on the disk.
            let _ = fs::remove_file(self.unsynced());
        }
    }

    /// Puts on the disk what was written to caches, where nobody goes on with that. Where it fails, the mark stays.
    pub(super) fn settle_caches(&self) {
        let written = self.caches_written(None);
        let sync = || -> io::Result<()> {
            rustix::fs::syncfs(File::open(&self.root)?)?;
            let _lock = self.lock(true)?;
            self.unmark_caches(None, written);
            Ok(())
        };
        if written.is_some() {
            let _ = sync();
        }
    }
}

/// Which start of the machine this is. Where it is not told, caches are believed.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}
