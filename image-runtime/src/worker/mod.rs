//! A worker: the user's own program, running inside a container. `serve` is its life inside; [`Worker`] is how the
//! host starts one and talks to it.

mod asking;
pub mod bundle;
mod commands;
mod crew;
mod current;
mod error;
mod flow;
mod function;
mod host;
mod inspect;
mod invoke;
mod launcher;
mod line;
mod output;
mod pack;
mod python;
mod reaper;
mod serve;
mod supervise;
mod tap;

pub(crate) use asking::{Asking, TellError, asking};
pub use bundle::{Bundle, BundleError};
pub(crate) use current::{Current, current, is_running};
pub use error::{CallFailure, StartError};
pub(crate) use error::{exit_text, last_lines_text};
pub(crate) use flow::{Flow, Frame, Incoming};
pub(crate) use function::FUNCTION;
pub use function::run_named_function;
pub use host::Worker;
pub(crate) use inspect::INSPECT;
pub(crate) use invoke::message as panic_message;
pub use launcher::{Launcher, WorkerSpec};
pub(crate) use pack::{DEEP, FLAT, PACK};
pub use reaper::{Reaper, is_reaper, reap};
pub use serve::{is_serving, is_worker, serve};

/// Where the pieces lie inside a container.
mod inside {
    /// The user's executable with its loader and libraries, read-only.
    pub(super) const BUNDLE: &str = "/dev/image-runtime/worker";
    /// What host and worker share: the socket that they meet by and the two pipes.
    pub(super) const RUN: &str = "/dev/image-runtime/run";
    /// The socket that the host listens on.
    pub(super) const SOCKET: &str = "/dev/image-runtime/run/socket";
    /// The executable.
    pub(super) const EXECUTABLE: &str = "/dev/image-runtime/worker/worker";
}

/// The names of the pipes, beside the socket: standard output and standard error of what the worker runs.
const PIPES: [&str; 2] = ["stdout", "stderr"];
