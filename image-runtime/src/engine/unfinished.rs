//! What this process has begun at a daemon and not brought to its end. The kernel keeps the count, so that it outlives the process:
//! what clears up then knows whether a daemon has to be asked, and whether something may still come into being there.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{LazyLock, Once};

use rustix::event::{EventfdFlags, eventfd};

/// Where there is no counter, the next program clears up.
static COUNTER: LazyLock<rustix::io::Result<OwnedFd>> = LazyLock::new(|| {
    eventfd(
        0,
        EventfdFlags::SEMAPHORE | EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC,
    )
});

/// A container that is asked for. It counts until it is said to be done with, and so where this value is dropped before.
#[derive(Debug)]
#[must_use]
pub(super) struct Unfinished(());

impl Unfinished {
    pub(super) fn begin() -> Self {
        // One that stays says that there is a daemon.
        static ASKED: Once = Once::new();
        ASKED.call_once(|| add(1));
        add(1);
        Self(())
    }

    pub(super) fn done(self) {
        let _ = COUNTER.as_ref().map(take);
    }
}

fn add(count: u64) {
    if let Ok(counter) = &*COUNTER {
        // It fails where the count would need more than 64 bits.
        let _ = rustix::io::write(counter, &count.to_ne_bytes());
    }
}

/// Whether there was one to be taken off. What is no counter has none.
fn take(counter: impl AsFd) -> bool {
    rustix::io::read(counter, &mut [0; 8]) == Ok(8)
}

/// The counter of this process, for another one.
pub(crate) fn counter() -> io::Result<OwnedFd> {
    match &*COUNTER {
        Ok(counter) => counter.try_clone(),
        Err(error) => Err((*error).into()),
    }
}

/// How many containers a process that has ended was about to make or to remove; nothing where it asked no daemon.
pub(super) fn left(counter: impl AsFd) -> Option<usize> {
    let mut count = 0;
    while take(&counter) {
        count += 1;
    }
    usize::checked_sub(count, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_to_be_done_is_left() {
        let counter = counter().unwrap();
        assert_eq!(left(&counter), None);
        Unfinished::begin().done();
        assert_eq!(left(&counter), Some(0));
    }
}
