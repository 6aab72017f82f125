//! The items of a function whose result is an iterator or a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Stream, StreamExt};

use super::call::{block_on, decoded, not_encoded};
use super::future::Anywhere;
use super::inbox::{Delivery, Receiver};
use super::job::{Wanting, Wishes};
use super::route::Route;
use super::{CallError, Callee};
use crate::protocol::payload::Way;
use crate::protocol::{CREDIT, How};

/// The items of an annotated function that returns an iterator or a stream, as they are made.
///
/// Nothing happens before it is polled. The function makes a few items ahead of those that were taken, and waits then. Dropping
/// it stops the function: at its next item, or with its container where none comes within a second. A failure is the last item.
///
/// A call is made once, whatever `retries` says: items that were taken cannot be taken back.
#[must_use = "a call is made when its items are polled or by `.blocking()`"]
pub struct Items<T> {
    callee: Callee,
    wishes: Wishes,
    state: State,
    way: Way<T>,
}

enum State {
    New(Result<Vec<u8>, String>),
    Preparing(Anywhere<Result<Route, CallError>>, Vec<u8>),
    Running(Route, Receiver),
    Ended,
}

impl<T> Items<T> {
    /// A call with encoded arguments. `stream` makes it.
    #[doc(hidden)]
    pub fn new(callee: impl Into<Callee>, arguments: Result<Vec<u8>, String>, way: Way<T>) -> Self {
        Self {
            callee: callee.into(),
            wishes: Wishes::of(How::Once),
            state: State::New(arguments),
            way,
        }
    }

    /// How long the function may run in all, instead of what its `timeout` keyword says. The time it waits for its items to be
    /// taken counts.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.wishes.timeout = Some(limit);
        self
    }

    /// The next item; nothing after the last.
    pub async fn next(&mut self) -> Option<Result<T, CallError>> {
        StreamExt::next(self).await
    }

    /// All items, and the failure that ended them, if one did.
    pub async fn collect(self) -> Vec<Result<T, CallError>> {
        StreamExt::collect(self).await
    }

    /// All items.
    ///
    /// # Errors
    /// What ended them early.
    pub async fn try_collect(mut self) -> Result<Vec<T>, CallError> {
        let mut items = Vec::new();
        while let Some(item) = self.next().await {
            items.push(item?);
        }
        Ok(items)
    }

    /// An iterator over the items, for programs and threads without an async runtime.
    pub fn blocking(self) -> BlockingItems<T> {
        BlockingItems(self)
    }

    /// The next item, as it crosses.
    pub(crate) async fn next_encoded(&mut self) -> Option<Result<Vec<u8>, CallError>> {
        std::future::poll_fn(|context| self.poll_encoded(context)).await
    }

    fn poll_encoded(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Vec<u8>, CallError>>> {
        loop {
            match &mut self.state {
                State::New(arguments) => {
                    let arguments = std::mem::replace(arguments, Ok(Vec::new()))
                        .map_err(|reason| not_encoded(self.callee.function, &reason))?;
                    let (callee, wishes) = (self.callee.clone(), self.wishes);
                    let route = async move { Route::find(&callee, wishes).await };
                    self.state = State::Preparing(Anywhere::new(route), arguments);
                }
                State::Preparing(route, arguments) => {
                    let route = ready!(Pin::new(route).poll(context))?;
                    let receiver = Receiver::default();
                    let arguments = std::mem::take(arguments);
                    route.submit(Wanting::alone(arguments, &receiver, true));
                    self.state = State::Running(route, receiver);
                }
                State::Running(route, receiver) => match ready!(receiver.poll(context)).1 {
                    Delivery::Item(item) => {
                        if receiver.count() >= CREDIT / 2 {
                            route.look_up();
                        }
                        return Poll::Ready(Some(Ok(item)));
                    }
                    Delivery::End(Ok(_)) => return Poll::Ready(None),
                    Delivery::End(Err(error)) => return Poll::Ready(Some(Err(error))),
                },
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}

impl<T> Stream for Items<T> {
    type Item = Result<T, CallError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let items = self.get_mut();
        let item = match ready!(items.poll_encoded(context)) {
            Some(item) => item.and_then(|item| decoded(items.callee.function, item, items.way)),
            None => {
                items.state = State::Ended;
                return Poll::Ready(None);
            }
        };
        if item.is_err() {
            items.stop();
        }
        Poll::Ready(Some(item))
    }
}

impl<T> Items<T> {
    fn stop(&mut self) {
        if let State::Running(route, receiver) = &self.state {
            receiver.close();
            route.look_up();
        }
        self.state = State::Ended;
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items")
            .field("function", &self.callee.function.name)
            .finish_non_exhaustive()
    }
}

/// The [`Items`] of a function, waited for on the thread that asks.
#[derive(Debug)]
pub struct BlockingItems<T>(Items<T>);

impl<T> Iterator for BlockingItems<T> {
    type Item = Result<T, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.0.next())
    }
}
