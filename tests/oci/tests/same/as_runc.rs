//! What a program sees, and what is refused: as with runc.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::bundle::{Bundle, Runtime};

/// Whether both can be run here.
fn can_compare() -> bool {
    let runc = std::process::Command::new("runc").arg("--version").output();
    let works = runc.is_ok_and(|output| output.status.success());
    // CI, where it is not root, runs these once more as root.
    tests::is_for("root", rustix::process::geteuid().is_root()) && tests::have("runc", works)
}

/// Both print the same, and something.
fn same(bundle: Bundle) -> Vec<String> {
    let [runc, ours] = [Runtime::Runc, Runtime::Ours].map(|runtime| bundle.run(runtime));
    assert!(!runc.is_empty());
    assert_eq!(runc, ours, "left is runc's");
    ours
}

/// Both refuse.
fn refused(bundle: &Bundle) {
    for runtime in [Runtime::Runc, Runtime::Ours] {
        assert!(
            bundle.is_refused(runtime),
            "{runtime:?} does not refuse {bundle:?}"
        );
    }
}

#[test]
fn root_has_the_same_identity_capabilities_and_signals() {
    if !can_compare() {
        return;
    }
    let fields = "Uid|Gid|Groups|Cap.*|NoNewPrivs|SigQ?Blk|SigIgn|SigCgt|ShdPnd|Threads";
    let lines = same(Bundle::new(&format!(
        "grep -E '^({fields}):' /proc/self/status; umask"
    )));
    assert!(
        lines.contains(&"CapEff:\t00000000a80425fb".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn a_user_has_the_same_groups_and_no_capabilities() {
    if !can_compare() {
        return;
    }
    let user = json!({ "uid": 12, "gid": 34, "additionalGids": [56, 78] });
    let script = "grep -E '^(Uid|Gid|Groups|CapEff|CapPrm|CapInh|CapAmb|CapBnd|NoNewPrivs):' /proc/self/status";
    let lines = same(Bundle::new(script).set("/process/user", user));
    assert!(
        lines.contains(&"CapEff:\t0000000000000000".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn capabilities_are_those_that_were_asked_for() {
    if !can_compare() {
        return;
    }
    let few = json!(["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]);
    let sets = json!({ "bounding": few, "effective": few, "permitted": few });
    for sets in [sets, json!({})] {
        let bundle = Bundle::new("grep ^Cap /proc/self/status");
        same(bundle.set("/process/capabilities", sets));
    }
}

#[test]
fn mounts_are_the_same_and_at_least_as_tight() {
    if !can_compare() {
        return;
    }
    let source = tempfile::tempdir().unwrap();
    let bundle = Bundle::new("cat /proc/self/mountinfo")
        .push(
            "/mounts",
            json!({ "destination": "/a/b", "type": "tmpfs", "source": "tmpfs",
                                 "options": ["nosuid", "noexec", "size=1m", "mode=700"] }),
        )
        .push(
            "/mounts",
            json!({ "destination": "/shown", "type": "bind", "source": source.path(),
                                 "options": ["rbind", "ro"] }),
        );
    let [runc, ours] = [Runtime::Runc, Runtime::Ours].map(|runtime| mounts(&bundle.run(runtime)));
    for mount in &runc {
        let same = ours.iter().find(|ours| ours.target == mount.target);
        let same = same.unwrap_or_else(|| panic!("`{}` is not mounted: {ours:?}", mount.target));
        // Ours is the machine's own `/dev/null`.
        let is_null = (same.root.as_str(), mount.root.as_str()) == ("/null", "/null");
        assert!(is_null || same.kind == mount.kind, "{same:?} {mount:?}");
        for option in &mount.of_kind {
            let has = is_null || same.of_kind.contains(option);
            assert!(has, "`{}` has no {option}", mount.target);
        }
        for option in ["ro", "nosuid", "nodev", "noexec"] {
            let has = |options: &[String]| options.iter().any(|known| known == option);
            assert!(
                has(&same.options) || !has(&mount.options),
                "`{}` is not {option}",
                mount.target
            );
        }
        // runc lets the machine's later mounts in.
        assert_eq!(same.peers, None, "`{}` is passed on", mount.target);
    }
    for mount in &ours {
        let known = runc.iter().any(|runc| runc.target == mount.target);
        // Devices are shown here, and made there.
        assert!(known || mount.target.starts_with("/dev/"), "{mount:?}");
    }
}

#[derive(Debug)]
struct Mount {
    root: String,
    target: String,
    options: Vec<String>,
    kind: String,
    of_kind: Vec<String>,
    peers: Option<String>,
}

/// What `/proc/self/mountinfo` says, without what control groups differ in.
fn mounts(lines: &[String]) -> Vec<Mount> {
    let words = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mounts = lines.iter().map(|line| {
        let (mount, kind) = line.split_once(" - ").unwrap();
        let (mount, kind): (Vec<_>, Vec<_>) =
            (mount.split(' ').collect(), kind.split(' ').collect());
        Mount {
            root: mount[3].to_owned(),
            target: mount[4].to_owned(),
            options: words(mount[5]),
            peers: mount
                .get(6)
                .map(|tag| tag.split(':').next().unwrap().to_owned()),
            kind: kind[0].to_owned(),
            of_kind: words(kind[2]),
        }
    });
    mounts
        .filter(|mount| !mount.target.starts_with("/sys/fs/cgroup"))
        .collect()
}

#[test]
fn dev_has_the_same_in_it() {
    if !can_compare() {
        return;
    }
    // runc adds a link to a file that is hidden.
    let script = "for path in /dev/*; do [ $path = /dev/core ] || stat -c '%n %F %a %t,%T' $path; done; \
                  readlink /dev/fd /dev/stdin /dev/stdout /dev/stderr; \
                  head -c 3 /dev/zero | od -An -tx1; echo x > /dev/full; echo x > /dev/null && echo written";
    same(Bundle::new(script));
}

#[test]
fn the_same_is_hidden_and_read_only() {
    if !can_compare() {
        return;
    }
    let bundle = Bundle::new(
        "for path in /proc/asound /proc/acpi /proc/kcore /proc/keys /proc/timer_list /proc/scsi /sys/firmware \
                     /secret /secrets /missing; do \
             [ ! -e $path ] || stat -c '%n %F' $path; [ ! -d $path ] || ls -A $path; [ ! -f $path ] || head -c 9 $path; \
         done; \
         for path in /proc/sys/kernel/domainname /proc/sysrq-trigger /sys/kernel/profiling /kept/file; do \
             (echo 0 > $path) 2> /dev/null || echo no $path; \
         done",
    );
    fs::write(bundle.rootfs().join("secret"), "secret").unwrap();
    for folder in ["secrets", "kept"] {
        fs::create_dir(bundle.rootfs().join(folder)).unwrap();
        fs::write(bundle.rootfs().join(folder).join("file"), "secret").unwrap();
    }
    let bundle = ["/secret", "/secrets", "/missing"]
        .into_iter()
        .fold(bundle, |bundle, path| {
            bundle.push("/linux/maskedPaths", json!(path))
        });
    let lines = same(bundle.push("/linux/readonlyPaths", json!("/kept")));
    assert!(lines.contains(&"no /kept/file".to_owned()), "{lines:?}");
    assert!(
        !lines.iter().any(|line| line.starts_with("secret")),
        "{lines:?}"
    );
}

#[test]
fn namespaces_are_its_own_or_the_machines() {
    if !can_compare() {
        return;
    }
    let bundle =
        Bundle::new("for ns in mnt pid ipc uts net user; do readlink /proc/self/ns/$ns; done");
    let own = |runtime| -> Vec<bool> {
        let lines = bundle.run(runtime);
        let is_own = |line: &String| {
            let kind = line.split(':').next().unwrap();
            fs::read_link(format!("/proc/self/ns/{kind}"))
                .unwrap()
                .to_str()
                != Some(line)
        };
        lines.iter().map(is_own).collect()
    };
    assert_eq!(own(Runtime::Runc), [true, true, true, true, true, false]);
    assert_eq!(own(Runtime::Ours), own(Runtime::Runc));
}

#[test]
fn the_process_begins_in_the_same_state() {
    if !can_compare() {
        return;
    }
    let script =
        "echo $$ $PPID; pwd; cut -d' ' -f4-7 /proc/$$/stat; ls /proc/$$/fd; hostname; env | sort";
    same(Bundle::new(script).set("/process/cwd", json!("/made/on/the/way")));
}

#[test]
fn the_network_is_the_loopback_alone_and_settings_are_its_own() {
    if !can_compare() {
        return;
    }
    let script = "ls /sys/class/net; cat /sys/class/net/lo/flags /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni";
    let sysctl = json!({ "net.ipv4.ip_forward": "1", "kernel.shmmni": "123" });
    same(Bundle::new(script).set("/linux/sysctl", sysctl));
}

#[test]
fn limits_of_a_process_and_of_groups_are_kept_and_seen() {
    if !can_compare() {
        return;
    }
    let script = "grep -E 'open files|file size|core' /proc/self/limits; cat /proc/self/oom_score_adj; \
                  cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max 2> /dev/null || cat memory.max pids.max";
    let bundle = Bundle::new(script)
        .set("/process/oomScoreAdj", json!(321))
        .set(
            "/process/rlimits",
            json!([
                { "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 },
                { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 },
            ]),
        )
        .set(
            "/linux/resources",
            json!({ "memory": { "limit": 64 << 20 }, "pids": { "limit": 20 } }),
        )
        // With a namespace of its own a program finds its group where both have it mounted.
        .push("/linux/namespaces", json!({ "type": "cgroup" }));
    let lines = same(bundle);
    assert!(
        lines.ends_with(&[(64 << 20).to_string(), "20".to_owned()]),
        "{lines:?}"
    );
}

#[test]
fn a_read_only_root_cannot_be_written() {
    if !can_compare() {
        return;
    }
    let bundle =
        Bundle::new("(echo x > /file) 2> /dev/null || echo no; echo x > /dev/shm/file && echo yes");
    assert_eq!(
        same(bundle.set("/root/readonly", json!(true))),
        ["no", "yes"]
    );
}

#[test]
fn what_cannot_be_is_refused() {
    if !can_compare() {
        return;
    }
    let plain = || Bundle::new("echo never");
    refused(&plain().set("/process/args", json!(["no-such-program"])));
    refused(&plain().set("/process/args", json!([])));
    let boundless = json!([{ "type": "RLIMIT_NOFILE", "soft": u64::MAX, "hard": u64::MAX }]);
    refused(&plain().set("/process/rlimits", boundless));
    refused(&plain().push(
        "/mounts",
        json!({ "destination": "/x", "type": "bind", "source": "/no/such/folder",
                                             "options": ["bind"] }),
    ));
    refused(&plain().push(
        "/mounts",
        json!({ "destination": "/x", "type": "nosuchfs", "source": "none" }),
    ));
    refused(&plain().set("/linux/sysctl", json!({ "vm.swappiness": "1" })));
    for name in ["proc", "sys"] {
        let bundle = plain();
        fs::create_dir(bundle.rootfs().join("elsewhere")).unwrap();
        symlink("elsewhere", bundle.rootfs().join(name)).unwrap();
        refused(&bundle);
    }
}
