//! The calls inside a worker: one that comes alone runs in the thread that reads; those that were queued run in a crew of
//! threads, as many as may run at once, while the first thread goes on reading.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::current::Ticket;
use super::invoke::Functions;
use super::serve::{encode, write_frame};
use super::tap::Tap;
use super::{monotonic, supervise};
use crate::protocol::{Kind, Stamp};
use crate::spec::Failure;

/// As much as a first thread has, so that a function finds the same room wherever it runs.
const STACK: usize = 8 << 20;

/// The functions of this program, and the threads that run them.
#[derive(Clone)]
pub(super) struct Crew(Arc<Shared>);

struct Shared {
    functions: Functions,
    socket: Mutex<UnixStream>,
    queue: Mutex<Queue>,
    called: Condvar,
    /// Whether the host wants to know when calls were worked on.
    is_timed: AtomicBool,
    /// Streams that are queued or run.
    taps: Mutex<HashMap<u64, Arc<Tap>>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Call>,
    /// How many threads there may be.
    places: usize,
    threads: usize,
    idle: usize,
}

/// A call that waits.
struct Call {
    ticket: Ticket,
    body: Vec<u8>,
    /// When it was, where somebody wants to know.
    received: u64,
    is_stream: bool,
}

impl Crew {
    pub(super) fn new(functions: Functions, socket: UnixStream) -> Self {
        Self(Arc::new(Shared {
            functions,
            socket: Mutex::new(socket),
            queue: Mutex::new(Queue {
                places: 1,
                ..Queue::default()
            }),
            called: Condvar::new(),
            is_timed: AtomicBool::new(false),
            taps: Mutex::default(),
        }))
    }

    /// Tells from now on when calls were worked on.
    pub(super) fn time(&self) {
        self.0.is_timed.store(true, Ordering::Relaxed);
    }

    /// The time, where somebody wants to know it.
    fn now(&self) -> u64 {
        match self.0.is_timed.load(Ordering::Relaxed) {
            true => monotonic(),
            false => 0,
        }
    }

    /// Runs a call here.
    pub(super) fn call(&self, ticket: Ticket, body: Vec<u8>) -> io::Result<()> {
        let functions = &self.0.functions;
        self.run(ticket.number, self.now(), || functions.call(ticket, body))
    }

    /// Makes the state of a class.
    pub(super) fn enter(&self, ticket: Ticket, body: Vec<u8>) -> io::Result<()> {
        let functions = &self.0.functions;
        self.run(ticket.number, self.now(), || functions.enter(ticket, body))
    }

    /// Ends the state of the class whose state was made here.
    pub(super) fn exit(&self, ticket: Ticket) -> io::Result<()> {
        let functions = &self.0.functions;
        self.run(ticket.number, self.now(), || functions.exit(ticket))
    }

    /// Lets so many calls of the queue run at once.
    pub(super) fn grow(&self, places: u64) {
        lock(&self.0.queue).places = usize::try_from(places).unwrap_or(usize::MAX).max(1);
    }

    /// Puts a call behind those that wait.
    pub(super) fn queue(&self, ticket: Ticket, body: Vec<u8>) -> io::Result<()> {
        self.put(Call {
            ticket,
            body,
            received: self.now(),
            is_stream: false,
        })
    }

    /// Puts the call of a function that makes a stream behind those that wait.
    pub(super) fn queue_stream(&self, ticket: Ticket, body: Vec<u8>) -> io::Result<()> {
        lock(&self.0.taps).insert(ticket.number, Arc::default());
        self.put(Call {
            ticket,
            body,
            received: self.now(),
            is_stream: true,
        })
    }

    fn put(&self, call: Call) -> io::Result<()> {
        let mut queue = lock(&self.0.queue);
        queue.waiting.push_back(call);
        if queue.idle >= queue.waiting.len() {
            self.0.called.notify_one();
        } else if queue.threads < queue.places {
            queue.threads += 1;
            drop(queue);
            let crew = self.clone();
            std::thread::Builder::new()
                .name("image-runtime-call".into())
                .stack_size(STACK)
                .spawn(move || crew.work())?;
        }
        Ok(())
    }

    /// Gives back what has not begun.
    pub(super) fn recall(&self, number: u64) -> io::Result<()> {
        let waiting = std::mem::take(&mut lock(&self.0.queue).waiting);
        let mut body = Vec::with_capacity(waiting.len() * 8);
        for Call { ticket, .. } in waiting {
            lock(&self.0.taps).remove(&ticket.number);
            body.extend_from_slice(&ticket.number.to_be_bytes());
        }
        self.write(Kind::Recalled, number, &body)
    }

    /// Lets a stream make more items.
    pub(super) fn more(&self, number: u64, body: &[u8]) -> io::Result<()> {
        let count = body
            .try_into()
            .map_err(|_| io::Error::other("a count has four bytes"))?;
        // One that has just ended is nobody's fault.
        if let Some(tap) = lock(&self.0.taps).get(&number) {
            tap.more(u32::from_be_bytes(count));
        }
        Ok(())
    }

    /// Lets a stream end at its next item.
    pub(super) fn stop(&self, number: u64) {
        if let Some(tap) = lock(&self.0.taps).get(&number) {
            tap.stop();
        }
    }

    /// Writes a frame; frames of several threads do not mix.
    pub(super) fn write(&self, kind: Kind, number: u64, body: &[u8]) -> io::Result<()> {
        write_frame(&mut lock(&self.0.socket), kind, number, body)
    }

    /// A thread's life. Each answer is written before the next call begins.
    fn work(&self) {
        loop {
            let Call {
                ticket,
                body,
                received,
                is_stream,
            } = self.next();
            let answered = self.run(ticket.number, received, || match is_stream {
                true => self.stream(ticket, body),
                false => self.0.functions.call(ticket, body),
            });
            or_end(answered);
        }
    }

    fn next(&self) -> Call {
        let mut queue = lock(&self.0.queue);
        loop {
            if let Some(next) = queue.waiting.pop_front() {
                return next;
            }
            queue.idle += 1;
            queue = self
                .0
                .called
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    fn stream(&self, ticket: Ticket, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let number = ticket.number;
        let tap = lock(&self.0.taps).get(&number).cloned().unwrap_or_default();
        let sink = tap.sink(|item| {
            let flushed = io::stdout().flush();
            or_end(flushed.and_then(|()| self.write(Kind::Item, number, item)));
        });
        let ended = self.0.functions.stream(ticket, body, &sink);
        lock(&self.0.taps).remove(&number);
        ended.map(|()| Vec::new())
    }

    /// Does what was asked for, and answers how it ended.
    fn run(
        &self,
        number: u64,
        received: u64,
        work: impl FnOnce() -> Result<Vec<u8>, Failure>,
    ) -> io::Result<()> {
        let begun = self.now();
        let (kind, mut body) = match work() {
            Ok(result) => (Kind::Returned, result),
            Err(failure) => (Kind::Failed, encode(&failure)?),
        };
        if self.0.is_timed.load(Ordering::Relaxed) {
            let stamp = Stamp {
                received,
                begun,
                ended: self.now(),
            };
            body = stamp.before(&body);
        }
        io::stdout().flush()?;
        self.write(kind, number, &body)
    }
}

/// Ends the worker where it cannot tell its host something: the host hears of that.
pub(super) fn or_end(told: io::Result<()>) {
    if let Err(error) = told {
        supervise::complain(&error);
        supervise::exit_at_once(1);
    }
}

/// No holder of these locks can panic half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
