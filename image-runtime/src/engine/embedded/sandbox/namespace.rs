//! Makes a user namespace and has it mapped. It is there as long as somebody holds it open, and no process is needed in it.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};

use super::launch::hatch;
use super::script::{Act, Program, Script, Step};

/// A new user namespace. `map` is told a process in it, and maps it.
///
/// # Errors
/// It cannot be made, or what `map` fails with.
pub(in crate::engine::embedded) fn user_namespace(
    map: impl FnOnce(u32) -> io::Result<()>,
) -> io::Result<OwnedFd> {
    let (told, tell) = pipe_with(PipeFlags::CLOEXEC)?;
    let (await_, release) = pipe_with(PipeFlags::CLOEXEC)?;
    let myself = rustix::process::pidfd_open(
        rustix::process::getpid(),
        rustix::process::PidfdFlags::empty(),
    )?;
    let act = |act| Step {
        why: super::BIRTH,
        act,
    };
    let script = Script {
        steps: vec![
            act(Act::DieWith(myself.as_raw_fd())),
            act(Act::Tell(tell.as_raw_fd())),
            act(Act::Await(await_.as_raw_fd())),
        ],
        slots: Vec::new(),
        program: Program::new(Vec::new(), Vec::new()),
        failed: None,
    };
    // A thread that sleeps while the process lives.
    let thread = std::thread::Builder::new()
        .name("image-runtime-users".into())
        .spawn(move || {
            let hatched = hatch(script, libc::CLONE_NEWUSER);
            drop((tell, await_, myself));
            hatched
        })?;
    let mut release = File::from(release);
    let namespace = (|| {
        let mut pid = [0; 4];
        File::from(told).read_exact(&mut pid)?;
        let pid = u32::from_ne_bytes(pid);
        let namespace = File::open(format!("/proc/{pid}/ns/user"))?;
        map(pid)?;
        Ok(namespace.into())
    })();
    // Nobody reads it where there is no process.
    let _ = release.write_all(&[0]);
    let hatched = thread.join();
    hatched.map_err(|_| io::Error::other("the thread that makes a user namespace panicked"))??;
    namespace
}
