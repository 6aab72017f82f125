//! On trees of files. Making a group there makes the files that the kernel would.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::{Gid, Uid};

use super::super::*;

/// A machine: its `/proc`, and groups below `cgroup/`.
struct Machine(tempfile::TempDir);

/// Making and removing are one step each in the kernel.
static KERNEL: Mutex<()> = Mutex::new(());

/// What the kernel puts into a new group.
fn make(path: &Path) -> io::Result<()> {
    let _alone = KERNEL.lock().unwrap();
    fs::create_dir(path)?;
    let parent = path.parent().unwrap();
    let mut files = vec!["cgroup.procs"];
    match fs::read_to_string(parent.join("cgroup.subtree_control")) {
        Ok(given) => {
            let given = given.replace('+', "");
            fs::write(path.join("cgroup.controllers"), given).unwrap();
            fs::write(path.join("cgroup.type"), "domain\n").unwrap();
            // Controllers that the parent gets later make files, too; here they are there from the beginning.
            files.extend([
                "cgroup.subtree_control",
                "memory.max",
                "pids.max",
                "cpu.max",
            ]);
            if !path.ancestors().any(|above| above.join("no-swap").exists()) {
                files.push("memory.swap.max");
            }
        }
        Err(_) if path.ancestors().any(|above| above.ends_with("memory")) => {
            files.extend(["memory.limit_in_bytes", "memory.swappiness"]);
            if !path.ancestors().any(|above| above.join("no-swap").exists()) {
                files.push("memory.memsw.limit_in_bytes");
            }
        }
        Err(_) => files.extend(["pids.max", "cpu.cfs_period_us", "cpu.cfs_quota_us"]),
    }
    for file in files {
        fs::write(path.join(file), "").unwrap();
    }
    Ok(())
}

