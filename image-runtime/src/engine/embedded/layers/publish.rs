//! Layers come into being.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::record::{FILES, RECORD, Record};
use super::{Layers, Scratch, move_directory};
use crate::engine::NewLayer;

impl Layers {
    /// Makes a layer of the files in a scratch place. One with this identity is replaced: its files go when what is returned is
    /// dropped, which nobody need wait for.
    ///
    /// # Errors
    /// What the file system says; the layer is then not there, or still the old one.
    pub(in crate::engine::embedded) fn publish(
        &self,
        scratch: &mut Scratch,
        new: &NewLayer,
    ) -> io::Result<Option<Scratch>> {
        self.put(scratch, new, true)
    }

    /// The same of a layer that others may have made meanwhile: theirs stays.
    ///
    /// # Errors
    /// See [`Self::publish`].
    pub(in crate::engine::embedded) fn publish_shared(
        &self,
        scratch: &mut Scratch,
        new: &NewLayer,
    ) -> io::Result<()> {
        self.put(scratch, new, false).map(drop)
    }

    fn put(
        &self,
        scratch: &mut Scratch,
        new: &NewLayer,
        replaces: bool,
    ) -> io::Result<Option<Scratch>> {
        // Nobody writes there any more.
        scratch.mounted = None;
        let ready = self.draft().map_err(io::Error::other)?;
        let draft = ready.path().join("layer");
        fs::create_dir(&draft)?;
        move_directory(&scratch.upper(), &draft.join(FILES))?;
        let record = Record {
            id: new.id,
            parent: new.parent,
            title: new.title.clone(),
            created: SystemTime::now(),
            parent_created: new.parent.and_then(|parent| {
                let stood_on = scratch.stack.first().map(|(_, created)| *created);
                stood_on.or_else(|| self.created(&parent))
            }),
        };
        fs::write(draft.join(RECORD), serde_json::to_vec_pretty(&record)?)?;
        let cached = self.caches_written(Some(scratch));
        // Once for all of the files: those who wrote them need not have done so.
        rustix::fs::syncfs(File::open(&draft)?)?;
        let place = self.directory(&new.id);
        let lock = self.lock(true)?;
        if !replaces && self.has(&new.id) {
            return Ok(None);
        }
        let mut replaced = None;
        let was_there = place.exists();
        if was_there {
            // Containers that stand on the old one keep it until they end, since it only moves out of sight.
            let is_leased = self.leased()?.contains(&new.id.to_string());
            let old = self.retired()?;
            let exchanged = exchange(&draft, &place, old.path());
            match is_leased || exchanged.is_err() {
                true => old.keep_for_sweep(),
                false => replaced = Some(old),
            }
            exchanged?;
        } else {
            fs::rename(&draft, &place)?;
        }
        File::open(self.root.join("layers"))?.sync_all()?;
        self.unmark_caches(Some(scratch), cached);
        drop(lock);
        if was_there {
            self.spares.clear();
        }
        Ok(replaced)
    }
}

/// Puts a new layer into the place of an old one, which goes to a folder. At every instant one of them is in the place.
fn exchange(new: &Path, place: &Path, retired: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let beside = retired.join("layer");
    fs::rename(new, &beside)?;
    match renameat_with(CWD, &beside, CWD, place, RenameFlags::EXCHANGE) {
        // Not every file system can exchange.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            fs::rename(place, retired.join("old"))?;
            fs::rename(&beside, place)
        }
        exchanged => Ok(exchanged?),
    }
}
