//! The walls of a container: what its process sees and what it may do. As tight as Docker's default, or tighter: device
//! files that a container makes work nowhere, and nothing that it executes gains privileges.
//!
//! In [`Form::User`] all of it happens in a user namespace of its own, in which this user is root: that root has rights over
//! what the namespace owns, and over nothing of the machine. In [`Form::Range`] one such namespace is there for all of them.

mod errand;
mod launch;
mod namespace;
mod script;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libc::{MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT};
use rustix::fs::OFlags;

pub(super) use self::errand::errand;
pub use self::launch::Process;
use self::launch::{Birth, Stillbirth, launch};
pub(super) use self::namespace::user_namespace;
pub use self::script::Act;
use self::script::{Program, Script, Step};
use super::cgroup::{Entrance, SHOWN};
pub use super::form::Form;
use super::kernel;
use super::overlay::{Options, Overlay};
use super::seccomp;
pub use super::user::Identity;

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
/// The step that an image fails at whose `/proc` or `/sys` is a link: what is hidden there would be looked for elsewhere.
pub const ORDINARY: &str = "finding `/proc` and `/sys` of the image, which must be directories";
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

/// Where a container's own small files are made.
const TEXTS: &str = "/dev/.files";

/// Something of the machine that a container sees.
#[derive(Debug)]
pub struct Bind {
    /// Its path on the machine.
    pub source: PathBuf,
    /// Where in the container.
    pub target: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// A small file of the container's own, which is no part of what it writes.
#[derive(Debug)]
pub(super) struct Text {
    /// Its name among such files.
    pub(super) name: &'static str,
    /// Where it is seen. Where the image has no place for it, it is not.
    pub(super) target: String,
    pub(super) text: String,
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
    pub(super) texts: Vec<Text>,
    pub(super) binds: Vec<Bind>,
    pub(super) network: bool,
    pub(super) form: Form,
    /// The user namespace of [`Form::Range`].
    pub(super) users: Option<BorrowedFd<'static>>,
}

/// Why a container could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// What the kernel refused.
    #[error("{doing}: {error}")]
    Step {
        /// The step.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// The program is not there, or is none.
    #[error("`{program}` cannot be executed: {error}")]
    Program {
        /// Its path.
        program: String,
        /// What the system said.
        error: io::Error,
    },
    /// A text with a NUL.
    #[error("{text:?} contains a NUL, which no argument, variable or path may")]
    Nul {
        /// The text.
        text: String,
    },
}

impl Sandbox {
    /// Starts the process, in these cgroups, with this standard output and standard error.
    ///
    /// # Errors
    /// See [`SandboxError`]; nothing runs then.
    pub(super) async fn start(
        self,
        cgroups: Vec<Entrance>,
        output: [OwnedFd; 2],
    ) -> Result<Process, SandboxError> {
        let (steps, start) = self.prepare(cgroups, output)?;
        steps.start(start).await
    }

    fn prepare(
        self,
        cgroups: Vec<Entrance>,
        [out, err]: [OwnedFd; 2],
    ) -> Result<(Steps, Start), SandboxError> {
        let input = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, 0.into());
        let input = input.map_err(|error| setting_up(error.into()))?;

        let mut steps = Steps::default();
        steps.enter_cgroups(&cgroups);
        if self.form == Form::User {
            steps.map_user()?;
        }
        steps.mount_root(&self.root)?;
        steps.mount_system(self.form, self.network)?;
        steps.show_cgroups(&cgroups)?;
        steps.count_processes()?;
        steps.show_devices()?;
        steps.show_texts(&self.texts)?;
        for bind in &self.binds {
            steps.bind(bind)?;
        }
        steps.add("leaving the old root", Act::LeaveOldRoot);
        steps.hide(self.form != Form::Root && self.network, !cgroups.is_empty())?;
        steps.add("naming the host", Act::HostName(text(&self.host_name)?));
        if !self.network {
            steps.add("switching the loopback device on", Act::Loopback);
        }
        steps.enter_workdir(&self.workdir)?;
        steps.become_user(&self.identity, self.form, CAPABILITIES);
        steps.finish(cgroups, [input, out, err], self.form)?;
        let start = Start {
            argv: self.argv,
            env: self.env,
            own_network: !self.network,
            own_users: self.form == Form::User,
            users: self.users,
        };
        Ok((steps, start))
    }
}

