//! Where the time of calls goes, where somebody wants to know.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What was measured, by function.
#[derive(Debug, Default)]
pub(crate) struct Timings(Mutex<BTreeMap<&'static str, Measured>>);

/// Where the time of a function's calls went, a value for each call, and of its containers, one for each start. In seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Until the function began, without the way there: until a container was free, or had started, and behind other calls in it.
    pub(crate) queue: Vec<f32>,
    /// Until the arguments were there.
    pub(crate) transfer: Vec<f32>,
    /// The function itself.
    pub(crate) run: Vec<f32>,
    /// Until the result was back.
    pub(crate) back: Vec<f32>,
    /// Until a container's process ran.
    pub(crate) start: Vec<f32>,
    /// Until its worker was ready.
    pub(crate) handshake: Vec<f32>,
}

/// Where the time of one call went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) queue: Duration,
    pub(super) transfer: Duration,
    pub(super) run: Duration,
    pub(super) back: Duration,
}

impl Timings {
    pub(super) fn note_call(&self, function: &'static str, spent: Spent) {
        self.with(function, |measured| {
            measured.queue.push(spent.queue.as_secs_f32());
            measured.transfer.push(spent.transfer.as_secs_f32());
            measured.run.push(spent.run.as_secs_f32());
            measured.back.push(spent.back.as_secs_f32());
        });
    }

    pub(super) fn note_start(&self, function: &'static str, start: Duration, handshake: Duration) {
        self.with(function, |measured| {
            measured.start.push(start.as_secs_f32());
            measured.handshake.push(handshake.as_secs_f32());
        });
    }

    /// What was measured so far.
    pub(crate) fn measured(&self) -> BTreeMap<&'static str, Measured> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn with(&self, function: &'static str, note: impl FnOnce(&mut Measured)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        note(all.entry(function).or_default());
    }
}
