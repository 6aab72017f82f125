//! The user's executable with its dynamic loader and libraries, in one directory that can be shown to any container.
//!
//! ```text
//! <store>/<key>/worker      the executable
//!              /ld.so       its loader, unless it is static
//!              /lib/        its libraries, by the names that ask for them
//!              /lock        held by those that use the directory
//! <store>/<key of the executable>.list    the files that were taken, as they were then
//! ```

mod elf;
mod libraries;
mod taken;

use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use self::taken::{Stamp, Taken};
use crate::store::{self, StoreError, is_at, random_id, remove_directory};

/// This process's executable, also when the file it was started from is gone.
const RUNNING: &str = "/proc/self/exe";

const WORKER: &str = "worker";
const LOADER: &str = "ld.so";
const LIBRARIES: &str = "lib";
const LOCK: &str = "lock";

/// How the names of lists end.
const LIST: &str = ".list";

/// How the names of directories begin that are being made or removed.
const HALF: &str = ".half-";

/// No directory is without its lock for longer when it is begun.
const BEGINNING: Duration = Duration::from_secs(60);

/// The executable could not be made ready for containers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The bundle could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the program could not be read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no ELF executable.
    #[error("`{}` is not a Linux executable: {reason}", path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A library is in none of the places where loaders look.
    #[error(
        "no library `{name}` can be found, which `{}` needs\n  help: install it, or set `LD_LIBRARY_PATH` to its directory",
        needed_by.display()
    )]
    NoLibrary {
        /// The library.
        name: String,
        /// The executable or library that needs it.
        needed_by: PathBuf,
    },
}

impl BundleError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    fn kept(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Store(StoreError::io("write", &path, source))
    }
}

/// A directory with the executable and all it needs. While this value lives, [`prune`] leaves it alone.
#[derive(Debug)]
pub struct Bundle {
    directory: PathBuf,
    is_static: bool,
    build_id: String,
    _in_use: File,
}

impl Bundle {
    /// The bundle of the program that runs. It is made where it is not in the store yet.
    ///
    /// # Errors
    /// [`BundleError`]: a library is missing, or the store cannot be written.
    pub fn of_current_exe(store: &Path) -> Result<Self, BundleError> {
        let named = fs::read_link(RUNNING).map_err(BundleError::at(Path::new(RUNNING)))?;
        Self::of(Path::new(RUNNING), &named, store)
    }

    /// The bundle of any executable.
    ///
    /// # Errors
    /// [`BundleError`]: it is no executable, a library is missing, or the store cannot be written.
    pub fn of_executable(path: &Path, store: &Path) -> Result<Self, BundleError> {
        Self::of(path, path, store)
    }

    /// `named` is where the executable was started from: its own paths are relative to that.
    fn of(executable: &Path, named: &Path, store: &Path) -> Result<Self, BundleError> {
        fs::create_dir_all(store).map_err(BundleError::kept(store))?;
        let stamp = Stamp::of(executable)?;
        let list = store.join(format!("{}{LIST}", stamp.key(named)));
        // Made, then used: another process may remove an old one in between, and then it is made again.
        loop {
            let taken = match Taken::read(&list, &stamp) {
                Some(taken) => taken,
                None => Taken::find(executable, named, &stamp)?,
            };
            let directory = store.join(taken.key());
            if let Some(in_use) = hold(&directory)? {
                let build_id = build_id(executable)?;
                return Ok(Self {
                    directory,
                    is_static: taken.loader.is_none(),
                    build_id,
                    _in_use: in_use,
                });
            }
            taken.make(executable, &directory)?;
            taken.write(&list)?;
        }
    }

    /// The directory to show to containers.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Program and first arguments that start the executable where the directory is seen at `mounted_at`.
    pub fn argv(&self, mounted_at: &str, more_libraries: Option<&str>) -> Vec<String> {
        let inside = |name: &str| format!("{mounted_at}/{name}");
        if self.is_static {
            return vec![inside(WORKER)];
        }
        vec![
            inside(LOADER),
            "--library-path".to_owned(),
            more_libraries.map_or_else(
                || inside(LIBRARIES),
                |more| format!("{}:{more}", inside(LIBRARIES)),
            ),
            inside(WORKER),
        ]
    }

    /// What tells this build of the executable from others: see [`build_id`].
    pub fn build_id(&self) -> &str {
        &self.build_id
    }
}

