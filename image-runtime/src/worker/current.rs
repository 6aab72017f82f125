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
static RUNNING: Mutex<Vec<Running>> = Mutex::new(Vec::new());

/// A call that runs.
struct Running {
    call: Current,
    /// Whether the host knows of it, because it has asked for calls.
    has_asked: bool,
}

/// The call of the code that asks; nothing outside of calls. A thread that the function has started may run for any of those that
/// run at once.
pub(crate) fn current() -> Option<Current> {
    HERE.get().or_else(|| {
        let running = running();
        let mut calls = running.iter().map(|running| running.call);
        match running.len() {
            1 => calls.next(),
            // The one that was asked for last has most others above it.
            _ => calls.max_by_key(|call| call.nested).map(|deepest| Current {
                number: 0,
                ..deepest
            }),
        }
    })
}

/// Notes that a call asks for others: whether it still runs.
pub(crate) fn asks(number: u64) -> bool {
    let mut running = running();
    let asking = running
        .iter_mut()
        .find(|running| running.call.number == number);
    asking.map(|asking| asking.has_asked = true).is_some()
}

/// Runs a function for a call.
pub(super) fn run_for<T>(ticket: Ticket, function: &'static str, run: impl FnOnce() -> T) -> T {
    let call = Current {
        number: ticket.number,
        nested: ticket.nested,
        function,
    };
    running().push(Running {
        call,
        has_asked: false,
    });
    HERE.set(Some(call));
    let result = run();
    HERE.set(None);
    let mut has_asked = false;
    running().retain(|running| {
        let is_it = running.call.number == ticket.number;
        has_asked |= is_it && running.has_asked;
        !is_it
    });
    if has_asked {
        asking::left(ticket.number);
    }
    result
}

/// No holder of this lock can panic half-way.
fn running() -> MutexGuard<'static, Vec<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
