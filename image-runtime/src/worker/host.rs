//! The host's side of a worker: a container, a socket, two pipes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::error::{CallFailure, EXIT_LIMIT};
use super::flow::Flow;
use super::line::Line;
use super::output::{Output, Printed};
use super::roster::{Listed, Member};
use crate::engine::{Container, EngineError, LONGEST_LAST_LINE};
use crate::gpu::{Claim, Held};
use crate::protocol::{Command, HEADER_LENGTH, Header, Kind, RunOutcome, Stamp, called, value};
use crate::secrets::Mask;
use crate::spec::Failure;

/// A worker that said hello and waits for requests. Dropping it closes its socket, which ends it.
#[derive(Debug)]
pub struct Worker {
    container: Arc<dyn Container>,
    /// What others see of it, for as long as it is there.
    listed: Listed,
    line: Line,
    output: Output,
    requests: u64,
    mask: Mask,
    memory: Option<u64>,
    times: StartTimes,
    /// Where calls are timed, when the last request was worked on.
    stamp: Option<Stamp>,
    /// The GPUs that are its alone, or that it shares.
    claim: Option<Claim>,
    /// The socket over which its functions ask for calls, until somebody serves it.
    asking: Option<UnixStream>,
    asked: Option<Asked>,
}

/// The end of calls that the functions of a worker have asked for: all of them when this is dropped.
#[derive(Debug)]
pub(crate) struct Asked(UnboundedSender<u64>);

impl Asked {
    /// Ends those that the function of a request has asked for.
    pub(super) fn give_up(&self, number: u64) {
        // Whoever made them may be gone.
        let _ = self.0.send(number);
    }
}

/// How long the start of a worker took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartTimes {
    /// Until the container's process ran.
    pub(crate) start: Duration,
    /// Until the worker was ready.
    pub(crate) handshake: Duration,
    /// Whether it tells when it works on what.
    pub(crate) is_timed: bool,
}

impl Worker {
    pub(super) fn new(
        listed: Listed,
        (line, asking): (Line, UnixStream),
        mut output: Output,
        mask: Mask,
        memory: Option<u64>,
        times: StartTimes,
    ) -> Self {
        output.hide(mask.clone());
        Self {
            container: Arc::clone(listed.member().container()),
            listed,
            line,
            output,
            requests: 0,
            mask,
            memory,
            times,
            stamp: None,
            claim: None,
            asking: Some(asking),
            asked: None,
        }
    }

    /// The socket over which its functions ask for calls, and the numbers of its requests that nobody waits for any more, which end with
    /// the worker. Nothing when it is asked for again.
    pub(crate) fn asking(&mut self) -> Option<(UnixStream, UnboundedReceiver<u64>)> {
        let socket = self.asking.take()?;
        let (asked, given_up) = unbounded_channel();
        self.asked = Some(Asked(asked));
        Some((socket, given_up))
    }

    /// Keeps GPUs until its container is gone.
    pub(crate) fn keep(&mut self, claim: Option<Claim>) {
        self.claim = claim;
    }

    /// What it has of the machine's GPUs.
    pub(crate) fn held_gpus(&self) -> Held {
        self.claim.as_ref().map_or_else(Held::default, Claim::held)
    }

    /// A name of the container for people.
    pub fn name(&self) -> &str {
        self.container.name()
    }

    /// What others see of it.
    pub(crate) fn member(&self) -> &Arc<Member> {
        self.listed.member()
    }

    /// How long its start took.
    pub(crate) fn start_times(&self) -> StartTimes {
        self.times
    }

    /// Where calls are timed, when the last request was worked on.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Whether nothing was asked of it yet.
    pub(crate) fn is_unused(&self) -> bool {
        self.requests == 0
    }

    /// The container, to save it.
    pub fn container(&self) -> &dyn Container {
        &*self.container
    }

