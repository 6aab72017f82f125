//! The walls of a container: what its process sees and what it may do. As tight as Docker's default, or tighter: device
//! files that a container makes work nowhere, and nothing that it executes gains privileges.
//!
//! In [`Form::User`] all of it happens in a user namespace of its own, in which this user is root: that root has rights over
//! what the namespace owns, and over nothing of the machine.

mod launch;
mod script;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libc::{MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT};
use rustix::fs::OFlags;

pub(super) use self::launch::Process;
use self::launch::{Birth, Stillbirth, launch};
use self::script::{Act, Program, Script, Step};
use super::form::Form;
use super::overlay::Overlay;
use super::seccomp;
use super::user::Identity;

/// The capabilities that Docker leaves to a container's root.
const CAPABILITIES: u64 = 1 << 0 // CAP_CHOWN
    | 1 << 1 // CAP_DAC_OVERRIDE
    | 1 << 3 // CAP_FOWNER
    | 1 << 4 // CAP_FSETID
    | 1 << 5 // CAP_KILL
    | 1 << 6 // CAP_SETGID
    | 1 << 7 // CAP_SETUID
    | 1 << 8 // CAP_SETPCAP
    | 1 << 10 // CAP_NET_BIND_SERVICE
    | 1 << 13 // CAP_NET_RAW
    | 1 << 18 // CAP_SYS_CHROOT
    | 1 << 27 // CAP_MKNOD
    | 1 << 29 // CAP_AUDIT_WRITE
    | 1 << 31; // CAP_SETFCAP

/// Devices of the machine that every container has.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links in `/dev`.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Processes and threads of one container at a time: one that forks without end stops here.
const MOST_PROCESSES: &str = "32768";

/// The step that needs overlayfs.
pub(super) const STACKING: &str = "stacking the layers";
/// The step that makes an ordinary user root inside.
pub(super) const MAPPING: &str = "becoming root in a user namespace";
/// The step that needs a `/proc` of which nothing is hidden.
pub(super) const PROC: &str = "mounting /proc";
/// The first step that needs the rights of root.
pub(super) const APART: &str = "keeping mounts to itself";
/// The step that needs the right to make namespaces.
pub(super) const BIRTH: &str = "making a process with namespaces of its own";

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

/// Something of the machine that a container sees.
#[derive(Debug)]
pub(super) struct Bind {
    pub(super) source: PathBuf,
    /// Where in the container. What has no place there is left out where it is `optional`.
    pub(super) target: String,
    pub(super) read_only: bool,
    pub(super) optional: bool,
}

/// A container to be.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) root: Overlay,
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) workdir: String,
    pub(super) identity: Identity,
    pub(super) host_name: String,
    pub(super) binds: Vec<Bind>,
    pub(super) network: bool,
    pub(super) form: Form,
}

/// Why a container could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum SandboxError {
    /// What the kernel refused.
    #[error("{doing}: {error}")]
    Step {
        doing: &'static str,
        error: io::Error,
    },
    /// The program is not there, or is none.
    #[error("`{program}` cannot be executed: {error}")]
    Program { program: String, error: io::Error },
    /// A text with a NUL.
    #[error("{text:?} contains a NUL, which no argument, variable or path may")]
    Nul { text: String },
}

impl Sandbox {
    /// Starts the process, in the cgroups of these `cgroup.procs`, with this standard output and standard error.
    ///
    /// # Errors
    /// See [`SandboxError`]; nothing runs then.
    pub(super) async fn start(
        self,
        cgroups: Vec<OwnedFd>,
        output: [OwnedFd; 2],
    ) -> Result<Process, SandboxError> {
        let program = self.argv.first().cloned().unwrap_or_default();
        let birth = self.prepare(cgroups, output)?;
        launch(birth).await.map_err(|stillbirth| {
            let Stillbirth {
                doing,
                is_program,
                error,
            } = stillbirth;
            if is_program {
                SandboxError::Program { program, error }
            } else {
                SandboxError::Step { doing, error }
            }
        })
    }

