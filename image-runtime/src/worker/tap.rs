//! The flow of a stream's items out of a worker: as many as the host has room for, until nobody wants more.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::protocol::CREDIT;
use crate::spec::ItemSink;

/// What the host said of one stream.
#[derive(Debug)]
pub(super) struct Tap {
    state: Mutex<State>,
    changed: Condvar,
    stopped: Notify,
}

#[derive(Debug)]
struct State {
    credit: u32,
    is_stopped: bool,
}

impl Default for Tap {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                credit: CREDIT,
                is_stopped: false,
            }),
            changed: Condvar::new(),
            stopped: Notify::new(),
        }
    }
}

impl Tap {
    pub(super) fn more(&self, items: u32) {
        let mut state = self.state();
        state.credit = state.credit.saturating_add(items);
        self.changed.notify_one();
    }

    pub(super) fn stop(&self) {
        self.state().is_stopped = true;
        self.changed.notify_one();
        self.stopped.notify_one();
    }

    /// A sink whose items `write` sends.
    pub(super) fn sink<W: Fn(&[u8])>(&self, write: W) -> Sink<'_, W> {
        Sink { tap: self, write }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a function's items go.
pub(super) struct Sink<'a, W> {
    tap: &'a Tap,
    write: W,
}

impl<W: Fn(&[u8])> ItemSink for Sink<'_, W> {
    fn put(&self, item: Vec<u8>) -> ControlFlow<()> {
        let mut state = self.tap.state();
        while state.credit == 0 && !state.is_stopped {
            state = self
                .tap
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_stopped {
            return ControlFlow::Break(());
        }
        state.credit -= 1;
        drop(state);
        (self.write)(&item);
        ControlFlow::Continue(())
    }

    fn stopped(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {
            while !self.tap.state().is_stopped {
                self.tap.stopped.notified().await;
            }
        })
    }
}
