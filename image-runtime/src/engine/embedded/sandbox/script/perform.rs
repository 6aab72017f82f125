//! Does what a script says, in the process that was born for it.

use std::os::fd::RawFd;
use std::ptr::null;

use libc::{c_int, c_long, c_ulong, c_void};

use super::{Act, Program, Script, mounts, rights};
use crate::engine::embedded::landlock;

const KEYCTL_JOIN_SESSION_KEYRING: c_long = 1;

/// The file system that the machine's root is, while it can be reached.
const NO_ROOT: RawFd = -1;

/// Does the steps. Returns only if one fails, and has noted it then.
///
/// # Safety
/// To be called in a process of its own that shares memory with its parent while that waits; ends in `_exit` then.
pub(in crate::engine::embedded::sandbox) unsafe fn perform(script: &mut Script) {
    let mut old_root = NO_ROOT;
    // What is made on the way has the modes that it is made with.
    // SAFETY: takes a number, and the mask is this process's own.
    unsafe { libc::umask(0o022) };
    for (index, step) in script.steps.iter().enumerate() {
        // SAFETY: as for this function; each call gets pointers into `script`, which lives as long as the parent waits.
        let done = unsafe { act(&step.act, &mut script.slots, &script.program, &mut old_root) };
        if done < 0 {
            // SAFETY: reads this thread's error number, which the waiting parent does not use.
            script.failed = Some((index, unsafe { *libc::__errno_location() }));
            return;
        }
    }
}

unsafe fn act(act: &Act, slots: &mut [RawFd], program: &Program, old_root: &mut RawFd) -> c_long {
    // SAFETY: all pointers come from values that live longer than the call; the numbers are the kernel's own.
    unsafe {
        match act {
            Act::Only(kept) => close_all_but(kept),
            Act::EnterCgroup(procs) => libc::write(*procs, c"0".as_ptr().cast(), 1) as c_long,
            Act::OwnCgroups => libc::unshare(libc::CLONE_NEWCGROUP).into(),
            Act::Tell(to) => {
                let pid = libc::getpid();
                libc::write(*to, (&raw const pid).cast(), size_of_val(&pid)) as c_long
            }
            Act::Await(from) => {
                let mut byte = 0_u8;
                libc::read(*from, (&raw mut byte).cast(), 1) as c_long
            }
            Act::Write { path, text } => {
                let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
                if file < 0 {
                    return -1;
                }
                libc::write(file, text.as_ptr().cast(), text.count_bytes()) as c_long
            }
            Act::Enter(path) => libc::chdir(path.as_ptr()).into(),
            Act::Mount {
                source,
                target,
                kind,
                flags,
                data,
                optional,
            } => forgive(
                *optional,
                libc::mount(
                    source.as_ptr(),
                    target.as_ptr(),
                    kind.as_ptr(),
                    *flags,
                    data.as_ptr().cast(),
                )
                .into(),
            ),
            Act::Filesystem { kind, slot } => mounts::filesystem(kind, &mut slots[*slot]),
            Act::Configure { slot, key, value } => {
                mounts::configure(slots[*slot], key, value.as_deref())
            }
            Act::Create(slot) => mounts::create(&mut slots[*slot]),
            Act::Copy {
                source,
                slot,
                read_only,
            } => mounts::copy(*old_root, source, *read_only, &mut slots[*slot]),
            Act::Attach {
                slot,
                target,
                flags,
                optional,
            } => forgive(*optional, mounts::attach(slots[*slot], target, *flags)),
            Act::Directory(path) => there(libc::mkdir(path.as_ptr(), 0o755)),
            Act::MountPoint(path) => mounts::point(path),
            Act::File(path) => there(libc::mknod(path.as_ptr(), libc::S_IFREG | 0o644, 0)),
            Act::Link { target, path } => libc::symlink(target.as_ptr(), path.as_ptr()).into(),
            Act::Pivot => {
                *old_root = libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
                if *old_root < 0 {
                    return -1;
                }
                let dot = c".".as_ptr();
                let turned = libc::syscall(libc::SYS_pivot_root, dot, dot);
                if turned < 0 {
                    return turned;
                }
                libc::chdir(c"/".as_ptr()).into()
            }
            Act::LeaveOldRoot => {
                if libc::fchdir(*old_root) < 0 || libc::umount2(c".".as_ptr(), libc::MNT_DETACH) < 0
                {
                    return -1;
                }
                libc::close(*old_root);
                *old_root = NO_ROOT;
                libc::chdir(c"/".as_ptr()).into()
            }
            Act::HostName(name) => libc::sethostname(name.as_ptr(), name.count_bytes()).into(),
            Act::Loopback => loopback(),
            Act::OwnSockets => landlock::keep_to_own_sockets(),
            Act::Keyring => {
                let made = libc::syscall(
                    libc::SYS_keyctl,
                    KEYCTL_JOIN_SESSION_KEYRING,
                    null::<c_void>(),
                );
                // A kernel without keyrings has none to keep away from, and a full quota is none of ours.
                made.max(0)
            }
            Act::Bound(kept) => rights::bound(*kept),
            Act::Groups(groups) => {
                libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr())
            }
            // Not by libc's functions, which would change all threads of the parent.
            Act::Become { uid, gid } => {
                let set = libc::syscall(libc::SYS_setresgid, *gid, *gid, *gid);
                if set < 0 {
                    return set;
                }
                libc::syscall(libc::SYS_setresuid, *uid, *uid, *uid)
            }
            Act::Capabilities(set) => rights::capabilities(*set),
            Act::NoNewPrivileges => {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as c_ulong, 0, 0, 0).into()
            }
            Act::Seccomp(filter) => {
                let program = libc::sock_fprog {
                    len: filter.len() as u16,
                    filter: filter.as_ptr().cast_mut(),
                };
                libc::syscall(
                    libc::SYS_seccomp,
                    libc::SECCOMP_SET_MODE_FILTER,
                    0,
                    &raw const program,
                )
            }
            Act::Stdio(fds) => {
                for (number, fd) in (0..).zip(fds) {
                    if libc::dup2(*fd, number) < 0 {
                        return -1;
                    }
                }
                0
            }
            Act::DieWith(parent) => die_with(*parent),
            Act::Clean => clean(),
            Act::Execute => libc::execve(
                program.argv.pointers[0],
                program.argv.pointers.as_ptr(),
                program.envp.pointers.as_ptr(),
            )
            .into(),
        }
    }
}