/// What tells a build of an executable from others: what the linker wrote for that (`GNU build-id`), else its size and
/// time. The executable inside a container has the same as outside.
///
/// # Errors
/// [`BundleError`]: the file cannot be read or is no executable.
pub fn build_id(executable: &Path) -> Result<String, BundleError> {
    if let Some(id) = elf::build_id(executable)? {
        return Ok(id.iter().map(|byte| format!("{byte:02x}")).collect());
    }
    let metadata = fs::metadata(executable).map_err(BundleError::at(executable))?;
    Ok(format!("{}-{}", metadata.len(), metadata.mtime()))
}

/// Holds a bundle in use; nothing where it is not there, or was removed at this moment.
fn hold(directory: &Path) -> Result<Option<File>, BundleError> {
    let path = directory.join(LOCK);
    let held = || -> io::Result<Option<File>> {
        let lock = match File::options().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        lock.lock_shared()?;
        // A bundle's age counts from its last use.
        lock.set_times(FileTimes::new().set_modified(SystemTime::now()))?;
        Ok(is_at(&lock, &path)?.then_some(lock))
    };
    held().map_err(BundleError::kept(&path))
}

fn is_older(path: &Path, age: Duration) -> bool {
    let used = File::open(path).and_then(|file| store::age(&file));
    used.is_ok_and(|since| since >= age)
}

