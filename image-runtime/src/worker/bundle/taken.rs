//! The files that a bundle was made of, as they were then; a bundle is made again when one of them is another.

use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, linkat, syncfs};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::elf::Elf;
use super::{BundleError, HALF, LIBRARIES, LOADER, LOCK, WORKER, libraries};
use crate::digest::{Digest, Encoder};
use crate::store::is_at;

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Result<Self, BundleError> {
        let metadata = fs::metadata(path).map_err(BundleError::at(path))?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        })
    }

    /// The key of an executable in this state, with all else that says where its libraries are.
    pub(super) fn key(&self, named: &Path) -> Digest {
        let mut encoder = Encoder::new("image-runtime executable 1");
        self.encode(&mut encoder);
        encoder.text(&named.to_string_lossy());
        let folders = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        encoder.text(&folders.to_string_lossy()).finish()
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder
            .number(self.device)
            .number(self.inode)
            .number(self.size);
        encoder
            .number(self.seconds as u64)
            .number(self.nanoseconds as u64);
    }
}

/// A file beside the executable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
}

/// All files of a bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Taken {
    executable: Stamp,
    pub(super) loader: Option<Part>,
    pub(super) libraries: Vec<Part>,
}

impl Taken {
    /// Finds what an executable needs. `named` is the path it was started from.
    pub(super) fn find(
        executable: &Path,
        named: &Path,
        stamp: &Stamp,
    ) -> Result<Self, BundleError> {
        let elf = Elf::read(executable)?;
        let part = |name: String, path: PathBuf| -> Result<Part, BundleError> {
            Ok(Part {
                name,
                stamp: Stamp::of(&path)?,
                path,
            })
        };
        let Some(interpreter) = &elf.interpreter else {
            return Ok(Self {
                executable: *stamp,
                loader: None,
                libraries: Vec::new(),
            });
        };
        let loader = part(LOADER.to_owned(), PathBuf::from(interpreter))?;
        let libraries = libraries::closure(named, &elf)?
            .into_iter()
            .map(|library| part(library.name, library.path))
            .collect::<Result<_, BundleError>>()?;
        Ok(Self {
            executable: *stamp,
            loader: Some(loader),
            libraries,
        })
    }

    /// What was found before, if every file is still as it was.
    pub(super) fn read(list: &Path, executable: &Stamp) -> Option<Self> {
        let taken: Self = serde_json::from_slice(&fs::read(list).ok()?).ok()?;
        let unchanged = |part: &Part| Stamp::of(&part.path).is_ok_and(|now| now == part.stamp);
        (taken.executable == *executable && taken.parts().all(unchanged)).then_some(taken)
    }

    /// Remembers what was found.
    pub(super) fn write(&self, list: &Path) -> Result<(), BundleError> {
        let write = || -> io::Result<()> {
            let folder = list.parent().unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut file, self)?;
            file.persist(list)?;
            Ok(())
        };
        write().map_err(BundleError::kept(list))
    }

    /// The name of the directory of these files.
    pub(super) fn key(&self) -> String {
        let mut encoder = Encoder::new("image-runtime bundle 1");
        self.executable.encode(&mut encoder);
        for part in self.parts() {
            encoder.text(&part.name);
            part.stamp.encode(&mut encoder);
        }
        encoder.finish().to_string()[..32].to_owned()
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.loader.iter().chain(&self.libraries)
    }

    /// Makes the directory, whole or not at all. One that another process made meanwhile stays.
    pub(super) fn make(&self, executable: &Path, directory: &Path) -> Result<(), BundleError> {
        let store = directory.parent().unwrap_or(Path::new("."));
        let (new, lock) = begin(store).map_err(BundleError::kept(store))?;
        let libraries = new.path().join(LIBRARIES);
        fs::create_dir(&libraries).map_err(BundleError::kept(&libraries))?;
        let mut put = vec![put(executable, &new.path().join(WORKER))?];
        if let Some(loader) = &self.loader {
            put.push(self::put(&loader.path, &new.path().join(LOADER))?);
        }
        for library in &self.libraries {
            put.push(self::put(&library.path, &libraries.join(&library.name))?);
        }
        // A bundle is whole, also after a power cut.
        if put.contains(&Put::Copied) {
            syncfs(&lock).map_err(|error| BundleError::kept(store)(error.into()))?;
        }
        match fs::rename(new.path(), directory) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            other => other.map_err(BundleError::kept(directory)),
        }
    }
}

/// A directory for a bundle, and its lock, which is held until it is whole: who prunes leaves it.
fn begin(store: &Path) -> io::Result<(TempDir, File)> {
    loop {
        let new = tempfile::Builder::new()
            .prefix(HALF)
            // Processes in containers run as any user.
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(store)?;
        let path = new.path().join(LOCK);
        let lock = File::create(&path)?;
        lock.lock_shared()?;
        if is_at(&lock, &path)? {
            return Ok((new, lock));
        }
    }
}

/// How a file came into a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    Linked,
    Copied,
}

/// Puts a file into a bundle: by a link where that is possible, else as a copy with the same time.
fn put(source: &Path, target: &Path) -> Result<Put, BundleError> {
    if linkat(CWD, source, CWD, target, AtFlags::SYMLINK_FOLLOW).is_ok() {
        return Ok(Put::Linked);
    }
    let mut from = File::open(source).map_err(BundleError::at(source))?;
    let metadata = from.metadata().map_err(BundleError::at(source))?;
    let mut copy = || -> io::Result<()> {
        let mut to = File::create(target)?;
        io::copy(&mut from, &mut to)?;
        to.set_permissions(metadata.permissions())?;
        to.set_times(FileTimes::new().set_modified(metadata.modified()?))
    };
    copy().map_err(BundleError::kept(target))?;
    Ok(Put::Copied)
}