/// A failure because the path is not there is none where the step is optional.
unsafe fn forgive(optional: bool, result: c_long) -> c_long {
    // SAFETY: reads this thread's error number.
    let errno = unsafe { *libc::__errno_location() };
    if result < 0 && optional && matches!(errno, libc::ENOENT | libc::ENOTDIR | libc::ELOOP) {
        return 0;
    }
    result
}

/// That something is there already is no failure of making it.
unsafe fn there(result: c_int) -> c_long {
    // SAFETY: reads this thread's error number.
    if result < 0 && unsafe { *libc::__errno_location() } == libc::EEXIST {
        return 0;
    }
    result.into()
}

unsafe fn loopback() -> c_long {
    // SAFETY: `request` is a whole `ifreq` that lives during both calls.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if socket < 0 {
            return -1;
        }
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
        let done = libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &raw mut request);
        libc::close(socket);
        done.into()
    }
}

/// See [`Act::DieWith`].
///
/// # Safety
/// To be called in a process of its own, which it may end.
pub(in crate::engine::embedded::sandbox) unsafe fn die_with(parent: RawFd) -> c_long {
    // SAFETY: `watched` lives during the call.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong, 0, 0, 0) < 0 {
            return -1;
        }
        let mut watched = libc::pollfd {
            fd: parent,
            events: libc::POLLIN,
            revents: 0,
        };
        if libc::poll(&raw mut watched, 1, 0) != 0 {
            libc::_exit(1);
        }
        0
    }
}

/// The last signal of Linux.
const SIGNALS: c_int = 64;

unsafe fn clean() -> c_long {
    // SAFETY: `default` is a whole `sigaction`; the rest takes numbers. What cannot be set to its default is refused, and is
    // so already.
    unsafe {
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        for signal in 1..=SIGNALS {
            libc::sigaction(signal, &raw const default, std::ptr::null_mut());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::setsid();
    }
    // SAFETY: as for this function.
    unsafe { close_all_but(&[]) }
}

/// See [`Act::Only`].
unsafe fn close_all_but(kept: &[RawFd]) -> c_long {
    let mut from: RawFd = 3;
    for fd in kept {
        // SAFETY: takes numbers.
        if *fd > from && unsafe { close_range(from, fd - 1) } < 0 {
            return -1;
        }
        from = from.max(fd + 1);
    }
    // SAFETY: takes numbers.
    unsafe { close_range(from, RawFd::MAX) }
}

unsafe fn close_range(first: RawFd, last: RawFd) -> c_long {
    let [first, last] = [first, last].map(c_long::from);
    // SAFETY: takes numbers.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }
}
