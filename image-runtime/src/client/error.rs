//! Why a call gave no result.

use std::fmt;
use std::time::Duration;

use crate::build::{BuildError, NotStarted};
use crate::engine::EngineError;
use crate::protocol::Fault;
use crate::secrets::SecretError;
use crate::spec::Failure;
use crate::worker::{CallFailure, StartError};

/// What went wrong with a call, in kinds that a program can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallErrorKind {
    /// The function returned an error.
    Returned,
    /// The function panicked.
    Panicked,
    /// The call ran longer than its time limit.
    TimedOut,
    /// The call was cancelled.
    Cancelled,
    /// The container or the worker ended.
    Died,
    /// The container ran out of memory.
    OutOfMemory,
    /// The image could not be built.
    Build,
    /// The machine has no such GPU.
    NoSuchGpu,
    /// The arguments or the result could not be encoded or decoded.
    Encoding,
    /// The engine failed or cannot be reached.
    Engine,
}

/// All kinds, in the order by which they cross between processes of one build.
const KINDS: [CallErrorKind; 10] = [
    CallErrorKind::Returned,
    CallErrorKind::Panicked,
    CallErrorKind::TimedOut,
    CallErrorKind::Cancelled,
    CallErrorKind::Died,
    CallErrorKind::OutOfMemory,
    CallErrorKind::Build,
    CallErrorKind::NoSuchGpu,
    CallErrorKind::Encoding,
    CallErrorKind::Engine,
];

/// What to do about too little memory.
const MORE_MEMORY: &str = "\n  help: give it more with `memory = \"…\"`";

/// A call that gave no result. Its text is for people: it says what happened and, where something can be done, what.
#[derive(Clone)]
pub struct CallError {
    kind: CallErrorKind,
    text: String,
}

/// The kind and the text, for people too: `unwrap` shows this.
impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.text)
    }
}

impl CallError {
    /// What went wrong, for programs.
    pub fn kind(&self) -> CallErrorKind {
        self.kind
    }

