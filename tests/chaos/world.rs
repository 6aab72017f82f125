//! A store of its own, the program that uses it, and what its images copy.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::SystemTime;

use image_runtime::worker::Bundle;
use tempfile::TempDir;
use tests::daemon::Daemon;

/// What the commands of the images need.
const PROGRAMS: [&str; 5] = ["sh", "cat", "head", "mkdir", "rm"];

/// Where programs of this architecture expect their loader.
#[cfg(target_arch = "x86_64")]
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";
#[cfg(target_arch = "aarch64")]
const LOADER: &str = "lib/ld-linux-aarch64.so.1";

/// A store that nobody else uses. One test at a time has what the images copy, in whatever process.
pub(crate) struct World {
    folder: TempDir,
    /// Where the daemon listens, if it is not the embedded engine.
    daemon: Option<String>,
    _lock: File,
}

impl World {
    /// A new one; nothing where the engine cannot work here: see [`tests::engine_answers`].
    pub(crate) fn new() -> Option<Self> {
        Self::with(None)
    }

    /// The same on a daemon that is started for it, with so much room.
    pub(crate) fn on_a_daemon(megabytes: u32) -> Option<(Daemon, Self)> {
        match Daemon::start(megabytes) {
            Ok(daemon) => {
                let world = Self::with(Some(daemon.address()))?;
                Some((daemon, world))
            }
            Err(reason) => {
                tests::have(&format!("a Docker daemon of its own: {reason}"), false);
                None
            }
        }
    }

    fn with(daemon: Option<String>) -> Option<Self> {
        let targets = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let lock = File::create(targets.join("chaos.lock")).unwrap();
        lock.lock().unwrap();
        write_system(&data("system"));
        let world = Self {
            folder: TempDir::with_prefix_in("chaos-", targets).unwrap(),
            daemon,
            _lock: lock,
        };
        world.write("first");
        let works = world.run(&["doctor"]).status.success();
        tests::engine_answers(works).then_some(world)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The folders of the engine: one for each form that ever worked here.
    pub(crate) fn forms(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.store().join("v1")).into_iter().flatten();
        let is_one = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            name.starts_with(b"embedded")
        };
        entries
            .flatten()
            .map(|entry| entry.path())
            .filter(is_one)
            .collect()
    }

    /// What marks the processes of this store.
    pub(crate) fn mark(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// Writes a text that was never there: all layers that depend on it are to be made.
    pub(crate) fn write_new(&self) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let text = now.unwrap().as_nanos().to_string();
        self.write(&text);
        text
    }

    fn write(&self, text: &str) {
        fs::write(data("changing").join("text"), text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
        command
            .args(arguments)
            .env("IMAGE_STORE", self.store())
            .env("IMAGE_CHAOS_WORLD", self.mark())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match &self.daemon {
            Some(address) => command
                .env("IMAGE_ENGINE", "docker")
                .env("DOCKER_HOST", address),
            None => command.env("IMAGE_ENGINE", "embedded"),
        };
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it, and it ends well; answers what it printed for programs.
    #[track_caller]
    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Calls the function that needs all layers; it answers right.
    #[track_caller]
    pub(crate) fn answers(&self) {
        let text = fs::read_to_string(data("changing").join("text")).unwrap();
        let answer = self.good(&["call", "made"]);
        assert_eq!(answer, format!("\"{text} {text}{text} false\"\n"));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Some files may belong to numbers that this user was given, and only the program can remove those.
        let _ = self.run(&["prune", "--all"]);
        crate::left::nobody_uses(self);
    }
}

/// All that a program printed.
pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// How a program ended, and what it said.
pub(crate) fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    (child.wait().unwrap().code(), text)
}

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("chaos/data")
        .join(name)
}

/// A shell and a few programs with their libraries.
fn write_system(root: &Path) {
    let bundles = tempfile::tempdir().unwrap();
    let put = |path: &str, source: &Path| {
        let target = root.join(path);
        let bytes = fs::read(source).unwrap();
        if fs::read(&target).is_ok_and(|there| there == bytes) {
            return;
        }
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(&target, bytes).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).unwrap();
    };
    for program in PROGRAMS {
        let paths = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
        let path = paths.iter().find(|path| path.exists()).unwrap();
        let bundle = Bundle::of_executable(path, bundles.path()).unwrap();
        put(
            &format!("bin/{program}"),
            &bundle.directory().join("worker"),
        );
        put(LOADER, &bundle.directory().join("ld.so"));
        for library in fs::read_dir(bundle.directory().join("lib")).unwrap() {
            let library = library.unwrap();
            put(
                &format!("lib/{}", library.file_name().display()),
                &library.path(),
            );
        }
    }
}
