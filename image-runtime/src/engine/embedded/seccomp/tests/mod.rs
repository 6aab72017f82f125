//! The program, run by an interpreter of ours and by the kernel.

mod interpreter;
mod kernel;

use std::collections::HashMap;

use interpreter::{Call, run};
use libc::{EPERM, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS};

use super::super::form::Form;
use super::rules::{ARCHITECTURE, Range, Verdict, ranges, rules};
use super::{bpf, filter};

const ALLOW: u32 = SECCOMP_RET_ALLOW;
const REFUSE: u32 = SECCOMP_RET_ERRNO | EPERM as u32;
const PRETEND: u32 = SECCOMP_RET_ERRNO;
const UNKNOWN: u32 = SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// The highest number in the rules: `removexattrat`.
const HIGHEST: u32 = 466;

fn native(number: u32, first: u64) -> u32 {
    result(Form::Root, number, [first, 0, 0])
}

fn result(form: Form, number: u32, arguments: [u64; 3]) -> u32 {
    let call = Call {
        number,
        architecture: ARCHITECTURE,
        arguments,
    };
    run(filter(form), call).result
}

#[test]
fn every_number_gets_what_the_rules_say() {
    let rules: HashMap<u32, Verdict> = rules(Form::Root).collect();
    for number in (0..=600).chain([0x4000_0000, 0x4000_0001, 0x4000_0208, u32::MAX]) {
        // An argument that nothing forbids to `clone`, `personality` and `socket`.
        let expected = match rules.get(&number) {
            None if number <= HIGHEST => REFUSE,
            None | Some(Verdict::Unknown) => UNKNOWN,
            Some(_) => ALLOW,
        };
        assert_eq!(native(number, 0), expected, "{number}");
    }
}

#[test]
fn no_rule_is_written_twice() {
    let distinct: HashMap<u32, Verdict> = rules(Form::Root).collect();
    assert_eq!(distinct.len(), rules(Form::Root).count());
    assert_eq!(distinct.keys().max(), Some(&HIGHEST));
}

#[test]
fn what_only_an_administrator_may_do_is_refused() {
    for number in [
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_fsopen,
        libc::SYS_mount_setattr,
        libc::SYS_pivot_root,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_open_by_handle_at,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_sethostname,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_syslog,
        libc::SYS_kcmp,
        libc::SYS_pidfd_getfd,
        libc::SYS_process_madvise,
        libc::SYS_mbind,
    ] {
        assert_eq!(native(number as u32, 0), REFUSE, "{number}");
    }
}

#[test]
fn what_ordinary_programs_and_debuggers_need_is_allowed() {
    for number in [
        libc::SYS_execve,
        libc::SYS_openat,
        libc::SYS_mmap,
        libc::SYS_futex,
        libc::SYS_rseq,
        libc::SYS_chroot,
        libc::SYS_mknodat,
        libc::SYS_seccomp,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_landlock_create_ruleset,
    ] {
        assert_eq!(native(number as u32, 0), ALLOW, "{number}");
    }
}

#[test]
fn clone_makes_threads_and_processes_and_no_namespaces() {
    let clone = |flags: i32| native(libc::SYS_clone as u32, u64::from(flags as u32));
    let thread = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD;
    assert_eq!(clone(thread | libc::CLONE_SETTLS), ALLOW);
    assert_eq!(clone(libc::SIGCHLD), ALLOW);
    assert_eq!(
        clone(libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD),
        ALLOW
    );
    for namespace in [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWCGROUP,
    ] {
        assert_eq!(clone(namespace | libc::SIGCHLD), REFUSE, "{namespace:#x}");
    }
}

#[test]
fn arguments_are_compared_as_the_kernel_reads_them() {
    let socket = |family: u64| native(libc::SYS_socket as u32, family);
    for family in [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_NETLINK,
        37,
        39,
        41,
        -1,
    ] {
        assert_eq!(socket(u64::from(family as u32)), ALLOW, "{family}");
    }
    for family in [libc::AF_ALG, libc::AF_VSOCK] {
        assert_eq!(socket(family as u64), REFUSE, "{family}");
        assert_eq!(socket(family as u64 | 1 << 32), REFUSE, "{family}");
    }
    let personality = |persona: u64| native(libc::SYS_personality as u32, persona);
    for persona in [0, 8, 0x20000, 0x20008, 0xffff_ffff] {
        assert_eq!(personality(persona), ALLOW, "{persona:#x}");
    }
    for persona in [1, 9, 0x40000, 0x20009, 0xffff_fffe] {
        assert_eq!(personality(persona), REFUSE, "{persona:#x}");
    }
}

