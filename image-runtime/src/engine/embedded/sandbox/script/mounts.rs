//! Mounts, by the system calls that libc has no functions for.

use std::ffi::CStr;
use std::os::fd::RawFd;
use std::ptr::null;

use libc::{c_long, c_ulong};

const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
const OPEN_TREE_CLONE: u32 = 1;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x04;
const MOVE_MOUNT_T_SYMLINKS: u32 = 0x10;

/// `struct mount_attr` of the kernel.
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// A file system that is to be made.
pub(super) unsafe fn filesystem(kind: &CStr, slot: &mut RawFd) -> c_long {
    // SAFETY: the text lives during the call.
    let made = unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) };
    *slot = made as RawFd;
    made
}

/// Tells it something.
pub(super) unsafe fn configure(made: RawFd, key: &CStr, value: Option<&CStr>) -> c_long {
    let (command, value) = match value {
        Some(value) => (FSCONFIG_SET_STRING, value.as_ptr()),
        None => (FSCONFIG_SET_FLAG, null()),
    };
    // SAFETY: the texts live during the call, and a key alone has none.
    unsafe { libc::syscall(libc::SYS_fsconfig, made, command, key.as_ptr(), value, 0) }
}

/// A private copy of a mount.
pub(super) unsafe fn copy(root: RawFd, source: &CStr, read_only: bool, slot: &mut RawFd) -> c_long {
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as u32 | libc::AT_RECURSIVE as u32;
    // SAFETY: the text lives during the call.
    let copied = unsafe { libc::syscall(libc::SYS_open_tree, root, source.as_ptr(), flags) };
    *slot = copied as RawFd;
    if copied < 0 || !read_only {
        return copied;
    }
    // SAFETY: takes numbers.
    match unsafe { restrict(*slot, libc::MS_RDONLY) } {
        Restricted::Refused => -1,
        Restricted::Done | Restricted::Late => copied,
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restricted {
    Done,
    /// Before Linux 5.12 a mount can be restricted only where it is.
    Late,
    Refused,
}

/// Restricts a mount and all below it.
unsafe fn restrict(mount: RawFd, flags: c_ulong) -> Restricted {
    // The kernel's attributes of mounts have the values of the flags of `mount`.
    let set = MountAttr {
        set: flags,
        ..MountAttr::default()
    };
    // SAFETY: the structure and the text live during the call.
    unsafe {
        let changed = libc::syscall(
            libc::SYS_mount_setattr,
            mount,
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const set,
            size_of::<MountAttr>(),
        );
        match changed < 0 {
            false => Restricted::Done,
            true if *libc::__errno_location() == libc::ENOSYS => Restricted::Late,
            true => Restricted::Refused,
        }
    }
}

/// A directory that is there, or is made, and that no link stands for.
pub(super) unsafe fn point(path: &CStr) -> c_long {
    // SAFETY: the path lives during the calls; the rest are numbers.
    unsafe {
        if libc::mkdir(path.as_ptr(), 0o755) == 0 {
            return 0;
        }
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let found = libc::open(path.as_ptr(), flags);
        if found < 0 {
            return -1;
        }
        libc::close(found).into()
    }
}

/// Makes a file system of what was said, and a mount of it.
pub(super) unsafe fn create(slot: &mut RawFd) -> c_long {
    let no = null::<libc::c_char>();
    // SAFETY: takes numbers and null pointers.
    unsafe {
        let made = libc::syscall(libc::SYS_fsconfig, *slot, FSCONFIG_CMD_CREATE, no, no, 0);
        if made < 0 {
            return made;
        }
        let mount = libc::syscall(libc::SYS_fsmount, *slot, FSMOUNT_CLOEXEC, 0);
        *slot = mount as RawFd;
        mount
    }
}

/// Restricts a mount and puts it in its place.
pub(super) unsafe fn attach(mount: RawFd, target: &CStr, flags: c_ulong) -> c_long {
    // SAFETY: the texts live during the calls; the rest are numbers.
    unsafe {
        let restricted = restrict(mount, flags);
        if restricted == Restricted::Refused {
            return -1;
        }
        let moved = libc::syscall(
            libc::SYS_move_mount,
            mount,
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS,
        );
        if moved < 0 || restricted == Restricted::Done {
            return moved;
        }
        let flags = flags | libc::MS_REMOUNT | libc::MS_BIND;
        libc::mount(null(), target.as_ptr(), null(), flags, null()).into()
    }
}