fn setting_up(error: io::Error) -> SandboxError {
    SandboxError::Step {
        doing: "opening what a container needs",
        error,
    }
}

/// The program that a container is for, and which namespaces it has of its own besides those that each has.
#[derive(Debug)]
pub struct Start {
    /// The program's absolute path in the container, and its arguments.
    pub argv: Vec<String>,
    /// All of its environment.
    pub env: Vec<(String, String)>,
    /// Whether it has a network of its own.
    pub own_network: bool,
    /// Whether it has users of its own.
    pub own_users: bool,
    /// The user namespace that it is born in instead, if there is one for all.
    pub users: Option<BorrowedFd<'static>>,
}

/// What a container's process does before it becomes its program, in order.
///
/// `Sandbox` is what this crate makes of it; the OCI command line of this workspace's tests makes other containers of the same steps.
#[derive(Debug, Default)]
pub struct Steps {
    steps: Vec<Step>,
    slots: usize,
    /// What must be open until the program runs.
    kept: Vec<OwnedFd>,
}

impl Steps {
    /// Adds one.
    pub fn add(&mut self, why: &'static str, act: Act) {
        self.steps.push(Step { why, act });
    }

    /// Adds a mount. A target that is not there is no fault of an `optional` one.
    ///
    /// # Errors
    /// As all that take texts: [`SandboxError::Nul`].
    pub fn mount(
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
    ///
    /// # Errors
    /// See [`Self::mount`].
    pub fn map_user(&mut self) -> Result<(), SandboxError> {
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
        match &root.options {
            Options::Page(page) => {
                let words = ["overlay", "overlay", &root.target];
                self.mount(STACKING, words, MS_NODEV, page, false)?;
            }
            Options::Each(options) => self.stack_each(options, &root.target)?,
        }
        self.add("entering the root", Act::Enter(text(&root.target)?));
        self.add("changing the root", Act::Pivot);
        Ok(())
    }

    /// Enters cgroups, which it sees no others above.
    pub fn enter_cgroups(&mut self, cgroups: &[Entrance]) {
        for group in cgroups {
            self.add(
                "entering a cgroup",
                Act::EnterCgroup(group.procs.as_raw_fd()),
            );
        }
        if !cgroups.is_empty() {
            self.add("seeing its own cgroups only", Act::OwnCgroups);
        }
    }

    /// Shows cgroups where programs look for the limits that they have: how many threads to start, how large a heap to take.
    /// Comes after `/sys` was mounted.
    ///
    /// # Errors
    /// See [`Self::bind`].
    pub fn show_cgroups(&mut self, cgroups: &[Entrance]) -> Result<(), SandboxError> {
        let shown: Vec<_> = cgroups.iter().flat_map(Entrance::shown).collect();
        let why = "showing its cgroups";
        let strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;
        // `/sys` has a place for one hierarchy.
        let are_below = shown.iter().any(|(_, target)| target != SHOWN);
        if are_below {
            let words = ["tmpfs", "tmpfs", SHOWN];
            self.mount(why, words, strict, "mode=755,size=64k", false)?;
        }
        for (path, target) in shown {
            if are_below {
                self.add(why, Act::Directory(text(&target)?));
            }
            self.bind(&Bind {
                source: path.to_owned(),
                target,
                read_only: true,
            })?;
        }
        if are_below {
            let flags = strict | MS_BIND | MS_REMOUNT | MS_RDONLY;
            self.mount(why, ["", "none", SHOWN], flags, "", false)?;
        }
        Ok(())
    }

    /// The layers are named one by one.
    fn stack_each(
        &mut self,
        options: &[(String, Option<String>)],
        target: &str,
    ) -> Result<(), SandboxError> {
        let (slot, target) = (self.slots, text(target)?);
        self.slots += 1;
        self.add(
            STACKING,
            Act::Filesystem {
                kind: c"overlay",
                slot,
            },
        );
        for (key, value) in options {
            let key = text(key)?;
            let value = value.as_deref().map(text).transpose()?;
            self.add(STACKING, Act::Configure { slot, key, value });
        }
        self.add(STACKING, Act::Create(slot));
        let attach = Act::Attach {
            slot,
            target,
            flags: MS_NODEV,
            optional: false,
        };
        self.add(STACKING, attach);
        Ok(())
    }

    fn mount_system(&mut self, form: Form, network: bool) -> Result<(), SandboxError> {
        let strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;
        for directory in ["/proc", "/sys"] {
            self.add(ORDINARY, Act::MountPoint(text(directory)?));
        }
        self.add("making mount points", Act::Directory(text("/dev")?));
        self.mount(PROC, ["proc", "proc", "/proc"], strict, "", false)?;
        if form != Form::Root && network {
            // Only who owns the network may mount one of its own.
            self.bind(&Bind {
                source: "/sys".into(),
                target: "/sys".to_owned(),
                read_only: true,
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
                Form::Root | Form::Range => "newinstance,ptmxmode=0666,mode=0620,gid=5",
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
        // Before Linux 6.14 it is the machine's, and not a namespace's own.
        if kernel::is_at_least((6, 14)) {
            let (path, text) = (text("/proc/sys/kernel/pid_max")?, text(MOST_PROCESSES)?);
            self.add("limiting processes", Act::Write { path, text });
        }
        Ok(())
    }

    /// Shows the devices that every container has, and makes the links beside them. Comes after `/dev` was mounted.
    ///
    /// # Errors
    /// See [`Self::bind`].
    pub fn show_devices(&mut self) -> Result<(), SandboxError> {
        for device in DEVICES {
            self.bind(&Bind {
                source: format!("/dev/{device}").into(),
                target: format!("/dev/{device}"),
                read_only: false,
            })?;
        }
        for (target, path) in LINKS {
            let (target, path) = (text(target)?, text(path)?);
            self.add("making /dev", Act::Link { target, path });
        }
        Ok(())
    }

    /// Makes small files in memory and shows them in their places. Comes after `/dev` was mounted.
    fn show_texts(&mut self, texts: &[Text]) -> Result<(), SandboxError> {
        let why = "making the container's own files";
        for path in ancestors(TEXTS) {
            self.add(why, Act::Directory(text(path)?));
        }
        for shown in texts {
            let path = text(&format!("{TEXTS}/{}", shown.name))?;
            self.add(why, Act::File(path.clone()));
            let write = Act::Write {
                path: path.clone(),
                text: text(&shown.text)?,
            };
            self.add(why, write);
            let slot = self.slots;
            self.slots += 1;
            self.add(why, Act::Copy { source: path, slot });
            let attach = Act::Attach {
                slot,
                target: text(&shown.target)?,
                flags: MS_NOSUID | MS_NODEV,
                optional: true,
            };
            self.add(why, attach);
        }
        Ok(())
    }

    /// Shows something of the machine. Comes before the old root is left.
    ///
    /// # Errors
    /// It is not there; see also [`Self::mount`].
    pub fn bind(&mut self, bind: &Bind) -> Result<(), SandboxError> {
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
        self.add(
            "showing files of the machine",
            Act::Attach {
                slot,
                target,
                flags,
                optional: false,
            },
        );
        Ok(())
    }

    fn hide(&mut self, sys_is_of_machine: bool, shows_cgroups: bool) -> Result<(), SandboxError> {
        let more = HIDDEN_OF_MACHINE
            .iter()
            .filter(|path| sys_is_of_machine && !(shows_cgroups && **path == SHOWN));
        for path in hidden().iter().chain(more) {
            self.hide_path(path, Path::new(path).is_dir())?;
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

    /// Enters the working directory, which is made if it is not there.
    ///
    /// # Errors
    /// See [`Self::mount`].
    pub fn enter_workdir(&mut self, path: &str) -> Result<(), SandboxError> {
        for path in ancestors(path) {
            self.add("making the working directory", Act::Directory(text(path)?));
        }
        self.add("entering the working directory", Act::Enter(text(path)?));
        Ok(())
    }

    /// Becomes the user, with these capabilities at most: root has them, others have none.
    pub fn become_user(&mut self, identity: &Identity, form: Form, capabilities: u64) {
        let Identity { uid, gid, .. } = *identity;
        self.add("taking a session keyring", Act::Keyring);
        self.add("bounding capabilities", Act::Bound(capabilities));
        if form.has_users() {
            self.add("taking groups", Act::Groups(identity.groups.clone()));
        }
        self.add("becoming the user", Act::Become { uid, gid });
        let kept = if uid == 0 { capabilities } else { 0 };
        self.add("keeping few capabilities", Act::Capabilities(kept));
    }

    /// What all containers do last, with this standard input, output and error. They have entered these cgroups.
    ///
    /// # Errors
    /// Too many files are open.
    pub fn finish(
        &mut self,
        cgroups: Vec<Entrance>,
        stdio: [OwnedFd; 3],
        form: Form,
    ) -> Result<(), SandboxError> {
        self.kept
            .extend(cgroups.into_iter().map(|group| group.procs));
        let myself = rustix::process::pidfd_open(
            rustix::process::getpid(),
            rustix::process::PidfdFlags::empty(),
        );
        let [stdin, stdout, stderr] = stdio;
        let myself = myself.map_err(|error| setting_up(error.into()))?;
        let mut numbers = [0; 4];
        for (number, fd) in numbers.iter_mut().zip([stdin, stdout, stderr, myself]) {
            // Out of the way of the three numbers that they are to have.
            let moved = rustix::io::fcntl_dupfd_cloexec(&fd, 3);
            let moved = moved.map_err(|error| setting_up(error.into()))?;
            *number = moved.as_raw_fd();
            self.kept.push(moved);
        }
        let [stdin, stdout, stderr, myself] = numbers;
        self.add("giving up privileges", Act::NoNewPrivileges);
        let stdio = Act::Stdio([stdin, stdout, stderr]);
        self.add("opening standard input and output", stdio);
        self.add("tying it to this program", Act::DieWith(myself));
        self.add(
            "loading the seccomp filter",
            Act::Seccomp(seccomp::filter(form)),
        );
        self.add("closing what is open (needs Linux 5.9)", Act::Clean);
        self.add("executing the program", Act::Execute);
        Ok(())
    }

    /// Starts the process.
    ///
    /// # Errors
    /// See [`SandboxError`]; nothing runs then.
    pub async fn start(self, start: Start) -> Result<Process, SandboxError> {
        let program = start.argv.first().cloned().unwrap_or_default();
        let argv = start.argv.iter().map(|word| text(word));
        let argv = argv.collect::<Result<_, _>>()?;
        let env = start.env.iter();
        let env = env.map(|(name, value)| text(&format!("{name}={value}")));
        let env = env.collect::<Result<_, _>>()?;
        let birth = Birth {
            script: Script {
                steps: self.steps,
                slots: vec![-1; self.slots],
                program: Program::new(argv, env),
                failed: None,
            },
            own_network: start.own_network,
            own_users: start.own_users,
            users: start.users,
            kept: self.kept,
        };
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
///
/// # Errors
/// [`SandboxError::Nul`].
pub fn text(text: &str) -> Result<CString, SandboxError> {
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
    fn a_text_with_a_nul_is_told() {
        let error = text("a\0b").unwrap_err().to_string();
        assert!(error.starts_with("\"a\\0b\" contains a NUL"), "{error}");
    }
}
