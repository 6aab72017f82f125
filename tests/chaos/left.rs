//! What is left of programs that ended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tests::daemon::Daemon;

use crate::world::World;

/// How soon nothing must be left of a program that ended.
const GONE: Duration = Duration::from_secs(10);

/// Folders of the store that hold something only while programs run.
const FOLDERS: [&str; 3] = ["run", "tmp", "locks"];
/// The same of those of the engine, which has one for each form.
const ENGINE_FOLDERS: [&str; 3] = ["containers", "drafts", "retired"];

/// Nothing runs or is mounted any more, and nothing lies around.
#[track_caller]
pub(crate) fn nothing(world: &World) {
    within_time(|| {
        let mut left = running(world);
        left.extend(lying(world));
        left
    });
}

/// The same, and a daemon has no containers.
#[track_caller]
pub(crate) fn nothing_at(world: &World, daemon: &Daemon) {
    within_time(|| {
        let mut left = running(world);
        left.extend(lying(world));
        left.extend(daemon.containers());
        left
    });
}

/// Nothing runs or is mounted any more.
#[track_caller]
pub(crate) fn nobody(world: &World) {
    within_time(|| running(world));
}

#[track_caller]
fn within_time(look: impl Fn() -> Vec<String>) {
    let begin = Instant::now();
    loop {
        let left = look();
        if left.is_empty() {
            return;
        }
        assert!(begin.elapsed() < GONE, "left after {GONE:?}: {left:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until nobody uses the store, so that it can be removed.
pub(crate) fn nobody_uses(world: &World) {
    let begin = Instant::now();
    while !running(world).is_empty() && begin.elapsed() < GONE {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a program has started a container.
pub(crate) fn until_a_container_runs(world: &World) {
    let begin = Instant::now();
    while !marked(world)
        .iter()
        .any(|(_, text)| text.contains("/dev/image-runtime/worker"))
    {
        assert!(begin.elapsed() < GONE, "no container was started");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Kills all processes of a world, and so what clears up after its programs.
pub(crate) fn kill_marked(world: &World) {
    for (pid, _) in marked(world) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn running(world: &World) -> Vec<String> {
    let store = world.store().display().to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts = mounts.lines().filter(|line| line.contains(&store));
    let processes = marked(world).into_iter().map(|(_, text)| text);
    processes
        .chain(mounts.map(|line| format!("mount {line}")))
        .collect()
}

/// Processes that have the mark of a world in their environment, and those that see its store mounted.
fn marked(world: &World) -> Vec<(Pid, String)> {
    let mark = world.mark();
    let holds = |path: PathBuf| {
        let text = fs::read(path).unwrap_or_default();
        text.windows(mark.len()).any(|part| part == mark.as_bytes())
    };
    let is_ours =
        |process: &Path| holds(process.join("environ")) || holds(process.join("mountinfo"));
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| {
            let pid = Pid::from_raw(process.file_name().to_str()?.parse().ok()?)?;
            let line = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            let text = format!("process {} {}", pid, line.replace('\0', " "));
            (pid != rustix::process::getpid() && is_ours(&process.path())).then_some((pid, text))
        })
        .collect()
}

fn lying(world: &World) -> Vec<String> {
    let bucket = world.store().join("v1");
    let forms = world.forms().into_iter();
    let of_engine = forms.flat_map(|form| ENGINE_FOLDERS.map(|name| form.join(name)));
    let folders = FOLDERS.map(|name| bucket.join(name)).into_iter();
    let folders = folders.chain(of_engine).flat_map(|folder| {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries
            .flatten()
            .map(|entry| entry.path().display().to_string())
    });
    let workers = fs::read_dir(bucket.join("workers")).into_iter().flatten();
    let half = workers
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path().display().to_string());
    folders.chain(half).chain(groups()).collect()
}

/// Control groups of containers that nobody holds.
fn groups() -> Vec<String> {
    let mut found = Vec::new();
    look_for_groups(Path::new("/sys/fs/cgroup"), 6, &mut found);
    found
}

fn look_for_groups(folder: &Path, depth: usize, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if depth == 0 || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let is_free = || File::open(&path).is_ok_and(|group| group.try_lock().is_ok());
        if folder.ends_with("image-runtime") && is_free() {
            found.push(path.display().to_string());
        }
        look_for_groups(&path, depth - 1, found);
    }
}
