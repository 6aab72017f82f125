//! Calls that functions in containers ask for: made here, by the host, as all others.
//!
//! Each worker has a socket for that (see [`Kind::Want`]). What was asked for ends with the call that asked, unless that has come to an end
//! of its own: what it spawned then runs on, as it does on a host.

mod making;
mod nesting;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use self::making::{Open, Sent, refused};
pub(super) use self::nesting::Place;
use self::nesting::{Asker, NESTING};
use super::class::{Callee, Instance};
use super::future::runtime;
use super::inbox::{Inbox, Receiver};
use super::job::{Nested, Target, Wishes};
use super::pool::Pool;
use super::{CallError, Host};
use crate::protocol::{self, How, Kind, Room, Wanted, value};
use crate::worker::{Frame, Incoming, Worker};

/// How much is received at once.
const CHUNK: usize = 64 * 1024;

/// Serves what the functions of a worker ask for, until it ends.
pub(super) fn serve(worker: &mut Worker, pool: &Arc<Pool>) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    if let Some((socket, given_up)) = worker.asking() {
        let (number, pool) = (LAST.fetch_add(1, Ordering::Relaxed), Arc::clone(pool));
        runtime().spawn(async move {
            // It costs next to nothing before something is asked.
            if socket.readable().await.is_ok() {
                Gateway::serve(number, pool, socket, given_up).await;
            }
        });
    }
}

/// What one worker has asked for.
struct Gateway {
    /// What tells it from those of other workers.
    number: u64,
    /// Where its functions run.
    pool: Arc<Pool>,
    answers: Answers,
    ended: UnboundedSender<u64>,
    functions: HashMap<u64, Function>,
    calls: HashMap<u64, Call>,
    /// The calls that have asked for something, and those among them that nobody waits for.
    callers: HashSet<u64>,
    given_up: HashSet<u64>,
}

/// A function that is wanted.
#[derive(Clone)]
struct Function {
    title: Arc<str>,
    /// Its name in [`NESTING`], and what is called; or why it cannot be.
    wanted: Result<(u64, Preparing), CallError>,
    /// The number of the call that asked.
    by: u64,
    how: How,
}

type Preparing = Shared<BoxFuture<'static, Result<Arc<Target>, CallError>>>;

/// A call that is being made.
struct Call {
    task: AbortHandle,
    function: Function,
    inbox: Arc<Inbox>,
    begun: Instant,
    /// Whether it goes on although nobody is left to hear of it.
    is_free: bool,
}

/// Sends frames to a worker.
#[derive(Clone)]
struct Answers(UnboundedSender<Vec<u8>>);

impl Gateway {
    async fn serve(
        number: u64,
        pool: Arc<Pool>,
        socket: UnixStream,
        mut given_up: UnboundedReceiver<u64>,
    ) {
        let (mut hearing, mut saying) = socket.into_split();
        let (answers, mut unsaid) = unbounded_channel::<Vec<u8>>();
        runtime().spawn(async move {
            while let Some(frame) = unsaid.recv().await {
                if saying.write_all(&frame).await.is_err() {
                    return;
                }
            }
        });
        let (ended, mut endings) = unbounded_channel();
        let mut gateway = Self {
            number,
            pool,
            answers: Answers(answers),
            ended,
            functions: HashMap::new(),
            calls: HashMap::new(),
            callers: HashSet::new(),
            given_up: HashSet::new(),
        };
        let (mut incoming, mut chunk) = (Incoming::default(), vec![0; CHUNK]);
        loop {
            let frames = tokio::select! {
                biased;
                given_up = given_up.recv() => match given_up {
                    Some(number) => {
                        gateway.give_up(number);
                        continue;
                    }
                    None => break,
                },
                ended = endings.recv() => {
                    ended.and_then(|id| gateway.calls.remove(&id));
                    continue;
                }
                frames = heard(&mut hearing, &mut incoming, &mut chunk) => frames,
            };
            let Some(frames) = frames else { break };
            if frames
                .into_iter()
                .any(|frame| gateway.hear(frame).is_none())
            {
                break;
            }
        }
        gateway.close();
    }