    fn prepare(
        self,
        cgroups: Vec<OwnedFd>,
        [out, err]: [OwnedFd; 2],
    ) -> Result<Birth, SandboxError> {
        let setting_up = |error| SandboxError::Step {
            doing: "opening what a container needs",
            error,
        };
        let input = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, 0.into());
        let myself = rustix::process::pidfd_open(
            rustix::process::getpid(),
            rustix::process::PidfdFlags::empty(),
        );
        let mut kept = vec![
            input.map_err(|error| setting_up(error.into()))?,
            out,
            err,
            myself.map_err(|error| setting_up(error.into()))?,
        ];
        // Out of the way of the three numbers that they are to have.
        for fd in &mut kept {
            let moved = rustix::io::fcntl_dupfd_cloexec(&*fd, 3);
            *fd = moved.map_err(|error| setting_up(error.into()))?;
        }
        let [stdin, stdout, stderr, myself] = [0, 1, 2, 3].map(|index| kept[index].as_raw_fd());

        let mut steps = Steps::default();
        for group in &cgroups {
            steps.add("entering a cgroup", Act::EnterCgroup(group.as_raw_fd()));
        }
        kept.extend(cgroups);
        if self.form == Form::User {
            steps.map_user()?;
        }
        steps.mount_root(&self.root)?;
        steps.mount_system(self.form, self.network)?;
        steps.count_processes()?;
        for device in DEVICES {
            steps.bind(&Bind {
                source: format!("/dev/{device}").into(),
                target: format!("/dev/{device}"),
                read_only: false,
                optional: false,
            })?;
        }
        for (target, path) in LINKS {
            let (target, path) = (text(target)?, text(path)?);
            steps.add("making /dev", Act::Link { target, path });
        }
        for bind in &self.binds {
            steps.bind(bind)?;
        }
        steps.add("leaving the old root", Act::LeaveOldRoot);
        steps.hide(self.form == Form::User && self.network)?;
        steps.add("naming the host", Act::HostName(text(&self.host_name)?));
        if !self.network {
            steps.add("switching the loopback device on", Act::Loopback);
        }
        for path in ancestors(&self.workdir) {
            steps.add("making the working directory", Act::Directory(text(path)?));
        }
        let workdir = Act::Enter(text(&self.workdir)?);
        steps.add("entering the working directory", workdir);
        steps.add("taking a session keyring", Act::Keyring);
        steps.add("bounding capabilities", Act::Bound(CAPABILITIES));
        steps.become_user(&self.identity, self.form);
        steps.add("giving up privileges", Act::NoNewPrivileges);
        let stdio = Act::Stdio([stdin, stdout, stderr]);
        steps.add("opening standard input and output", stdio);
        steps.add("tying it to this program", Act::DieWith(myself));
        steps.add(
            "loading the seccomp filter",
            Act::Seccomp(seccomp::filter(self.form)),
        );
        steps.add("closing what is open (needs Linux 5.9)", Act::Clean);
        steps.add("executing the program", Act::Execute);

        let argv = self.argv.iter().map(|word| text(word));
        let argv = argv.collect::<Result<_, _>>()?;
        let env = self.env.iter();
        let env = env.map(|(name, value)| text(&format!("{name}={value}")));
        let env = env.collect::<Result<_, _>>()?;
        Ok(Birth {
            script: Script {
                steps: steps.steps,
                slots: vec![-1; steps.slots],
                program: Program::new(argv, env),
                failed: None,
            },
            own_network: !self.network,
            own_users: self.form == Form::User,
            kept,
        })
    }
}

#[derive(Default)]
struct Steps {
    steps: Vec<Step>,
    slots: usize,
}

impl Steps {
    fn add(&mut self, why: &'static str, act: Act) {
        self.steps.push(Step { why, act });
    }

    fn mount(
        &mut self,
        why: &'static str,
        [kind, source, target]: [&str; 3],
        flags: libc::c_ulong,
        data: &str,
        optional: bool,
    ) -> Result<(), SandboxError> {
        let act = Act::Mount {
            source: text(source)?,
            target: text(target)?,
            kind: text(kind)?,
            flags,
            data: text(data)?,
            optional,
        };
        self.add(why, act);
        Ok(())
    }

