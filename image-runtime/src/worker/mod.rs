//! A worker: the user's own program, running inside a container. `serve` is its life inside; [`Worker`] is how the
//! host starts one and talks to it.

mod asking;
mod attach;
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
mod lent;
mod line;
mod meeting;
mod output;
mod pack;
pub(crate) mod python;
mod reaper;
mod relay;
mod roster;
mod serve;
mod session;
mod spin;
mod supervise;
mod tap;

pub(crate) use asking::{Asking, TellError, asking};
pub(crate) use attach::{Attached, Stream};
pub use bundle::{Bundle, BundleError};
pub(crate) use current::{Current, asks, current};
pub use error::{CallFailure, StartError, Stop};
pub(crate) use error::{exit_text, last_lines_text};
pub(crate) use flow::{Flow, Frame, Incoming};
pub(crate) use function::FUNCTION;
pub use function::run_named_function;
pub use host::Worker;
pub(crate) use inspect::INSPECT;
pub(crate) use invoke::message as panic_message;
pub(crate) use launcher::LOG_KEPT;
pub use launcher::{Launcher, WorkerSpec};
pub(crate) use lent::{HOLD, LINK, SECRET, UNLINK};
pub(crate) use pack::{DEEP, FLAT, PACK};
pub use reaper::{Reaper, is_reaper, reap};
pub(crate) use roster::{Member, short_name};
pub(crate) use serve::read_frame;
pub use serve::{is_serving, is_worker, serve};

/// Where the pieces lie inside a container.
mod inside {
    /// The user's executable with its loader and libraries, read-only.
    pub(super) const BUNDLE: &str = "/dev/image-runtime/worker";
    /// Where they meet: the socket is in it.
    pub(super) const RUN: &str = "/dev/image-runtime/run";
    /// The socket that the host listens on.
    pub(super) const SOCKET: &str = "/dev/image-runtime/run/socket";
    /// How a process ends that finds no host.
    pub(super) const ALONE: u8 = 68;
    /// The executable.
    pub(super) const EXECUTABLE: &str = "/dev/image-runtime/worker/worker";
}

/// Nanoseconds of the machine's monotonic clock, which all its processes share.
pub(crate) fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // It begins with the machine, so it is never negative.
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
