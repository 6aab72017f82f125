//! Temporary files of the store. Who writes one holds a lock on it, so one that nobody locks has lost its writer.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

use super::lock::is_at;

/// Makes a file in a folder.
pub(super) fn create(folder: &Path) -> io::Result<NamedTempFile> {
    loop {
        let file = NamedTempFile::new_in(folder)?;
        match file.as_file().try_lock() {
            Ok(()) if is_at(file.as_file(), file.path())? => return Ok(file),
            // A sweep that came between takes it for abandoned.
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Removes the files in a folder that nobody writes.
pub(super) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        // The lock is held until the file is gone: a writer that takes it in between would lose its file.
        let Ok(file) = File::open(&path) else {
            continue;
        };
        if file.try_lock().is_ok() {
            // Another process may be sweeping too: what is gone is gone.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_nobody_writes_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let written = create(folder.path()).unwrap();
        let abandoned = folder.path().join("abandoned");
        fs::write(&abandoned, "half").unwrap();
        sweep(folder.path());
        assert!(written.path().exists() && !abandoned.exists());
        let kept = folder.path().join("kept");
        drop(written.persist(&kept).unwrap());
        assert!(kept.exists());
    }

    #[test]
    fn many_write_while_others_sweep() {
        let folder = tempfile::tempdir().unwrap();
        let kept = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let (folder, kept) = (folder.path(), kept.path());
                scope.spawn(move || {
                    for round in 0..50 {
                        let file = create(folder).unwrap();
                        sweep(folder);
                        file.persist(kept.join(format!("{thread}-{round}")))
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(kept.path()).unwrap().count(), 300);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
