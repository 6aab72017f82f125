//! Many calls of one function.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt};

use super::call::{block_on, decoded, not_encoded};
use super::future::Anywhere;
use super::inbox::{Delivery, Receiver};
use super::job::{Wanting, Wishes};
use super::route::Route;
use super::{CallError, CallErrorKind, Callee};
use crate::protocol::How;
use crate::protocol::payload::Way;
use crate::spec::Retries;

/// How many bytes of arguments and results may be under way, as long as every container has something to do.
const MOST_BYTES: usize = 64 << 20;

/// An input: encoded arguments, or why they could not be encoded.
type Input = Result<Vec<u8>, String>;

/// Calls of a function with each of many inputs: a stream of their results, in the order of the inputs.
///
/// Nothing happens before it is polled. Then inputs are read as fast as containers take them and results are taken, and
/// not faster: any number of inputs needs little memory. Each result stands alone: one failure does not lose the others. Dropping
/// it ends the calls that are under way.
///
/// [`collect`](Self::collect) or [`try_collect`](Self::try_collect) it, ask for one result after the other by
/// [`next`](Self::next) or as a [`Stream`], or use [`blocking`](Self::blocking) without a runtime.
#[must_use = "calls are made when the map is polled or by `.blocking()`"]
pub struct Map<'a, T> {
    callee: Callee,
    wishes: Wishes,
    inputs: Option<Inputs<'a>>,
    is_ordered: bool,
    /// Why an end of the inputs is no good one.
    broken: Option<CallError>,
    preparing: Option<Anywhere<Result<Route, CallError>>>,
    route: Option<Result<Route, CallError>>,
    receiver: Receiver,
    /// The inputs that were read and whose results were not handed on, by number.
    slots: BTreeMap<u64, Slot>,
    /// Which of them have a result, in the order these came; empty where that is not asked for.
    done: VecDeque<u64>,
    /// How many inputs were read.
    read: u64,
    /// Calls without an answer.
    open: usize,
    bytes: usize,
    way: Way<T>,
}

