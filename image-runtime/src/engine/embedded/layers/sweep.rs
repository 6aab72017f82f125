//! Layers and what dead programs left go.

use std::fs;
use std::io;
use std::path::Path;

use super::record::is_wreck;
use super::{Layers, Scratch, inside, move_directory};
use crate::digest::LayerId;
use crate::store::RunDir;

impl Layers {
    pub(super) fn retired(&self) -> io::Result<Scratch> {
        self.scratch("retired").map_err(io::Error::other)
    }

    /// Takes a layer out of sight.
    pub(super) fn retire(&self, place: &Path) -> io::Result<Scratch> {
        let retired = self.retired()?;
        move_directory(place, &retired.path().join("layer"))?;
        Ok(retired)
    }

    /// Removes a layer; answers whether it could, which it cannot while it is in use.
    ///
    /// # Errors
    /// What the file system says.
    pub(in crate::engine::embedded) fn remove(&self, layer: &LayerId) -> io::Result<bool> {
        let lock = self.lock(true)?;
        let place = self.directory(layer);
        if !place.exists() {
            return Ok(true);
        }
        let is_below = self
            .records()?
            .iter()
            .any(|(record, _)| record.parent == Some(*layer));
        if is_below || self.leased()?.contains(&layer.to_string()) {
            return Ok(false);
        }
        let retired = self.retire(&place)?;
        // Nobody need wait until its files are gone.
        drop(lock);
        self.spares.clear();
        drop(retired);
        Ok(true)
    }

    /// Removes what dead programs left; answers how many containers that were.
    pub(in crate::engine::embedded) fn sweep(&self) -> usize {
        // Most often there is nothing to do, and it takes a while to become who may do it.
        if self.users.is_some() && self.is_clean() {
            return 0;
        }
        // What cannot be removed now is swept later.
        inside(self.users.as_deref(), || self.sweep_inside()).unwrap_or_default()
    }

    /// Whether nobody has anything here but layers.
    fn is_clean(&self) -> bool {
        let entries = |folder| fs::read_dir(self.root.join(folder)).into_iter().flatten();
        let mut layers = entries("layers").flatten();
        let mut places = ["containers", "drafts", "retired"].into_iter();
        places.all(|folder| entries(folder).next().is_none())
            && !layers.any(|layer| is_wreck(&layer.path()))
    }

    fn sweep_inside(&self) -> usize {
        let containers = crate::store::sweep_runs(&self.root.join("containers"));
        crate::store::sweep_runs(&self.root.join("drafts"));
        self.settle_caches();
        // What is here is to go, and is not missed by those who run if it stays.
        let _ = self.sweep_retired();
        let _ = self.sweep_wrecks();
        containers
    }

    /// Layers that were replaced stay as long as anything runs: it may stand on them.
    fn sweep_retired(&self) -> io::Result<()> {
        let retired = self.root.join("retired");
        if fs::read_dir(&retired)?.next().is_some() {
            let lock = self.lock(true)?;
            if self.leased()?.is_empty() {
                let abandoned = RunDir::abandoned(&retired);
                // Nothing comes to stand on them any more, so nobody need wait until their files are gone.
                drop(lock);
                drop(abandoned);
            }
        }
        Ok(())
    }

    /// Removes directories of layers that say no more whose they are: a layer is made anew beside nothing.
    fn sweep_wrecks(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("layers"))?.flatten() {
            let place = entry.path();
            if !is_wreck(&place) {
                continue;
            }
            let lock = self.lock(true)?;
            let name = entry.file_name();
            let in_use = |lease: &String| lease.starts_with(&*name.to_string_lossy());
            if is_wreck(&place) && !self.leased()?.iter().any(in_use) {
                let retired = self.retire(&place)?;
                drop(lock);
                drop(retired);
            }
        }
        Ok(())
    }
}