    /// This user becomes root. Nobody else exists then, so no group can be left either, which the kernel wants to be said first.
    fn map_user(&mut self) -> Result<(), SandboxError> {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        for (path, words) in [
            ("/proc/self/setgroups", "deny".to_owned()),
            ("/proc/self/uid_map", format!("0 {uid} 1")),
            ("/proc/self/gid_map", format!("0 {gid} 1")),
        ] {
            let (path, text) = (text(path)?, text(&words)?);
            self.add(MAPPING, Act::Write { path, text });
        }
        Ok(())
    }

    /// The layers become the root.
    fn mount_root(&mut self, root: &Overlay) -> Result<(), SandboxError> {
        let private = MS_REC | MS_PRIVATE;
        self.mount(APART, ["", "none", "/"], private, "", false)?;
        let directory = root.directory.to_string_lossy();
        self.add("entering the store", Act::Enter(text(&directory)?));
        self.mount(
            STACKING,
            ["overlay", "overlay", &root.target],
            MS_NODEV,
            &root.options,
            false,
        )?;
        self.add("entering the root", Act::Enter(text(&root.target)?));
        self.add("changing the root", Act::Pivot);
        Ok(())
    }

    fn mount_system(&mut self, form: Form, network: bool) -> Result<(), SandboxError> {
        let strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;
        for directory in ["/proc", "/sys", "/dev"] {
            self.add("making mount points", Act::Directory(text(directory)?));
        }
        self.mount(PROC, ["proc", "proc", "/proc"], strict, "", false)?;
        if form == Form::User && network {
            // Only who owns the network may mount one of its own.
            self.bind(&Bind {
                source: "/sys".into(),
                target: "/sys".to_owned(),
                read_only: true,
                optional: false,
            })?;
        } else {
            let read_only = strict | MS_RDONLY;
            let words = ["sysfs", "sysfs", "/sys"];
            self.mount("mounting /sys", words, read_only, "", false)?;
        }
        // Device files in it are bound one by one; others that are made there do not work.
        let quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;
        let sized = "mode=755,size=64m";
        self.mount(
            "mounting /dev",
            ["tmpfs", "tmpfs", "/dev"],
            MS_NOSUID | MS_NODEV,
            sized,
            false,
        )?;
        for directory in ["/dev/pts", "/dev/shm", "/dev/mqueue"] {
            self.add("making /dev", Act::Directory(text(directory)?));
        }
        self.mount(
            "mounting /dev/pts",
            ["devpts", "devpts", "/dev/pts"],
            MS_NOSUID | MS_NOEXEC,
            match form {
                Form::Root => "newinstance,ptmxmode=0666,mode=0620,gid=5",
                // There is no group 5.
                Form::User => "newinstance,ptmxmode=0666,mode=0620",
            },
            false,
        )?;
        self.mount(
            "mounting /dev/shm",
            ["tmpfs", "shm", "/dev/shm"],
            quiet,
            "mode=1777,size=64m",
            false,
        )?;
        self.mount(
            "mounting /dev/mqueue",
            ["mqueue", "mqueue", "/dev/mqueue"],
            quiet,
            "",
            true,
        )
    }

    /// Limits how many processes there are at a time, where the kernel counts them for each container: a cgroup does so
    /// everywhere, but entering one can take as long as all the rest, so that is for limits that are asked for.
    fn count_processes(&mut self) -> Result<(), SandboxError> {
        if counts_by_namespace() {
            let (path, text) = (text("/proc/sys/kernel/pid_max")?, text(MOST_PROCESSES)?);
            self.add("limiting processes", Act::Write { path, text });
        }
        Ok(())
    }

