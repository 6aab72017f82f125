//! What a container does not see, or only reads, of the kernel's file systems.

use std::path::Path;
use std::sync::OnceLock;

use libc::{MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REC, MS_REMOUNT};

use super::super::SandboxError;
use super::Steps;
use crate::engine::embedded::cgroup::SHOWN;

/// What Docker hides.
const HIDDEN: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What there is to hide besides where `/sys` is the machine's: it has more mounts in it than one that was just made.
const HIDDEN_OF_MACHINE: [&str; 3] = ["/sys/fs/bpf", "/sys/fs/cgroup", "/sys/kernel/debug"];

/// What Docker lets a container only read.
const ONLY_READ: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

impl Steps {
    pub(in super::super) fn hide(
        &mut self,
        sys_is_of_machine: bool,
        shows_cgroups: bool,
    ) -> Result<(), SandboxError> {
        for (path, is_directory) in hidden() {
            self.hide_path(path, *is_directory)?;
        }
        for path in HIDDEN_OF_MACHINE {
            if sys_is_of_machine && !(shows_cgroups && path == SHOWN) {
                self.hide_path(path, true)?;
            }
        }
        for path in ONLY_READ {
            self.protect_path(path)?;
        }
        Ok(())
    }

    /// Hides something, if it is there: a directory is empty then, and a file is `/dev/null`.
    ///
    /// # Errors
    /// See [`Self::mount`].
    pub fn hide_path(&mut self, path: &str, is_directory: bool) -> Result<(), SandboxError> {
        let why = "hiding parts of /proc and /sys";
        if !is_directory {
            return self.mount(why, ["", "/dev/null", path], MS_BIND, "", true);
        }
        let flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
        self.mount(why, ["tmpfs", "tmpfs", path], flags, "size=0", true)
    }

    /// Makes something read-only, if it is there.
    ///
    /// # Errors
    /// See [`Self::mount`].
    pub fn protect_path(&mut self, path: &str) -> Result<(), SandboxError> {
        let why = "protecting parts of /proc";
        self.mount(why, ["", path, path], MS_BIND | MS_REC, "", true)?;
        let flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
        self.mount(why, ["", "none", path], flags, "", true)
    }
}

/// Those that this kernel has, each with whether it is a directory.
fn hidden() -> &'static [(&'static str, bool)] {
    static HERE: OnceLock<Vec<(&str, bool)>> = OnceLock::new();
    HERE.get_or_init(|| {
        let kind = |path: &'static str| Some((path, Path::new(path).metadata().ok()?.is_dir()));
        HIDDEN.into_iter().filter_map(kind).collect()
    })
}
