//! What can be had again: downloads, records of bases, what is known of local files. It goes when nobody keeps it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::time::Duration;

use super::{Store, StoreError};

/// How long removing takes until it is asked about again.
const PAUSE: Duration = Duration::from_millis(20);

impl Store {
    /// Keeps downloads where they are, for as long as the file is open. Nothing where they cannot be kept, as in a store that is only read.
    pub async fn keep_downloads(&self) -> Option<File> {
        let file = self.kept_downloads().ok()?;
        loop {
            match file.try_lock_shared() {
                Ok(()) => return Some(file),
                // They are being removed.
                Err(TryLockError::WouldBlock) => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(TryLockError::Error(_)) => return None,
            }
        }
    }

    /// Locked by those who keep downloads.
    fn kept_downloads(&self) -> io::Result<File> {
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        options.open(self.bucket.join("downloads.lock"))
    }

    /// Removes what can be downloaded, read or asked for again. Answers how many bytes that freed; nothing where somebody
    /// [keeps](Self::keep_downloads) them.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove_caches(&self) -> Result<Option<u64>, StoreError> {
        let locking = |source| StoreError::io("lock the downloads in", self.path(), source);
        let lock = self.kept_downloads().map_err(locking)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(locking(source)),
        }
        let mut freed = 0;
        for folder in [self.downloads(), self.trees(), self.bases()] {
            let entries = fs::read_dir(folder.path())
                .map_err(|source| StoreError::io("read", folder.path(), source))?;
            for entry in entries.flatten() {
                freed += entry.metadata().map_or(0, |metadata| metadata.len());
                fs::remove_file(entry.path())
                    .map_err(|source| StoreError::io("remove", &entry.path(), source))?;
            }
        }
        Ok(Some(freed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_what_can_be_had_again_and_no_more() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::at(root.path()).unwrap();
        for folder in store.folders() {
            folder.write("x", b"1").unwrap();
        }
        assert_eq!(store.remove_caches().unwrap(), Some(3));
        let left = store.folders().map(|folder| folder.join("x").exists());
        assert_eq!(left[..3], [false; 3]);
        assert_eq!(left[3..], [true; 10]);
    }

    #[tokio::test]
    async fn downloads_stay_as_long_as_somebody_keeps_them() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::at(root.path()).unwrap();
        store.downloads().write("x", b"1").unwrap();
        let kept = [store.keep_downloads().await, store.keep_downloads().await];
        for keeping in kept {
            assert_eq!(store.remove_caches().unwrap(), None);
            drop(keeping.unwrap());
        }
        assert_eq!(store.remove_caches().unwrap(), Some(1));
    }
}
