//! Bundles that both runtimes get, and what comes out of them.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a container may take that only looks around.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command line of the OCI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Runc,
    Ours,
}

impl Runtime {
    fn command(self, root: &Path) -> Command {
        let mut command = Command::new(match self {
            Self::Runc => "runc",
            Self::Ours => env!("CARGO_BIN_EXE_image-oci"),
        });
        command.arg("--root").arg(root);
        command
    }
}

/// A container to be: a directory with `config.json` and a root made of this machine's programs.
#[derive(Debug)]
pub(crate) struct Bundle {
    directory: TempDir,
    config: Value,
}

impl Bundle {
    /// A shell that runs `script` as Docker would have it run.
    pub(crate) fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let rootfs = directory.path().join("rootfs");
        fs::create_dir(&rootfs).unwrap();
        let mut config = docker(script);
        for name in ["usr", "bin", "sbin", "lib", "lib64"] {
            let here = Path::new("/").join(name);
            if let Ok(target) = fs::read_link(&here) {
                symlink(target, rootfs.join(name)).unwrap();
            } else if here.is_dir() {
                let bind = json!({ "destination": here, "source": here, "type": "bind",
                                   "options": ["rbind", "ro", "nosuid", "nodev"] });
                config["mounts"].as_array_mut().unwrap().push(bind);
            }
        }
        Self { directory, config }
    }

    /// Sets what stands at a JSON pointer.
    pub(crate) fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = self.config.pointer_mut(parent).unwrap();
        parent[name] = value;
        self
    }

    /// Adds to the list that stands at a JSON pointer.
    pub(crate) fn push(mut self, pointer: &str, value: Value) -> Self {
        let list = self.config.pointer_mut(pointer).unwrap();
        list.as_array_mut().unwrap().push(value);
        self
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.directory.path().join("rootfs")
    }

    /// What the container prints.
    pub(crate) fn run(&self, runtime: Runtime) -> Vec<String> {
        let (state, id) = (self.directory.path().join("state"), self.id(runtime));
        let output = self.directory.path().join("output");
        let created = self.create(runtime, &output);
        assert!(
            created.status.success(),
            "{runtime:?}: {}",
            error(&created, &output)
        );
        let started = runtime
            .command(&state)
            .args(["start", &id])
            .output()
            .unwrap();
        assert!(started.status.success(), "{runtime:?}: {started:?}");
        self.until_stopped(runtime);
        let deleted = runtime
            .command(&state)
            .args(["delete", &id])
            .output()
            .unwrap();
        assert!(deleted.status.success(), "{runtime:?}: {deleted:?}");
        let text = fs::read_to_string(output).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Whether no such container can be made.
    pub(crate) fn is_refused(&self, runtime: Runtime) -> bool {
        let created = self.create(runtime, &self.directory.path().join("output"));
        if created.status.success() {
            let state = self.directory.path().join("state");
            let delete = ["delete", "--force", &self.id(runtime)];
            runtime.command(&state).args(delete).output().unwrap();
        }
        !created.status.success()
    }

    fn create(&self, runtime: Runtime, output: &Path) -> Output {
        let config = serde_json::to_vec(&self.config).unwrap();
        fs::write(self.directory.path().join("config.json"), config).unwrap();
        let output = File::create(output).unwrap();
        runtime
            .command(&self.directory.path().join("state"))
            .args(["create", "--bundle"])
            .arg(self.directory.path())
            .arg(self.id(runtime))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .output()
            .unwrap()
    }

    fn until_stopped(&self, runtime: Runtime) {
        let state = self.directory.path().join("state");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let asked = ["state", &self.id(runtime)];
            let state = runtime.command(&state).args(asked).output().unwrap();
            let state: Value = serde_json::from_slice(&state.stdout).unwrap();
            if state["status"] == "stopped" {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("{runtime:?}: it does not end");
    }

    fn id(&self, runtime: Runtime) -> String {
        let name = self.directory.path().file_name().unwrap().to_string_lossy();
        format!("same-{runtime:?}{}", name.trim_start_matches('.'))
    }
}

fn error(created: &Output, output: &Path) -> String {
    format!(
        "{}: {}",
        created.status,
        fs::read_to_string(output).unwrap_or_default()
    )
}

/// What Docker asks its runtime for, as far as it is the same for all containers. (Docker has `noNewPrivileges` off.)
fn docker(script: &str) -> Value {
    let capabilities = [
        "CHOWN",
        "DAC_OVERRIDE",
        "FSETID",
        "FOWNER",
        "MKNOD",
        "NET_RAW",
        "SETGID",
        "SETUID",
        "SETFCAP",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "SYS_CHROOT",
        "KILL",
        "AUDIT_WRITE",
    ];
    let capabilities = capabilities.map(|name| format!("CAP_{name}"));
    let mount = |destination: &str, kind: &str, options: &[&str]| {
        json!({
            "destination": destination, "type": kind, "source": kind, "options": options,
        })
    };
    json!({
        "ociVersion": "1.0.2",
        "root": { "path": "rootfs" },
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": ["/bin/sh", "-c", script],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "A=b c", "EMPTY="],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
            "noNewPrivileges": true,
        },
        "hostname": "same",
        "mounts": [
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts",
                  &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        ],
        "linux": {
            "namespaces": [
                { "type": "mount" }, { "type": "network" }, { "type": "uts" }, { "type": "pid" }, { "type": "ipc" },
            ],
            "maskedPaths": [
                "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}
