//! What is allowed: the rules by name, and the same as ranges of numbers.

use libc::{AF_ALG, AF_VSOCK};

use super::super::form::Form;

/// What a system call gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is made.
    Allow,
    /// It is not made, and succeeds.
    Pretend,
    /// Made unless this argument, counted from 0, is the mode of a device: then it is not made, and succeeds.
    PretendDevices(u32),
    /// EPERM.
    Refuse,
    /// ENOSYS.
    Unknown,
    /// Made if its first argument is one of these, else EPERM.
    Only(&'static [u32]),
    /// Made unless its first argument is one of these: then EPERM.
    Except(&'static [u32]),
    /// Made unless its first argument has one of these bits: then EPERM.
    Without(u32),
}

/// All numbers from this one on, up to the next range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u32,
    pub(super) verdict: Verdict,
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the embedded engine knows the system calls of `x86_64` and `aarch64` only");

/// `AUDIT_ARCH_X86_64`: the ELF machine, 64 bits, little endian.
#[cfg(target_arch = "x86_64")]
pub(super) const ARCHITECTURE: u32 = 62 | 0xc000_0000;
/// `AUDIT_ARCH_AARCH64`: the ELF machine, 64 bits, little endian.
#[cfg(target_arch = "aarch64")]
pub(super) const ARCHITECTURE: u32 = 183 | 0xc000_0000;

/// Numbers of system calls by their names in `libc`.
macro_rules! numbers {
    ($($name:ident)*) => { &[$(libc::$name as u32),*] };
}

/// Allowed on both architectures. `ptrace` and its kin are among them, for a kernel from 4.8 on checks a call again after a
/// tracer changed it.
const ALLOWED: &[u32] = numbers! {
    SYS_accept SYS_accept4 SYS_adjtimex SYS_bind SYS_brk SYS_capget SYS_capset SYS_chdir SYS_chroot SYS_clock_adjtime
    SYS_clock_getres SYS_clock_gettime SYS_clock_nanosleep SYS_close SYS_close_range SYS_connect SYS_copy_file_range
    SYS_dup SYS_dup3 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_execve
    SYS_execveat SYS_exit SYS_exit_group SYS_faccessat SYS_faccessat2 SYS_fadvise64 SYS_fallocate SYS_fanotify_mark
    SYS_fchdir SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_fcntl SYS_fdatasync SYS_fgetxattr SYS_flistxattr
    SYS_flock SYS_fremovexattr SYS_fsetxattr SYS_fstat SYS_fstatfs SYS_fsync SYS_ftruncate SYS_futex SYS_futex_waitv
    SYS_get_robust_list SYS_getcpu SYS_getcwd SYS_getdents64 SYS_getegid SYS_geteuid SYS_getgid SYS_getgroups
    SYS_getitimer SYS_getpeername SYS_getpgid SYS_getpid SYS_getppid SYS_getpriority SYS_getrandom SYS_getresgid
    SYS_getresuid SYS_getrusage SYS_getsid SYS_getsockname SYS_getsockopt SYS_gettid SYS_gettimeofday SYS_getuid
    SYS_getxattr SYS_inotify_add_watch SYS_inotify_init1 SYS_inotify_rm_watch SYS_io_cancel SYS_io_destroy
    SYS_io_getevents SYS_io_setup SYS_io_submit SYS_ioctl SYS_ioprio_get SYS_ioprio_set SYS_kill SYS_landlock_add_rule
    SYS_landlock_create_ruleset SYS_landlock_restrict_self SYS_lgetxattr SYS_linkat SYS_listen SYS_listxattr
    SYS_llistxattr SYS_lremovexattr SYS_lseek SYS_lsetxattr SYS_madvise SYS_membarrier SYS_memfd_create
    SYS_memfd_secret SYS_mincore SYS_mkdirat SYS_mknodat SYS_mlock SYS_mlock2 SYS_mlockall SYS_mmap SYS_mprotect
    SYS_mq_getsetattr SYS_mq_notify SYS_mq_open SYS_mq_timedreceive SYS_mq_timedsend SYS_mq_unlink SYS_mremap
    SYS_mseal SYS_msgctl SYS_msgget SYS_msgrcv SYS_msgsnd SYS_msync SYS_munlock SYS_munlockall SYS_munmap
    SYS_name_to_handle_at SYS_nanosleep SYS_newfstatat SYS_openat SYS_openat2 SYS_pidfd_open SYS_pidfd_send_signal
    SYS_pipe2 SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_ppoll SYS_prctl SYS_pread64 SYS_preadv SYS_preadv2
    SYS_prlimit64 SYS_process_mrelease SYS_process_vm_readv SYS_process_vm_writev SYS_pselect6 SYS_ptrace SYS_pwrite64
    SYS_pwritev SYS_pwritev2 SYS_read SYS_readahead SYS_readlinkat SYS_readv SYS_recvfrom SYS_recvmmsg SYS_recvmsg
    SYS_remap_file_pages SYS_removexattr SYS_renameat2 SYS_restart_syscall SYS_rseq SYS_rt_sigaction SYS_rt_sigpending
    SYS_rt_sigprocmask SYS_rt_sigqueueinfo SYS_rt_sigreturn SYS_rt_sigsuspend SYS_rt_sigtimedwait
    SYS_rt_tgsigqueueinfo SYS_sched_get_priority_max SYS_sched_get_priority_min SYS_sched_getaffinity
    SYS_sched_getattr SYS_sched_getparam SYS_sched_getscheduler SYS_sched_rr_get_interval SYS_sched_setaffinity
    SYS_sched_setattr SYS_sched_setparam SYS_sched_setscheduler SYS_sched_yield SYS_seccomp SYS_semctl SYS_semget
    SYS_semop SYS_semtimedop SYS_sendfile SYS_sendmmsg SYS_sendmsg SYS_sendto SYS_set_robust_list SYS_set_tid_address
    SYS_setfsgid SYS_setfsuid SYS_setgid SYS_setgroups SYS_setitimer SYS_setpgid SYS_setpriority SYS_setregid
    SYS_setresgid SYS_setresuid SYS_setreuid SYS_setsid SYS_setsockopt SYS_setuid SYS_setxattr SYS_shmat SYS_shmctl
    SYS_shmdt SYS_shmget SYS_shutdown SYS_sigaltstack SYS_signalfd4 SYS_socketpair SYS_splice SYS_statfs SYS_statx
    SYS_symlinkat SYS_sync SYS_syncfs SYS_sysinfo SYS_tee SYS_tgkill SYS_timer_create SYS_timer_delete
    SYS_timer_getoverrun SYS_timer_gettime SYS_timer_settime SYS_timerfd_create SYS_timerfd_gettime
    SYS_timerfd_settime SYS_times SYS_tkill SYS_truncate SYS_umask SYS_uname SYS_unlinkat SYS_utimensat SYS_vmsplice
    SYS_wait4 SYS_waitid SYS_write SYS_writev
};

/// Allowed on both architectures, and not in every `libc`. Newer system calls have one number everywhere.
const ALLOWED_LATER: &[u32] = &[
    451, // cachestat
    452, // fchmodat2
    453, // map_shadow_stack
    454, // futex_wake
    455, // futex_wait
    456, // futex_requeue
    457, // statmount
    458, // listmount
    463, // setxattrat
    464, // getxattrat
    465, // listxattrat
    466, // removexattrat
];

/// Allowed on this architecture: what came before the calls that all share, and what is peculiar to it.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[u32] = numbers! {
    SYS_access SYS_alarm SYS_arch_prctl SYS_chmod SYS_chown SYS_creat SYS_dup2 SYS_epoll_create SYS_epoll_ctl_old
    SYS_epoll_wait SYS_epoll_wait_old SYS_eventfd SYS_fork SYS_futimesat SYS_get_thread_area SYS_getdents SYS_getpgrp
    SYS_getrlimit SYS_inotify_init SYS_lchown SYS_link SYS_lstat SYS_mkdir SYS_mknod SYS_modify_ldt SYS_open SYS_pause
    SYS_pipe SYS_poll SYS_readlink SYS_rename SYS_renameat SYS_rmdir SYS_select SYS_set_thread_area SYS_setrlimit
    SYS_signalfd SYS_stat SYS_symlink SYS_sync_file_range SYS_time SYS_unlink SYS_utime SYS_utimes SYS_vfork
};
/// The same, for what `libc` has no name.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE_TOO: &[u32] = &[
    333, // io_pgetevents
    335, // uretprobe
];

