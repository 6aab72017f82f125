//! Where answers arrive: a pool puts them in, one consumer takes them out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use super::CallError;

/// What arrives of a call.
#[derive(Debug)]
pub(super) enum Delivery {
    /// An encoded item of a stream.
    Item(Vec<u8>),
    /// The encoded result, or why there is none. Nothing comes after it.
    End(Result<Vec<u8>, CallError>),
}

/// The answers to some calls. The number of each says which one it is about.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    arrived: Mutex<VecDeque<(u64, Delivery)>>,
    waker: AtomicWaker,
    is_closed: AtomicBool,
    /// Items that were taken out and whose maker has not heard of it.
    taken: AtomicU32,
    /// The container that its call is made in, where somebody wants to know.
    container: Option<Mutex<String>>,
}

impl Inbox {
    pub(super) fn put(&self, number: u64, delivery: Delivery) {
        if !self.is_closed() {
            self.lock().push_back((number, delivery));
            self.waker.wake();
        }
    }

    /// Whether nobody waits for an answer any more.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// How many items were taken out since this was asked last.
    pub(super) fn taken(&self) -> u32 {
        self.taken.swap(0, Ordering::AcqRel)
    }

    /// Counts items that were taken elsewhere.
    pub(super) fn add_taken(&self, items: u32) {
        self.taken.fetch_add(items, Ordering::AcqRel);
    }

    /// The call goes to a container.
    pub(super) fn goes_to(&self, container: &str) {
        if let Some(known) = &self.container {
            container.clone_into(&mut known.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Whether the call went to a container last, where that is known.
    pub(super) fn is_made_in(&self, container: &str) -> bool {
        let known = self.container.as_ref();
        known
            .is_some_and(|known| *known.lock().unwrap_or_else(PoisonError::into_inner) == container)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, Delivery)>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The consumer's end. Dropping it says that nobody waits any more.
#[derive(Debug, Default)]
pub(super) struct Receiver(Arc<Inbox>);

impl Receiver {
    /// One for a single call, of which it is known where it is made.
    pub(super) fn that_knows_where() -> Self {
        Self(Arc::new(Inbox {
            container: Some(Mutex::default()),
            ..Inbox::default()
        }))
    }

    /// The end that answers are put in.
    pub(super) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.0)
    }

    /// What has arrived.
    pub(super) fn take(&self) -> Option<(u64, Delivery)> {
        self.0.lock().pop_front()
    }

    /// Says that nobody waits any more.
    pub(super) fn close(&self) {
        self.0.is_closed.store(true, Ordering::Release);
    }

    /// Counts an item that was taken out; answers how many have been since the maker asked.
    pub(super) fn count(&self) -> u32 {
        self.0.taken.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Waits for the next arrival.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<(u64, Delivery)> {
        if let Some(arrived) = self.take() {
            return Poll::Ready(arrived);
        }
        self.0.waker.register(context.waker());
        match self.take() {
            Some(arrived) => Poll::Ready(arrived),
            None => Poll::Pending,
        }
    }
}

/// Says when a consumer goes before the next arrival.
struct Abandon<'a, F: Fn()>(&'a Receiver, F);

impl<F: Fn()> Drop for Abandon<'_, F> {
    fn drop(&mut self) {
        self.0.close();
        (self.1)();
    }
}

impl Receiver {
    /// Waits for the end of a call that has no items. Where this is dropped before, nobody waits any more, and `abandoned` is told.
    pub(super) async fn end(&self, abandoned: impl Fn()) -> Result<Vec<u8>, CallError> {
        let on_drop = Abandon(self, abandoned);
        let (_, delivery) = std::future::poll_fn(|context| self.poll(context)).await;
        std::mem::forget(on_drop);
        match delivery {
            Delivery::End(result) => result,
            Delivery::Item(_) => unreachable!("only streams have items"),
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.close();
    }
}
