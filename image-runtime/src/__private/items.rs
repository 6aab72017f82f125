//! Sends the items of a function's iterator or stream, until there are no more or nobody wants them.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::Poll;

use futures_util::Stream;

use crate::spec::{Failure, ItemSink};

/// Sends what `encode` makes of each item; a failure of it ends the items.
pub fn send_items<T>(
    items: impl IntoIterator<Item = T>,
    sink: &dyn ItemSink,
    encode: impl Fn(T) -> Result<Vec<u8>, Failure>,
) -> Result<(), Failure> {
    for item in items {
        if let ControlFlow::Break(()) = sink.put(encode(item)?) {
            break;
        }
    }
    Ok(())
}

/// As [`send_items`]. Where nobody wants the next item, it is not waited for.
pub async fn send_stream<T>(
    items: impl Stream<Item = T>,
    sink: &dyn ItemSink,
    encode: impl Fn(T) -> Result<Vec<u8>, Failure>,
) -> Result<(), Failure> {
    let mut items = pin!(items);
    let mut stopped = sink.stopped();
    loop {
        let next = poll_fn(|context| match stopped.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => items.as_mut().poll_next(context),
        });
        let Some(item) = next.await else {
            return Ok(());
        };
        if let ControlFlow::Break(()) = sink.put(encode(item)?) {
            return Ok(());
        }
    }
}