/// Allowed on this architecture.
#[cfg(target_arch = "aarch64")]
const ALLOWED_HERE: &[u32] = &[];
/// The same, for what `libc` has no name.
#[cfg(target_arch = "aarch64")]
const ALLOWED_HERE_TOO: &[u32] = &[
    38,  // renameat
    84,  // sync_file_range
    163, // getrlimit
    164, // setrlimit
    292, // io_pgetevents
];

/// New namespaces take `CAP_SYS_ADMIN`. (`CLONE_NEWTIME` means something else to `clone`.)
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP) as u32;

/// An ordinary process, `UNAME26`, `PER_LINUX32`, both of them, and the question which it is.
const PERSONALITIES: &[u32] = &[0, 0x0002_0000, 0x0008, 0x0002_0008, 0xffff_ffff];

/// The kernel's own cryptography, and the way to a hypervisor, which knows no network namespaces.
const FAMILIES_REFUSED: &[u32] = &[AF_ALG as u32, AF_VSOCK as u32];

/// What depends on arguments, or gives another error.
const SPECIAL: &[(u32, Verdict)] = &[
    (libc::SYS_clone as u32, Verdict::Without(NAMESPACES)),
    // Its flags lie in memory, where no filter sees them. ENOSYS makes C libraries use `clone`.
    (libc::SYS_clone3 as u32, Verdict::Unknown),
    (libc::SYS_personality as u32, Verdict::Only(PERSONALITIES)),
    (libc::SYS_socket as u32, Verdict::Except(FAMILIES_REFUSED)),
];

