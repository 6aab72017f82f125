//! The image's Python interpreter, which stays warm in the worker: it runs functions whose body is Python. `driver.py` is what it runs
//! itself, and says how the two speak.

mod returned;
mod values;

use std::collections::{HashMap, HashSet};
use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

pub(crate) use self::returned::decode;
use self::values::Arguments;
use super::supervise;
use crate::protocol::payload::{self, Payload};
use crate::spec::Failure;
use crate::spec::{ItemSink, PythonSpec};

const DRIVER: &str = include_str!("driver.py");

/// What an interpreter is called, most likely first.
const NAMES: [&str; 2] = ["python3", "python"];

/// What is said to the interpreter.
#[derive(Clone, Copy)]
enum Request {
    Load = 0,
    Call = 1,
    Stream = 2,
    Next = 3,
    Stop = 4,
}

/// What it answers: its kind, whether its JSON has tags, its JSON, its buffers.
struct Answer {
    kind: u8,
    is_tagged: bool,
    text: Vec<u8>,
    buffers: Vec<Vec<u8>>,
}

const RESULT: u8 = 0;
const ITEM: u8 = 1;
const RAISED: u8 = 2;
const NOT_ENCODED: u8 = 3;

/// Number, kind, flags, length of the JSON, count of the buffers.
const HEADER_LENGTH: usize = 18;

/// An interpreter that runs.
pub(super) struct Interpreter {
    socket: Mutex<UnixStream>,
    calls: Calls,
    numbers: AtomicU64,
    /// The files it knows.
    loaded: Mutex<HashSet<&'static str>>,
}

/// Who waits for the answers to which call.
type Calls = Arc<Mutex<HashMap<u64, Sender<Answer>>>>;

