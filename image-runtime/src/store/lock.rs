//! Exclusive locks on named things, for threads of one process and for several processes at once.
//!
//! A lock is an advisory lock on a file of that name, so it ends with the process however that ends. Who holds the lock removes the
//! file before letting go, so files do not pile up; whoever locked a file that was removed meanwhile starts again.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StoreError;
use crate::digest::Digest;

/// The first pause between two tries; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The longest pause between two tries: also the longest time that a free lock is not noticed.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A folder of locks.
#[derive(Clone, Debug)]
pub struct Locks {
    folder: PathBuf,
}

impl Locks {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Takes a lock, or answers `None` at once if somebody holds it.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub fn try_lock(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        let path = self.folder.join(file_name(name));
        Lock::take(&path).map_err(|source| StoreError::io("lock", &path, source))
    }

    /// Takes a lock as soon as nobody else holds it. `waiting` is called once if that is not at once.
    ///
    /// The runtime is not blocked, and a future that is dropped waits no longer.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub async fn lock(&self, name: &str, waiting: impl FnOnce()) -> Result<Lock, StoreError> {
        let mut waiting = Some(waiting);
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(lock) = self.try_lock(name)? {
                return Ok(lock);
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Removes the files of locks whose holders died.
    pub(super) fn sweep(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            // Taking a lock and dropping it removes the file.
            let _ = Lock::take(&entry.path());
        }
    }
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Between opening and locking, the last holder may have removed the file.
            if is_at(&file, path)? {
                return Ok(Some(Self {
                    path: path.to_owned(),
                    _file: file,
                }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file is closed after this, and the lock with it. A file that stays is swept later.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a file is still the one at a path.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The name itself where it can be a file's, else its digest.
fn file_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.bytes().all(plain) {
        name.to_owned()
    } else {
        Digest::of(name.as_bytes()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::Store;
    use super::*;

    fn locks() -> (tempfile::TempDir, Locks) {
        let root = tempfile::tempdir().unwrap();
        let locks = Store::at(root.path()).unwrap().locks();
        (root, locks)
    }

    fn files(locks: &Locks) -> usize {
        fs::read_dir(&locks.folder).unwrap().count()
    }

    #[test]
    fn a_held_lock_cannot_be_taken_and_others_can() {
        let (_root, locks) = locks();
        let held = locks.try_lock("a").unwrap().unwrap();
        assert!(locks.try_lock("a").unwrap().is_none());
        assert!(locks.try_lock("b").unwrap().is_some());
        drop(held);
        assert!(locks.try_lock("a").unwrap().is_some());
    }

    #[test]
    fn names_that_cannot_be_file_names_work_and_differ() {
        let (_root, locks) = locks();
        let long = "x".repeat(4000);
        let held: Vec<_> = ["", ".", "..", "a/b", "a\0b", &long]
            .map(|name| locks.try_lock(name).unwrap().unwrap())
            .into();
        assert_eq!(files(&locks), held.len());
    }

    #[test]
    fn lock_files_are_gone_when_nobody_holds_them() {
        let (_root, locks) = locks();
        for round in 0..100 {
            locks.try_lock(&format!("layer-{round}")).unwrap().unwrap();
        }
        assert_eq!(files(&locks), 0);
    }

    #[test]
    fn only_one_of_many_threads_holds_a_lock_at_a_time() {
        let (_root, locks) = locks();
        let (inside, entered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        if let Some(lock) = locks.try_lock("a").unwrap() {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            entered.fetch_add(1, Ordering::SeqCst);
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(lock);
                        }
                    }
                });
            }
        });
        assert!(entered.load(Ordering::SeqCst) >= 1);
        assert_eq!(files(&locks), 0);
    }

    #[tokio::test]
    async fn waiting_is_told_once_and_ends_when_the_lock_is_free() {
        let (_root, locks) = locks();
        let free = locks.lock("a", || panic!("nobody holds it")).await.unwrap();
        let (told, hears) = tokio::sync::oneshot::channel();
        let second = tokio::spawn({
            let locks = locks.clone();
            async move { locks.lock("a", || told.send(()).unwrap()).await.map(drop) }
        });
        hears.await.unwrap();
        assert!(!second.is_finished());
        drop(free);
        second.await.unwrap().unwrap();
    }

    #[test]
    fn the_lock_of_a_process_that_is_killed_is_free() {
        let (_root, locks) = locks();
        let path = locks.folder.join("a");
        let mut child = Command::new("flock")
            .arg("--no-fork")
            .arg(&path)
            .args(["sh", "-c", "echo held; exec sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = io::BufReader::new(child.stdout.take().unwrap());
        io::BufRead::read_line(&mut output, &mut line).unwrap();
        assert_eq!(line, "held\n");
        assert!(locks.try_lock("a").unwrap().is_none());
        locks.sweep();
        assert!(path.exists(), "a lock that is held is not swept");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(path.exists(), "nobody was left to remove the file");
        assert!(locks.try_lock("a").unwrap().is_some());
        assert_eq!(files(&locks), 0);
    }
}
