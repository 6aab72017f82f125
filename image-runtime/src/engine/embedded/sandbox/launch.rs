//! Gives birth to processes that follow a [`Script`]. A process is cloned with its parent's memory, and the parent's thread
//! sleeps until it has become its program: the cost does not depend on how much memory this program has.

#![expect(unsafe_code, reason = "std cannot clone into new namespaces")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use libc::{c_int, c_void};
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use super::script::{Script, perform};
use crate::engine::testament::Running;

/// Namespaces that every container has of its own.
const NAMESPACES: c_int =
    libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// A script for a new process.
#[derive(Debug)]
pub(super) struct Birth {
    pub(super) script: Script,
    /// Whether it gets a network namespace of its own.
    pub(super) own_network: bool,
    /// Whether it gets a user namespace of its own.
    pub(super) own_users: bool,
    /// The user namespace in which it is born, where that is another one.
    pub(super) users: Option<BorrowedFd<'static>>,
    /// What it needs open until it is born.
    #[expect(dead_code, reason = "open until it is dropped")]
    pub(super) kept: Vec<OwnedFd>,
}

/// Why there is no process: which step failed, and with what.
#[derive(Debug)]
pub(super) struct Stillbirth {
    pub(super) doing: &'static str,
    /// Where in the container something of the machine was to be shown, where that failed.
    pub(super) place: Option<String>,
    /// Whether it was the program itself that could not be executed.
    pub(super) is_program: bool,
    pub(super) error: io::Error,
}

/// A process that runs its program.
#[derive(Debug)]
pub struct Process {
    pidfd: AsyncFd<OwnedFd>,
    /// Ends it where this program ends before.
    running: Running,
}

/// A process that was born.
#[derive(Debug)]
struct Born {
    pidfd: OwnedFd,
    running: Running,
}

impl Born {
    fn new(pid: c_int, pidfd: OwnedFd) -> Self {
        let running = Running::begin(pid.unsigned_abs());
        Self { pidfd, running }
    }
}

/// How a process ended: its exit code, or 128 and the number of the signal.
type Code = i64;

type Order = (Birth, oneshot::Sender<Result<Born, Stillbirth>>);

/// Makes a process. It dies with this program.
pub(super) async fn launch(birth: Birth) -> Result<Process, Stillbirth> {
    let outcome = async {
        let (reply, answer) = oneshot::channel();
        midwives()?
            .send((birth, reply))
            .map_err(|_| io::Error::other("the thread that starts containers is gone"))?;
        answer.await.map_err(io::Error::other)
    };
    let starting = |error| Stillbirth {
        doing: "starting a process",
        place: None,
        is_program: false,
        error,
    };
    let Born { pidfd, running } = outcome.await.map_err(starting)??;
    // SAFETY: the value owns the descriptor, and nobody closes it before.
    let registered = unsafe { AsyncFd::register(pidfd) };
    registered
        .map(|pidfd| Process { pidfd, running })
        .map_err(|error| starting(error.into()))
}

/// The threads that all processes are children of. A process dies with the thread that made it, so they live as long as the
/// program. Each sleeps until the process that it makes has become its program, which takes most of a millisecond; so there are as
/// many as have room to work.
fn midwives() -> io::Result<Sender<Order>> {
    static MIDWIVES: OnceLock<Sender<Order>> = OnceLock::new();
    if let Some(sender) = MIDWIVES.get() {
        return Ok(sender.clone());
    }
    let (sender, orders) = channel::<Order>();
    let orders = Arc::new(Mutex::new(orders));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..cores.min(MOST_MIDWIVES) {
        let orders = Arc::clone(&orders);
        let stacks = [Stack::new(STACK)?, Stack::new(STACK)?];
        std::thread::Builder::new()
            .name("image-runtime-midwife".into())
            .spawn(move || {
                while let Some((mut birth, reply)) = next(&orders) {
                    let born = give_birth(&mut birth, &stacks);
                    drop(birth);
                    if let Err(Ok(orphan)) = reply.send(born) {
                        // Nobody waits for it any more.
                        let _ = signal(&orphan.pidfd, libc::SIGKILL);
                        if reap(&orphan.pidfd, 0).is_ok() {
                            orphan.running.ended();
                        }
                    }
                }
            })?;
    }
    Ok(MIDWIVES.get_or_init(|| sender).clone())
}

/// More would only wait for the kernel's locks.
const MOST_MIDWIVES: usize = 4;

fn next(orders: &Mutex<Receiver<Order>>) -> Option<Order> {
    let orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    orders.recv().ok()
}