    pub(crate) fn new(kind: CallErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    /// The error as it crosses to the process that asked for the call.
    pub(super) fn to_fault(&self) -> Fault {
        Fault {
            kind: self.kind as u8,
            text: self.text.clone(),
        }
    }

    /// The error of a call that another process made.
    pub(super) fn of_fault(fault: Fault) -> Self {
        let kind = KINDS.get(usize::from(fault.kind)).copied();
        Self::new(kind.unwrap_or(CallErrorKind::Engine), fault.text)
    }

    pub(super) fn timed_out(function: &str, limit: Duration) -> Self {
        Self::new(
            CallErrorKind::TimedOut,
            format!(
                "`{function}` did not end within {limit:?}\n  help: give it more with `timeout = \"…\"` or `.timeout(…)`"
            ),
        )
    }

    pub(super) fn encoding(function: &str, reason: &str) -> Self {
        Self::new(CallErrorKind::Encoding, format!("`{function}`: {reason}"))
    }

    pub(super) fn build(error: &BuildError) -> Self {
        let kind = match root(error) {
            // The engine does its work: what is lacking is the image's base.
            BuildError::Engine(
                EngineError::NoSuchImage { .. }
                | EngineError::AccessDenied { .. }
                | EngineError::RegistryUnreachable { .. },
            ) => CallErrorKind::Build,
            BuildError::Engine(_) | BuildError::Start(_) => CallErrorKind::Engine,
            _ => CallErrorKind::Build,
        };
        Self::new(kind, chain(error))
    }

    pub(super) fn no_such_gpu(function: &str, reason: &str) -> Self {
        let text = format!("`{function}` cannot be called: {reason}");
        Self::new(CallErrorKind::NoSuchGpu, text)
    }

    /// The locks of GPUs cannot be used.
    pub(super) fn no_claim(error: &std::io::Error) -> Self {
        let text = format!(
            "no GPU can be locked: {error}\n  help: set `IMAGE_STORE` to a directory that can be written to"
        );
        Self::new(CallErrorKind::Engine, text)
    }

    /// A secret cannot be had, where `deployed` is what this process has deployed.
    pub(super) fn secret(function: &str, error: &SecretError, deployed: Option<&str>) -> Self {
        let mut text = format!("`{function}` cannot be called: {}", chain(error));
        if let Some(app) = deployed {
            // Who calls has an environment of its own.
            text.truncate(text.find("\n  help: ").unwrap_or(text.len()));
            let process = std::process::id();
            text += &format!(
                "\n  help: functions of `{app}` see the secrets that its process {process} was started with: deploy it once more where all are there"
            );
        }
        Self::new(CallErrorKind::Engine, text)
    }

    pub(super) fn not_started(error: &NotStarted) -> Self {
        match error {
            NotStarted::Start(error) => Self::start(error),
            NotStarted::Build(error) => Self::build(error),
        }
    }

    pub(super) fn start(error: &StartError) -> Self {
        match error {
            StartError::Ended { exit, .. } if exit.out_of_memory => Self::new(
                CallErrorKind::OutOfMemory,
                format!("a container ran out of memory: {error}{MORE_MEMORY}"),
            ),
            StartError::Ended { .. } => Self::new(
                CallErrorKind::Died,
                format!("the call was not made: {error}"),
            ),
            StartError::Stopped(_) => Self::new(
                CallErrorKind::Cancelled,
                format!("the call was cancelled: {error}"),
            ),
            _ => Self::new(CallErrorKind::Engine, chain(error)),
        }
    }

    pub(super) fn engine(error: &EngineError) -> Self {
        Self::new(CallErrorKind::Engine, chain(error))
    }

    /// Whether another try may succeed: the function ran, and did not end well.
    pub(super) fn is_worth_retrying(&self) -> bool {
        use CallErrorKind::{Died, OutOfMemory, Panicked, Returned, TimedOut};
        matches!(
            self.kind,
            Returned | Panicked | TimedOut | Died | OutOfMemory
        )
    }

    /// The error of the last of several tries.
    pub(super) fn after(mut self, tries: u32) -> Self {
        if tries > 1 {
            self.text
                .push_str(&format!("\n  note: this was the last of {tries} tries"));
        }
        self
    }

    /// This program panicked on the way of a call, or of what a call waits for.
    pub(super) fn lost(function: &str) -> Self {
        let text = format!(
            "`{function}` has no result: this program panicked while it made the call\n  \
             help: the message of the panic was printed above; if nothing of yours is named in it, please report it"
        );
        Self::new(CallErrorKind::Engine, text)
    }

    pub(super) fn cancelled(function: &str, by: &str, after: Duration) -> Self {
        Self::new(
            CallErrorKind::Cancelled,
            format!("`{function}` was cancelled by {by} after {after:.1?}"),
        )
    }

    pub(super) fn stopped(function: &str, by: &str) -> Self {
        let text = format!("`{function}` was cancelled before it began: {by} ended it everywhere");
        Self::new(CallErrorKind::Cancelled, text)
    }

    pub(super) fn dismissed(function: &str, by: &str) -> Self {
        let text = format!("`{function}` was cancelled: {by} ended the process that made it");
        Self::new(CallErrorKind::Cancelled, text)
    }

    pub(super) fn failure(function: &str, failure: &CallFailure) -> Self {
        match failure {
            CallFailure::Failed(failure) => Self::failed(function, failure.clone()),
            CallFailure::Died { exit, .. } if exit.out_of_memory => Self::new(
                CallErrorKind::OutOfMemory,
                format!("`{function}` ran out of memory: {failure}{MORE_MEMORY}"),
            ),
            CallFailure::Died { .. } => Self::new(
                CallErrorKind::Died,
                format!("`{function}` did not return: {failure}"),
            ),
            CallFailure::Stopped(_) => Self::new(
                CallErrorKind::Cancelled,
                format!("`{function}` was cancelled: {failure}"),
            ),
            CallFailure::Frame(_) => Self::encoding(function, &failure.to_string()),
            CallFailure::Unheard | CallFailure::Lost(_) | CallFailure::Connection(_) => Self::new(
                CallErrorKind::Engine,
                format!("`{function}`: {}", chain(failure)),
            ),
        }
    }

    /// What makes a state failed. Who called a method is told what that was.
    pub(super) fn no_state(enter: &str, failure: &CallFailure) -> Self {
        let mut error = Self::failure(enter, failure);
        if error.kind == CallErrorKind::Returned {
            error.text = format!("`{enter}` failed: {}", error.text);
        }
        error
    }

    fn failed(function: &str, failure: Failure) -> Self {
        match failure {
            Failure::Returned { chain } => Self::new(CallErrorKind::Returned, chain.join(": ")),
            Failure::Panicked {
                message,
                place,
                backtrace,
            } => Self::new(
                CallErrorKind::Panicked,
                format!(
                    "`{function}` panicked at {place}: {message}\n{}",
                    backtrace.trim_end()
                ),
            ),
            Failure::Encoding { reason } => Self::encoding(function, &reason),
            Failure::Unable { reason } => Self::new(CallErrorKind::Engine, reason),
            Failure::UnknownFunction { name } => Self::new(
                CallErrorKind::Engine,
                format!("the worker has no function `{name}`"),
            ),
        }
    }
}

/// The error that others only pass on.
fn root(error: &BuildError) -> &BuildError {
    match error {
        BuildError::Shared(error) => root(error),
        BuildError::Image { source, .. } => root(source),
        other => other,
    }
}

/// An error with its sources, in one text: what happened first, then all that can be done about it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let (mut text, mut helps) = (String::new(), String::new());
    let mut next = Some(error);
    while let Some(error) = next {
        let said = error.to_string();
        let end = said.find("\n  help: ").unwrap_or(said.len());
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&said[..end]);
        helps.push_str(&said[end..]);
        next = error.source();
    }
    text + &helps
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for CallError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the disk is full\n  help: free some space")]
    struct Inner;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write\n  help: write elsewhere")]
    struct Outer(#[source] Inner);

    #[test]
    fn an_error_crosses_between_processes_unchanged() {
        for kind in KINDS {
            let error = CallError::of_fault(CallError::new(kind, "why").to_fault());
            assert_eq!((error.kind(), &*error.text), (kind, "why"));
        }
    }

    #[test]
    fn what_unwrap_shows_has_its_lines() {
        let error = CallError::new(CallErrorKind::TimedOut, "too long\n  help: wait");
        assert_eq!(format!("{error:?}"), "TimedOut: too long\n  help: wait");
    }

    #[test]
    fn where_a_base_cannot_be_had_it_is_the_image_that_cannot_be_built() {
        let (reference, said) = ("alpine:3.20".to_owned(), "no".to_owned());
        for error in [
            EngineError::NoSuchImage {
                reference: reference.clone(),
                said: said.clone(),
            },
            EngineError::AccessDenied {
                reference: reference.clone(),
                said: said.clone(),
            },
            EngineError::RegistryUnreachable {
                reference,
                by_daemon: false,
                said,
            },
        ] {
            let error = CallError::build(&BuildError::Engine(error));
            assert_eq!(error.kind(), CallErrorKind::Build, "{error}");
        }
    }

    #[test]
    fn what_can_be_done_comes_after_what_happened() {
        assert_eq!(
            chain(&Outer(Inner)),
            "cannot write: the disk is full\n  help: write elsewhere\n  help: free some space"
        );
    }

    #[test]
    fn an_error_that_others_waited_for_keeps_its_sources() {
        let inner = BuildError::Store(crate::store::StoreError::Io {
            doing: "write",
            path: "/x".into(),
            source: std::io::Error::other("the disk is shy"),
        });
        let text = chain(&BuildError::Shared(std::sync::Arc::new(inner)));
        assert!(
            text.starts_with("cannot write `/x`: the disk is shy\n  help: "),
            "{text}"
        );
    }
}
