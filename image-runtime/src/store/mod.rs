//! What this machine keeps between runs: downloads, records of bases, stat caches, workers; and what running hosts hold:
//! locks and their own folders.
//!
//! The store is `IMAGE_STORE`, else `$XDG_CACHE_HOME/image-runtime`, else `~/.cache/image-runtime`. Everything lies in a bucket
//! below it that carries the format's version, so that programs of different versions share a store without reading each other's
//! files. All of it can be deleted while no program runs; it is made again. What cannot, such as volumes, lies elsewhere ([`Store::data`]).

mod age;
mod bucket;
mod bytes;
mod caches;
mod error;
mod lock;
mod logs;
mod passing;
mod regular;
mod removal;
mod run;
mod socket;
mod temporary;
mod usage;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use age::age;
pub use bucket::Folder;
pub use bytes::Bytes;
pub use error::StoreError;
pub(crate) use error::is_full;
pub(crate) use lock::is_at;
pub use lock::{Lock, Locks};
pub use logs::{Line as LogLine, Log, Logs};
pub use regular::{open_regular, read_small, regular};
pub use removal::remove as remove_directory;
pub use run::{RunDir, random_id, sweep as sweep_runs};
pub(crate) use socket::socket_in;

/// The folder of this format. A format that older programs would misread gets a new one.
const BUCKET: &str = "v1";

/// Tells backup programs that the folder can be left out.
const CACHEDIR_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag created by image-runtime.
# For information about cache directory tags see https://bford.info/cachedir/
";

/// The local store.
#[derive(Clone, Debug)]
pub struct Store {
    bucket: PathBuf,
    data: PathBuf,
}

impl Store {
    /// The store that the environment names; made if it is missing.
    ///
    /// # Errors
    /// No place is known, or it cannot be made.
    pub fn open() -> Result<Self, StoreError> {
        let root = Self::place().ok_or(StoreError::NoPlace)?;
        let data = Self::data_of(&root);
        Ok(Self {
            data,
            ..Self::at(&root)?
        })
    }

    fn place() -> Option<PathBuf> {
        locate(|name| std::env::var_os(name), std::env::home_dir())
    }

    fn data_of(root: &Path) -> PathBuf {
        let found = locate_data(|name| std::env::var_os(name), std::env::home_dir());
        found.unwrap_or_else(|| root.to_owned())
    }

    /// The store that the environment names, where it exists. Nothing is made.
    pub fn existing() -> Option<Self> {
        let root = std::path::absolute(Self::place()?).ok()?;
        let (data, bucket) = (Self::data_of(&root), root.join(BUCKET));
        bucket.is_dir().then_some(Self { bucket, data })
    }

