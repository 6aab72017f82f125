//! The messages. A message is a [`Kind`], a number that joins question and answer, and a body.
//!
//! A worker has a second socket to its host. There it is the one that asks: for calls that its functions make. So do processes that have a
//! supervisor, after both have said hello. One that asks wants a function
//! ([`Kind::Want`]), and makes calls of it by [`Kind::Queue`] and [`Kind::Stream`], whose bodies are the number of what it wants in eight
//! bytes, big endian, and encoded arguments. Answers are as those of a worker, but that a [`Kind::Failed`] holds a [`Fault`]; a
//! [`Kind::Stop`] ends a call of any kind.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spec::Retries;

/// The version of the protocol. Both sides must speak the same.
pub const VERSION: u32 = 5;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Worker to host, then host to worker, before anything else: a [`Hello`].
    Hello = 1,
    /// Host to worker: call a function. The body is its [arguments](super::payload), its name, and the length of that in four bytes, big
    /// endian: what stands first need not be moved to be taken.
    Call = 2,
    /// Worker to host: a function's [result](super::payload).
    Returned = 3,
    /// Worker to host: a [`Failure`](crate::spec::Failure).
    Failed = 4,
    /// Host to worker: run a [`Command`].
    Run = 5,
    /// Worker to host: how the command ended, a [`RunOutcome`].
    Ran = 6,
    /// Host to worker: how many of the calls that follow may run at once. The number of the frame is that number.
    Crew = 7,
    /// Host to worker: as [`Kind::Call`], but behind those that were queued before. They begin in the order they came, and one
    /// begins only after the answer of the one in whose place it runs has been written: so of those without an answer,
    /// only the first few (as many as run at once) can have begun.
    Queue = 8,
    /// Host to worker: give back what has not begun.
    Recall = 9,
    /// Worker to host: the numbers of what was given back, eight bytes each, big endian. None of these has begun, and all other
    /// calls that were queued before the recall have.
    Recalled = 10,
    /// Host to worker: as [`Kind::Queue`], for a function that makes a stream. It may make [`CREDIT`] items ahead.
    Stream = 11,
    /// Worker to host: an encoded item of the stream. The end is a [`Kind::Returned`] without body, or a [`Kind::Failed`].
    Item = 12,
    /// Host to worker: the stream may make so many items more: four bytes, big endian.
    More = 13,
    /// Host to worker: nobody wants the rest of the stream.
    Stop = 14,
    /// Host to worker, before any call of a class: make its state. The body is as that of a [`Kind::Call`], with the class's name.
    Enter = 15,
    /// Host to worker, after all calls: run what the class does before its container ends.
    Exit = 16,
    /// Host to worker: the next call was asked for by a function in a container. The number of the frame is the host's name for it.
    Nested = 17,
    /// Asking process to host: the function that the next calls name by the number of this frame. The body is the length of an
    /// encoded [`Wanted`] in four bytes, big endian; that; and the encoded arguments of what makes the state of the function's class.
    Want = 18,
    /// Host to asking process: whether that function can be called, an encoded `Result` of a [`Room`] or a [`Fault`].
    Ready = 19,
    /// Asking process to host: somebody waits for the call of a wanted function that was made to run in the background.
    Await = 20,
    /// Asking process to host: no more calls of a wanted function follow.
    Forget = 21,
    /// Asking process to host: the call of this number has ended in it, and with it what it waited for.
    Left = 22,
    /// Supervisor to asking process: a function that it called printed a line. The body is the function's name, a zero byte, the short
    /// name of its container, a zero byte, and the line.
    Printed = 23,
    /// Asking process to supervisor: another takes its place. Supervisor to asking process: it is ended, and what has no end yet is
    /// cancelled; the body says by whom.
    Leave = 24,
    /// Host to worker: run a [`Session`]. It ends with a [`Kind::Ran`].
    Session = 32,
    /// Host to worker: input of the session; without bytes, its end.
    Input = 33,
    /// Worker to host: one piece of input was taken. [`INPUT_AHEAD`] pieces may be sent before the first.
    InputTaken = 34,
    /// Host to worker: the terminal of the session has another [`Size`] now.
    Resize = 35,
    /// Worker to host: what the session wrote to its terminal or its standard output.
    Stdout = 36,
    /// Worker to host: what the session wrote to its standard error.
    Stderr = 37,
    /// Host to worker, before all requests: from here on each [`Kind::Returned`] and [`Kind::Failed`] begins with a [`Stamp`](super::Stamp).
    Time = 38,
}

