//! Waiting for the other side without going to sleep, for as long as it takes to wake a thread, where it answered that soon last time.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// To sleep and to be woken costs about as much.
const LONGEST: Duration = Duration::from_micros(20);

/// How one side waits for the other.
#[derive(Debug)]
pub(super) struct Spin {
    /// Two can run at the same time: where there is one core, waiting would keep the other side from it.
    is_possible: bool,
    was_soon: bool,
}

impl Spin {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism();
        Self {
            is_possible: cores.is_ok_and(|cores| cores.get() > 1),
            was_soon: false,
        }
    }

    /// Begins to wait for something to read: without sleep at first, if that was enough last time. The caller goes on as if nothing had come.
    pub(super) fn begin(&self, socket: impl AsFd) -> Instant {
        let begin = Instant::now();
        if self.is_possible && self.was_soon {
            let mut watched = [PollFd::new(&socket, PollFlags::IN)];
            let at_once = Timespec::default();
            while poll(&mut watched, Some(&at_once)) == Ok(0) && begin.elapsed() < LONGEST {
                std::hint::spin_loop();
            }
        }
        begin
    }

    /// Something came, after a wait that began then. With a sleep it came later for that alone.
    pub(super) fn end(&mut self, begin: Instant) {
        self.was_soon = begin.elapsed() < 2 * LONGEST;
    }
}