    /// Nothing where the worker says what it must not.
    fn hear(&mut self, (header, body): Frame) -> Option<()> {
        let id = header.number;
        match header.kind {
            Kind::Want => self.want(id, &body)?,
            Kind::Queue | Kind::Stream => {
                let (function, arguments) = body.split_first_chunk()?;
                let function = self.functions.get(&u64::from_be_bytes(*function))?.clone();
                let is_stream = header.kind == Kind::Stream;
                self.call(id, function, arguments.to_vec(), is_stream)?;
            }
            Kind::More => {
                // One that has just ended is nobody's fault.
                if let Some(call) = self.calls.get(&id) {
                    call.inbox
                        .add_taken(u32::from_be_bytes(body.try_into().ok()?));
                    if let Some(target) = call.function.ready() {
                        target.pool.look_up();
                    }
                }
            }
            Kind::Stop => self.calls.remove(&id).iter().for_each(Call::end),
            Kind::Await => {
                if let Ok((name, _)) = self.functions.get(&id)?.wanted {
                    NESTING.is_awaited(name);
                }
            }
            Kind::Forget => {
                // One whose name did not fit into a frame was never heard of.
                let forgotten = self.functions.remove(&id);
                if let Some(Ok((name, _))) = forgotten.map(|function| function.wanted) {
                    NESTING.forget(name);
                }
            }
            Kind::Left => self.left(id),
            _ => return None,
        }
        Some(())
    }

    fn want(&mut self, id: u64, body: &[u8]) -> Option<()> {
        let (length, rest) = body.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (head, state) = rest.split_at_checked(length)?;
        let wanted: Wanted = value::decode(head).ok()?;
        let by = wanted.by.as_ref();
        let asker = Asker {
            id: (self.number, by.map_or(0, |by| by.number)),
            pool: self.pool.id(),
            nested: by.map_or(0, |by| by.nested),
            function: by.map_or("a thread", |by| &by.function).to_owned(),
            is_entering: by.is_some_and(|by| self.pool.is_entered_by(&by.function)),
        };
        let (title, how) = (Arc::from(&*wanted.function), wanted.how);
        let by = asker.id.1;
        self.callers.insert(by);
        let named = match self.given_up.contains(&by) {
            true => Err(given_up(&title, Duration::ZERO)),
            false => NESTING.want(&title, &asker, how != How::Spawned),
        };
        let wanted = named.map(|nested| {
            let target = target(nested, wanted, state.to_vec()).boxed().shared();
            (nested.name, target)
        });
        let function = Function {
            title,
            wanted,
            by,
            how,
        };
        if how == How::Many {
            let (function, answers) = (function.clone(), self.answers.clone());
            runtime().spawn(async move {
                let ready = function.target().await.map(|target| Room {
                    places: target.pool.places(),
                    ahead: target.pool.inputs_ahead(),
                });
                answers.say(Kind::Ready, id, &ready.map_err(|error| error.to_fault()));
            });
        }
        self.functions.insert(id, function);
        Some(())
    }

    fn call(
        &mut self,
        id: u64,
        function: Function,
        arguments: Vec<u8>,
        is_stream: bool,
    ) -> Option<()> {
        let receiver = Receiver::default();
        let inbox = receiver.inbox();
        let (open, refusal) = match &function.wanted {
            Ok((name, _)) => {
                let (open, refusal) = Open::new(*name, &self.pool);
                (Some(open), refusal)
            }
            Err(_) => (None, None),
        };
        let (answers, ended) = (self.answers.clone(), self.ended.clone());
        let made = match function.how {
            // They begin in the order in which they were asked for.
            How::Many => {
                let sent = Sent::new(function.ready()?, arguments, receiver, is_stream);
                sent.answer(id, answers.clone()).boxed()
            }
            How::Once | How::Spawned => {
                let (function, answers) = (function.clone(), answers.clone());
                let made = async move {
                    let target = function.target().await?;
                    if !is_stream {
                        return target.call(arguments).await;
                    }
                    let sent = Sent::new(target, arguments, receiver, is_stream);
                    sent.answer(id, answers).await
                };
                made.boxed()
            }
        };
        let task = runtime().spawn(async move {
            let result = tokio::select! {
                biased;
                result = made => result,
                error = refused(refusal) => Err(error),
            };
            drop(open);
            match result {
                Ok(result) => answers.send(Kind::Returned, id, &result),
                Err(error) => answers.say(Kind::Failed, id, &error.to_fault()),
            }
            // Where nobody is there any more, there is nothing to be told.
            let _ = ended.send(id);
        });
        let call = Call {
            task: task.abort_handle(),
            function,
            inbox,
            begun: Instant::now(),
            is_free: false,
        };
        self.calls.insert(id, call);
        Some(())
    }

