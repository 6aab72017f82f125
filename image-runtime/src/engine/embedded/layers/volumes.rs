//! Volumes: directories that no container and no layer owns, and nothing removes but their user.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;

use super::Layers;
use crate::engine::VolumeInfo;
use crate::store::{random_id, remove_directory};

/// How the names of directories begin that are being removed. No volume is called so.
const REMOVED: &str = ".removed-";

/// A volume in a lease.
pub(super) fn volume_line(name: &str) -> String {
    format!("volume {name}")
}

impl Layers {
    /// The directory of a volume.
    pub(in super::super) fn volume(&self, name: &str) -> PathBuf {
        self.volumes.join(name)
    }

    /// Makes a volume where it is missing.
    pub(super) fn make_volume(&self, name: &str) -> io::Result<()> {
        let path = self.volume(name);
        if path.is_dir() {
            return Ok(());
        }
        // What functions keep is nobody else's business on this machine; inside, their root shows it to all users.
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o700).create(&self.volumes)?;
        match fs::create_dir(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => fs::set_permissions(&path, fs::Permissions::from_mode(0o755)),
        }
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// What the file system says.
    pub(in super::super) fn list_volumes(&self) -> io::Result<Vec<VolumeInfo>> {
        let entries = match fs::read_dir(&self.volumes) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with(REMOVED) {
                let place = entry.path().display().to_string();
                all.push(VolumeInfo { name, place });
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Removes a volume: `None` where a container uses it, and else whether there was one.
    ///
    /// # Errors
    /// What the file system says.
    pub(in super::super) fn remove_volume(&self, name: &str) -> io::Result<Option<bool>> {
        let lock = self.lock(true)?;
        let place = self.volume(name);
        if !place.is_dir() {
            return Ok(Some(false));
        }
        if self.leased()?.contains(&volume_line(name)) {
            return Ok(None);
        }
        // Out of sight at once, so that nobody finds half of it.
        let gone = self.volumes.join(format!("{REMOVED}{}", random_id()?));
        fs::rename(&place, &gone)?;
        drop(lock);
        // Also those whose removal was cut short, whose error is not this one's.
        for entry in fs::read_dir(&self.volumes)?.flatten() {
            let is_left = entry.file_name().to_string_lossy().starts_with(REMOVED);
            if is_left && entry.path() != gone {
                let _ = remove_directory(&entry.path());
            }
        }
        match remove_directory(&gone) {
            // Another removal found it left.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed?,
        }
        Ok(Some(true))
    }
}