    /// The store in a folder; made if it is missing.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn at(root: &Path) -> Result<Self, StoreError> {
        let root = std::path::absolute(root)
            .map_err(|source| StoreError::io("use the store", root, source))?;
        if root.to_str().is_none() {
            return Err(StoreError::NoText { path: root });
        }
        let store = Self {
            bucket: root.join(BUCKET),
            data: root.clone(),
        };
        for folder in store.folders() {
            fs::create_dir_all(folder.path()).map_err(|source| {
                StoreError::io("make the store's folder", folder.path(), source)
            })?;
        }
        // Not above it, where volumes and secrets may lie, too.
        let tag = store.bucket.join("CACHEDIR.TAG");
        if !tag.exists() {
            fs::write(&tag, CACHEDIR_TAG)
                .map_err(|source| StoreError::io("write", &tag, source))?;
        }
        Ok(store)
    }

    /// The folder that `IMAGE_STORE` would name.
    pub fn root(&self) -> &Path {
        self.bucket.parent().unwrap_or(&self.bucket)
    }

    /// The folder in which this format's files lie.
    pub fn path(&self) -> &Path {
        &self.bucket
    }

    /// The folder for what is not to be deleted: where `IMAGE_STORE` names a store, that; else with the user's other data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Files from elsewhere, kept under names that hold their checksum.
    pub fn downloads(&self) -> Folder {
        self.folder("downloads")
    }

    /// Records of base images: what was resolved, and when.
    pub fn bases(&self) -> Folder {
        self.folder("bases")
    }

    /// What is known of local files without reading them.
    pub fn trees(&self) -> Folder {
        self.folder("trees")
    }

    /// Executables with their loader and libraries.
    pub fn workers(&self) -> Folder {
        self.folder("workers")
    }

    /// What images were at their last builds.
    pub fn builds(&self) -> Folder {
        self.folder("builds")
    }

    /// Which packages are in layers.
    pub fn contents(&self) -> Folder {
        self.folder("contents")
    }

    /// What keeps the lines that the functions of this program print.
    pub fn log(&self) -> Log {
        Log::new(self.folder("logs").path().to_owned())
    }

    /// What the functions of all programs printed.
    pub fn logs(&self) -> Logs {
        Logs::new(self.folder("logs").path().to_owned())
    }

    /// Removes logs of ended programs that were not written for so long; answers how many.
    pub fn prune_logs(&self, unused: Duration) -> usize {
        logs::prune(self.folder("logs").path(), unused)
    }

    /// When layers were last used.
    fn uses(&self) -> Folder {
        self.folder("uses")
    }

    /// Locks of GPUs. Its files stay.
    pub(crate) fn gpus(&self) -> Folder {
        self.folder("gpus")
    }

    /// Exclusive locks, shared by all processes that use this store.
    pub fn locks(&self) -> Locks {
        Locks::new(self.bucket.join("locks"))
    }

    /// Makes a folder for the running host. It is removed when the value is dropped, or swept when the process has died.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn run_dir(&self) -> Result<RunDir, StoreError> {
        RunDir::create(&self.run())
    }

    /// A temporary file that can be renamed to anywhere in the store; removed when dropped.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn temp_file(&self) -> Result<tempfile::NamedTempFile, StoreError> {
        let tmp = self.tmp();
        temporary::create(&tmp)
            .map_err(|source| StoreError::io("make a temporary file in", &tmp, source))
    }

    /// Removes what processes that no longer live left behind. Answers how many run folders were removed.
    pub fn sweep(&self) -> usize {
        self.locks().sweep();
        temporary::sweep(&self.tmp());
        self.sweep_blank_passing();
        run::sweep(&self.run())
    }

    /// The sockets of this name in folders of running hosts.
    pub(crate) fn sockets(&self, name: &str) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.run()).into_iter().flatten().flatten();
        let sockets = folders.map(|folder| folder.path().join(name));
        sockets.filter(|socket| socket.exists()).collect()
    }

    fn run(&self) -> PathBuf {
        self.bucket.join("run")
    }

    fn tmp(&self) -> PathBuf {
        self.bucket.join("tmp")
    }

    fn folder(&self, name: &str) -> Folder {
        Folder::new(self.bucket.join(name), self.tmp())
    }

    fn folders(&self) -> [Folder; 13] {
        [
            "downloads",
            "bases",
            "trees",
            "workers",
            "builds",
            "contents",
            "passing",
            "uses",
            "logs",
            "locks",
            "gpus",
            "run",
            "tmp",
        ]
        .map(|name| self.folder(name))
    }
}

/// How much all layers may take: `IMAGE_STORE_LIMIT`, where it is set.
///
/// # Errors
/// It is no size.
pub fn limit() -> Result<Option<Bytes>, StoreError> {
    let text = std::env::var("IMAGE_STORE_LIMIT").unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let limit = text.parse();
    limit
        .map(Some)
        .map_err(|expected| StoreError::Limit { text, expected })
}

/// Where the store is. Relative XDG paths are to be ignored, as the XDG specification says.
fn locate(variable: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let path = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    path("IMAGE_STORE")
        .or_else(|| {
            Some(
                path("XDG_CACHE_HOME")
                    .filter(|path| path.is_absolute())?
                    .join("image-runtime"),
            )
        })
        .or_else(|| {
            Some(
                home.filter(|path| path.is_absolute())?
                    .join(".cache/image-runtime"),
            )
        })
}

