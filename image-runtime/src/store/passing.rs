//! Folders of runs that leave the cache as it was: each names the layers that are to go with its run.

use std::fs;
use std::path::{Path, PathBuf};

use super::{RunDir, Store, StoreError};

impl Store {
    /// Makes a folder for a run that leaves no layers.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn passing(&self) -> Result<RunDir, StoreError> {
        RunDir::create(&self.passing_runs())
    }

    /// The folders of such runs that were killed.
    pub fn left_by_passing(&self) -> Vec<RunDir> {
        RunDir::abandoned(&self.passing_runs())
    }

    /// Where the folders of all such runs are.
    pub fn passing_runs(&self) -> PathBuf {
        self.bucket.join("passing")
    }

    /// Removes those of ended runs that name nothing. Others are left to whoever has the engine that their layers are removed with.
    pub(super) fn sweep_blank_passing(&self) {
        for folder in self.left_by_passing() {
            if !is_blank(folder.path()) {
                folder.leave();
            }
        }
    }
}

/// Whether no file in a folder holds anything.
fn is_blank(folder: &Path) -> bool {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .map(|file| file.metadata())
        .all(|about| about.is_ok_and(|about| about.len() == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_that_leave_nothing_have_left_goes_unless_it_names_layers() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::at(root.path()).unwrap();
        for text in ["", "a layer\n"] {
            let folder = store.passing().unwrap();
            fs::write(folder.path().join("layers"), text).unwrap();
            folder.leave();
        }
        store.sweep();
        let left = store.left_by_passing();
        assert_eq!(left.len(), 1);
        let text = fs::read_to_string(left[0].path().join("layers")).unwrap();
        assert_eq!(text, "a layer\n");
    }
}