/// The kernel removes a group's files with it, and never a group with groups in it.
fn remove(path: &Path) -> io::Result<()> {
    let _alone = KERNEL.lock().unwrap();
    if fs::read_dir(path)?.any(|entry| entry.unwrap().path().is_dir()) {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    fs::remove_dir_all(path)
}

impl Machine {
    fn new(membership: &str) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(machine.path("proc/self")).unwrap();
        fs::write(machine.path("proc/self/cgroup"), membership).unwrap();
        machine.file("proc/self/mountinfo", "1 0 0:1 / / rw - ext4 /dev/x rw\n");
        machine.file("proc/swaps", "Filename Type Size Used Priority\n");
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn mount(&self, root: &str, point: &str, kind: &str, options: &str) {
        let mut lines = self.text("proc/self/mountinfo");
        let point = self.path(point).display().to_string().replace(' ', "\\040");
        lines += &format!("9 1 0:9 {root} {point} rw,nosuid shared:4 - {kind} cgroup {options}\n");
        self.file("proc/self/mountinfo", &lines);
    }

    /// A v2 group that was there before.
    fn group(&self, path: &str, controllers: &str, given: &str, processes: &str) {
        self.file(&format!("{path}/cgroup.controllers"), controllers);
        self.file(&format!("{path}/cgroup.subtree_control"), given);
        self.file(&format!("{path}/cgroup.procs"), processes);
        self.file(&format!("{path}/cgroup.type"), "domain\n");
    }

    fn cgroups(&self) -> Cgroups {
        Cgroups::by_proc(&self.path("proc"), Directories { make, remove })
    }

    fn groups(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("cgroup")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    let name = path.strip_prefix(self.path("cgroup")).unwrap();
                    found.push(name.display().to_string());
                    folders.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

fn second(own: &str) -> Machine {
    let machine = Machine::new(&format!("0::{own}\n"));
    machine.mount("/", "cgroup", "cgroup2", "rw,nsdelegate");
    machine.group(
        "cgroup",
        "cpuset cpu io memory pids",
        "memory pids",
        "1\n2\n",
    );
    // The root of all has no type.
    fs::remove_file(machine.path("cgroup/cgroup.type")).unwrap();
    machine
}

const ALL: Limits = Limits {
    memory: Some(64 << 20),
    pids: Some(9),
    cpus: Some(1.5),
};

fn says(result: Result<Cgroup, EngineError>, words: &[&str]) {
    let error = result.unwrap_err();
    assert!(matches!(error, EngineError::Limit { .. }), "{error:?}");
    let text = error.to_string();
    for word in words.iter().chain(&["help:", "IMAGE_ENGINE=docker"]) {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[test]
fn in_v2_one_group_holds_all_limits() {
    let machine = second("/user.slice/session.scope");
    machine.group("cgroup/user.slice/session.scope", "", "", "7\n");
    let before = machine.groups();
    let cgroup = machine.cgroups().create("one", &ALL).unwrap();
    assert_eq!(
        machine.text("cgroup/image-runtime/one/memory.max"),
        "67108864"
    );
    assert_eq!(
        machine.text("cgroup/image-runtime/one/memory.swap.max"),
        "0"
    );
    assert_eq!(machine.text("cgroup/image-runtime/one/pids.max"), "9");
    assert_eq!(
        machine.text("cgroup/image-runtime/one/cpu.max"),
        "150000 100000"
    );
    let given = machine.text("cgroup/image-runtime/cgroup.subtree_control");
    assert_eq!(given, "+memory +pids +cpu");
    assert_eq!(cgroup.entrances().unwrap().len(), 1);
    cgroup.remove().unwrap();
    cgroup.remove().unwrap();
    assert_eq!(machine.groups(), before);
}

#[test]
fn in_v2_only_controllers_that_are_missing_are_given() {
    let machine = second("/");
    let cgroups = machine.cgroups();
    let only = Limits { cpus: None, ..ALL };
    let _one = cgroups.create("one", &only).unwrap();
    assert_eq!(machine.text("cgroup/cgroup.subtree_control"), "memory pids");
    let _two = cgroups.create("two", &ALL).unwrap();
    assert!(
        machine
            .text("cgroup/cgroup.subtree_control")
            .contains("+cpu")
    );
}

#[test]
fn groups_that_are_dropped_are_gone_and_the_parent_goes_with_the_last() {
    let machine = second("/");
    let cgroups = machine.cgroups();
    let one = cgroups.create("one", &ALL).unwrap();
    let two = cgroups.create("two", &ALL).unwrap();
    drop(one);
    assert_eq!(machine.groups(), ["image-runtime", "image-runtime/two"]);
    drop(two);
    assert_eq!(machine.groups(), [""; 0]);
}

#[test]
fn without_limits_nothing_is_made_whatever_there_is() {
    let machine = Machine::new("");
    let cgroup = machine.cgroups().create("one", &Limits::default()).unwrap();
    assert!(cgroup.entrances().unwrap().is_empty());
    assert!(!cgroup.oom_killed());
    assert_eq!(cgroup.memory_peak(), None);
    cgroup.kill();
    cgroup.remove().unwrap();
}

#[test]
fn in_v2_what_the_kernel_tells_is_read() {
    let machine = second("/");
    let cgroup = machine.cgroups().create("one", &ALL).unwrap();
    let events = "cgroup/image-runtime/one/memory.events";
    machine.file(events, "low 0\noom 1\noom_kill 0\noom_group_kill 0\n");
    assert!(!cgroup.oom_killed());
    assert_eq!(cgroup.memory_peak(), None, "older kernels do not tell");
    machine.file(events, "low 0\noom 1\noom_kill 2\noom_group_kill 0\n");
    machine.file("cgroup/image-runtime/one/memory.peak", "4096\n");
    assert!(cgroup.oom_killed());
    assert_eq!(cgroup.memory_peak(), Some(4096));
    machine.file("cgroup/image-runtime/one/cgroup.kill", "");
    cgroup.kill();
    assert_eq!(machine.text("cgroup/image-runtime/one/cgroup.kill"), "1");
}

#[test]
fn in_v2_swap_that_is_not_counted_is_an_error_only_where_there_is_swap() {
    let machine = second("/");
    machine.file("cgroup/no-swap", "");
    drop(machine.cgroups().create("one", &ALL).unwrap());
    machine.file(
        "proc/swaps",
        "Filename Type Size Used Priority\n/swap file 9 0 -2\n",
    );
    says(
        machine.cgroups().create("one", &ALL),
        &["`memory`", "swapaccount=1"],
    );
    assert_eq!(machine.groups(), [""; 0], "what was made before is gone");
}

#[test]
fn in_v1_each_controller_has_a_group_of_its_own() {
    let machine = Machine::new("3:cpu,cpuacct:/a\n2:pids:/a\n1:memory:/a\n4:name=systemd:/a\n");
    machine.mount("/", "cgroup/memory", "cgroup", "rw,memory");
    machine.mount("/", "cgroup/pids", "cgroup", "rw,pids");
    machine.mount("/", "cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct");
    machine.mount("/", "cgroup/systemd", "cgroup", "rw,xattr,name=systemd");
    for controller in ["memory", "pids", "cpu,cpuacct", "systemd"] {
        machine.file(&format!("cgroup/{controller}/cgroup.procs"), "");
    }
    let cgroup = machine.cgroups().create("one", &ALL).unwrap();
    let text = |path: &str| {
        machine.text(&format!(
            "cgroup/{}",
            path.replace("US", "image-runtime/one")
        ))
    };
    assert_eq!(text("memory/US/memory.limit_in_bytes"), "67108864");
    assert_eq!(text("memory/US/memory.memsw.limit_in_bytes"), "67108864");
    assert_eq!(text("memory/US/memory.swappiness"), "");
    assert_eq!(text("pids/US/pids.max"), "9");
    assert_eq!(text("cpu,cpuacct/US/cpu.cfs_period_us"), "100000");
    assert_eq!(text("cpu,cpuacct/US/cpu.cfs_quota_us"), "150000");
    assert_eq!(cgroup.entrances().unwrap().len(), 3);
    drop(cgroup);
    let only = Limits {
        memory: None,
        cpus: None,
        ..ALL
    };
    let _cgroup = machine.cgroups().create("one", &only).unwrap();
    let made: Vec<_> = machine
        .groups()
        .into_iter()
        .filter(|name| name.ends_with("one"))
        .collect();
    assert_eq!(made, ["pids/image-runtime/one"]);
    // Where swap is not counted, nothing goes there.
    machine.file("cgroup/memory/no-swap", "");
    let _cgroup = machine.cgroups().create("two", &ALL).unwrap();
    assert_eq!(
        machine.text("cgroup/memory/image-runtime/two/memory.swappiness"),
        "0"
    );
}

#[test]
fn a_hybrid_takes_each_controller_where_it_is() {
    let machine = Machine::new("2:memory:/\n1:pids:/\n0::/\n");
    machine.mount("/", "cgroup/memory", "cgroup", "rw,memory");
    machine.mount("/", "cgroup/unified", "cgroup2", "rw");
    machine.file("cgroup/memory/cgroup.procs", "");
    machine.group("cgroup/unified", "pids hugetlb", "", "");
    let cgroups = machine.cgroups();
    let _cgroup = cgroups
        .create("one", &Limits { cpus: None, ..ALL })
        .unwrap();
    let text = machine.text("cgroup/memory/image-runtime/one/memory.limit_in_bytes");
    assert_eq!(text, "67108864");
    assert_eq!(
        machine.text("cgroup/unified/image-runtime/one/pids.max"),
        "9"
    );
    let facts = cgroups.facts();
    let fact = |name: &str| &facts.iter().find(|(known, _)| known == name).unwrap().1;
    assert!(fact("control groups").contains("hybrid"));
    assert!(fact("memory limit").contains("can be kept, by"));
    assert!(fact("pids limit").contains("unified"));
    assert!(fact("cpu limit").contains("cannot be kept"));
}

#[test]
fn a_controller_that_is_nowhere_is_an_error_that_says_so() {
    let machine = Machine::new("1:pids:/\n");
    says(
        machine.cgroups().create("one", &ALL),
        &["`memory`", "/sys/fs/cgroup"],
    );
    assert_eq!(machine.cgroups().facts()[0].1, "none");
    machine.mount("/", "cgroup/pids", "cgroup", "rw,pids");
    machine.file("cgroup/pids/cgroup.procs", "");
    says(
        machine.cgroups().create("one", &ALL),
        &["`memory`", "cgroup_enable=memory"],
    );
    assert_eq!(machine.groups(), ["pids"], "nothing was made of the others");
}

#[test]
fn in_v2_a_part_that_was_given_to_us_is_used() {
    // The user's manager was given a part of the tree; the program runs in a scope of it.
    let machine = second("/user@1000.service/app.slice/x.scope");
    machine.group("cgroup/user@1000.service", "memory pids", "memory pids", "");
    machine.group(
        "cgroup/user@1000.service/app.slice",
        "memory pids",
        "pids",
        "",
    );
    machine.group(
        "cgroup/user@1000.service/app.slice/x.scope",
        "pids",
        "",
        "7\n",
    );
    if !rustix::process::geteuid().is_root() {
        return super::not_run("only root can give files to somebody else");
    }
    for given in ["user@1000.service", "user@1000.service/app.slice"] {
        let given = machine.path("cgroup").join(given);
        give(&given);
        fs::read_dir(&given)
            .unwrap()
            .for_each(|entry| give(&entry.unwrap().path()));
    }
    as_somebody(&machine, || {
        let cgroups = machine.cgroups();
        let only = Limits { cpus: None, ..ALL };
        let cgroup = cgroups.create("one", &only).unwrap();
        let text = machine.text("cgroup/user@1000.service/image-runtime/one/memory.max");
        assert_eq!(text, "67108864");
        drop(cgroup);
        says(
            cgroups.create("one", &ALL),
            &["`cpu`", "Delegate=yes", "user@1000"],
        );
    });
}

const SOMEBODY: u32 = 65534;

fn give(path: &Path) {
    let (user, group) = (Uid::from_raw(SOMEBODY), Gid::from_raw(SOMEBODY));
    rustix::fs::chown(path, Some(user), Some(group)).unwrap();
}

/// Runs as a user without rights.
fn as_somebody(machine: &Machine, run: impl FnOnce() + Send) {
    fs::set_permissions(machine.0.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let run = || {
        let user = Uid::from_raw(SOMEBODY);
        // Of this thread only.
        rustix::thread::set_thread_res_uid(user, user, user).unwrap();
        run();
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap());
}

#[test]
fn who_may_not_make_groups_is_told_how_to_be_allowed() {
    if !rustix::process::geteuid().is_root() {
        return super::not_run("the files of the test would be this user's own");
    }
    let first = Machine::new("1:memory:/\n");
    first.mount("/", "cgroup", "cgroup", "rw,memory");
    first.file("cgroup/cgroup.procs", "");
    let cases = [
        (second("/user.slice"), "systemd-run --user --scope"),
        (first, "run this as root"),
    ];
    for (machine, help) in cases {
        as_somebody(&machine, || {
            says(machine.cgroups().create("one", &ALL), &["`memory`", help]);
        });
        assert_eq!(machine.groups(), [""; 0]);
    }
}

#[test]
fn in_v2_processes_move_out_of_the_way_where_all_that_is_ours_is_one_group() {
    // A container: what it sees as the root is a group with all its processes in it.
    let machine = second("/");
    machine.group("cgroup", "memory pids cpu", "", "");
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    machine.file("cgroup/cgroup.procs", &format!("{}\n", child.id()));
    let cgroups = machine.cgroups();
    // The kernel would empty the list.
    let list = machine.path("cgroup/cgroup.procs");
    let room = machine.path("cgroup/image-runtime-host/cgroup.procs");
    let made = std::thread::scope(|scope| {
        scope.spawn(|| {
            while fs::read_to_string(&room).unwrap_or_default().is_empty() {
                std::thread::yield_now();
            }
            fs::write(&list, "").unwrap();
        });
        cgroups.create("one", &ALL).unwrap()
    });
    assert!(
        fs::read_to_string(&room)
            .unwrap()
            .contains(&child.id().to_string())
    );
    assert_eq!(
        machine.text("cgroup/cgroup.subtree_control"),
        "+memory +pids +cpu"
    );
    drop(made);
    assert_eq!(machine.groups(), ["image-runtime-host"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_name_that_is_taken_is_an_error_and_the_group_stays() {
    let machine = second("/");
    let cgroups = machine.cgroups();
    let _one = cgroups.create("one", &ALL).unwrap();
    says(cgroups.create("one", &ALL), &["File exists"]);
    assert!(machine.path("cgroup/image-runtime/one").exists());
}

#[test]
fn mount_points_with_blanks_and_groups_that_are_seen_in_part_are_found() {
    // Docker without a namespace: the mount shows only the container's own group.
    let machine = Machine::new("1:memory:/docker/abc\n");
    machine.mount("/docker/abc", "cgroup/a b/memory", "cgroup", "rw,memory");
    machine.file("cgroup/a b/memory/cgroup.procs", "");
    let only = Limits {
        pids: None,
        cpus: None,
        ..ALL
    };
    let _cgroup = machine.cgroups().create("one", &only).unwrap();
    assert!(machine.path("cgroup/a b/memory/image-runtime/one").exists());
}

#[test]
fn what_is_left_behind_is_swept_and_counted_by_container() {
    let machine = Machine::new("2:memory:/\n1:pids:/\n");
    for controller in ["memory", "pids"] {
        let point = format!("cgroup/{controller}");
        machine.mount("/", &point, "cgroup", &format!("rw,{controller}"));
        machine.file(&format!("{point}/cgroup.procs"), "");
    }
    let cgroups = machine.cgroups();
    assert_eq!(cgroups.sweep(), 0);
    let living = cgroups.create("living", &Limits { cpus: None, ..ALL });
    for left in [
        "memory/image-runtime/a",
        "pids/image-runtime/a",
        "pids/image-runtime/b",
    ] {
        make(&machine.path("cgroup").join(left)).unwrap();
    }
    assert_eq!(cgroups.sweep(), 2);
    let stay = ["memory/image-runtime/living", "pids/image-runtime/living"];
    let mut groups = machine.groups();
    groups.retain(|name| name.matches('/').count() == 2);
    assert_eq!(groups, stay);
    drop(living);
    // A parent that is left without any group goes, too.
    make(&machine.path("cgroup/pids/image-runtime")).unwrap();
    assert_eq!(cgroups.sweep(), 0);
    assert_eq!(machine.groups(), ["memory", "pids"]);
}

#[test]
fn who_locks_a_group_that_was_removed_does_not_have_the_one_that_was_made_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    make(&path).unwrap();
    let stale = fs::File::open(&path).unwrap();
    remove(&path).unwrap();
    assert!(!tree::lock(&stale, &path).unwrap());
    make(&path).unwrap();
    assert!(!tree::lock(&stale, &path).unwrap());
    let (owner, sweep) = (
        fs::File::open(&path).unwrap(),
        fs::File::open(&path).unwrap(),
    );
    assert!(tree::lock(&owner, &path).unwrap());
    assert!(!tree::lock(&sweep, &path).unwrap());
}

#[test]
fn many_threads_make_remove_and_sweep_at_once() {
    let machine = second("/");
    let cgroups = machine.cgroups();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let cgroups = &cgroups;
            scope.spawn(move || {
                for round in 0..30 {
                    let made = cgroups.create(&format!("{thread}-{round}"), &ALL);
                    made.unwrap().remove().unwrap();
                    cgroups.sweep();
                }
            });
        }
    });
    assert_eq!(machine.groups(), [""; 0]);
}
