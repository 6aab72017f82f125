//! The first process of a container. The kernel shields it from its own signals and makes it the parent of every
//! orphan, so it does nothing but make the worker proper, reap, and end as the worker ended.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};

use rustix::process::{WaitOptions, getppid, wait};

use super::relay::Relay;

/// Makes an ordinary process that is the worker, and waits for it. Answers the exit code to end with; in the worker itself,
/// nothing.
pub(super) fn supervise() -> Option<i32> {
    let ended = match begin() {
        Ok(None) => return None,
        Ok(Some((child, relay))) => watch_over(child, relay),
        Err(error) => Err(error),
    };
    Some(match ended {
        Ok(status) => status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        Err(error) => {
            complain(&error);
            1
        }
    })
}

/// Makes the worker's process, and answers its number; nothing in that process itself. Where the host is out of its sight, it is for the
/// relay to talk to.
fn begin() -> io::Result<Option<(u32, Option<Relay>)>> {
    let relay = Relay::open()?;
    let child = match is_alone() {
        true => split()?,
        false => Some(start_again()?.id()),
    };
    let Some(child) = child else {
        return Ok(None);
    };
    // A socket that is the worker's standard input ends with the worker.
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(Some((child, relay)))
}

fn watch_over(child: u32, relay: Option<Relay>) -> io::Result<ExitStatus> {
    let relaying = relay.map(Relay::begin).transpose()?;
    let status = reap_until_end_of(child)?;
    if let Some(relaying) = relaying
        && let Err(error) = relaying.end()
    {
        complain(&error);
    }
    Ok(status)
}

/// Whether this process has but one thread: only then its copy is whole. A test has more.
pub(super) fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// Copies this process, which is quicker than starting its program again; answers the copy's number, and nothing in the copy.
pub(super) fn split() -> io::Result<Option<u32>> {
    #[expect(unsafe_code, reason = "std cannot fork")]
    // SAFETY: no other thread of this process was in the middle of something, since there is none.
    let forked = unsafe { libc::fork() };
    match forked {
        0 => Ok(None),
        pid if pid > 0 => Ok(Some(pid.unsigned_abs())),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Starts this very command again.
fn start_again() -> io::Result<Child> {
    this_command()?.spawn()
}

/// The command line of this very process.
pub(super) fn this_command() -> io::Result<Command> {
    let line = std::fs::read("/proc/self/cmdline")?;
    let mut words = line
        .split_inclusive(|byte| *byte == 0)
        .map(|word| OsString::from_vec(word.strip_suffix(&[0]).unwrap_or(word).to_vec()));
    let program = words
        .next()
        .ok_or_else(|| io::Error::other("this process has no command line"))?;
    let mut command = Command::new(program);
    command.args(words);
    Ok(command)
}

fn reap_until_end_of(child: u32) -> io::Result<ExitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get().unsigned_abs() == child => {
                return Ok(ExitStatus::from_raw(status.as_raw()));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Has a program lead a session of its own, at the terminal that is its standard input.
pub(super) fn at_its_terminal(command: &mut Command) {
    let lead = || {
        rustix::process::setsid()?;
        Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
    };
    #[expect(unsafe_code, reason = "std has no words for sessions")]
    // SAFETY: between fork and exec it makes two system calls, allocates nothing and takes no lock.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(command, lead);
    }
}

/// Whether the parent of this process is such a supervisor.
pub(super) fn is_supervised() -> io::Result<bool> {
    Ok(getppid().is_some_and(|parent| parent.is_init())
        && std::fs::read("/proc/1/cmdline")? == std::fs::read("/proc/self/cmdline")?)
}

/// Ends every process of the container but its first one and this one. Does nothing in a process that is not supervised: elsewhere the
/// same system call would reach processes of others.
pub(super) fn end_everything_else() -> io::Result<()> {
    if is_supervised()? {
        #[expect(unsafe_code, reason = "no safe crate offers kill(-1)")]
        // SAFETY: takes no pointers. That nothing is there to be ended is no failure, so the result does not matter.
        unsafe {
            libc::kill(-1, libc::SIGKILL);
        }
    }
    Ok(())
}

/// Ends the process without running anything more of it: a function may be in the middle of its work.
#[expect(
    unsafe_code,
    reason = "std has no exit that leaves exit handlers alone"
)]
pub(super) fn exit_at_once(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Lets go of all that this process was given but its standard streams, and of who could end it by a signal to many.
pub(super) fn let_go() {
    // Where it leads its session already, there is nothing to leave.
    let _ = rustix::process::setsid();
    #[expect(unsafe_code, reason = "std has no words for descriptors and signals")]
    // SAFETY: nothing of this process has opened any of the descriptors yet; to ignore a signal runs no code.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0);
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
}

/// Tells why the worker cannot go on. The host shows the last lines of a container that died.
pub(super) fn complain(error: &io::Error) {
    // Not by the handle that functions have, who may hold its lock for ever. Nobody is left to tell where this fails.
    let line = format!("image-runtime worker: {error}\n");
    let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
}
