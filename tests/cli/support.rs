//! Starts programs and looks at what they leave behind.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use bollard::Docker;
use bollard::query_parameters::ListContainersOptionsBuilder;
use image_runtime::engine::{Engine, select};
use image_runtime::store::Store;
use serde_json::Value;

/// How soon nothing must be left of a program that ended.
pub(crate) const GONE: Duration = Duration::from_secs(10);

/// A program to run.
pub(crate) struct Program(Command);

/// How a program ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pid: u32,
    store: PathBuf,
}

/// A program that runs.
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    read: String,
    store: PathBuf,
}

/// The program of the face.
pub(crate) fn subject(arguments: &[&str]) -> Program {
    program(env!("CARGO_BIN_EXE_subject"), arguments)
}

/// The program whose images change.
pub(crate) fn changing(arguments: &[&str]) -> Program {
    program(env!("CARGO_BIN_EXE_changing"), arguments).env("IMAGE_TESTS_SLOW", "at once")
}

/// The program that forgot something.
pub(crate) fn plain() -> Program {
    program(env!("CARGO_BIN_EXE_plain"), &[])
}

/// Any program, with the store of these tests: it is not the user's, and kept so that bases are looked up once.
pub(crate) fn program(path: &str, arguments: &[&str]) -> Program {
    // Whoever runs the tests in the background of a script has Ctrl-C ignored, and so would the program.
    let mut command = Command::new("/usr/bin/env");
    command
        .args(["--default-signal=INT", path])
        .args(arguments)
        .stdin(Stdio::null())
        .env("IMAGE_STORE", store())
        .env_remove("NO_COLOR");
    Program(command)
}

/// The store of these tests.
pub(crate) fn store() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-store")
}

/// Copies a program that is then run. By a process of its own: whatever this one starts meanwhile would have it open to write for a
/// moment, and a program that is written to cannot be started.
pub(crate) fn copy_program(from: &str, to: &Path) {
    let copied = Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

impl Program {
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Gives it another standard input than none.
    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.0.stdin(stdin);
        self
    }

    /// Starts it as a user who may do little, where the tests run as root.
    pub(crate) fn unprivileged(mut self) -> Self {
        if rustix::process::geteuid().is_root() {
            self.0.uid(65534).gid(65534);
        }
        self
    }

    pub(crate) fn command(self) -> Command {
        self.0
    }

    pub(crate) fn run(self) -> Ended {
        self.start().end()
    }

    pub(crate) fn start(mut self) -> Running {
        self.0.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.0.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut variables = self.0.get_envs();
        let store = variables.find_map(|(name, value)| value.filter(|_| name == "IMAGE_STORE"));
        Running {
            child,
            stderr,
            read: String::new(),
            store: store.unwrap().into(),
        }
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads what it prints until that holds a word.
    pub(crate) fn until(&mut self, word: &str) {
        while !self.read.contains(word) {
            let read = self.stderr.read_line(&mut self.read).unwrap();
            assert!(read > 0, "it ended without `{word}`: {}", self.read);
        }
    }

    /// Writes to its standard input, which must be a pipe.
    pub(crate) fn write(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn end(mut self) -> Ended {
        let mut stdout = self.child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_| text)
        });
        self.stderr.read_to_string(&mut self.read).unwrap();
        Ended {
            pid: self.pid(),
            store: self.store,
            code: self.child.wait().unwrap().code(),
            stdout: reader.join().unwrap().unwrap(),
            stderr: self.read,
        }
    }
}

impl Ended {
    /// It ended well, or says what it printed.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        self.with(0, &[])
    }

    /// It ended with this code, and its standard error holds these words.
    #[track_caller]
    pub(crate) fn with(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        for word in words {
            assert!(
                self.stderr.contains(word),
                "`{word}` is not in:\n{}",
                self.stderr
            );
        }
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Text without what differs from run to run: times, identities.
pub(crate) fn tidy(text: &str) -> String {
    let store = store().display().to_string();
    let text = text.replace(&store, "[store]");
    let lines = text.lines().map(|line| {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for index in 0..words.len() {
            let is_number = words[index].parse::<f64>().is_ok();
            let unit = words.get(index + 1).map(String::as_str);
            if is_number && matches!(unit, Some("ms" | "s" | "min")) {
                words[index] = "[time]".into();
                words[index + 1].clear();
            }
            let is_hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
            if words[index].len() >= 10 && is_hex(&words[index]) {
                words[index] = "[identity..]".into();
            }
        }
        words.join(" ").trim_end().to_owned() + "\n"
    });
    lines.collect()
}

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// The engine that the programs use.
fn selected() -> Option<&'static Arc<dyn Engine>> {
    static SELECTED: OnceLock<Option<Arc<dyn Engine>>> = OnceLock::new();
    let select = || {
        let selected = wait(select(&Store::at(&store()).unwrap()));
        selected.ok().map(|selected| selected.engine)
    };
    SELECTED.get_or_init(select).as_ref()
}

/// Whether tests that need containers can run; see [`tests::engine_answers`].
pub(crate) fn engine() -> bool {
    tests::engine_answers(selected().is_some())
}

/// The name of the engine that the programs use.
pub(crate) fn engine_name() -> &'static str {
    selected().unwrap().name()
}