fn give_birth(birth: &mut Birth, [stack, assistant]: &[Stack; 2]) -> Result<Born, Stillbirth> {
    let network = if birth.own_network {
        libc::CLONE_NEWNET
    } else {
        0
    };
    let users = if birth.own_users {
        libc::CLONE_NEWUSER
    } else {
        0
    };
    let how = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD;
    let flags = how | NAMESPACES | network | users;
    let born = {
        let _quiet = Quiet::new();
        let _open = StaysOpen::new();
        match birth.users {
            None => clone(&mut birth.script, stack, flags),
            Some(users) => clone_in(users, &mut birth.script, [stack, assistant], flags),
        }
    };
    let (pid, pidfd) = born.map_err(|error| Stillbirth {
        doing: super::BIRTH,
        place: None,
        is_program: false,
        error,
    })?;
    let Some((step, errno)) = birth.script.failed else {
        return Ok(Born::new(pid, pidfd));
    };
    let _ = reap(&pidfd, 0);
    Err(Stillbirth {
        doing: birth.script.steps[step].why,
        place: birth.script.steps[step].place(),
        is_program: step + 1 == birth.script.steps.len(),
        error: io::Error::from_raw_os_error(errno),
    })
}

fn clone(script: &mut Script, stack: &Stack, flags: c_int) -> io::Result<(c_int, OwnedFd)> {
    let mut pidfd: c_int = -1;
    // SAFETY: the stack is the child's alone, since this thread, the only one that uses it, sleeps until the child has ended or
    // become its program; the script lives longer than that.
    let pid = unsafe {
        libc::clone(
            live,
            stack.top(),
            flags,
            (&raw mut *script).cast(),
            &raw mut pidfd,
        )
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it for us.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// Does a script that comes to its end in new namespaces, and waits for that. It dies with this thread.
pub(super) fn hatch(mut script: Script, namespaces: c_int) -> io::Result<()> {
    let stack = Stack::new(STACK)?;
    let how = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD;
    let (_, pidfd) = {
        let _quiet = Quiet::new();
        clone(&mut script, &stack, how | namespaces)?
    };
    reap(&pidfd, 0)?;
    match script.failed {
        Some((_, errno)) => Err(io::Error::from_raw_os_error(errno)),
        None => Ok(()),
    }
}

/// What a process needs to give birth in a user namespace that this program is not in.
struct Assistant {
    users: RawFd,
    script: *mut c_void,
    stack: *mut c_void,
    flags: c_int,
    pid: c_int,
    pidfd: c_int,
    errno: c_int,
}

/// The same in a user namespace. A process goes there and gives birth to a child of this thread.
fn clone_in(
    users: BorrowedFd<'_>,
    script: &mut Script,
    [stack, own_stack]: [&Stack; 2],
    flags: c_int,
) -> io::Result<(c_int, OwnedFd)> {
    let mut assistant = Assistant {
        users: users.as_raw_fd(),
        script: (&raw mut *script).cast(),
        stack: stack.top(),
        flags: flags | libc::CLONE_PARENT,
        pid: -1,
        pidfd: -1,
        errno: 0,
    };
    let how = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES;
    // SAFETY: as for `clone`. It shares our open files, so that what the kernel opens for it is ours.
    let pid = unsafe { libc::clone(assist, own_stack.top(), how, (&raw mut assistant).cast()) };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    reap_pid(pid)?;
    if assistant.pid < 0 {
        return Err(io::Error::from_raw_os_error(assistant.errno));
    }
    // SAFETY: the kernel has just opened it for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(assistant.pidfd) };
    Ok((assistant.pid, pidfd))
}

extern "C" fn assist(assistant: *mut c_void) -> c_int {
    // SAFETY: the parent passed its assistant and sleeps, and so does this process until its child needs the memory no more.
    unsafe {
        let assistant = &mut *assistant.cast::<Assistant>();
        if libc::setns(assistant.users, libc::CLONE_NEWUSER) >= 0 {
            assistant.pid = libc::clone(
                live,
                assistant.stack,
                assistant.flags,
                assistant.script,
                &raw mut assistant.pidfd,
            );
        }
        if assistant.pid < 0 {
            assistant.errno = *libc::__errno_location();
        }
        libc::_exit(0)
    }
}

extern "C" fn live(script: *mut c_void) -> c_int {
    // SAFETY: the parent passed its script and sleeps. This process ends here if the script does.
    unsafe {
        perform(&mut *script.cast::<Script>());
        libc::_exit(1)
    }
}

impl Process {
    /// Waits until it has ended. Only one may wait.
    ///
    /// # Errors
    /// Somebody else waited for it.
    pub async fn wait(&self) -> io::Result<Code> {
        loop {
            let mut ready = self.pidfd.readable().await?;
            if let Some(code) = reap(self.pidfd.get_ref(), libc::WNOHANG)? {
                self.running.ended();
                return Ok(code);
            }
            ready.clear_ready();
        }
    }

    /// Kills it, and with it all processes of its container. One that has ended is no fault.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn kill(&self) -> io::Result<()> {
        match signal(self.pidfd.get_ref(), libc::SIGKILL) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            other => other,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that still runs goes on; who drops it has said so before.
        if let Ok(Some(_)) = reap(self.pidfd.get_ref(), libc::WNOHANG) {
            self.running.ended();
        }
    }
}

fn signal(pidfd: &OwnedFd, signal: c_int) -> io::Result<()> {
    // SAFETY: takes numbers and a null pointer.
    let done = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<c_void>(),
            0,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The end of a process; without `WNOHANG` waits for it.
fn reap(pidfd: &OwnedFd, how: c_int) -> io::Result<Option<Code>> {
    wait_for(libc::P_PIDFD, pidfd.as_raw_fd() as libc::id_t, how)
}

/// The end of a child that has no descriptor; waits for it.
pub(super) fn reap_pid(pid: c_int) -> io::Result<Option<Code>> {
    wait_for(libc::P_PID, pid as libc::id_t, 0)
}

fn wait_for(kind: libc::idtype_t, id: libc::id_t, how: c_int) -> io::Result<Option<Code>> {
    // SAFETY: `info` is a whole structure that the kernel fills in.
    let (done, info) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let done = libc::waitid(
            kind,
            id,
            &raw mut info,
            // Their end is told to nobody else, so only who asks for all kinds of children is told of them.
            libc::WEXITED | how | libc::__WALL,
        );
        (done, info)
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `waitid` has filled in the fields of a child, or left all of it zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let base = if info.si_code == libc::CLD_EXITED {
        0
    } else {
        128
    };
    Ok(Some(base + i64::from(status)))
}

/// A stack for a child, with pages below it that nobody may touch.
pub(super) struct Stack {
    bottom: *mut c_void,
    size: usize,
}

const STACK: usize = 128 * 1024;
const GUARD: usize = 64 * 1024;

impl Stack {
    pub(super) fn new(size: usize) -> io::Result<Self> {
        let size = size + GUARD;
        // SAFETY: a new mapping touches no other memory.
        let bottom = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if bottom == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self { bottom, size };
        // SAFETY: the range is part of the mapping.
        if unsafe { libc::mprotect(bottom, GUARD, libc::PROT_NONE) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(stack)
    }

    pub(super) fn top(&self) -> *mut c_void {
        // SAFETY: the end of the mapping. It grows down from there.
        unsafe { self.bottom.byte_add(self.size) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: no child runs on it any more.
        unsafe { libc::munmap(self.bottom, self.size) };
    }
}

// SAFETY: a mapping belongs to the whole process.
unsafe impl Send for Stack {}

/// While it lives, this thread takes no signals: a handler would run in the child, with this program's memory.
pub(super) struct Quiet(libc::sigset_t);

impl Quiet {
    pub(super) fn new() -> Self {
        // SAFETY: both sets are whole and live during the call.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            Self(before)
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // SAFETY: the set is the one that the thread had.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut());
        }
    }
}

/// A child that becomes another user while it has this program's memory closes that memory to who looks from outside, tools and
/// this program's own children among them: the kernel sees to that, since the user could read and change it otherwise. When the last
/// of these goes, it is as open as it was before the first, and not earlier: the child of another thread may still be such a user.
struct StaysOpen(());

/// How many children are on their way, and whether the memory was open before the first.
static BIRTHS: Mutex<(usize, bool)> = Mutex::new((0, false));

impl StaysOpen {
    fn new() -> Self {
        let mut births = BIRTHS.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, was_open) = &mut *births;
        if *count == 0 {
            *was_open = is_open();
        }
        *count += 1;
        Self(())
    }
}

impl Drop for StaysOpen {
    fn drop(&mut self) {
        let mut births = BIRTHS.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, was_open) = &mut *births;
        *count -= 1;
        if *count == 0 && *was_open {
            set_open(true);
        }
    }
}

fn set_open(open: bool) {
    // SAFETY: takes numbers.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(open), 0, 0, 0) };
}

fn is_open() -> bool {
    // SAFETY: takes numbers.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_a_child_closed_is_open_again_when_the_last_child_is_born_and_not_earlier() {
        // In a process of its own: it is about the whole memory, which other tests want open.
        // SAFETY: the child allocates nothing, and takes a lock that no test holds.
        let child = unsafe { libc::fork() };
        if child == 0 {
            set_open(true);
            let (first, second) = (StaysOpen::new(), StaysOpen::new());
            set_open(false);
            drop(second);
            let mut stays_closed = !is_open();
            let third = StaysOpen::new();
            drop(first);
            stays_closed &= !is_open();
            drop(third);
            // SAFETY: ends this process.
            unsafe { libc::_exit(if stays_closed && is_open() { 0 } else { 1 }) };
        }
        assert_eq!(reap_pid(child).unwrap(), Some(0));
    }
}
