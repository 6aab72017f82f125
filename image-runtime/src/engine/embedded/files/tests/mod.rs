//! Tests of what writes into a layer. They need root, and those of overlays a kernel that mounts one.

mod archive;
mod below;
mod compression;
mod faithful;
mod hidden;
mod hostile;
mod mutated;
mod packed;
mod writer;

use std::fs;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

/// A directory to write into, and one beside it that must stay as it is.
struct Ground {
    folder: tempfile::TempDir,
    before: Vec<String>,
}

impl Ground {
    /// Nothing where the tests cannot run here.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            cannot_run("root");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("root")).unwrap();
        fs::create_dir_all(folder.path().join("beside/directory")).unwrap();
        fs::write(folder.path().join("beside/file"), "precious").unwrap();
        symlink("file", folder.path().join("beside/link")).unwrap();
        let before = state(&folder.path().join("beside"));
        Some(Self { folder, before })
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn open(&self) -> fs::File {
        fs::File::open(self.root()).unwrap()
    }

    fn beside(&self) -> PathBuf {
        self.folder.path().join("beside")
    }

    /// Checks that nothing but the root changed, and that nothing is new beside it.
    fn check(&self, what: &str) {
        assert_eq!(state(&self.beside()), self.before, "{what}");
        assert_eq!(names(self.folder.path()), ["beside", "root"], "{what}");
    }
}

/// Says loudly that a test did not run, and fails where it must.
fn cannot_run(needed: &str) {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|text| text == value);
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(
        !is("CI", "true") && !is("IMAGE_TESTS_REQUIRE_ENGINE", "1"),
        "`{test}` needs {needed}"
    );
    // Not by `eprintln`, which the test harness hides where a test passes.
    let _ = writeln!(std::io::stderr(), "NOT RUN: `{test}` needs {needed}");
}

/// Mounts an overlay that no process but this one sees and that ends with the descriptor. The topmost layer comes first.
fn overlay(layers: &[PathBuf], upper: &Path, work: &Path, attributes: &str) -> Option<OwnedFd> {
    let layers: Vec<_> = layers.iter().map(|path| path.to_str().unwrap()).collect();
    let mount = || {
        let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        let set = |key, value: &str| rustix::mount::fsconfig_set_string(&context, key, value);
        set("lowerdir", &layers.join(":"))?;
        set("upperdir", upper.to_str().unwrap())?;
        set("workdir", work.to_str().unwrap())?;
        if attributes == "user" {
            rustix::mount::fsconfig_set_flag(&context, "userxattr")?;
        }
        rustix::mount::fsconfig_create(&context)?;
        rustix::mount::fsmount(
            &context,
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::empty(),
        )
    };
    mount()
        .map_err(|error: rustix::io::Errno| cannot_run(&format!("an overlay: {error}")))
        .ok()
}

/// The path of an open directory.
fn path_of(directory: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}/", directory.as_raw_fd()).into()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Everything below a directory, one a line: `path`, `path=content`, `path>target`, `path|`, `path:major:minor`, `path/`.
fn tree(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    walk(root, "", &mut |path, line| {
        lines.push(format!("{path}{line}"));
    });
    lines
}

/// The same with all that can be seen of a change, the directory itself included.
fn state(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut note = |path: &str, line: &str| {
        let found = fs::symlink_metadata(root.join(path)).unwrap();
        let (mode, links) = (found.mode(), found.nlink());
        let (changed, nanoseconds) = (found.ctime(), found.ctime_nsec());
        let (uid, gid) = (found.uid(), found.gid());
        lines.push(format!(
            "{path}{line} {mode:o} {links} {uid}:{gid} {changed}.{nanoseconds}"
        ));
    };
    note("", "/");
    walk(root, "", &mut note);
    lines
}

fn walk(root: &Path, below: &str, each: &mut dyn FnMut(&str, &str)) {
    for name in names(&root.join(below)) {
        let path = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        let at = root.join(&path);
        let found = fs::symlink_metadata(&at).unwrap();
        let kind = found.file_type();
        if kind.is_dir() {
            each(&path, "/");
            walk(root, &path, each);
        } else if kind.is_symlink() {
            each(
                &path,
                &format!(">{}", fs::read_link(&at).unwrap().display()),
            );
        } else if kind.is_fifo() {
            each(&path, "|");
        } else if kind.is_file() {
            let content = fs::read(&at).unwrap();
            each(&path, &format!("={}", String::from_utf8_lossy(&content)));
        } else {
            let device = found.rdev();
            let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
            each(&path, &format!(":{major}:{minor}"));
        }
    }
}
