//! On the control groups of this machine.

use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::*;

const MEMORY: Limits = Limits {
    memory: Some(32 << 20),
    pids: None,
    cpus: None,
};
const PIDS: Limits = Limits {
    memory: None,
    pids: Some(10),
    cpus: None,
};

fn new_name(of: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test-{of}-{}-{count}", std::process::id())
}

/// A group, where this machine can keep the limits.
fn limited(of: &str, limits: &Limits) -> Option<(Cgroup, Vec<PathBuf>)> {
    let cgroups = Cgroups::of_machine();
    let name = new_name(of);
    match cgroups.create(&name, limits) {
        Ok(cgroup) => Some((cgroup, paths(&cgroups, &name))),
        Err(error) => {
            super::not_run(&error.to_string());
            None
        }
    }
}

/// The groups of that name, wherever they are.
fn paths(cgroups: &Cgroups, name: &str) -> Vec<PathBuf> {
    let places = cgroups.hierarchies().iter();
    places
        .filter_map(|hierarchy| hierarchy.place.as_ref().ok())
        .map(|place| place.path.join("image-runtime").join(name))
        .filter(|path| path.exists())
        .collect()
}

/// A shell that goes through the entrances by itself, as a container's process does, and then runs a script.
fn enter(cgroup: &Cgroup, script: &str) -> Child {
    let entrances = cgroup.entrances().unwrap();
    assert!(entrances.len() <= 3, "one for each stream of a shell");
    let mut shell = Command::new("sh");
    shell
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut steps = String::new();
    let streams: [fn(&mut Command, OwnedFd) -> &mut Command; 3] = [
        |shell, fd| shell.stdin(fd),
        |shell, fd| shell.stdout(fd),
        |shell, fd| shell.stderr(fd),
    ];
    for (number, entrance) in entrances.into_iter().enumerate() {
        streams[number](&mut shell, entrance.procs);
        steps += &format!("echo 0 >&{number} || exit 99; ");
    }
    let steps = format!("{steps} exec < /dev/null > /dev/null 2>&1; {script}");
    shell.args(["-c", &steps]).spawn().unwrap()
}

#[test]
fn who_needs_more_memory_than_the_limit_is_killed_and_it_is_known() {
    let Some((cgroup, paths)) = limited("memory", &MEMORY) else {
        return;
    };
    let mut calm = enter(&cgroup, "exit 4");
    assert_eq!(calm.wait().unwrap().code(), Some(4));
    assert!(!cgroup.oom_killed());
    let mut child = enter(&cgroup, "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done");
    let ended = child.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&ended),
        Some(9)
    );
    assert!(cgroup.oom_killed());
    if let Some(peak) = cgroup.memory_peak() {
        assert!((8 << 20..=32 << 20).contains(&peak), "{peak}");
    }
    cgroup.remove().unwrap();
    assert!(!paths.is_empty() && paths.iter().all(|path| !path.exists()));
}

#[test]
fn a_fork_bomb_ends_at_the_limit_and_what_it_started_is_killed() {
    let Some((cgroup, paths)) = limited("pids", &PIDS) else {
        return;
    };
    let bomb = "i=0; while [ $i -lt 50 ]; do sleep 1000 & i=$((i+1)); done; exit 0";
    let ended = enter(&cgroup, bomb).wait().unwrap();
    assert!(
        ended.code().is_some_and(|code| code != 0 && code != 99),
        "{ended}"
    );
    let left = fs::read_to_string(paths[0].join("cgroup.procs")).unwrap();
    assert_eq!(left.lines().count(), 9, "the shell was the tenth: {left}");
    assert!(cgroup.remove().is_err(), "processes are in it");
    assert!(paths[0].exists());
    cgroup.kill();
    cgroup.remove().unwrap();
    assert!(paths.iter().all(|path| !path.exists()));
    assert!(left.lines().all(|pid| !runs(pid)));
}

fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

#[test]
fn all_limits_hold_together_and_nothing_is_left_of_them() {
    let all = Limits {
        cpus: Some(0.5),
        pids: Some(10),
        ..MEMORY
    };
    let Some((cgroup, paths)) = limited("all", &all) else {
        return;
    };
    let read = |name: &str| {
        let found = paths
            .iter()
            .find_map(|path| fs::read_to_string(path.join(name)).ok());
        found.map(|text| text.trim().to_owned())
    };
    let bytes = (32 << 20).to_string();
    match read("memory.max") {
        Some(max) => {
            assert_eq!(max, bytes);
            assert_eq!(read("cpu.max").unwrap(), "50000 100000");
            assert!(read("memory.swap.max").is_none_or(|swap| swap == "0"));
        }
        None => {
            assert_eq!(read("memory.limit_in_bytes").unwrap(), bytes);
            assert_eq!(read("cpu.cfs_quota_us").unwrap(), "50000");
            assert!(read("memory.memsw.limit_in_bytes").is_none_or(|both| both == bytes));
        }
    }
    assert_eq!(read("pids.max").unwrap(), "10");
    let mut child = enter(&cgroup, "exec sleep 1000");
    let inside = |path: &PathBuf| {
        let text = fs::read_to_string(path.join("cgroup.procs")).unwrap();
        text.trim() == child.id().to_string()
    };
    until(|| paths.iter().all(inside).then_some(()));
    cgroup.kill();
    child.wait().unwrap();
    drop(cgroup);
    assert!(paths.iter().all(|path| !path.exists()));
}