/// What an ordinary user who is root inside cannot do: owners, users and groups other than root.
const PRETENDED: &[u32] = numbers! {
    SYS_fchown SYS_fchownat SYS_setfsgid SYS_setfsuid SYS_setgid SYS_setgroups SYS_setregid SYS_setresgid SYS_setresuid
    SYS_setreuid SYS_setuid
};
/// The same on this architecture.
#[cfg(target_arch = "x86_64")]
const PRETENDED_HERE: &[u32] = numbers! { SYS_chown SYS_lchown };
/// The same on this architecture.
#[cfg(target_arch = "aarch64")]
const PRETENDED_HERE: &[u32] = &[];

/// Calls that may make devices, and which argument says so.
#[cfg(target_arch = "x86_64")]
const DEVICES: &[(u32, u32)] = &[(libc::SYS_mknod as u32, 1), (libc::SYS_mknodat as u32, 2)];
/// Calls that may make devices, and which argument says so.
#[cfg(target_arch = "aarch64")]
const DEVICES: &[(u32, u32)] = &[(libc::SYS_mknodat as u32, 2)];

/// Every rule, in no order.
pub(super) fn rules(form: Form) -> impl Iterator<Item = (u32, Verdict)> {
    [ALLOWED, ALLOWED_LATER, ALLOWED_HERE, ALLOWED_HERE_TOO]
        .into_iter()
        .flatten()
        .map(move |number| {
            let verdict = match form {
                Form::Root => Verdict::Allow,
                Form::Range => without_devices(*number),
                Form::User => as_user(*number),
            };
            (*number, verdict)
        })
        .chain(SPECIAL.iter().copied())
}

/// What becomes of a call that is allowed, where only one user exists.
fn as_user(number: u32) -> Verdict {
    if PRETENDED.contains(&number) || PRETENDED_HERE.contains(&number) {
        return Verdict::Pretend;
    }
    without_devices(number)
}

/// What becomes of it where nobody may make devices.
fn without_devices(number: u32) -> Verdict {
    match DEVICES.iter().find(|(device, _)| *device == number) {
        Some((_, argument)) => Verdict::PretendDevices(*argument),
        None => Verdict::Allow,
    }
}

/// All numbers that there are, in order; neighbours differ in their verdict.
pub(super) fn ranges(form: Form) -> Vec<Range> {
    let mut rules: Vec<_> = rules(form).collect();
    rules.sort_unstable_by_key(|(number, _)| *number);
    let mut ranges = Vec::new();
    let mut next = 0;
    for (number, verdict) in rules {
        if number > next {
            extend(&mut ranges, next, Verdict::Refuse);
        }
        extend(&mut ranges, number, verdict);
        next = number + 1;
    }
    extend(&mut ranges, next, Verdict::Unknown);
    ranges
}

fn extend(ranges: &mut Vec<Range>, first: u32, verdict: Verdict) {
    if ranges.last().is_none_or(|last| last.verdict != verdict) {
        ranges.push(Range { first, verdict });
    }
}