/// The containers of a process: by what marks them, or by the number of their first process.
fn containers(pid: u32) -> Vec<String> {
    match engine_name() {
        "docker" => containers_of_daemon(pid),
        _ => children_in_namespaces(pid),
    }
}

fn containers_of_daemon(pid: u32) -> Vec<String> {
    const OWNER: &str = "image-runtime.owner";
    let filters = HashMap::from([("label".to_owned(), vec![OWNER.to_owned()])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let docker = Docker::connect_with_defaults().unwrap();
    let listed = wait(docker.list_containers(Some(options))).unwrap();
    let owned = listed.into_iter().filter(|container| {
        let owner = container.labels.as_ref().and_then(|all| all.get(OWNER));
        owner.is_some_and(|owner| owner.starts_with(&format!("{pid}:")))
    });
    owned.filter_map(|container| container.id).collect()
}

/// The children of a process that are the first ones of a namespace.
fn children_in_namespaces(parent: u32) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let is_ours = |status: &str| {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(
                line.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>(),
            )
        };
        field("PPid:").is_some_and(|pid| pid == [parent.to_string()])
            && field("NSpid:").is_some_and(|pids| pids.len() > 1)
    };
    processes
        .filter(|process| {
            let status = std::fs::read_to_string(process.path().join("status"));
            status.is_ok_and(|status| is_ours(&status))
        })
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Whether the process has a container.
pub(crate) fn has_container(pid: u32) -> bool {
    !containers(pid).is_empty()
}

/// Nothing that the program made runs or lies around. Others may use its store.
#[track_caller]
pub(crate) fn assert_nothing_left(ended: &Ended) {
    let temporary = entries(&ended.store.join("v1/tmp"));
    let begin = Instant::now();
    loop {
        let container = has_container(ended.pid);
        let folders = entries(&ended.store.join("v1/run"))
            .into_iter()
            .filter(|path| is_nobodys(path));
        let files = temporary.iter().filter(|path| path.exists()).cloned();
        let left: Vec<_> = folders.chain(files).collect();
        if !container && left.is_empty() {
            return;
        }
        assert!(
            begin.elapsed() < GONE,
            "left: a container: {container}, {left:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Whether a folder of a running program, or its lock, lies there while no program holds the lock.
fn is_nobodys(path: &Path) -> bool {
    let lock = File::open(path.with_extension("lock"));
    // Without a lock, a folder is nobody's unless it is gone, too.
    lock.map_or_else(|_| path.exists(), |lock| lock.try_lock().is_ok())
}

/// Whether a layer exists.
pub(crate) fn has_layer(identity: &str) -> bool {
    wait(selected().unwrap().has_layer(&identity.parse().unwrap())).unwrap()
}

/// How many layers stand on a layer.
pub(crate) fn children(identity: &str) -> usize {
    let layer = identity.parse().unwrap();
    let layers = wait(selected().unwrap().layers()).unwrap();
    let above = layers.iter().filter(|info| info.parent == Some(layer));
    above.count()
}

/// What tests write into the directory that images copy. One test at a time has it, in whatever process.
pub(crate) struct Changing {
    _lock: File,
    layers: Vec<String>,
}

impl Changing {
    /// Takes the directory, and writes a text that was never in it.
    pub(crate) fn take() -> Self {
        let lock = Path::new(env!("CARGO_TARGET_TMPDIR")).join("changing.lock");
        let lock = File::create(lock).unwrap();
        lock.lock().unwrap();
        let this = Self {
            _lock: lock,
            layers: Vec::new(),
        };
        this.write_new();
        this
    }

    /// Writes a text that was never there.
    pub(crate) fn write_new(&self) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let text = now.unwrap().as_nanos().to_string();
        self.write(&text);
        text
    }

    pub(crate) fn path(&self) -> PathBuf {
        data("changing/generated")
    }

    pub(crate) fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    /// Builds images; answers what `build --json` says. Their topmost layers are removed in the end.
    pub(crate) fn build(&mut self, arguments: &[&str]) -> Vec<Value> {
        let ended = changing(&[&["build", "--json"], arguments].concat()).run();
        let rows = ended.good().json();
        let rows = rows.as_array().unwrap().clone();
        for row in &rows {
            self.remove_later(row["layer"].as_str().unwrap());
        }
        rows
    }

    pub(crate) fn remove_later(&mut self, layer: &str) {
        self.layers.push(layer.to_owned());
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
        for layer in &self.layers {
            remove_chain(layer);
        }
    }
}

/// Removes a layer and all that stands on it.
pub(crate) fn remove_with_those_above(layer: &str) {
    let engine = selected().unwrap();
    let layers = wait(engine.layers()).unwrap();
    let id = layer.parse().unwrap();
    for above in layers.iter().filter(|info| info.parent == Some(id)) {
        remove_with_those_above(&above.id.to_string());
    }
    wait(engine.remove_layer(&id)).unwrap();
}

/// Removes a layer and those below it that nothing else stands on, down to what is no copy of our directory.
fn remove_chain(layer: &str) {
    let engine = selected().unwrap();
    let layers = wait(engine.layers()).unwrap();
    let mut next = layer.parse().ok();
    while let Some(info) = layers.iter().find(|info| Some(info.id) == next) {
        let removed = wait(engine.remove_layer(&info.id)).is_ok();
        let own = !info.title.contains("/changing");
        next = info.parent.filter(|_| removed && own);
    }
}

/// A file of these tests.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("cli/data")
        .join(name)
}
