//! What a new process does between its birth and the program that it becomes: a list of system calls, prepared by the
//! parent. The process has its parent's memory, so nothing here may allocate, lock, panic or touch a thread's own data.

#![expect(
    unsafe_code,
    reason = "between clone and exec only system calls are allowed, and std offers none of these"
)]

mod mounts;
mod perform;
mod rights;

use std::ffi::{CStr, CString};
use std::os::fd::RawFd;
use std::ptr::null;

use libc::{c_int, c_ulong};

use super::{PLACING, SHOWING};

pub(super) use self::perform::{die_with, perform};

/// A file descriptor that a step stores for later ones.
pub(super) type Slot = usize;

/// One thing to do. What `why` says stands in the error if it fails.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) why: &'static str,
    pub(super) act: Act,
}

impl Step {
    /// Where something of the machine is to be shown, if this is about that.
    pub(super) fn place(&self) -> Option<String> {
        match &self.act {
            Act::Attach { target: place, .. } | Act::Directory(place) | Act::File(place)
                if [PLACING, SHOWING].contains(&self.why) =>
            {
                Some(place.to_string_lossy().into_owned())
            }
            _ => None,
        }
    }
}

/// A system call, or a few that belong together.
#[derive(Debug)]
pub enum Act {
    /// Closes all file descriptors but the first three and these, which are in order.
    Only(Vec<RawFd>),
    /// Writes `0` into a `cgroup.procs`: this process.
    EnterCgroup(RawFd),
    /// Control groups of its own: those that it is in are the topmost that it sees.
    OwnCgroups,
    /// Writes the number of this process, four bytes.
    Tell(RawFd),
    /// Waits until there is a byte to read.
    Await(RawFd),
    /// Writes a text into a file that is there, at once.
    Write { path: CString, text: CString },
    /// `chdir`.
    Enter(CString),
    /// `mount`.
    Mount {
        source: CString,
        target: CString,
        kind: CString,
        flags: c_ulong,
        data: CString,
        /// Whether a target that is not there is no fault.
        optional: bool,
    },
    /// A file system that is to be made: `fsopen`.
    Filesystem { kind: &'static CStr, slot: Slot },
    /// Tells it something: a key with a value, or alone.
    Configure {
        slot: Slot,
        key: CString,
        value: Option<CString>,
    },
    /// Makes it. The descriptor is one of a mount from here on, for [`Act::Attach`].
    Create(Slot),
    /// A private copy of a mount, for [`Act::Attach`]: of the machine where the path is relative, which is looked up from the old
    /// root; of the container otherwise.
    Copy {
        source: CString,
        slot: Slot,
        /// Whether nothing is written there, since Linux 5.12 also not by a path of the image that leads to the descriptor.
        read_only: bool,
    },
    /// Puts a mount in its place, where a link leads.
    Attach {
        slot: Slot,
        target: CString,
        /// `MS_RDONLY`, `MS_NOSUID`, `MS_NODEV`, `MS_NOEXEC`.
        flags: c_ulong,
        optional: bool,
    },
    /// Makes a directory that is to be there; one that is there stays as it is.
    Directory(CString),
    /// Makes a directory that is to be there, and that no link may stand for.
    MountPoint(CString),
    /// Makes an empty file that is to be there.
    File(CString),
    /// Makes a symbolic link.
    Link { target: CString, path: CString },
    /// Makes the current directory the root. The old root stays within reach of [`Act::Copy`] until [`Act::LeaveOldRoot`], and of every
    /// path with a `..` too many: until then, only paths that cannot be links are used.
    Pivot,
    /// Forgets the old root.
    LeaveOldRoot,
    /// `sethostname`.
    HostName(CString),
    /// Switches the loopback device on.
    Loopback,
    /// Abstract sockets of its own: it connects to no others.
    OwnSockets,
    /// A session keyring of its own.
    Keyring,
    /// Drops from the bounding set what is not in this one.
    Bound(u64),
    /// Supplementary groups.
    Groups(Vec<libc::gid_t>),
    /// Group and user, all four kinds of each.
    Become { uid: libc::uid_t, gid: libc::gid_t },
    /// The capabilities that the process has and may have.
    Capabilities(u64),
    /// Nothing that is executed gains privileges.
    NoNewPrivileges,
    /// A seccomp filter.
    Seccomp(&'static [libc::sock_filter]),
    /// Standard input, output and error.
    Stdio([RawFd; 3]),
    /// Dies with the thread that made it, and at once if the process of this descriptor is gone already.
    DieWith(RawFd),
    /// Default signals, none held back, an own session, no file descriptors but the first three.
    Clean,
    /// Becomes the program.
    Execute,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    /// Room for the descriptors of [`Act::Copy`] and [`Act::Filesystem`].
    pub(super) slots: Vec<RawFd>,
    pub(super) program: Program,
    /// Where it failed: the step and the error number.
    pub(super) failed: Option<(usize, c_int)>,
}

/// What the process becomes. The texts are kept beside the pointers to them.
#[derive(Debug)]
pub(super) struct Program {
    argv: Vector,
    envp: Vector,
}

impl Program {
    pub(super) fn new(argv: Vec<CString>, env: Vec<CString>) -> Self {
        Self {
            argv: Vector::new(argv),
            envp: Vector::new(env),
        }
    }
}

/// A list of texts that ends with a null pointer, as `execve` wants it.
#[derive(Debug)]
struct Vector {
    _texts: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl Vector {
    fn new(texts: Vec<CString>) -> Self {
        // What the pointers point to is on the heap, and does not move when the vector does.
        let pointers = texts
            .iter()
            .map(|text| text.as_ptr())
            .chain([null()])
            .collect();
        Self {
            _texts: texts,
            pointers,
        }
    }
}

// SAFETY: the pointers lead to texts that the same value owns and nobody changes.
unsafe impl Send for Vector {}
