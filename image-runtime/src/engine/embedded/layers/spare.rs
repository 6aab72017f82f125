//! Places of containers that have ended, for containers that start: to make and remove files on a disk is much of what a start
//! costs. ext4 passes all inodes that were removed in the last minute before it gives out a new one.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::record::Stack;
use super::scratch::{LAPSED, LEASE};
use super::{Form, Layers, Scratch, inside};
use crate::store::remove_directory;

/// So many wait: more containers seldom end at once.
const MOST: usize = 64;

/// Places that nobody uses. They go with the program.
#[derive(Clone, Debug, Default)]
pub(super) struct Spares(Arc<Mutex<Vec<Scratch>>>);

impl Spares {
    fn list(&self) -> MutexGuard<'_, Vec<Scratch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One where this is mounted, if there is such a one, and else rather one where nothing is.
    pub(super) fn take(&self, wanted: Option<&Stack>) -> Option<Scratch> {
        let mut list = self.list();
        let has_it = |spare: &Scratch| spare.mounted.is_some() && Some(&spare.stack) == wanted;
        let found = list.iter().rposition(has_it);
        let found = found.or_else(|| list.iter().rposition(|spare| spare.mounted.is_none()));
        match list.is_empty() {
            true => None,
            false => Some(list.remove(found.unwrap_or_default())),
        }
    }

    /// Lets go of all: a mount keeps files of layers that were removed.
    pub(super) fn clear(&self) {
        let all = std::mem::take(&mut *self.list());
        drop(all);
    }
}

impl Layers {
    /// Removes what a container wrote and the layers it stood on from its place, which is then there for another one. Blocks.
    pub(in crate::engine::embedded) fn take_back(&self, mut scratch: Scratch) {
        if !scratch.is_apart || self.spares.list().len() >= MOST {
            let uses_caches = scratch.uses_caches;
            drop(scratch);
            if uses_caches {
                self.settle_caches();
            }
            return;
        }
        // Where anything of it would stay, it goes as a whole.
        let emptied = inside(self.users.as_deref(), || empty(&mut scratch, self.form));
        if matches!(emptied, Ok(Ok(()))) {
            self.spares.list().push(scratch);
        }
    }
}

/// Leaves the lease, lapsed, and directories for the next overlay, or that overlay.
fn empty(scratch: &mut Scratch, form: Form) -> io::Result<()> {
    let upper = scratch.upper();
    let is_as_new = is_as_new(&upper, form)?;
    match &scratch.mounted {
        Some(mounted) if is_as_new && mounted.is_untouched(&upper)? => {}
        Some(_) => scratch.renew()?,
        None => {
            scratch.forget_mount()?;
            if !is_as_new {
                remove_directory(&upper)?;
            }
        }
    }
    // The next container stands most likely on the same: a file that is emptied and written again is put on the disk at once.
    fs::rename(scratch.path().join(LEASE), scratch.path().join(LAPSED))
}

/// Whether nothing was written to a directory but a mode, owner and time, which the next container gives it anyway.
fn is_as_new(upper: &Path, form: Form) -> io::Result<bool> {
    if fs::read_dir(upper)?.next().is_some() {
        return Ok(false);
    }
    let mut names = [0; 64];
    Ok(match rustix::fs::llistxattr(upper, &mut names[..]) {
        Ok(0) => true,
        Ok(length) => names[..length].strip_suffix(b"\0") == Some(form.uuid().as_bytes()),
        // More than that.
        Err(_) => false,
    })
}
