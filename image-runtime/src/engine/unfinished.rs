//! What this process has begun at a daemon and not brought to its end. The count lies in a file without a name, so that it outlives the
//! process: what clears up then knows whether a daemon has to be asked, and whether something may still come into being there.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use rustix::fs::{MemfdFlags, memfd_create};

/// Where the count is kept, and the count itself. Where there is no file, the next program clears up.
static COUNTER: LazyLock<io::Result<(File, Mutex<u64>)>> = LazyLock::new(|| {
    let mut file = File::from(memfd_create("image-runtime-count", MemfdFlags::CLOEXEC)?);
    // What is written to it as to any other file comes behind: it is the standard output of what clears up, and the harness of tests
    // prints something.
    file.seek(SeekFrom::Start(LENGTH as u64))?;
    Ok((file, Mutex::new(0)))
});

/// The bytes of a count.
const LENGTH: usize = size_of::<u64>();

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
    if let Ok((file, count)) = &*COUNTER {
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = to(*count);
        // It fails where there is no memory for eight bytes.
        let _ = file.write_all_at(&count.to_ne_bytes(), 0);
    }
}

/// The count of this process, for another one.
pub(crate) fn counter() -> io::Result<OwnedFd> {
    match &*COUNTER {
        Ok((file, _)) => Ok(file.try_clone()?.into()),
        Err(error) => Err(error.kind().into()),
    }
}

/// How many containers a process that has ended was about to make or to remove; nothing where it asked no daemon.
pub(super) fn left(counter: impl AsFd) -> Option<usize> {
    let mut count = [0; LENGTH];
    let is_there = rustix::io::pread(counter, &mut count, 0) == Ok(LENGTH);
    let count = u64::from_ne_bytes(count).checked_sub(1);
    count
        .filter(|_| is_there)
        .and_then(|count| count.try_into().ok())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_not_said_to_be_done_is_left() {
        let counter = counter().unwrap();
        assert_eq!(left(&counter), None);
        let one = Unfinished::begin();
        let two = Unfinished::begin();
        one.done();
        assert_eq!(left(&counter), Some(1));
        // As the harness of tests does.
        File::from(counter.try_clone().unwrap())
            .write_all(b"\nrunning 1 test\n")
            .unwrap();
        assert_eq!(left(&counter), Some(1));
        two.done();
        assert_eq!(left(&counter), Some(0));
        assert_eq!(left(File::open("/dev/null").unwrap()), None);
    }
}
