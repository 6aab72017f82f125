//! The folder of a running host: sockets and what else lives no longer than the process.
//!
//! `run/<id>/` belongs to whoever holds the lock `run/<id>.lock`. The lock is taken before the folder is made and let go after it is
//! removed, so a folder whose lock is free has no owner.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::removal::remove;
use super::{Lock, StoreError};

/// A folder that only this process uses; nobody else can read it. Removed when dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Whether it stays when this value goes.
    stays: bool,
    _lock: Lock,
}

impl RunDir {
    /// Makes a folder in `run`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(run: &Path) -> Result<Self, StoreError> {
        let error = |source| StoreError::io("make a folder in", run, source);
        loop {
            let id = random_id().map_err(error)?;
            let Some(lock) = Lock::take(&lock_path(run, &id)).map_err(error)? else {
                continue;
            };
            let path = run.join(&id);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    return Ok(Self {
                        path,
                        stays: false,
                        _lock: lock,
                    });
                }
                Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => {}
                Err(other) => return Err(error(other)),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name: eight hexadecimal digits, unlike those of any other host of this store.
    pub fn id(&self) -> &str {
        self.path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("the name was made of hexadecimal digits")
    }
}

impl RunDir {
    /// Those in `run` whose owners died: they belong to this process now.
    pub fn abandoned(run: &Path) -> Vec<Self> {
        let entries = fs::read_dir(run).into_iter().flatten().flatten();
        let owned = entries.filter_map(|entry| {
            let name = entry.file_name();
            let name = name.to_str()?;
            // Held by its owner, or by another sweep. The lock of a folder that is gone goes, too.
            let id = name.strip_suffix(".lock").unwrap_or(name);
            let lock = Lock::take(&lock_path(run, id)).ok()??;
            Some(Self {
                path: run.join(id),
                stays: false,
                _lock: lock,
            })
        });
        owned.collect()
    }

    fn remove(mut self) -> io::Result<()> {
        // Once is enough, however it ends.
        self.stay();
        remove(&self.path)
    }

    /// Leaves the folder to whoever sweeps next.
    pub fn leave(mut self) {
        self.stay();
    }

    /// Has the folder left when this value goes.
    pub fn stay(&mut self) {
        self.stays = true;
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        // What cannot be removed now is swept later.
        let _ = remove(&self.path);
    }
}

/// Removes the folders in `run` whose owners died; answers how many.
pub fn sweep(run: &Path) -> usize {
    let abandoned = RunDir::abandoned(run).into_iter();
    let removed = abandoned.map(RunDir::remove);
    removed.filter(io::Result::is_ok).count()
}

fn lock_path(run: &Path, id: &str) -> PathBuf {
    run.join(format!("{id}.lock"))
}

/// Eight hexadecimal digits.
///
/// # Errors
/// The system has nothing random.
pub fn random_id() -> io::Result<String> {
    let mut bytes = [0; 4];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:08x}", u32::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::Store;
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let root = tempfile::tempdir().unwrap();
        let store = Store::at(root.path()).unwrap();
        (root, store)
    }

    fn left(store: &Store) -> usize {
        fs::read_dir(store.path().join("run")).unwrap().count()
    }

    #[test]
    fn a_run_folder_is_private_and_gone_when_dropped() {
        let (_root, store) = store();
        let run = store.run_dir().unwrap();
        assert_eq!(
            fs::metadata(run.path()).unwrap().permissions().mode() & 0o7777,
            0o700
        );
        fs::write(run.path().join("socket"), "").unwrap();
        assert_eq!(run.id().len(), 8);
        drop(run);
        assert_eq!(left(&store), 0);
    }

    #[test]
    fn sweeping_spares_the_living_and_removes_the_dead() {
        let (_root, store) = store();
        let living = store.run_dir().unwrap();
        // What a process leaves that was killed: the folder, and the lock file that nobody locks.
        let dead = store.path().join("run/0badcafe");
        fs::create_dir_all(dead.join("deep")).unwrap();
        fs::write(dead.join("deep/file"), "").unwrap();
        fs::write(store.path().join("run/0badcafe.lock"), "").unwrap();
        assert_eq!(store.sweep(), 1);
        assert!(living.path().exists());
        assert!(!dead.exists());
        assert_eq!(left(&store), 2, "the living folder and its lock");
    }

    #[test]
    fn many_hosts_make_and_sweep_at_once() {
        let (_root, store) = store();
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let run = store.run_dir().unwrap();
                        fs::write(run.path().join("mine"), "").unwrap();
                        store.sweep();
                        assert!(run.path().join("mine").exists());
                    }
                });
            }
        });
        assert_eq!(left(&store), 0);
    }
}
