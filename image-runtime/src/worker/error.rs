//! Why a worker could not be started, or gave no answer.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::bundle::BundleError;
use super::inside;
use crate::engine::{EngineError, Exit};
use crate::protocol::FrameError;
use crate::secrets::Mask;
use crate::store::StoreError;

/// How long a container that is running may take until its worker says hello. Only a machine that is badly overloaded
/// comes near.
pub(super) const HELLO_LIMIT: Duration = Duration::from_secs(60);

/// How long to wait for a container whose worker is gone to say how it ended.
pub(super) const EXIT_LIMIT: Duration = Duration::from_secs(10);

/// A worker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// This program could not be put together for a container.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The socket could not be made.
    #[error("the worker's socket cannot be made in `{0}`")]
    Socket(PathBuf, #[source] io::Error),
    /// The pipes could not be made.
    #[error("the pipes for what the worker prints cannot be made")]
    Pipes(#[source] io::Error),
    /// The container ended before its worker said hello.
    #[error("before it was ready, {}{}", end_text("the container", .exit, *.memory), last_lines_text(.last_lines))]
    Ended {
        /// How.
        exit: Exit,
        /// What it printed last.
        last_lines: Vec<String>,
        /// How much memory it was given, where that was limited.
        memory: Option<u64>,
    },
    /// The worker is another build of this program.
    #[error(
        "the worker is another build than this program: {worker}, not {host}\n  help: the program was rebuilt while it ran; start it again"
    )]
    OtherBuild {
        /// This program.
        host: String,
        /// The worker.
        worker: String,
    },
    /// Somebody ended the container before its worker said hello.
    #[error("{} ended its container", .0.by)]
    Stopped(Stop),
    /// Nothing was heard in time.
    #[error("the worker did not answer within {} s", HELLO_LIMIT.as_secs())]
    Silent,
    /// The worker said something else.
    #[error("the worker does not speak this protocol: {0}")]
    Protocol(String),
}

impl StartError {
    /// Whether a container cannot reach the sockets of this machine.
    pub(super) fn is_apart(&self) -> bool {
        match self {
            Self::Engine(error) => matches!(error, EngineError::Elsewhere { .. }),
            Self::Ended { exit, .. } => exit.code == i64::from(inside::ALONE),
            _ => false,
        }
    }

    /// The error without what a mask hides.
    pub(super) fn hiding(mut self, mask: &Mask) -> Self {
        if let Self::Ended { last_lines, .. } = &mut self {
            for line in last_lines {
                *line = mask.apply(std::mem::take(line));
            }
        }
        self
    }
}

/// A request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallFailure {
    /// The worker told why.
    #[error("the function failed")]
    Failed(crate::spec::Failure),
    /// The worker had ended before it could hear of the call.
    #[error("the worker had ended before it was asked")]
    Unheard,
    /// The worker ended.
    #[error("{}{}", end_text("the worker", .exit, *.memory), last_lines_text(.last_lines))]
    Died {
        /// How.
        exit: Exit,
        /// What was printed last.
        last_lines: Vec<String>,
        /// How much memory it was given, where that was limited.
        memory: Option<u64>,
    },
    /// Somebody ended the container.
    #[error("{} ended its container", .0.by)]
    Stopped(Stop),
    /// The worker ended, and the engine does not tell how.
    #[error("the worker ended, and how is not known")]
    Lost(#[source] EngineError),
    /// The request does not fit into a message.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The socket or the pipes failed.
    #[error("the connection to the worker failed")]
    Connection(#[source] io::Error),
}

/// Who ended a container on purpose.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Who: `` `etl stop train` (process 4711) ``.
    pub by: String,
    /// Whether its function is to end everywhere: calls that have not begun then go to no other container.
    pub everywhere: bool,
}

impl CallFailure {
    /// Whether the worker can serve the next call.
    pub fn worker_goes_on(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Frame(_))
    }
}

/// Linux's names of the signals from 1 on, as signal(7) lists them for x86 and ARM.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// `exit code 3`, `signal 9 (SIGKILL)`.
pub(crate) fn exit_text(exit: &Exit) -> String {
    let name = usize::try_from(exit.code - 129)
        .ok()
        .and_then(|index| SIGNALS.get(index));
    match name {
        Some(name) => format!("signal {} (SIG{name})", exit.code - 128),
        None => format!("exit code {}", exit.code),
    }
}

/// How a container ended; where that was for want of memory, how much it had and how much it used.
fn end_text(subject: &str, exit: &Exit, limit: Option<u64>) -> String {
    if !exit.out_of_memory {
        return format!("{subject} ended with {}", exit_text(exit));
    }
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let limit = limit.map_or_else(|| "the machine's".to_owned(), mib);
    // The kernel ends it when it has used all it may.
    let peak = exit.memory_peak.map_or_else(|| "all of it".to_owned(), mib);
    format!("the container was ended: its memory limit is {limit}, and at its peak it used {peak}")
}

/// The last lines as they stand under an error: indented, nothing where there are none.
pub(crate) fn last_lines_text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  | {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_a_container_hide_its_secrets() {
        let error = StartError::Ended {
            exit: Exit {
                code: 1,
                out_of_memory: false,
                memory_peak: None,
            },
            last_lines: vec!["token hunter2".to_owned()],
            memory: None,
        };
        let text = error.hiding(&Mask::of(["hunter2"].into_iter())).to_string();
        assert!(text.contains("token ***"), "{text}");
    }

    #[test]
    fn an_exit_is_told_by_code_or_by_signal() {
        let text = |code| {
            exit_text(&Exit {
                code,
                ..Exit::default()
            })
        };
        assert_eq!(text(0), "exit code 0");
        assert_eq!(text(128), "exit code 128");
        assert_eq!(text(134), "signal 6 (SIGABRT)");
        assert_eq!(text(137), "signal 9 (SIGKILL)");
        assert_eq!(text(159), "signal 31 (SIGSYS)");
        assert_eq!(text(255), "exit code 255");
    }
}