enum Inputs<'a> {
    Iterator(Box<dyn Iterator<Item = Input> + Send + 'a>),
    Stream(Pin<Box<dyn Stream<Item = Input> + Send + 'a>>),
}

/// What became of an input.
enum Slot {
    /// It is under way, with so many bytes.
    Open(usize),
    Done(Result<Vec<u8>, CallError>),
}

impl<'a, T> Map<'a, T> {
    /// Calls with encoded inputs. `map` and `starmap` make it.
    #[doc(hidden)]
    pub fn new(
        callee: impl Into<Callee>,
        inputs: impl Iterator<Item = Result<Vec<u8>, String>> + Send + 'a,
        way: Way<T>,
    ) -> Self {
        Self::of(callee.into(), Inputs::Iterator(Box::new(inputs)), way)
    }

    /// Calls with encoded inputs that come from a stream. `map_stream` makes it.
    #[doc(hidden)]
    pub fn of_stream(
        callee: impl Into<Callee>,
        inputs: impl Stream<Item = Result<Vec<u8>, String>> + Send + 'a,
        way: Way<T>,
    ) -> Self {
        Self::of(callee.into(), Inputs::Stream(Box::pin(inputs)), way)
    }

    fn of(callee: Callee, inputs: Inputs<'a>, way: Way<T>) -> Self {
        Self {
            callee,
            wishes: Wishes::of(How::Many),
            inputs: Some(inputs),
            is_ordered: true,
            broken: None,
            preparing: None,
            route: None,
            receiver: Receiver::default(),
            slots: BTreeMap::new(),
            done: VecDeque::new(),
            read: 0,
            open: 0,
            bytes: 0,
            way,
        }
    }

    /// Gives results as they come, in any order.
    pub fn unordered(mut self) -> Self {
        self.is_ordered = false;
        self
    }

    /// How long the function may run for each input, instead of what its `timeout` keyword says.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.wishes.timeout = Some(limit);
        self
    }

    /// How often each call that failed is made again, instead of what the function's `retries` keyword says.
    pub fn retries(mut self, times: u32) -> Self {
        self.wishes.retries = Some(Retries::times(times));
        self
    }

    /// The next result; nothing after the last.
    pub async fn next(&mut self) -> Option<Result<T, CallError>> {
        StreamExt::next(self).await
    }

    /// All results, with those of inputs that failed.
    pub async fn collect(self) -> Vec<Result<T, CallError>> {
        StreamExt::collect(self).await
    }

    /// All values.
    ///
    /// # Errors
    /// The first failure; the other calls end then.
    pub async fn try_collect(mut self) -> Result<Vec<T>, CallError> {
        let mut values = Vec::new();
        while let Some(result) = self.next().await {
            values.push(result?);
        }
        Ok(values)
    }

    /// An iterator over the results, for programs and threads without an async runtime.
    pub fn blocking(self) -> BlockingMap<'a, T> {
        BlockingMap(self)
    }

    /// Makes the function ready, once.
    fn poll_route(&mut self, context: &mut Context<'_>) -> Poll<Result<Route, CallError>> {
        if let Some(route) = &self.route {
            return Poll::Ready(route.clone());
        }
        let (callee, wishes) = (self.callee.clone(), self.wishes);
        let preparing = self.preparing.get_or_insert_with(|| {
            Anywhere::new(async move { Route::find(&callee, wishes).await })
        });
        let route = std::task::ready!(Pin::new(preparing).poll(context));
        self.preparing = None;
        Poll::Ready(self.route.insert(route).clone())
    }

    /// Whether another input may be read.
    fn has_room(&self) -> bool {
        match &self.route {
            Some(Ok(route)) => {
                let busy = route.places();
                self.slots.len() < busy
                    || (self.slots.len() < route.inputs_ahead() && self.bytes < MOST_BYTES)
            }
            // Each input has the same error.
            _ => self.slots.is_empty(),
        }
    }

    /// Reads the next input.
    fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<Option<Input>> {
        let Some(inputs) = &mut self.inputs else {
            return Poll::Ready(None);
        };
        let next = catch_unwind(AssertUnwindSafe(|| match inputs {
            Inputs::Iterator(inputs) => Poll::Ready(inputs.next()),
            Inputs::Stream(inputs) => inputs.as_mut().poll_next(context),
        }));
        let next = next.unwrap_or_else(|payload| {
            self.broken = Some(inputs_panicked(
                self.callee.function.name,
                self.read,
                &*payload,
            ));
            Poll::Ready(None)
        });
        if let Poll::Ready(None) = next {
            self.inputs = None;
        }
        next
    }

    fn submit(&mut self, route: &Result<Route, CallError>, input: Input) {
        let number = self.read;
        self.read += 1;
        let input = input.map_err(|reason| not_encoded(self.callee.function, &reason));
        match route
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|route| Ok((route, input?)))
        {
            Ok((route, arguments)) => {
                self.bytes += arguments.len();
                self.open += 1;
                self.slots.insert(number, Slot::Open(arguments.len()));
                route.submit(Wanting {
                    arguments,
                    inbox: self.receiver.inbox(),
                    number,
                    is_stream: false,
                });
            }
            Err(error) => {
                self.open += 1;
                self.slots.insert(number, Slot::Open(0));
                self.note((number, Delivery::End(Err(error))));
            }
        }
    }

    /// Notes the result of a call.
    fn note(&mut self, (number, delivery): (u64, Delivery)) {
        let Delivery::End(result) = delivery else {
            unreachable!("only streams have items");
        };
        self.bytes += result.as_ref().map_or(0, Vec::len);
        self.open -= 1;
        if let Some(Slot::Open(bytes)) = self.slots.insert(number, Slot::Done(result)) {
            self.bytes -= bytes;
        }
        if !self.is_ordered {
            self.done.push_back(number);
        }
    }

    /// The next result to hand on.
    fn take(&mut self) -> Option<Result<T, CallError>> {
        let result = match self.is_ordered {
            true => {
                let first = self.slots.first_entry()?;
                match first.get() {
                    Slot::Done(_) => first.remove(),
                    Slot::Open(_) => return None,
                }
            }
            false => self.slots.remove(&self.done.pop_front()?)?,
        };
        let Slot::Done(result) = result else {
            unreachable!("it was looked at");
        };
        self.bytes -= result.as_ref().map_or(0, Vec::len);
        Some(result.and_then(|result| decoded(self.callee.function, result, self.way)))
    }
}

impl<T> Stream for Map<'_, T> {
    type Item = Result<T, CallError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let map = self.get_mut();
        let route = std::task::ready!(map.poll_route(context));
        loop {
            while let Some(arrived) = map.receiver.take() {
                map.note(arrived);
            }
            if let Some(result) = map.take() {
                return Poll::Ready(Some(result));
            }
            // One input at a time: what has arrived meanwhile does not wait for a slow iterator.
            if map.has_room()
                && let Poll::Ready(Some(input)) = map.poll_input(context)
            {
                map.submit(&route, input);
                continue;
            }
            if map.open == 0 && map.inputs.is_none() {
                return Poll::Ready(map.broken.take().map(Err));
            }
            match map.receiver.poll(context) {
                Poll::Ready(arrived) => map.note(arrived),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<T> Drop for Map<'_, T> {
    fn drop(&mut self) {
        self.receiver.close();
        if let Some(Ok(route)) = &self.route
            && self.open > 0
        {
            route.look_up();
        }
    }
}

impl<T> fmt::Debug for Map<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("function", &self.callee.function.name)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

/// The results of a [`Map`], waited for on the thread that asks.
#[derive(Debug)]
pub struct BlockingMap<'a, T>(Map<'a, T>);

impl<T> Iterator for BlockingMap<'_, T> {
    type Item = Result<T, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.0.next())
    }
}

fn inputs_panicked(function: &str, read: u64, payload: &(dyn std::any::Any + Send)) -> CallError {
    let message = crate::worker::panic_message(payload);
    CallError::new(
        CallErrorKind::Panicked,
        format!(
            "the inputs of `{function}` end early: what gives them panicked after {read} of them: {message}"
        ),
    )
}
