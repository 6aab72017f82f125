//! Calls that were asked for, as they are being made.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::sync::watch;

use super::super::CallError;
use super::super::inbox::{Delivery, Receiver};
use super::super::job::{Job, Target, Wanting};
use super::super::pool::Pool;
use super::Answers;
use super::nesting::NESTING;
use crate::protocol::Kind;

/// A call in the queue of its pool, or on its way from there.
pub(super) struct Sent {
    target: Arc<Target>,
    receiver: Receiver,
    is_over: bool,
}

impl Sent {
    pub(super) fn new(
        target: Arc<Target>,
        arguments: Vec<u8>,
        receiver: Receiver,
        is_stream: bool,
    ) -> Self {
        Pool::submit(Job::new(
            &target,
            Wanting::alone(arguments, &receiver, is_stream),
        ));
        Self {
            target,
            receiver,
            is_over: false,
        }
    }

    /// Sends its items, and waits for its end.
    pub(super) async fn answer(mut self, id: u64, answers: Answers) -> Result<Vec<u8>, CallError> {
        loop {
            let (_, delivery) = poll_fn(|context| self.receiver.poll(context)).await;
            match delivery {
                Delivery::Item(item) => answers.send(Kind::Item, id, &item),
                Delivery::End(result) => {
                    self.is_over = true;
                    return result;
                }
            }
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if !self.is_over {
            self.receiver.close();
            self.target.pool.look_up();
        }
    }
}

/// A call without an end, as [`NESTING`] counts it and the pool of the one that asked for it.
pub(super) struct Open {
    name: u64,
    pool: Arc<Pool>,
}

/// Where a call hears that it is not made.
pub(super) type Refusal = Option<watch::Receiver<Option<CallError>>>;

impl Open {
    pub(super) fn new(name: u64, pool: &Arc<Pool>) -> (Self, Refusal) {
        let (is_first, refusal) = NESTING.open(name);
        if is_first {
            pool.suspend();
        }
        let pool = Arc::clone(pool);
        (Self { name, pool }, refusal)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if NESTING.close(self.name) {
            self.pool.resume();
        }
    }
}

/// Waits for the word that a call is not made.
pub(super) async fn refused(refusal: Refusal) -> CallError {
    if let Some(mut refusal) = refusal {
        while refusal.changed().await.is_ok() {
            if let Some(error) = refusal.borrow().clone() {
                return error;
            }
        }
    }
    std::future::pending().await
}