#[test]
fn sweeping_spares_the_living_and_ends_what_a_killed_process_left() {
    const MAKE: &str = "IMAGE_TESTS_MAKE_CGROUP";
    if let Ok(name) = std::env::var(MAKE) {
        let held = Cgroups::of_machine().create(&name, &PIDS).unwrap();
        let mut left = enter(&held, "exec sleep 1000");
        writeln!(std::io::stdout(), "made").unwrap();
        left.wait().unwrap();
        return;
    }
    let Some((living, spared)) = limited("living", &PIDS) else {
        return;
    };
    let mut child = enter(&living, "exec sleep 1000");
    let name = new_name("killed");
    let mut maker = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg(std::thread::current().name().unwrap())
        .env(MAKE, &name)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(maker.stdout.take().unwrap());
    let mut lines = std::io::BufRead::lines(output).map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with("made")));
    let cgroups = Cgroups::of_machine();
    let made = paths(&cgroups, &name);
    let inside = until(|| {
        let text = fs::read_to_string(made[0].join("cgroup.procs")).unwrap();
        (!text.is_empty()).then(|| text.trim().to_owned())
    });
    cgroups.sweep();
    assert!(made[0].exists() && runs(&inside), "its owner lives");
    maker.kill().unwrap();
    maker.wait().unwrap();
    // Again, as a sweep of another test may have begun with it.
    until(|| {
        cgroups.sweep();
        (!made[0].exists()).then_some(())
    });
    assert!(!runs(&inside));
    assert!(spared[0].exists());
    assert!(child.try_wait().unwrap().is_none(), "the living was killed");
    living.kill();
    child.wait().unwrap();
    living.remove().unwrap();
}

/// Looks until there is an answer.
fn until<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it takes no ten seconds");
}

#[test]
fn many_threads_make_and_remove_groups_while_others_sweep() {
    let Some((first, _)) = limited("threads", &PIDS) else {
        return;
    };
    drop(first);
    let cgroups = Cgroups::of_machine();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let made = cgroups.create(&new_name("many"), &PIDS).unwrap();
                    assert!(!made.entrances().unwrap().is_empty());
                    made.remove().unwrap();
                    cgroups.sweep();
                }
            });
        }
    });
}

#[test]
fn in_v2_the_kernel_kills_a_whole_group() {
    // Without any controller: a hybrid machine can do this, too.
    let second = |found: &&Hierarchy| found.version == Version::V2;
    let cgroups = Cgroups::of_machine();
    let place = cgroups
        .hierarchies()
        .iter()
        .find(second)
        .map(|found| found.place.clone());
    let Some(Ok(place)) = place else {
        return super::not_run("no v2 hierarchy can be written to here");
    };
    let directories = cgroups.directories;
    let name = new_name("kill");
    let group = Group::make(&place, Version::V2, &[], &name, directories).unwrap();
    let cgroup = Cgroup {
        groups: vec![group],
    };
    let mut child = enter(&cgroup, "sleep 1000 & sleep 1000 & wait");
    while fs::read_to_string(procs(&place.path, &name))
        .unwrap()
        .lines()
        .count()
        < 3
    {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    cgroup.kill();
    child.wait().unwrap();
    cgroup.remove().unwrap();
    assert!(!procs(&place.path, &name).exists());
}

fn procs(place: &Path, name: &str) -> PathBuf {
    place.join("image-runtime").join(name).join("cgroup.procs")
}

#[test]
fn what_is_told_of_this_machine_is_what_it_does() {
    let cgroups = Cgroups::of_machine();
    for (limit, limits) in [("memory limit", MEMORY), ("pids limit", PIDS)] {
        let facts = cgroups.facts();
        let fact = &facts.iter().find(|(name, _)| name == limit).unwrap().1;
        let made = cgroups.create(&new_name("facts"), &limits);
        assert_eq!(
            fact.contains("can be kept"),
            made.is_ok(),
            "{fact}: {made:?}"
        );
    }
}
