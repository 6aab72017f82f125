//! One folder of the store: small files that are written whole or not at all, and records that survive damage.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// A folder of the store.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    tmp: PathBuf,
}

impl Folder {
    pub(super) fn new(path: PathBuf, tmp: PathBuf) -> Self {
        Self { path, tmp }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of it is, whether it exists or not.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file that is to survive a crash of the machine. Readers see the old content or the new, never a part.
    ///
    /// # Errors
    /// The file cannot be written; the old content is then still there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.replace(name, bytes, |file| file.sync_data())
    }

    /// Writes a file that can be made again: like [`Folder::write`], but a crash of the machine may lose or damage it.
    ///
    /// # Errors
    /// The file cannot be written; the old content is then still there.
    pub fn write_cache(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.replace(name, bytes, |_| Ok(()))
    }

    /// Writes a JSON record.
    ///
    /// # Errors
    /// The file cannot be written; the old record is then still there.
    pub fn write_record(&self, name: &str, record: &impl Serialize) -> Result<(), StoreError> {
        let json = serde_json::to_vec_pretty(record)
            .map_err(|error| StoreError::io("write", &self.join(name), error.into()))?;
        self.write(name, &json)
    }

    /// Writes a JSON record whose name says what it holds, unless it is there.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_new_record(
        &self,
        name: &str,
        record: &(impl Serialize + DeserializeOwned),
    ) -> Result<(), StoreError> {
        fn read<T: DeserializeOwned>(folder: &Folder, name: &str, _: &T) -> Option<T> {
            folder.read_record(name)
        }
        match read(self, name, record) {
            Some(_) => Ok(()),
            None => self.write_record(name, record),
        }
    }

    /// Reads a file. One that cannot be read counts as absent.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.join(name)).ok()
    }

    /// Reads a JSON record. One that is damaged counts as absent, and is removed.
    pub fn read_record<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let bytes = self.read(name)?;
        let record = serde_json::from_slice(&bytes).ok();
        if record.is_none() {
            // Where it cannot be removed, the next write says why.
            let _ = fs::remove_file(self.join(name));
        }
        record
    }

    /// Removes a file. One that does not exist is no error.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        match fs::remove_file(self.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &self.join(name), error))
            }
            _ => Ok(()),
        }
    }

    fn replace(
        &self,
        name: &str,
        bytes: &[u8],
        settle: impl FnOnce(&fs::File) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let path = self.join(name);
        super::temporary::create(&self.tmp)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                settle(file.as_file())?;
                file.persist(&path)?;
                Ok(())
            })
            .map_err(|source| StoreError::io("write", &path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let root = tempfile::tempdir().unwrap();
        let store = Store::at(root.path()).unwrap();
        (root, store)
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let (_root, store) = store();
        store
            .bases()
            .write_record("debian.json", &("bookworm", 12))
            .unwrap();
        assert_eq!(
            store.bases().read_record("debian.json"),
            Some(("bookworm".to_owned(), 12))
        );
        assert_eq!(store.bases().read_record::<String>("missing.json"), None);
    }

    #[test]
    fn a_damaged_record_counts_as_absent_and_is_removed() {
        let (_root, store) = store();
        for damage in [&b""[..], b"{\"a\":", b"\0\0\0\0", b"\"another type\""] {
            store.bases().write("a.json", damage).unwrap();
            assert_eq!(store.bases().read_record::<u32>("a.json"), None);
            assert!(!store.bases().join("a.json").exists());
        }
    }

    #[test]
    fn a_write_that_fails_keeps_the_old_content_and_leaves_no_temporary_file() {
        let (_root, store) = store();
        // A directory in the way: the rename is refused.
        fs::create_dir_all(store.bases().join("a.json/inside")).unwrap();
        let error = store
            .bases()
            .write("a.json", b"new")
            .unwrap_err()
            .to_string();
        assert!(error.contains("a.json"), "{error}");
        assert!(store.bases().join("a.json/inside").exists());
        assert_eq!(fs::read_dir(store.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn readers_never_see_half_a_file() {
        let (_root, store) = store();
        let (short, long) = (vec![b'a'; 10], vec![b'b'; 1 << 16]);
        store.trees().write_cache("t", &short).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..200 {
                    let bytes = if round % 2 == 0 { &long } else { &short };
                    store.trees().write_cache("t", bytes).unwrap();
                }
            });
            for _ in 0..200 {
                let seen = store.trees().read("t").unwrap();
                assert!(seen == short || seen == long);
            }
        });
    }

    #[test]
    fn removing_a_missing_file_is_no_error() {
        let (_root, store) = store();
        store.bases().remove("missing.json").unwrap();
    }
}