impl Interpreter {
    /// Starts the image's interpreter.
    pub(super) fn start(spec: &PythonSpec) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::Unable {
            reason: format!(
                "the Python interpreter for `{}` cannot be started: {error}",
                spec.function
            ),
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        for name in NAMES {
            let theirs = OwnedFd::from(theirs.try_clone().map_err(failed)?);
            let started = Command::new(name)
                .args(["-c", DRIVER])
                .stdin(Stdio::from(theirs))
                .spawn();
            match started {
                Ok(child) => return Self::of(child, ours).map_err(failed),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(Failure::Unable {
            reason: format!(
                "`{}` is Python, and its image has no `python3`\n  \
                 help: give it one: `debian_slim(python_version = \"3.11\")`",
                spec.function
            ),
        })
    }

    fn of(child: Child, socket: UnixStream) -> io::Result<Self> {
        let calls = Calls::default();
        let (heard, told) = (socket.try_clone()?, Arc::clone(&calls));
        let ended = end_with(child, socket.try_clone()?)?;
        std::thread::Builder::new()
            .name("image-runtime-python".into())
            .spawn(move || hear(heard, &told, ended))?;
        Ok(Self {
            socket: Mutex::new(socket),
            calls,
            numbers: AtomicU64::new(0),
            loaded: Mutex::default(),
        })
    }

    /// Calls a function with encoded arguments, for one value.
    pub(super) fn call(&self, spec: &PythonSpec, arguments: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let (number, answers) = self.ask(Request::Call, spec, arguments)?;
        let answer = self.answer(&answers);
        self.forget(number);
        encoded(spec, answer)
    }

    /// Calls a function with encoded arguments, for many values.
    pub(super) fn stream(
        &self,
        spec: &PythonSpec,
        arguments: Vec<u8>,
        sink: &dyn ItemSink,
    ) -> Result<(), Failure> {
        let (number, answers) = self.ask(Request::Stream, spec, arguments)?;
        let ended = loop {
            let answer = self.answer(&answers);
            if answer.kind == RESULT {
                break Ok(());
            }
            let item = match encoded(spec, answer) {
                Ok(item) => item,
                Err(failure) => {
                    // Where it is Rust that could not encode it, the generator waits to be asked for the next.
                    self.send(Request::Stop, number, &[], &[]);
                    break Err(failure);
                }
            };
            let next = match sink.put(item) {
                ControlFlow::Continue(()) => Request::Next,
                ControlFlow::Break(()) => Request::Stop,
            };
            self.send(next, number, &[], &[]);
        };
        self.forget(number);
        ended
    }

    fn ask(
        &self,
        request: Request,
        spec: &PythonSpec,
        arguments: Vec<u8>,
    ) -> Result<(u64, Receiver<Answer>), Failure> {
        let failed = |reason| Failure::Encoding {
            reason: format!("the arguments could not be encoded for Python: {reason}"),
        };
        // Of arguments for Python nothing goes aside.
        let Payload { head, .. } = payload::split(arguments).map_err(failed)?;
        let arguments = Arguments::of(&head).map_err(failed)?;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = channel();
        lock(&self.calls).insert(number, sender);
        // Whoever comes second waits until the file has been sent.
        let mut loaded = lock(&self.loaded);
        if loaded.insert(spec.file) {
            // The mark that some editors begin a file with is no Python.
            let text = spec.text.strip_prefix('\u{feff}').unwrap_or(spec.text);
            let text = serde_json::json!({ "file": spec.file, "text": text });
            self.send(Request::Load, number, text.to_string().as_bytes(), &[]);
        }
        drop(loaded);
        let head = serde_json::json!({ "file": spec.file, "function": spec.function }).to_string();
        let head = head.trim_end_matches('}');
        let text = [head.as_bytes(), b",\"arguments\":", &arguments.json, b"}"].concat();
        self.send(request, number, &text, &arguments.buffers);
        Ok((number, receiver))
    }

    fn answer(&self, answers: &Receiver<Answer>) -> Answer {
        match answers.recv() {
            Ok(answer) => answer,
            // Who hears the interpreter ends this process with it.
            Err(_) => loop {
                std::thread::park();
            },
        }
    }

    fn forget(&self, number: u64) {
        lock(&self.calls).remove(&number);
    }

    /// Says something. Where nobody listens any more, who hears the interpreter's end says so.
    fn send(&self, request: Request, number: u64, text: &[u8], buffers: &[&[u8]]) {
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let mut head = number.to_le_bytes().to_vec();
        head.extend([request as u8, 0]);
        head.extend(length(text.len()).to_le_bytes());
        head.extend(length(buffers.len()).to_le_bytes());
        for buffer in buffers {
            head.extend((buffer.len() as u64).to_le_bytes());
        }
        head.extend_from_slice(text);
        let mut socket = lock(&self.socket);
        for part in std::iter::once(&*head).chain(buffers.iter().copied()) {
            if socket.write_all(part).is_err() {
                return;
            }
        }
    }
}

/// The encoded value of an answer, or why there is none.
fn encoded(spec: &PythonSpec, answer: Answer) -> Result<Vec<u8>, Failure> {
    let text = || String::from_utf8_lossy(&answer.text).into_owned();
    match answer.kind {
        RESULT | ITEM => {
            let buffers = answer.is_tagged.then_some(&answer.buffers[..]);
            (spec.encode_result)(&answer.text, buffers)
        }
        RAISED => Err(Failure::Returned {
            chain: vec![text()],
        }),
        NOT_ENCODED => Err(Failure::Encoding {
            reason: format!("the result could not be encoded: {}", text()),
        }),
        other => Err(Failure::Encoding {
            reason: format!("the interpreter said something unknown: {other}"),
        }),
    }
}

/// Waits for the end of the interpreter, and then ends the conversation: processes that it made may still hold its end of the socket.
fn end_with(
    mut child: Child,
    socket: UnixStream,
) -> io::Result<JoinHandle<io::Result<ExitStatus>>> {
    std::thread::Builder::new()
        .name("image-runtime-python-end".into())
        .spawn(move || {
            let status = child.wait();
            // What it has said is heard before that.
            let _ = socket.shutdown(Shutdown::Both);
            status
        })
}

/// Hands on what the interpreter answers. When it ends, this process ends as it did: the host tells how.
fn hear(socket: UnixStream, calls: &Calls, ended: JoinHandle<io::Result<ExitStatus>>) {
    let mut socket = BufReader::with_capacity(1 << 16, socket);
    while let Ok((number, answer)) = read(&mut socket) {
        if let Some(waiting) = lock(calls).get(&number) {
            // A stream that was stopped hears no more.
            let _ = waiting.send(answer);
        }
    }
    let status = ended
        .join()
        .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
    let code = status.map_or(1, |status| {
        let signal = status.signal().map(|signal| 128 + signal);
        status.code().or(signal).unwrap_or(1)
    });
    let _ = io::stdout().flush();
    supervise::exit_at_once(code);
}

fn read(socket: &mut impl Read) -> io::Result<(u64, Answer)> {
    let mut header = [0; HEADER_LENGTH];
    socket.read_exact(&mut header)?;
    let [
        n0,
        n1,
        n2,
        n3,
        n4,
        n5,
        n6,
        n7,
        kind,
        flags,
        l0,
        l1,
        l2,
        l3,
        c0,
        c1,
        c2,
        c3,
    ] = header;
    let count = u32::from_le_bytes([c0, c1, c2, c3]);
    let lengths = (0..count)
        .map(|_| {
            let mut length = [0; 8];
            socket.read_exact(&mut length)?;
            Ok(u64::from_le_bytes(length))
        })
        .collect::<io::Result<Vec<_>>>()?;
    let mut take = |length: u64| {
        let mut bytes = Vec::new();
        let read = socket.take(length).read_to_end(&mut bytes)?;
        match read as u64 == length {
            true => Ok(bytes),
            false => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }
    };
    let text = take(u32::from_le_bytes([l0, l1, l2, l3]).into())?;
    let buffers = lengths.into_iter().map(take).collect::<io::Result<_>>()?;
    let answer = Answer {
        kind,
        is_tagged: flags != 0,
        text,
        buffers,
    };
    Ok((u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]), answer))
}

/// No holder of these locks can panic half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