    /// Shows something of the machine.
    fn bind(&mut self, bind: &Bind) -> Result<(), SandboxError> {
        let resolving = |error| SandboxError::Step {
            doing: "finding what a container is to see",
            error,
        };
        // Links in the path would be followed inside the container.
        let source = bind.source.canonicalize().map_err(|error| {
            let text = format!("`{}`: {error}", bind.source.display());
            resolving(io::Error::new(error.kind(), text))
        })?;
        let is_device = bind.target.starts_with("/dev/") && !source.is_file() && !source.is_dir();
        if !bind.optional {
            for path in ancestors(parent(&bind.target)) {
                self.add("making mount points", Act::Directory(text(path)?));
            }
            let target = text(&bind.target)?;
            let place = if source.is_dir() {
                Act::Directory(target)
            } else {
                Act::File(target)
            };
            self.add("making mount points", place);
        }
        let relative = source.strip_prefix("/").unwrap_or(&source);
        let slot = self.slots;
        self.slots += 1;
        let source = match relative.to_string_lossy() {
            path if path.is_empty() => text(".")?,
            path => text(&path)?,
        };
        self.add("copying a mount of the machine", Act::Copy { source, slot });
        let mut flags = MS_NOSUID;
        if !is_device {
            flags |= MS_NODEV;
        }
        if bind.read_only {
            flags |= MS_RDONLY;
        }
        let target = text(&bind.target)?;
        let optional = bind.optional;
        self.add(
            "showing files of the machine",
            Act::Attach {
                slot,
                target,
                flags,
                optional,
            },
        );
        Ok(())
    }

    fn hide(&mut self, is_of_machine: bool) -> Result<(), SandboxError> {
        let more: &[&str] = if is_of_machine {
            &HIDDEN_OF_MACHINE
        } else {
            &[]
        };
        for path in hidden().iter().chain(more) {
            let why = "hiding parts of /proc and /sys";
            if Path::new(path).is_dir() {
                self.mount(
                    why,
                    ["tmpfs", "tmpfs", path],
                    MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                    "size=0",
                    true,
                )?;
            } else {
                self.mount(why, ["", "/dev/null", path], MS_BIND, "", true)?;
            }
        }
        for path in ONLY_READ {
            let why = "protecting parts of /proc";
            self.mount(why, ["", path, path], MS_BIND | MS_REC, "", true)?;
            let flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
            self.mount(why, ["", "none", path], flags, "", true)?;
        }
        Ok(())
    }

    fn become_user(&mut self, identity: &Identity, form: Form) {
        let Identity { uid, gid, .. } = *identity;
        if form == Form::Root {
            self.add("taking groups", Act::Groups(identity.groups.clone()));
        }
        self.add("becoming the user", Act::Become { uid, gid });
        let kept = if uid == 0 { CAPABILITIES } else { 0 };
        self.add("keeping few capabilities", Act::Capabilities(kept));
    }
}

/// Whether `pid_max` is a namespace's own, which it is since Linux 6.14. Before that it is the machine's.
fn counts_by_namespace() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| {
        let kernel = rustix::system::uname();
        version(&kernel.release().to_string_lossy()).is_some_and(|version| version >= (6, 14))
    })
}

/// `6.14.0-1-amd64` begins with two numbers.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-', '+']);
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

/// Those that this kernel has.
fn hidden() -> &'static [&'static str] {
    static HERE: OnceLock<Vec<&str>> = OnceLock::new();
    HERE.get_or_init(|| {
        HIDDEN
            .into_iter()
            .filter(|path| Path::new(path).exists())
            .collect()
    })
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A path and all above it but the root, topmost first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let path = path.trim_end_matches('/');
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1);
    ends.chain([path.len()])
        .map(move |end| &path[..end])
        .filter(|path| !path.is_empty())
}

/// A text for the kernel.
fn text(text: &str) -> Result<CString, SandboxError> {
    CString::new(text).map_err(|_| SandboxError::Nul {
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_from_the_top() {
        let above = |path| ancestors(path).collect::<Vec<_>>();
        assert_eq!(above("/a/b/c/"), ["/a", "/a/b", "/a/b/c"]);
        assert_eq!(above("/a"), ["/a"]);
        assert!(above("/").is_empty() && above("").is_empty());
    }

    #[test]
    fn a_kernels_version_is_read_from_any_release() {
        assert_eq!(version("6.14.0-1-amd64"), Some((6, 14)));
        assert_eq!(version("5.10-rc1+"), Some((5, 10)));
        assert_eq!(version("7.1"), Some((7, 1)));
        assert_eq!(version("odd"), None);
    }

    #[test]
    fn a_text_with_a_nul_is_told() {
        let error = text("a\0b").unwrap_err().to_string();
        assert!(error.starts_with("\"a\\0b\" contains a NUL"), "{error}");
    }
}