#[test]
fn calls_of_other_architectures_end_the_process() {
    // i386, Arm, RISC-V.
    for architecture in [0x4000_0003, 0x4000_0028, 0xc000_00f3] {
        for number in [0, 1, 20, 500] {
            let call = Call {
                number,
                architecture,
                arguments: [0; 3],
            };
            assert_eq!(
                run(filter(Form::Root), call).result,
                SECCOMP_RET_KILL_PROCESS
            );
        }
    }
}

#[test]
fn the_program_is_short_and_no_verdict_is_far() {
    assert!(
        filter(Form::Root).len() < 400,
        "{}",
        filter(Form::Root).len()
    );
    let ranges = ranges(Form::Root).len();
    // Two loads and the architecture come before the tree, a load, the longest list and the result after it.
    let most = ranges.ilog2() as usize + 1 + 3 + 7;
    for number in 0..=600 {
        let call = Call {
            number,
            architecture: ARCHITECTURE,
            arguments: [0xffff_ffff, 0, 0],
        };
        let steps = run(filter(Form::Root), call).steps;
        assert!(steps <= most, "{number}: {steps} of {most}");
    }
}

#[test]
fn a_table_too_long_for_short_jumps_works_too() {
    const PATTERN: [Verdict; 8] = [
        Verdict::Allow,
        Verdict::Refuse,
        Verdict::Only(&[7, 9]),
        Verdict::Unknown,
        Verdict::Except(&[7, 9]),
        Verdict::Without(1),
        Verdict::Pretend,
        Verdict::PretendDevices(0),
    ];
    let ranges: Vec<Range> = (0..900)
        .map(|index| Range {
            first: index * 3,
            verdict: PATTERN[index as usize % PATTERN.len()],
        })
        .collect();
    // Of all these lengths, some have a jump that is just short enough.
    for length in 1..ranges.len() {
        bpf::compile(1, &ranges[..length]);
    }
    let program = bpf::compile(1, &ranges);
    assert!(program.len() < 4096, "{}", program.len());
    for number in 0..2700 {
        let expected = match PATTERN[number as usize / 3 % PATTERN.len()] {
            Verdict::Allow => [ALLOW, ALLOW],
            Verdict::Refuse => [REFUSE, REFUSE],
            Verdict::Unknown => [UNKNOWN, UNKNOWN],
            Verdict::Only(_) => [REFUSE, ALLOW],
            Verdict::Except(_) => [ALLOW, REFUSE],
            Verdict::Without(_) => [ALLOW, REFUSE],
            Verdict::Pretend => [PRETEND, PRETEND],
            Verdict::PretendDevices(_) => [ALLOW, ALLOW],
        };
        let results = [8, 9].map(|first| {
            let call = Call {
                number,
                architecture: 1,
                arguments: [first, 0, 0],
            };
            run(&program, call).result
        });
        assert_eq!(results, expected, "{number}");
    }
    let foreign = Call {
        number: 0,
        architecture: 2,
        arguments: [0; 3],
    };
    assert_eq!(run(&program, foreign).result, SECCOMP_RET_KILL_PROCESS);
}

#[test]
fn owners_and_users_are_pretended_where_there_is_one_user_only() {
    let user = |number, arguments| result(Form::User, number as u32, arguments);
    for number in [
        libc::SYS_fchownat,
        libc::SYS_fchown,
        libc::SYS_setresuid,
        libc::SYS_setgid,
        libc::SYS_setgroups,
    ] {
        assert_eq!(user(number, [0; 3]), PRETEND, "{number}");
        assert_eq!(
            result(Form::Range, number as u32, [0; 3]),
            ALLOW,
            "{number}"
        );
        assert_eq!(native(number as u32, 0), ALLOW, "{number}");
    }
    for (kind, expected) in [
        (libc::S_IFCHR, PRETEND),
        (libc::S_IFBLK, PRETEND),
        (libc::S_IFREG, ALLOW),
        (libc::S_IFIFO, ALLOW),
        (libc::S_IFSOCK, ALLOW),
        (0, ALLOW),
    ] {
        let mode = u64::from(kind | 0o7777);
        assert_eq!(user(libc::SYS_mknodat, [0, 0, mode]), expected, "{kind:o}");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(user(libc::SYS_mknod, [0, mode, 0]), expected, "{kind:o}");
    }
    for number in [libc::SYS_openat, libc::SYS_fchmod, libc::SYS_getuid] {
        assert_eq!(user(number, [0; 3]), ALLOW, "{number}");
    }
    assert_eq!(user(libc::SYS_mount, [0; 3]), REFUSE);
}
