//! What this process has begun and not brought to its end: at a daemon, and as processes of its own. It lies in a file without a name, so that
//! it outlives the process: what clears up then knows whether a daemon has to be asked, and whether something may still come into being there;
//! and it ends what has found a way not to die with this process.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use rustix::fs::{MemfdFlags, memfd_create};

/// Where it is kept, and the count that it holds. Where there is no file, the next program clears up.
static TESTAMENT: LazyLock<io::Result<Testament>> = LazyLock::new(|| {
    let mut file = File::from(memfd_create("image-runtime-left", MemfdFlags::CLOEXEC)?);
    // What is written to it as to any other file comes behind: it is the standard output of what clears up, and the harness of tests
    // prints something.
    file.seek(SeekFrom::Start(end()))?;
    Ok(Testament {
        file,
        count: Mutex::new(0),
        #[cfg(embedded)]
        free: Mutex::new((0..processes::MOST).rev().collect()),
    })
});

struct Testament {
    file: File,
    /// Of [`Unfinished`], and one more.
    count: Mutex<u64>,
    /// Places for processes.
    #[cfg(embedded)]
    free: Mutex<Vec<usize>>,
}

/// The bytes of a count.
const LENGTH: usize = size_of::<u64>();

fn end() -> u64 {
    #[cfg(embedded)]
    return processes::place(processes::MOST);
    #[cfg(not(embedded))]
    return LENGTH as u64;
}

/// A container that is asked for. It counts until it is said to be done with, and so where this value is dropped before.
#[derive(Debug)]
#[must_use]
pub(super) struct Unfinished(());

impl Unfinished {
    pub(super) fn begin() -> Self {
        // The first one that is counted stays, and says that there is a daemon.
        change(|count| count.max(1) + 1);
        Self(())
    }

    pub(super) fn done(self) {
        change(|count| count - 1);
    }
}

fn change(to: impl FnOnce(u64) -> u64) {
    if let Ok(Testament { file, count, .. }) = &*TESTAMENT {
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = to(*count);
        // It fails where there is no memory for eight bytes.
        let _ = file.write_all_at(&count.to_ne_bytes(), 0);
    }
}

/// That of this process, for another one.
pub(crate) fn testament() -> io::Result<OwnedFd> {
    match &*TESTAMENT {
        Ok(testament) => Ok(testament.file.try_clone()?.into()),
        Err(error) => Err(error.kind().into()),
    }
}

/// How many containers a process that has ended was about to make or to remove; nothing where it asked no daemon.
pub(super) fn unfinished(testament: impl AsFd) -> Option<usize> {
    let mut count = [0; LENGTH];
    let is_there = rustix::io::pread(testament, &mut count, 0) == Ok(LENGTH);
    let count = u64::from_ne_bytes(count).checked_sub(1);
    count
        .filter(|_| is_there)
        .and_then(|count| count.try_into().ok())
}

#[cfg(embedded)]
pub(super) use processes::{Running, end_running};

#[cfg(embedded)]
mod processes {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt as _;
    use std::sync::PoisonError;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    use super::{LENGTH, TESTAMENT, Testament};
    use crate::engine::owner::started;

    /// More than any machine has room for; those above are not written down.
    pub(super) const MOST: usize = 4096;

    /// A process: its number, and when it started, for numbers come again.
    const ENTRY: usize = 2 * LENGTH;

    const NOWHERE: usize = usize::MAX;

    pub(super) fn place(number: usize) -> u64 {
        (LENGTH + number * ENTRY) as u64
    }

    /// A process that must not outlive this one. It is written down until it is said to have ended, and so where this value is dropped
    /// before.
    #[derive(Debug)]
    pub(in crate::engine) struct Running(AtomicUsize);

    impl Running {
        pub(in crate::engine) fn begin(pid: u32) -> Self {
            let written = || {
                let Testament { file, free, .. } = TESTAMENT.as_ref().ok()?;
                let started = started(pid)?;
                let number = free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
                let entry = [u64::from(pid), started].map(u64::to_ne_bytes).concat();
                file.write_all_at(&entry, place(number)).ok()?;
                Some(number)
            };
            Self(AtomicUsize::new(written().unwrap_or(NOWHERE)))
        }

        pub(in crate::engine) fn ended(&self) {
            let number = self.0.swap(NOWHERE, Ordering::Relaxed);
            if let Ok(Testament { file, free, .. }) = &*TESTAMENT
                && number != NOWHERE
                && file.write_all_at(&[0; ENTRY], place(number)).is_ok()
            {
                let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
                free.push(number);
            }
        }
    }

    /// Ends what runs of a process that has ended itself.
    pub(in crate::engine) fn end_running(testament: impl AsFd) {
        for number in 0..MOST {
            let mut entry = [0; ENTRY];
            let Ok(ENTRY) = rustix::io::pread(&testament, &mut entry, place(number)) else {
                return;
            };
            let (pid, start) = entry.split_at(LENGTH);
            let [pid, start] = [pid, start].map(|bytes| {
                u64::from_ne_bytes(bytes.try_into().expect("an entry is two such numbers"))
            });
            if let Ok(number) = u32::try_from(pid)
                && let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
                && let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
                && started(number) == Some(start)
            {
                // One that has ended meanwhile is as good.
                let _ = pidfd_send_signal(process, Signal::KILL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_not_said_to_be_done_is_left() {
        let testament = testament().unwrap();
        assert_eq!(unfinished(&testament), None);
        let one = Unfinished::begin();
        let two = Unfinished::begin();
        one.done();
        assert_eq!(unfinished(&testament), Some(1));
        // As the harness of tests does.
        File::from(testament.try_clone().unwrap())
            .write_all(b"\nrunning 1 test\n")
            .unwrap();
        assert_eq!(unfinished(&testament), Some(1));
        two.done();
        assert_eq!(unfinished(&testament), Some(0));
        assert_eq!(unfinished(File::open("/dev/null").unwrap()), None);
    }

    #[cfg(embedded)]
    #[test]
    fn what_is_not_said_to_have_ended_is_ended() {
        use std::os::unix::process::ExitStatusExt as _;
        use std::process::Command;
        let [mut left, mut other] =
            [(); 2].map(|()| Command::new("sleep").arg("60").spawn().unwrap());
        let _left = Running::begin(left.id());
        let ended = Running::begin(other.id());
        ended.ended();
        end_running(testament().unwrap());
        assert_eq!(left.wait().unwrap().signal(), Some(libc::SIGKILL));
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
        end_running(File::open("/dev/null").unwrap());
    }
}
