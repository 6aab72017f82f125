//! The system calls that a container may make: Docker's default seccomp profile, as a program for the kernel.
//!
//! The rules are those of `github.com/moby/profiles`, `seccomp/v0.2.3` (`seccomp/default_linux.go`; Docker of August 2026),
//! for the fourteen capabilities that Docker gives by default and for a kernel of 4.8 or later. As there, what is not
//! allowed gives EPERM; and as runc adds to it, a number above the highest in the rules gives ENOSYS, so that a C
//! library newer than the rules falls back to older calls. It differs in two ways:
//!
//! * Calls of another architecture end the process with SIGSYS ("bad system call"), as with runc for one that its profile
//!   does not list. Docker's lists the 32-bit sibling (i386, Arm), so there 32-bit programs run and here they do not. They
//!   would take a table of their own, and on i386 `socketcall` opens the doors that `socket` keeps shut: its arguments
//!   lie in memory, where no filter sees them. x32 counts as x86_64 with high numbers and gives ENOSYS, as most kernels do.
//! * Arguments are compared as the 32-bit numbers that the kernel reads, not as 64-bit registers. Otherwise a family
//!   that is refused would pass with any bit set in the upper half, which the kernel then ignores.
//!
//! An ordinary user can be nobody but root inside ([`Form::User`]): files cannot be given to other users, and no process can
//! become one. Package managers do both all the time, and stop when it fails. So there those calls succeed and do nothing,
//! and so does making a device: `chown`, `setuid`, `setgroups`, `mknod` and their kin. A program that looks afterwards sees the truth:
//! every file in every layer belongs to root, and every process is root's. (The idea is Charliecloud's.) With a range of users
//! ([`Form::Range`]) only making a device is like that.
//!
//! Loading it takes `CAP_SYS_ADMIN` or no-new-privileges; Docker does the former. `SECCOMP_FILTER_FLAG_SPEC_ALLOW` spares
//! kernels before 5.16 a slow guard against speculation, as runc does.

mod bpf;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use libc::sock_filter;

use super::form::Form;

/// The program, for the architecture that this is compiled for.
///
/// The first call computes it and allocates; later ones only read. So a child that shares our memory must not be the
/// first to call.
pub(super) fn filter(form: Form) -> &'static [sock_filter] {
    static PROGRAMS: [OnceLock<Vec<sock_filter>>; 3] = [const { OnceLock::new() }; 3];
    let program = match form {
        Form::Root => &PROGRAMS[0],
        Form::Range => &PROGRAMS[1],
        Form::User => &PROGRAMS[2],
    };
    program.get_or_init(|| bpf::compile(rules::ARCHITECTURE, &rules::ranges(form)))
}
