//! Does something in a user namespace that this program is not in. A thread cannot enter one; a process that has only one can. So
//! one is cloned that shares everything with this thread, which sleeps until it has ended: memory, stack guard, thread-local
//! data, open files. To all that is in memory it is this thread; only the kernel sees another process, with other rights. So,
//! unlike what happens between clone and exec of a container, it may be any code: locks and memory are this thread's to take.
//!
//! What does not hold inside: the thread's number is another one, and restartable sequences (`rseq`) are off.

#![expect(unsafe_code, reason = "std cannot enter namespaces")]

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use libc::{c_int, c_void};

use super::launch::{Quiet, Stack, reap_pid};
use super::script::die_with;

/// Address space, of which only what is used becomes memory. As much as the main thread has.
const STACK: usize = 8 * 1024 * 1024;

struct Errand<F, T> {
    users: RawFd,
    myself: RawFd,
    work: Option<F>,
    done: Option<std::thread::Result<T>>,
    /// Why the namespace could not be entered.
    errno: c_int,
}

/// Does `work` as root of a user namespace, and waits for it. What panics there, panics here.
///
/// # Errors
/// The namespace cannot be entered, or the process was killed.
pub(in crate::engine::embedded) fn errand<T>(
    users: BorrowedFd<'_>,
    work: impl FnOnce() -> T,
) -> io::Result<T> {
    let myself: OwnedFd = rustix::process::pidfd_open(
        rustix::process::getpid(),
        rustix::process::PidfdFlags::empty(),
    )?;
    let mut errand = Errand {
        users: users.as_raw_fd(),
        myself: myself.as_raw_fd(),
        work: Some(work),
        done: None,
        errno: 0,
    };
    let stack = Stack::new(STACK)?;
    let ended = {
        let _quiet = Quiet::new();
        clone_for(&mut errand, &stack).and_then(reap_pid)
    };
    match (errand.done, ended) {
        (Some(Ok(done)), _) => Ok(done),
        (Some(Err(panic)), _) => resume_unwind(panic),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) if errand.errno != 0 => Err(io::Error::from_raw_os_error(errand.errno)),
        (None, Ok(_)) => Err(io::Error::new(
            ErrorKind::Interrupted,
            "the process that worked in the user namespace was killed",
        )),
    }
}

fn clone_for<F: FnOnce() -> T, T>(errand: &mut Errand<F, T>, stack: &Stack) -> io::Result<c_int> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES;
    // SAFETY: this thread sleeps until the child has ended, so all that it owns is the child's alone; the stack is new; the
    // errand lives longer than the child.
    let pid = unsafe {
        libc::clone(
            run::<F, T>,
            stack.top(),
            flags,
            (&raw mut *errand).cast::<c_void>(),
        )
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(pid)
}

extern "C" fn run<F: FnOnce() -> T, T>(errand: *mut c_void) -> c_int {
    // SAFETY: the parent passed its errand and sleeps. The process ends here, and no panic leaves.
    unsafe {
        let errand = &mut *errand.cast::<Errand<F, T>>();
        if libc::setns(errand.users, libc::CLONE_NEWUSER) < 0 || die_with(errand.myself) < 0 {
            errand.errno = *libc::__errno_location();
            libc::_exit(1);
        }
        if let Some(work) = errand.work.take() {
            errand.done = Some(catch_unwind(AssertUnwindSafe(work)));
        }
        libc::_exit(0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd as _;

    use super::super::user_namespace;
    use super::*;

    /// A namespace in which this user is root, which needs no other program.
    fn namespace() -> OwnedFd {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        let made = user_namespace(|pid| {
            let write = |file: &str, text: String| fs::write(format!("/proc/{pid}/{file}"), text);
            write("setgroups", "deny".to_owned())?;
            write("uid_map", format!("0 {} 1", uid.as_raw()))?;
            write("gid_map", format!("0 {} 1", gid.as_raw()))
        });
        made.unwrap()
    }

    fn current() -> std::path::PathBuf {
        fs::read_link("/proc/self/ns/user").unwrap()
    }

    #[test]
    fn it_is_done_inside_and_its_result_and_files_come_back() {
        let (users, outside) = (namespace(), current());
        let folder = tempfile::tempdir().unwrap();
        let (inside, file) = errand(users.as_fd(), || {
            let path = folder.path().join("file");
            fs::write(&path, "written inside").unwrap();
            (current(), fs::File::open(path).unwrap())
        })
        .unwrap();
        assert!(inside != outside && current() == outside);
        assert_eq!(io::read_to_string(file).unwrap(), "written inside");
    }

    #[test]
    fn many_threads_allocate_and_lock_inside_and_outside_at_once() {
        let users = namespace();
        let all = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (users, all) = (&users, &all);
                scope.spawn(move || {
                    for round in 0..100 {
                        let text = errand(users.as_fd(), || {
                            let text = format!("{thread} {round}").repeat(1000);
                            all.lock().unwrap().push(text.clone());
                            text
                        });
                        all.lock().unwrap().push(text.unwrap());
                    }
                });
            }
        });
        let mut all = all.into_inner().unwrap();
        all.sort();
        assert_eq!(all.len(), 1600);
        assert!(all.chunks(2).all(|both| both[0] == both[1]));
    }

    #[test]
    fn a_panic_inside_is_one_outside() {
        let users = namespace();
        let panic = catch_unwind(AssertUnwindSafe(|| {
            errand(users.as_fd(), || panic!("it fell over"))
        }));
        let panic = panic.map(|_: io::Result<()>| ()).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"it fell over"));
    }

    #[test]
    fn a_namespace_that_is_none_is_an_error() {
        let none = fs::File::open("/proc/self/ns/uts").unwrap();
        let error = errand(none.as_fd(), || ()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }
}