/// Another process may be removing the same.
fn remove_if_there(directory: &Path) -> io::Result<()> {
    match remove_directory(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes the bundles that nobody uses and nobody has used for `age`; answers how many.
///
/// # Errors
/// What reading the store or removing fails with.
pub fn prune(store: &Path, age: Duration) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(store)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let is_old = |path: &Path| is_older(path, age);
        if name.ends_with(LIST) {
            if is_old(&path) {
                fs::remove_file(&path)?;
            }
        } else if name.starts_with(HALF) {
            let lock = File::open(path.join(LOCK));
            let is_left = match &lock {
                Ok(lock) => lock.try_lock().is_ok(),
                // It is made at once, or removed last.
                Err(_) => is_older(&path, BEGINNING),
            };
            if is_left && is_old(&path) {
                remove_if_there(&path)?;
            }
        } else if is_old(&path.join(LOCK))
            && let Ok(lock) = File::open(path.join(LOCK))
            && lock.try_lock().is_ok()
            && is_at(&lock, &path.join(LOCK))?
        {
            // Out of sight first, so that nobody finds half a bundle.
            let hidden = store.join(format!("{HALF}{}", random_id()?));
            fs::rename(&path, &hidden)?;
            remove_if_there(&hidden)?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn run(bundle: &Bundle, arguments: &[&str]) -> String {
        let argv = bundle.argv(bundle.directory().to_str().unwrap(), None);
        let output = Command::new(&argv[0])
            .args(&argv[1..])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_program_runs_from_its_bundle_with_the_libraries_of_the_bundle() {
        let store = tempfile::tempdir().unwrap();
        let bundle = Bundle::of_executable(Path::new("/bin/cat"), store.path()).unwrap();
        let maps = run(&bundle, &["/proc/self/maps"]);
        let libc = maps.lines().find(|line| line.contains("/libc.")).unwrap();
        assert!(
            libc.contains(bundle.directory().to_str().unwrap()),
            "{libc}"
        );
    }

    #[test]
    fn this_program_is_bundled_once_and_found_the_second_time() {
        let store = tempfile::tempdir().unwrap();
        let first = Bundle::of_current_exe(store.path()).unwrap();
        let made = fs::metadata(first.directory()).unwrap().ino();
        let second = Bundle::of_current_exe(store.path()).unwrap();
        assert_eq!(first.directory(), second.directory());
        assert_eq!(fs::metadata(second.directory()).unwrap().ino(), made);
        let worker = first.directory().join(WORKER);
        assert_eq!(first.build_id(), build_id(&worker).unwrap());
        assert_eq!(
            first.build_id(),
            build_id(&std::env::current_exe().unwrap()).unwrap()
        );
    }

    #[test]
    fn several_at_once_get_the_same_whole_bundle_and_leave_nothing_else() {
        let store = tempfile::tempdir().unwrap();
        let make = || Bundle::of_executable(Path::new("/bin/cat"), store.path()).unwrap();
        let bundles: Vec<Bundle> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(
            bundles
                .iter()
                .all(|bundle| bundle.directory() == bundles[0].directory())
        );
        run(&bundles[0], &["/dev/null"]);
        assert_eq!(fs::read_dir(store.path()).unwrap().count(), 2);
    }

    #[test]
    fn an_executable_that_changed_gets_a_bundle_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let program = folder.path().join("program");
        fs::copy("/bin/cat", &program).unwrap();
        let before = Bundle::of_executable(&program, &store).unwrap();
        fs::remove_file(&program).unwrap();
        fs::copy("/bin/ls", &program).unwrap();
        let after = Bundle::of_executable(&program, &store).unwrap();
        assert_ne!(before.directory(), after.directory());
        assert_ne!(before.build_id(), after.build_id());
        run(&before, &["/dev/null"]);
    }

    #[test]
    fn a_library_that_changed_gives_a_new_bundle() {
        let folder = tempfile::tempdir().unwrap();
        let stamp = Stamp::of(Path::new("/bin/cat")).unwrap();
        let mut taken = Taken::find(Path::new("/bin/cat"), Path::new("/bin/cat"), &stamp).unwrap();
        let own = folder.path().join("libown.so");
        fs::copy(&taken.libraries[0].path, &own).unwrap();
        taken.libraries[0].path = own.clone();
        taken.libraries[0].stamp = Stamp::of(&own).unwrap();
        let list = folder.path().join("x.list");
        taken.write(&list).unwrap();
        assert_eq!(Taken::read(&list, &stamp).unwrap().key(), taken.key());
        fs::write(&own, "other").unwrap();
        assert!(Taken::read(&list, &stamp).is_none());
    }

    #[test]
    fn prune_removes_what_nobody_uses_and_nothing_else() {
        let store = tempfile::tempdir().unwrap();
        let used = Bundle::of_executable(Path::new("/bin/cat"), store.path()).unwrap();
        let unused = Bundle::of_executable(Path::new("/bin/ls"), store.path()).unwrap();
        let unused_directory = unused.directory().to_owned();
        drop(unused);
        assert_eq!(prune(store.path(), Duration::from_secs(3600)).unwrap(), 0);
        assert_eq!(prune(store.path(), Duration::ZERO).unwrap(), 1);
        assert!(!unused_directory.exists());
        run(&used, &["/dev/null"]);
        Bundle::of_executable(Path::new("/bin/ls"), store.path()).unwrap();
        assert!(unused_directory.exists());
    }

    #[test]
    fn what_another_process_is_making_stays_and_what_none_is_goes() {
        let store = tempfile::tempdir().unwrap();
        let [made, begun, left] = ["made", "begun", "left"].map(|name| {
            let half = store.path().join(format!("{HALF}{name}"));
            fs::create_dir(&half).unwrap();
            half
        });
        let lock = File::create(made.join(LOCK)).unwrap();
        lock.lock_shared().unwrap();
        File::create(left.join(LOCK)).unwrap();
        prune(store.path(), Duration::ZERO).unwrap();
        assert!(made.exists() && begun.exists() && !left.exists());
        drop(lock);
        prune(store.path(), Duration::ZERO).unwrap();
        assert!(!made.exists());
    }

    #[test]
    fn what_was_used_before_the_clock_went_back_is_new() {
        let store = tempfile::tempdir().unwrap();
        let unused = Bundle::of_executable(Path::new("/bin/ls"), store.path()).unwrap();
        let lock = File::open(unused.directory().join(LOCK)).unwrap();
        lock.set_modified(SystemTime::now() + Duration::from_secs(3600))
            .unwrap();
        drop((unused, lock));
        assert_eq!(prune(store.path(), Duration::from_secs(1)).unwrap(), 0);
        // From then on it ages.
        std::thread::sleep(Duration::from_millis(20));
        let soon = Duration::from_millis(10);
        assert_eq!(prune(store.path(), soon).unwrap(), 1);
    }

    #[test]
    fn what_is_no_executable_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("text");
        fs::write(&file, "#!/bin/sh\n").unwrap();
        let error = Bundle::of_executable(&file, folder.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains("text` is not a Linux executable"), "{error}");
    }

    #[test]
    fn a_missing_library_is_named_with_who_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let text = fs::read("/bin/cat").unwrap();
        let at = text
            .windows(10)
            .position(|bytes| bytes == b"libc.so.6\0")
            .unwrap();
        let text = [&text[..at], b"libZ.so.6", &text[at + 9..]].concat();
        fs::write(&program, text).unwrap();
        let error = Bundle::of_executable(&program, folder.path())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`libZ.so.6`") && error.contains("program` needs"),
            "{error}"
        );
    }
}