/// Where data is that stays. `None` where that is in the store.
fn locate_data(
    variable: impl Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
) -> Option<PathBuf> {
    let path = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(store) = path("IMAGE_STORE") {
        return std::path::absolute(store).ok();
    }
    let absolute = |path: &PathBuf| path.is_absolute();
    let share = path("XDG_DATA_HOME").filter(absolute);
    let share = share.or_else(|| Some(home.filter(absolute)?.join(".local/share")));
    Some(share?.join("image-runtime"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(variables: &[(&str, &str)], home: Option<&str>) -> Option<PathBuf> {
        locate(
            |name| {
                variables
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.into())
            },
            home.map(PathBuf::from),
        )
    }

    #[test]
    fn the_environment_decides_where_the_store_is() {
        let all = [("IMAGE_STORE", "/store"), ("XDG_CACHE_HOME", "/xdg")];
        assert_eq!(located(&all, Some("/home/a")), Some("/store".into()));
        assert_eq!(
            located(&all[1..], Some("/home/a")),
            Some("/xdg/image-runtime".into())
        );
        assert_eq!(
            located(&[], Some("/home/a")),
            Some("/home/a/.cache/image-runtime".into())
        );
    }

    #[test]
    fn data_that_stays_is_not_in_a_cache_folder() {
        let at = |set: &'static str| {
            let variable = move |name: &str| (name == set).then(|| format!("/{set}").into());
            locate_data(variable, Some("/h".into()))
        };
        assert_eq!(at("IMAGE_STORE"), Some("/IMAGE_STORE".into()));
        assert_eq!(
            at("XDG_DATA_HOME"),
            Some("/XDG_DATA_HOME/image-runtime".into())
        );
        assert_eq!(
            at("XDG_CACHE_HOME"),
            Some("/h/.local/share/image-runtime".into())
        );
        assert_eq!(locate_data(|_| None, None), None);
    }

    #[test]
    fn empty_and_relative_places_do_not_count() {
        let empty = [("IMAGE_STORE", ""), ("XDG_CACHE_HOME", "cache")];
        assert_eq!(
            located(&empty, Some("/h")),
            Some("/h/.cache/image-runtime".into())
        );
        assert_eq!(located(&empty, Some("")), None);
        assert_eq!(located(&[], None), None);
    }

    #[test]
    fn a_store_is_tagged_as_cache_and_leaves_other_formats_alone() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("v2")).unwrap();
        fs::write(root.path().join("v2/kept"), "newer").unwrap();
        let store = Store::at(root.path()).unwrap();
        assert!(store.path().ends_with("v1"));
        assert!(
            fs::read_to_string(store.path().join("CACHEDIR.TAG"))
                .unwrap()
                .starts_with("Signature: 8a477f597d28d172789f06886806bc55")
        );
        store.sweep();
        assert_eq!(
            fs::read_to_string(root.path().join("v2/kept")).unwrap(),
            "newer"
        );
    }

    #[test]
    fn opening_a_store_twice_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::at(root.path()).unwrap();
        store.bases().write("a.json", b"1").unwrap();
        let again = Store::at(root.path()).unwrap();
        assert_eq!(again.bases().read_record::<u8>("a.json"), Some(1));
    }

    #[test]
    fn a_path_that_is_no_text_is_told() {
        use std::os::unix::ffi::OsStrExt as _;
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(std::ffi::OsStr::from_bytes(b"\xff"));
        let error = Store::at(&path).unwrap_err().to_string();
        assert!(error.contains("is not UTF-8\n  help: "), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_file_where_the_store_should_be_is_an_error_that_names_it() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Store::at(&file).unwrap_err().to_string();
        assert!(error.contains(file.to_str().unwrap()), "{error}");
        assert!(error.contains("IMAGE_STORE"), "{error}");
    }
}
