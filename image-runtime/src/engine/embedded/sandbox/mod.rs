//! The walls of a container: what its process sees and what it may do. As tight as Docker's default, or tighter: device
//! files that a container makes work nowhere, and nothing that it executes gains privileges.
//!
//! In [`Form::User`] all of it happens in a user namespace of its own, in which this user is root: that root has rights over
//! what the namespace owns, and over nothing of the machine. In [`Form::Range`] one such namespace is there for all of them.

mod errand;
mod launch;
mod namespace;
mod script;
mod steps;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

pub(super) use self::errand::errand;
pub use self::launch::Process;
pub(super) use self::namespace::user_namespace;
pub use self::script::Act;
pub use self::steps::{Steps, text};
use super::cgroup::Entrance;
pub use super::form::Form;
use super::landlock;
use super::overlay::Overlay;
pub use super::user::Identity;

/// `CAP_NET_RAW`: to send and receive whole packets.
const NET_RAW: u64 = 1 << 13;

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
    | NET_RAW
    | 1 << 18 // CAP_SYS_CHROOT
    | 1 << 27 // CAP_MKNOD
    | 1 << 29 // CAP_AUDIT_WRITE
    | 1 << 31; // CAP_SETFCAP

/// The step that needs overlayfs.
pub(super) const STACKING: &str = "stacking the layers";
/// The step that makes an ordinary user root inside.
pub(super) const MAPPING: &str = "becoming root in a user namespace";
/// The step that needs a `/proc` of which nothing is hidden.
pub(super) const PROC: &str = "mounting /proc";
/// The step that an image fails at whose `/proc`, `/sys` or `/dev` is a link: what is hidden there would be looked for elsewhere.
pub const ORDINARY: &str =
    "finding `/proc`, `/sys` and `/dev` of the image, which must be directories";
/// The steps that make places in the image for what is shown of the machine, and show it.
pub(super) const PLACING: &str = "making mount points";
pub(super) const SHOWING: &str = "showing files of the machine";
/// The first step that needs the rights of root.
pub(super) const APART: &str = "keeping mounts to itself";
/// The step that needs the right to make namespaces.
pub(super) const BIRTH: &str = "making a process with namespaces of its own";

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

/// What a container sees as its root.
#[derive(Debug)]
pub(super) enum Root {
    /// Its process mounts it.
    Overlay(Overlay),
    /// It is mounted, and its process puts it there.
    Mount { mount: OwnedFd, at: PathBuf },
}

/// A container to be.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) root: Root,
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
    /// Something of the machine cannot be shown where it is to be.
    #[error(
        "nothing can be shown at `{place}`: {error}\n  help: the image must have nothing there or the same, a directory for a directory or a \
         volume, and a file for a file"
    )]
    Place {
        /// The path in the container.
        place: String,
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
    /// Starts the process, in these cgroups, with this standard input, output and error.
    ///
    /// # Errors
    /// See [`SandboxError`]; nothing runs then.
    pub(super) async fn start(
        self,
        cgroups: Vec<Entrance>,
        stdio: [OwnedFd; 3],
    ) -> Result<Process, SandboxError> {
        let (steps, start) = self.prepare(cgroups, stdio)?;
        steps.start(start).await
    }

    fn prepare(
        self,
        cgroups: Vec<Entrance>,
        stdio: [OwnedFd; 3],
    ) -> Result<(Steps, Start), SandboxError> {
        let mut steps = Steps::default();
        steps.enter_cgroups(&cgroups);
        if self.form == Form::User {
            steps.map_user()?;
        }
        steps.mount_root(self.root)?;
        steps.mount_kernels_own(self.form, self.network)?;
        // From here on no link of the image leads out of it.
        steps.leave_old_root();
        steps.mount_devices(self.form)?;
        steps.show_cgroups(&cgroups)?;
        steps.count_processes()?;
        steps.show_devices()?;
        steps.show_texts(&self.texts)?;
        for bind in &self.binds {
            steps.bind(bind)?;
        }
        steps.hide(self.form != Form::Root && self.network, !cgroups.is_empty())?;
        steps.add("naming the host", Act::HostName(text(&self.host_name)?));
        if !self.network {
            steps.add("switching the loopback device on", Act::Loopback);
        }
        steps.enter_workdir(&self.workdir)?;
        if self.network && landlock::is_there() {
            steps.add("keeping to its own abstract sockets", Act::OwnSockets);
        }
        let capabilities = match self.network && self.form == Form::Root {
            // There it would read what everybody on this machine sends. An ordinary user's counts for nothing there.
            true => CAPABILITIES & !NET_RAW,
            false => CAPABILITIES,
        };
        steps.become_user(&self.identity, self.form, capabilities);
        steps.finish(cgroups, stdio, self.form)?;
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
