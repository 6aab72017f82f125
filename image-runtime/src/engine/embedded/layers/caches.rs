//! Caches of build steps: directories that outlive containers, in which a package manager trusts what it finds. It does not sync what it
//! writes there, so what a power cut leaves of it may be files of the right name with nothing in them.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;

use super::{Layers, Scratch};
use crate::engine::Mount;
use crate::store::sweep_runs;

/// Beside the caches while they are in use: for which start of the machine. It goes when all that was written is on the disk.
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
        let retired = self.retire_caches()?;
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
        // Leases of those who used them then.
        sweep_runs(&self.root.join("containers"));
        let lock = self.lock(true)?;
        // Who marks them holds the lock, and may have been about to.
        if !self.are_caches_torn()? {
            return Ok(());
        }
        let retired = self.retire_caches()?;
        fs::remove_file(self.unsynced())?;
        drop(lock);
        drop(retired);
        Ok(())
    }

    fn are_caches_torn(&self) -> io::Result<bool> {
        match fs::read(self.unsynced()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            marked => Ok(marked? != boot()?.as_bytes()),
        }
    }

    /// Takes the caches out of sight that no container uses. To be called by who holds the lock alone.
    fn retire_caches(&self) -> io::Result<Vec<Scratch>> {
        let leased = self.leased()?;
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
        let (unsynced, boot) = (self.unsynced(), boot()?);
        if fs::read_to_string(&unsynced).is_ok_and(|marked| marked == boot) {
            return Ok(());
        }
        let mut file = File::create(&unsynced)?;
        file.write_all(boot.as_bytes())?;
        file.sync_all()?;
        File::open(&self.root)?.sync_all()
    }

    /// Takes the mark away where nobody but a place uses caches, after a sync. To be called by who holds the lock alone.
    pub(super) fn unmark_caches(&self, synced: &Scratch) {
        let unsynced = self.unsynced();
        let is_cache = |line: &String| line.starts_with(LINE);
        if unsynced.exists()
            && let Ok(leased) = self.leased_but(Some(synced.folder()))
            && !leased.iter().any(is_cache)
        {
            // It costs the caches where the machine goes down before that is on the disk.
            let _ = fs::remove_file(unsynced);
        }
    }
}

/// Which start of the machine this is.
fn boot() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
}