    /// Nobody waits any more for the request of this number: the calls that its function asked for end, unless it has returned before.
    fn give_up(&mut self, number: u64) {
        self.given_up.insert(number);
        let asked = |_: &u64, call: &mut Call| call.function.by == number && !call.is_free;
        let ended: Vec<_> = self.calls.extract_if(asked).collect();
        for (id, call) in ended {
            call.end();
            let error = given_up(&call.function.title, call.begun.elapsed());
            self.answers.say(Kind::Failed, id, &error.to_fault());
        }
    }

    /// The function of a request has returned: what it has spawned goes on.
    fn left(&mut self, number: u64) {
        self.given_up.remove(&number);
        if !self.callers.remove(&number) {
            return;
        }
        for call in self.calls.values_mut() {
            call.is_free |= call.function.by == number && call.function.how == How::Spawned;
        }
        self.leave(number);
    }

    fn leave(&self, caller: u64) {
        if NESTING.left((self.number, caller)) {
            self.pool.resume();
        }
    }

    fn close(self) {
        let calls = self.calls.values();
        calls.filter(|call| !call.is_free).for_each(Call::end);
        for function in self.functions.values() {
            if let Ok((name, _)) = function.wanted {
                NESTING.forget(name);
            }
        }
        self.callers.iter().for_each(|caller| self.leave(*caller));
    }
}

impl Function {
    async fn target(&self) -> Result<Arc<Target>, CallError> {
        match &self.wanted {
            Ok((_, target)) => target.clone().await,
            Err(error) => Err(error.clone()),
        }
    }

    /// What is called, where that is known by now.
    fn ready(&self) -> Option<Arc<Target>> {
        let (_, target) = self.wanted.as_ref().ok()?;
        target.peek()?.as_ref().ok().cloned()
    }
}

impl Call {
    fn end(&self) {
        self.task.abort();
    }
}

fn given_up(function: &str, after: Duration) -> CallError {
    CallError::cancelled(function, "the end of the call that made it", after)
}

impl Answers {
    fn say<T: serde::Serialize>(&self, kind: Kind, number: u64, message: &T) {
        let body = value::encode(message).expect("messages of our own can be encoded");
        self.send(kind, number, &body);
    }

    fn send(&self, kind: Kind, number: u64, body: &[u8]) {
        let frame = protocol::encode(kind, number, &[body]);
        // What came from one worker fits for another; one that is gone hears nothing.
        let _ = self.0.send(frame.expect("it came in a frame"));
    }
}

/// The next frames; nothing where the worker is gone, or says what is no frame. May be dropped at any time.
async fn heard(
    socket: &mut OwnedReadHalf,
    incoming: &mut Incoming,
    chunk: &mut [u8],
) -> Option<Vec<Frame>> {
    let mut frames = Vec::new();
    while frames.is_empty() {
        socket.readable().await.ok()?;
        match socket.try_read(chunk) {
            Ok(0) => return None,
            Ok(received) => incoming.take(&chunk[..received], &mut frames).ok()?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    Some(frames)
}

/// Makes a wanted function ready to be called, under its name here.
async fn target(nested: Nested, wanted: Wanted, state: Vec<u8>) -> Result<Arc<Target>, CallError> {
    let host = Host::get().await?;
    let function = host.function(&wanted.function)?;
    let callee = match function.class.filter(|_| wanted.is_method) {
        Some(class) => Callee::method(function, &Instance::new(class, Ok(state))),
        None => function.into(),
    };
    let wishes = Wishes {
        timeout: wanted.timeout,
        retries: wanted.retries,
        nested,
        ..Wishes::default()
    };
    let target = host.target(&callee, wishes).await?;
    NESTING.place(nested.name, target.pool.place())?;
    Ok(target)
}
