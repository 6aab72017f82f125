//! Calls that others ask for: functions in containers, and processes that a supervisor keeps containers for. They are made here, by the
//! host, as all others.
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
use super::future::{caught, runtime};
use super::inbox::{Inbox, Receiver};
use super::job::{Nested, Target, Wishes};
use super::pool::Pool;
use super::supervisor::Listener;
use super::{CallError, Host};
use crate::gpu::Held;
use crate::protocol::{self, How, Kind, Room, Wanted, value};
use crate::worker::{Frame, Incoming, Worker};

/// How much is received at once.
const CHUNK: usize = 64 * 1024;

/// Serves what the functions of a worker ask for, until it ends.
pub(super) fn serve(worker: &mut Worker, pool: &Arc<Pool>) {
    if let Some((socket, given_up)) = worker.asking() {
        let asker = By::Worker(Arc::clone(pool), Arc::new(worker.held_gpus()));
        runtime().spawn(async move {
            // It costs next to nothing before something is asked.
            if socket.readable().await.is_ok() {
                Gateway::serve(|_| asker, socket, given_up).await;
            }
        });
    }
}

/// Serves what a process asks for that this one keeps containers for, until it ends. Answers whether it wants this one to leave.
pub(super) async fn serve_process(socket: UnixStream) -> bool {
    // Who asks gives up no request but by its end.
    let (_nothing, given_up) = unbounded_channel();
    let by = |answers: &Answers| By::Process(Listener::new(answers.clone()));
    Gateway::serve(by, socket, given_up).await
}

/// What a worker or a process has asked for.
struct Gateway {
    /// What tells it from those of others.
    number: u64,
    by: By,
    answers: Answers,
    ended: UnboundedSender<u64>,
    functions: HashMap<u64, Function>,
    calls: HashMap<u64, Call>,
    /// The calls that have asked for something, and those among them that nobody waits for.
    callers: HashSet<u64>,
    given_up: HashSet<u64>,
    /// Whether this process is to leave.
    is_unwanted: bool,
}

/// Who asks.
enum By {
    /// Functions that run in a worker of this pool, which has these GPUs.
    Worker(Arc<Pool>, Arc<Held>),
    /// A process, which hears what its calls print.
    Process(Arc<Listener>),
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

/// Sends frames to who asked.
#[derive(Clone, Debug)]
pub(super) struct Answers(UnboundedSender<Vec<u8>>);

impl Gateway {
    async fn serve(
        by: impl FnOnce(&Answers) -> By,
        socket: UnixStream,
        mut given_up: UnboundedReceiver<u64>,
    ) -> bool {
        static LAST: AtomicU64 = AtomicU64::new(0);
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
        let answers = Answers(answers);
        let mut gateway = Self {
            number: LAST.fetch_add(1, Ordering::Relaxed),
            by: by(&answers),
            answers,
            ended,
            functions: HashMap::new(),
            calls: HashMap::new(),
            callers: HashSet::new(),
            given_up: HashSet::new(),
            is_unwanted: false,
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
                    ended.and_then(|id| gateway.remove(id));
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
        let is_unwanted = gateway.is_unwanted;
        gateway.close();
        is_unwanted
    }

    /// Nothing where who asks says what they must not, or want nothing more.
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
            Kind::Stop => self.remove(id).iter().for_each(Call::end),
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
            Kind::Leave => {
                self.is_unwanted = true;
                return None;
            }
            _ => return None,
        }
        Some(())
    }

    fn want(&mut self, id: u64, body: &[u8]) -> Option<()> {
        let (length, rest) = body.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (head, state) = rest.split_at_checked(length)?;
        let wanted: Wanted = value::decode(head).ok()?;
        let (title, how) = (Arc::from(&*wanted.function), wanted.how);
        let by = wanted.by.as_ref().map_or(0, |by| by.number);
        self.callers.insert(by);
        let named = match &self.by {
            _ if self.given_up.contains(&by) => Err(given_up(&title, Duration::ZERO)),
            By::Worker(pool, gpus) => {
                let asker = self.asker(pool, gpus, wanted.by.as_ref());
                NESTING.want(&title, &asker, how != How::Spawned)
            }
            // Its calls are inside no other.
            By::Process(_) => Ok(Nested::default()),
        };
        let wanted = named.map(|nested| {
            let (title, target) = (Arc::clone(&title), target(nested, wanted, state.to_vec()));
            let target = async move {
                let target = caught(target).await;
                target.unwrap_or_else(|| Err(CallError::lost(&title)))
            };
            (nested.name, target.boxed().shared())
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

    fn asker(&self, pool: &Arc<Pool>, gpus: &Arc<Held>, by: Option<&protocol::By>) -> Asker {
        Asker {
            id: (self.number, by.map_or(0, |by| by.number)),
            pool: pool.id(),
            gpus: Arc::clone(gpus),
            nested: by.map_or(0, |by| by.nested),
            function: by.map_or("a thread", |by| &by.function).to_owned(),
            is_entering: by.is_some_and(|by| pool.is_entered_by(&by.function)),
        }
    }

    fn call(
        &mut self,
        id: u64,
        function: Function,
        arguments: Vec<u8>,
        is_stream: bool,
    ) -> Option<()> {
        let (receiver, listener) = match &self.by {
            By::Worker(..) => (Receiver::default(), None),
            By::Process(listener) => (Receiver::that_knows_where(), Some(listener)),
        };
        let inbox = receiver.inbox();
        if let Some(listener) = listener {
            listener.add(id, Arc::clone(&inbox));
        }
        let is_direct = !is_stream && listener.is_none();
        let (open, refusal) = match (&function.wanted, &self.by) {
            (Ok((name, _)), By::Worker(pool, _)) => {
                let (open, refusal) = Open::new(*name, pool);
                (Some(open), refusal)
            }
            _ => (None, None),
        };
        let (answers, ended) = (self.answers.clone(), self.ended.clone());
        let title = Arc::clone(&function.title);
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
                    if is_direct {
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
                result = caught(made) => result.unwrap_or_else(|| Err(CallError::lost(&title))),
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

    fn remove(&mut self, id: u64) -> Option<Call> {
        if let By::Process(listener) = &self.by {
            listener.remove(id);
        }
        self.calls.remove(&id)
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
        if NESTING.left((self.number, caller))
            && let By::Worker(pool, _) = &self.by
        {
            pool.resume();
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

    pub(super) fn send(&self, kind: Kind, number: u64, body: &[u8]) {
        let frame = protocol::encode(kind, number, &[body]);
        // What came from one worker fits for others; one that is gone hears nothing.
        let _ = self.0.send(frame.expect("it came in a frame"));
    }
}

/// The next frames; nothing where the other side is gone, or says what is no frame. May be dropped at any time.
pub(super) async fn heard(
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