/// How many items a stream may make before the first is asked for.
pub const CREDIT: u32 = 16;

/// How many pieces of input may be sent to a session before one is taken.
pub const INPUT_AHEAD: u32 = 16;

impl TryFrom<u8> for Kind {
    type Error = u8;

    fn try_from(byte: u8) -> Result<Self, u8> {
        Ok(match byte {
            1 => Self::Hello,
            2 => Self::Call,
            3 => Self::Returned,
            4 => Self::Failed,
            5 => Self::Run,
            6 => Self::Ran,
            7 => Self::Crew,
            8 => Self::Queue,
            9 => Self::Recall,
            10 => Self::Recalled,
            11 => Self::Stream,
            12 => Self::Item,
            13 => Self::More,
            14 => Self::Stop,
            15 => Self::Enter,
            16 => Self::Exit,
            17 => Self::Nested,
            18 => Self::Want,
            19 => Self::Ready,
            20 => Self::Await,
            21 => Self::Forget,
            22 => Self::Left,
            23 => Self::Printed,
            24 => Self::Leave,
            32 => Self::Session,
            33 => Self::Input,
            34 => Self::InputTaken,
            35 => Self::Resize,
            36 => Self::Stdout,
            37 => Self::Stderr,
            38 => Self::Time,
            other => return Err(other),
        })
    }
}

/// The first message of each side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// What identifies the sender's build.
    pub build: String,
}

/// A function that a process wants to call which cannot run it itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// Its name.
    pub function: String,
    /// Whether it is a method: then the arguments of what makes the state follow.
    pub is_method: bool,
    /// How long it may run, over what its keywords say.
    pub timeout: Option<Duration>,
    /// How often it is called again when it fails, over what its keywords say.
    pub retries: Option<Retries>,
    /// The call whose function asks.
    pub by: Option<By>,
    /// How many calls follow.
    pub how: How,
}

/// The call whose function asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// Its number in the worker it runs in; 0 where it may be one of several.
    pub number: u64,
    /// The number of its [`Kind::Nested`]; 0 where it had none.
    pub nested: u64,
    /// The name of its function.
    pub function: String,
}

/// How a wanted function is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// Once, and somebody waits for that.
    #[default]
    Once,
    /// Once, in the background.
    Spawned,
    /// Many times. Only then there is a [`Kind::Ready`].
    Many,
}

/// How many calls make sense at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// So many run at once.
    pub places: usize,
    /// So many inputs are read before the first results are taken.
    pub ahead: usize,
}

/// Why a call gave no result, as the host tells a process that asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The kind of the error.
    pub kind: u8,
    /// Its text.
    pub text: String,
}

/// A program to run inside a build container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments. A program without `/` is looked up in `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Working directory; made if it is missing.
    pub workdir: String,
}

/// How a [`Command`] ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunOutcome {
    /// It exited with a code.
    Exited(i32),
    /// A signal ended it.
    Signaled(i32),
    /// There is no such program.
    NotFound(String),
    /// It could not be started.
    NotStarted(String),
}

/// A program that somebody talks to: at a terminal, or through pipes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Programs with their arguments: the first that there is runs.
    pub candidates: Vec<Vec<String>>,
    /// The terminal that it is to have; without one, its standard streams are pipes.
    pub terminal: Option<Terminal>,
}

/// A terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// What it understands: the value of `TERM`.
    pub kind: String,
    /// How large it is.
    pub size: Size,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}
