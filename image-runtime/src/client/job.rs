//! A call on its way: what it needs, where it may run, and whether it is made again when it fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{Span, field, info_span, warn};

use super::CallError;
use super::inbox::{Delivery, Inbox, Receiver};
use super::pool::Pool;
use super::timings::Spent;
use crate::protocol::{How, Stamp};
use crate::registry::Program;
use crate::spec::{FunctionSpec, Retries};
use crate::worker::{self, CallFailure, Current, monotonic, short_name};

/// What a caller says of a call, over what the function's keywords say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes {
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Option<Retries>,
    pub(super) how: How,
    /// In a container, the call whose function calls.
    pub(super) by: Option<Current>,
    /// On the host, what it knows of calls that a function in a container asked for.
    pub(super) nested: Nested,
}

/// What the host knows of calls that a function in a container asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nested {
    /// Their name; 0 for calls that the program makes.
    pub(super) name: u64,
    /// Inside how many calls they are. Those who wait for them keep places, so the deepest come first.
    pub(super) depth: usize,
}

impl Wishes {
    /// Nothing special, of the code that asks for this.
    pub(super) fn of(how: How) -> Self {
        Self {
            how,
            by: worker::current(),
            ..Self::default()
        }
    }
}

/// A function, ready to be called: its image is there.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) function: &'static FunctionSpec,
    pub(super) pool: Arc<Pool>,
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Option<Retries>,
    /// See [`Wishes::nested`].
    pub(super) nested: Nested,
}

/// A call that is wanted.
#[derive(Debug)]
pub(super) struct Wanting {
    /// Encoded.
    pub(super) arguments: Vec<u8>,
    pub(super) inbox: Arc<Inbox>,
    /// Which of the inbox's calls it is.
    pub(super) number: u64,
    /// Whether the function makes a stream.
    pub(super) is_stream: bool,
}

impl Wanting {
    /// The only one of its inbox.
    pub(super) fn alone(arguments: Vec<u8>, receiver: &Receiver, is_stream: bool) -> Self {
        Self {
            arguments,
            inbox: receiver.inbox(),
            number: 0,
            is_stream,
        }
    }
}

/// One call.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) target: Arc<Target>,
    /// Encoded.
    pub(super) arguments: Vec<u8>,
    inbox: Arc<Inbox>,
    /// Which of the inbox's calls it is.
    number: u64,
    /// Whether the function makes a stream.
    pub(super) is_stream: bool,
    /// How often it has failed.
    failures: u32,
    /// Since when it waits.
    pub(super) since: Instant,
    /// Ends with it.
    span: Span,
    /// How long it waited and when it was sent, where calls are timed.
    sent: Option<(Duration, u64)>,
    /// Whether its caller knows how it ended.
    is_over: bool,
}

impl Target {
    /// Makes a call, and waits for its encoded result.
    pub(super) async fn call(self: Arc<Self>, arguments: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let receiver = Receiver::default();
        let mut job = Job::new(&self, Wanting::alone(arguments, &receiver, false));
        // Waiting for the answer on this thread is quicker than being told of it by another.
        let Some(mut worker) = self.pool.take_idle() else {
            Pool::submit(job);
            return self.answer(&receiver).await;
        };
        job.goes_to(worker.name());
        worker.member().serves(self.function.name);
        let mut tell = self.pool.output_of(self.function.name, worker.name());
        let call = worker.call(
            self.function.name,
            &job.arguments,
            self.nested.name,
            &mut *tell,
        );
        let answer = match self.timeout {
            None => call.await,
            // Dropping the worker, which is in the middle of the call, ends its container.
            Some(limit) => match tokio::time::timeout(limit, call).await {
                Ok(answer) => answer,
                Err(_) => {
                    drop(worker);
                    job.end(Err(CallError::timed_out(self.function.name, limit)));
                    return self.answer(&receiver).await;
                }
            },
        };
        job.was_answered(worker.stamp());
        let failure = match answer {
            Ok(result) => {
                worker.give_back();
                job.is_over = true;
                return Ok(result);
            }
            // It died while it was idle. There may be others, or there will be.
            Err(CallFailure::Unheard) => {
                drop(worker);
                Pool::submit(job);
                return self.answer(&receiver).await;
            }
            Err(failure) => failure,
        };
        if failure.worker_goes_on() {
            worker.give_back();
        } else {
            drop(worker);
        }
        job.end(Err(CallError::failure(self.function.name, &failure)));
        self.answer(&receiver).await
    }