    /// Whether it still waits for requests: the kernel has not heard of its end.
    pub fn is_alive(&self) -> bool {
        self.line.is_quiet()
    }

    /// Hears when what runs in it prints something, for as long as it is there.
    pub(crate) fn printed(&self) -> Printed {
        self.output.printed()
    }

    /// Takes lines that were printed since the last request.
    pub(crate) fn tell_printed(&mut self, tell: &mut (dyn FnMut(String) + Send)) {
        self.output.tell_heard(tell);
    }

    /// Calls a function and answers its encoded result. `nested` is what the function's own calls are told to come from, 0 where that
    /// is of no interest; `tell` takes each line it prints.
    ///
    /// # Errors
    /// See [`CallFailure`]; after [`CallFailure::Unheard`] the call has not begun. After all but [`CallFailure::Failed`] and
    /// [`CallFailure::Frame`] the worker is of no more use; likewise when this future is dropped before its end.
    pub async fn call(
        &mut self,
        function: &str,
        arguments: &[u8],
        nested: u64,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<Vec<u8>, CallFailure> {
        let length = called::length_of(function);
        let parts = [arguments, function.as_bytes(), &length];
        self.ask(Kind::Call, nested, &parts, tell).await
    }

    /// Makes the state of a class; what it is made of is encoded.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(crate) async fn enter(
        &mut self,
        class: &str,
        arguments: &[u8],
        nested: u64,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<(), CallFailure> {
        let length = called::length_of(class);
        let parts = [arguments, class.as_bytes(), &length];
        self.ask(Kind::Enter, nested, &parts, tell).await?;
        // No call has been made.
        self.requests = 0;
        Ok(())
    }

    /// Runs what a class does before its container ends.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(crate) async fn exit(
        &mut self,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<(), CallFailure> {
        self.ask(Kind::Exit, 0, &[], tell).await.map(drop)
    }

    async fn ask(
        &mut self,
        kind: Kind,
        nested: u64,
        parts: &[&[u8]],
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<Vec<u8>, CallFailure> {
        self.stamp = None;
        let (kind, mut body) = self.request(kind, nested, parts, tell).await?;
        if self.times.is_timed {
            self.stamp = Stamp::take_off(&mut body);
        }
        match kind {
            Kind::Returned => Ok(body),
            Kind::Failed => Err(CallFailure::Failed(failure(&body, &self.mask)?)),
            other => Err(unexpected(other)),
        }
    }

    /// Runs a command of a build step. `tell` takes each line it prints.
    ///
    /// # Errors
    /// See [`CallFailure`]; a command that fails is a [`RunOutcome`].
    pub async fn run(
        &mut self,
        command: &Command,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<RunOutcome, CallFailure> {
        let body = value::encode(command)
            .map_err(|reason| CallFailure::Connection(io::Error::other(reason)))?;
        let (kind, body) = self.request(Kind::Run, 0, &[&body], tell).await?;
        match kind {
            Kind::Ran => decoded(&body),
            other => Err(unexpected(other)),
        }
    }

    /// The worker as one that serves many calls, `places` of them at once. No other request may be under way.
    ///
    /// # Errors
    /// The socket cannot be watched.
    pub(crate) fn flow(&mut self, places: usize) -> io::Result<Flow<'_>> {
        let Self {
            line,
            output,
            requests,
            mask,
            times,
            asked,
            ..
        } = self;
        let asked = asked.as_ref();
        Flow::new(line, output, requests, mask, times.is_timed, asked, places)
    }

    /// Ends the worker and removes its container.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn remove(self) -> Result<(), EngineError> {
        let Self {
            container,
            listed,
            line,
            claim,
            asked,
            ..
        } = self;
        drop((line, asked));
        let removed = container.remove().await;
        drop((claim, listed));
        removed
    }

    async fn request(
        &mut self,
        kind: Kind,
        nested: u64,
        parts: &[&[u8]],
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<(Kind, Vec<u8>), CallFailure> {
        self.requests += 1;
        let number = self.requests;
        self.output.forget();
        let mut head = Vec::with_capacity(2 * HEADER_LENGTH);
        if nested != 0 {
            head.extend(Header::new(Kind::Nested, nested, 0)?.to_bytes());
        }
        head.extend(Header::of(kind, number, parts)?.to_bytes());
        let frame = [&[&*head], parts].concat();
        let Self { line, output, .. } = self;
        let printed = output.printed();
        let answered = {
            let exchange = async {
                let answer = match line.tell(&frame).await {
                    Ok(()) => line.answer(printed.ends()).await,
                    Err(error) => Err(error),
                };
                answer.map_err(|error| match kind == Kind::Call && is_end(&error) {
                    // A call begins once it has been read to its end.
                    true => CallFailure::Unheard,
                    false => CallFailure::Connection(error),
                })
            };
            tokio::select! {
                biased;
                answer = exchange => answer,
                error = output.forward(tell) => Err(CallFailure::Connection(error)),
            }
        };
        if !matches!(answered, Ok((_, true))) {
            output.drain_lines(tell);
        }
        output.end_lines(tell);
        match answered.map(|(answer, _)| answer) {
            Ok(Some((header, body))) if header.number == number => Ok((header.kind, body)),
            Ok(Some((header, _))) => Err(unexpected(header.kind)),
            Ok(None) => Err(self.end().await),
            Err(CallFailure::Connection(error)) if is_end(&error) => Err(self.end().await),
            Err(failure) => Err(failure),
        }
    }

    /// How a worker that closed its socket ended.
    pub(crate) async fn end(&mut self) -> CallFailure {
        let exit = tokio::time::timeout(EXIT_LIMIT, self.container.wait()).await;
        self.output.drain(&mut |_| {});
        let mut last_lines: Vec<_> = self.output.last_lines().map(ToOwned::to_owned).collect();
        if last_lines.is_empty() {
            let lines = self.container.last_output().into_iter();
            // A character that was cut counts three bytes.
            let may_be_cut = |line: &String| line.len() + 3 > LONGEST_LAST_LINE;
            let hidden = lines.map(|line| match may_be_cut(&line) {
                true => self.mask.apply_to_beginning(line),
                false => self.mask.apply(line),
            });
            last_lines = hidden.collect();
        }
        if let Some(stop) = self.member().stop() {
            return CallFailure::Stopped(stop.clone());
        }
        match exit {
            Ok(Ok(exit)) => CallFailure::Died {
                exit,
                last_lines,
                memory: self.memory,
            },
            Ok(Err(error)) => CallFailure::Lost(error),
            Err(_) => CallFailure::Connection(io::Error::other(
                "the worker closed it but goes on running\n  help: a function must neither close the files of its process \
                 nor become another program by `exec`: it can start one",
            )),
        }
    }
}

/// Whether the other side is gone and has not read to the end what it was told: where it has, there is no error.
pub(super) fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

/// A failure as the worker tells it, without what the mask hides.
pub(super) fn failure(body: &[u8], mask: &Mask) -> Result<Failure, CallFailure> {
    let hide = |text| mask.apply(text);
    Ok(match decoded(body)? {
        Failure::Returned { chain } => Failure::Returned {
            chain: chain.into_iter().map(hide).collect(),
        },
        Failure::Panicked {
            message,
            place,
            backtrace,
        } => Failure::Panicked {
            message: hide(message),
            place,
            backtrace: hide(backtrace),
        },
        Failure::Encoding { reason } => Failure::Encoding {
            reason: hide(reason),
        },
        other => other,
    })
}

pub(super) fn decoded<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, CallFailure> {
    value::decode(body).map_err(|reason| CallFailure::Connection(io::Error::other(reason)))
}

pub(super) fn unexpected(kind: Kind) -> CallFailure {
    CallFailure::Connection(io::Error::other(format!("unexpected message {kind:?}")))
}
