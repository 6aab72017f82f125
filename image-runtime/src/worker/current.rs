//! Which call a function runs for: what it calls in turn belongs to that.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::asking;

/// How the host knows a request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ticket {
    /// The request's own number.
    pub(super) number: u64,
    /// Where it is the call of a function in a container, the host's name for that.
    pub(super) nested: u64,
}

/// A call that runs in this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    /// Its number; 0 where it may be one of several.
    pub(crate) number: u64,
    /// See [`Ticket::nested`].
    pub(crate) nested: u64,
    pub(crate) function: &'static str,
}

thread_local! {
    /// The call that this thread runs.
    static HERE: Cell<Option<Current>> = const { Cell::new(None) };
}

/// All calls that run.
static RUNNING: Mutex<Vec<Current>> = Mutex::new(Vec::new());

/// The call of the code that asks; nothing outside of calls. A thread that the function has started may run for any of those that
/// run at once.
pub(crate) fn current() -> Option<Current> {
    HERE.get().or_else(|| {
        let running = running();
        match running[..] {
            [only] => Some(only),
            // The one that was asked for last has most others above it.
            _ => running
                .iter()
                .max_by_key(|call| call.nested)
                .map(|deepest| Current {
                    number: 0,
                    ..*deepest
                }),
        }
    })
}

/// Whether a call still runs.
pub(crate) fn is_running(number: u64) -> bool {
    running().iter().any(|call| call.number == number)
}

/// Runs a function for a call.
pub(super) fn run_for<T>(ticket: Ticket, function: &'static str, run: impl FnOnce() -> T) -> T {
    let current = Current {
        number: ticket.number,
        nested: ticket.nested,
        function,
    };
    running().push(current);
    HERE.set(Some(current));
    let result = run();
    HERE.set(None);
    running().retain(|call| call.number != ticket.number);
    asking::left(ticket.number);
    result
}

/// No holder of this lock can panic half-way.
fn running() -> MutexGuard<'static, Vec<Current>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