    async fn answer(&self, receiver: &Receiver) -> Result<Vec<u8>, CallError> {
        receiver.end(|| self.pool.look_up()).await
    }
}

impl Job {
    pub(super) fn new(target: &Arc<Target>, call: Wanting) -> Self {
        Self {
            target: Arc::clone(target),
            arguments: call.arguments,
            inbox: call.inbox,
            number: call.number,
            is_stream: call.is_stream,
            failures: 0,
            since: Instant::now(),
            span: span_of(target.function),
            sent: None,
            is_over: false,
        }
    }

    /// Notes the container that it is made in.
    pub(super) fn goes_to(&mut self, container: &str) {
        self.span.record("container", short_name(container));
        self.inbox.goes_to(short_name(container));
        if self.target.pool.timings.is_some() {
            self.sent = Some((self.since.elapsed(), monotonic()));
        }
    }

    /// Notes the container whose state it waits for.
    pub(super) fn waits_for(&self, container: &str) {
        self.inbox.goes_to(short_name(container));
    }

    /// Notes when the worker worked on it, where calls are timed.
    pub(super) fn was_answered(&self, stamp: Option<Stamp>) {
        if let (Some(timings), Some((waited, sent)), Some(stamp)) =
            (&self.target.pool.timings, self.sent, stamp)
        {
            let between = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from));
            let spent = Spent {
                queue: waited + between(stamp.received, stamp.begun),
                transfer: between(sent, stamp.received),
                run: between(stamp.begun, stamp.ended),
                back: between(stamp.ended, monotonic()),
            };
            timings.note_call(self.name(), spent);
        }
    }

    /// The function's name.
    pub(super) fn name(&self) -> &'static str {
        self.target.function.name
    }

    /// Inside how many calls it is.
    pub(super) fn depth(&self) -> usize {
        self.target.nested.depth
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.inbox.is_closed()
    }

    /// How many items its consumer has taken since this was asked last.
    pub(super) fn items_taken(&self) -> u32 {
        self.inbox.taken()
    }

    /// Hands on an item of its stream.
    pub(super) fn item(&self, item: Vec<u8>) {
        self.inbox.put(self.number, Delivery::Item(item));
    }

    /// Tells the caller, who may end the program with that: its span has ended before.
    fn deliver(mut self, result: Result<Vec<u8>, CallError>) {
        self.span = Span::none();
        self.is_over = true;
        self.inbox.put(self.number, Delivery::End(result));
    }

    /// It has ended: the caller hears it, or it is made again.
    pub(super) fn end(mut self, result: Result<Vec<u8>, CallError>) {
        if let Err(error) = &result {
            warn!(parent: &self.span, kind = ?error.kind(), failures = self.failures + 1, "failed");
        }
        let (Err(error), Some(retries), false) = (&result, self.target.retries, self.is_stream)
        else {
            return self.deliver(result);
        };
        if self.is_abandoned() {
            return;
        }
        if self.failures == retries.max || !error.is_worth_retrying() {
            let tries = self.failures + 1;
            let result = result.map_err(|error| error.after(tries));
            return self.deliver(result);
        }
        let delay = retries.delay(self.failures);
        self.failures += 1;
        Pool::submit_after(self, delay);
    }
}

impl Drop for Job {
    /// Whatever went wrong on its way, its caller does not wait for ever.
    fn drop(&mut self) {
        if !self.is_over && !self.is_abandoned() {
            let error = CallError::lost(self.name());
            self.inbox.put(self.number, Delivery::End(Err(error)));
        }
    }
}

/// The span of a call. What it takes some work to find out is found out for whoever takes spans only.
fn span_of(function: &FunctionSpec) -> Span {
    let span = info_span!(
        "call",
        function = function.name,
        image = field::Empty,
        container = field::Empty
    );
    if !span.is_disabled()
        && let Ok(program) = Program::get()
    {
        let image = program.names().name(program.image_of(function));
        span.record("image", image);
    }
    span
}
