//! Waiting for the other side without going to sleep, for about as long as two sleeps and wakes take, where it answered soon the last times.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec, poll};

/// To sleep and to be woken costs about as much in a virtual machine, where both sides have a core of their own: each of the two sleeps
/// stops its core, and each of the two wakes sends for it.
const LONGEST: Duration = Duration::from_micros(50);

/// What took no longer may come in less, if nobody sleeps.
const SOON: Duration = Duration::from_micros(200);

/// So many answers in a row that came soon let the next be waited for without sleep. A worker that is there for one call waits twice.
const HABIT: u32 = 2;

/// So many waits are without it after one that was in vain: the kernel may have put the other side on this core, to run when this one
/// sleeps, which is as quick where nobody waits in this way.
const REST: u32 = 100;

/// Whether two can run at the same time: where there is one core, waiting would keep the other side from it.
static IS_POSSIBLE: LazyLock<bool> =
    LazyLock::new(|| std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1));

/// How one side waits for the other.
#[derive(Debug, Default)]
pub(super) struct Spin {
    /// How many came soon in a row.
    soon: u32,
    rest: u32,
}

/// A wait that has begun.
pub(super) struct Begun {
    pub(super) at: Instant,
    /// Whether something came already.
    pub(super) has_come: bool,
    was_in_vain: bool,
}

impl Spin {
    /// Begins to wait for the first of these: without sleep at first, if it came soon the last times. The others are looked at on the way.
    pub(super) fn begin(&self, watched: &mut [PollFd<'_>]) -> Begun {
        let at = Instant::now();
        let mut has_come = false;
        let spins = self.soon >= HABIT && self.rest == 0 && *IS_POSSIBLE;
        if spins {
            let at_once = Timespec::default();
            loop {
                let is_interrupted = poll(watched, Some(&at_once)).is_err();
                has_come = is_interrupted || !watched[0].revents().is_empty();
                if has_come || at.elapsed() >= LONGEST {
                    break;
                }
                std::hint::spin_loop();
            }
        }
        Begun {
            at,
            has_come,
            was_in_vain: spins && !has_come,
        }
    }

    /// Something came, after a wait that began then. With a sleep it came later for that alone.
    pub(super) fn end(&mut self, begun: &Begun) {
        self.soon = match begun.at.elapsed() < SOON {
            true => self.soon.saturating_add(1),
            false => 0,
        };
        self.rest = match begun.was_in_vain {
            true => REST,
            false => self.rest.saturating_sub(1),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use rustix::event::PollFlags;

    use super::*;

    #[test]
    fn nobody_waits_without_sleep_before_answers_came_soon_twice() {
        let (_one, two) = UnixStream::pair().unwrap();
        let mut watched = [PollFd::new(&two, PollFlags::IN)];
        let mut spin = Spin::default();
        for may_spin in [false, false, true] {
            let begun = spin.begin(&mut watched);
            assert_eq!(begun.was_in_vain, may_spin && *IS_POSSIBLE);
            spin.end(&begun);
        }
    }

    #[test]
    fn after_a_wait_in_vain_there_is_none_without_sleep_for_a_while() {
        let (mut one, two) = UnixStream::pair().unwrap();
        let mut watched = [PollFd::new(&two, PollFlags::IN)];
        let mut spin = Spin {
            soon: HABIT,
            rest: 0,
        };
        let begun = spin.begin(&mut watched);
        assert_eq!(begun.was_in_vain, *IS_POSSIBLE);
        spin.end(&Begun {
            was_in_vain: true,
            ..begun
        });
        for _ in 0..REST {
            spin.soon = HABIT;
            let begun = spin.begin(&mut watched);
            assert!(!begun.was_in_vain);
            spin.end(&begun);
        }
        spin.soon = HABIT;
        one.write_all(b"x").unwrap();
        assert_eq!(spin.begin(&mut watched).has_come, *IS_POSSIBLE);
    }
}
