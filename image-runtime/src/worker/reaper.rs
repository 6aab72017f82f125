//! Clears up after this program, however it ends: its own executable, started once more, waits in the background for the end
//! of the host and then removes what that left on the disk, and at a daemon. What runs is ended by the kernel, and by this where it has found a
//! way out of that.
//!
//! It is a session of its own, so that no key of a terminal reaches it, and no child of the host, so that nobody who waits for
//! children waits for it. It holds nothing of the host, no file, no directory, no output, but its testament as the standard output: what the
//! host has begun.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use tokio::runtime::Builder;

use super::supervise;
use crate::engine::{self, Owner};
use crate::store::Store;

/// Set in this process, and nowhere else: which part of it that is.
const VARIABLE: &str = "IMAGE_RUNTIME_REAPER";
/// A child of the host, which makes the one that waits and ends.
const FIRST: &str = "first";
const SECOND: &str = "second";

/// Who the host is, as it stands in labels.
const HOST: &str = "IMAGE_RUNTIME_REAPER_HOST";

const MYSELF: &str = "/proc/self/exe";

/// A container that is being born at the end of the host may hold its place a moment longer.
const AGAIN: Duration = Duration::from_millis(500);

/// Whether this process is the one that clears up.
pub fn is_reaper() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// What clears up after this program, as it comes into being.
#[derive(Debug)]
pub struct Reaper {
    /// Closed once it is there, or cannot be.
    starting: Receiver<()>,
}

impl Reaper {
    /// Starts it, in the background. `arguments` bring this program to [`reap`].
    pub fn start(store: &Store, arguments: &[String]) -> Self {
        let (root, arguments) = (store.root().to_owned(), arguments.to_vec());
        let (started, starting) = channel();
        let thread = std::thread::Builder::new().name("image-runtime-reaper".into());
        // Where it cannot be started, the next program clears up.
        let _ = thread.spawn(move || start_and_wait(&root, &arguments, started));
        Self { starting }
    }

    /// Waits until it is there, well below a millisecond.
    pub fn is_there(self) {
        let _ = self.starting.recv();
    }
}

fn start_and_wait(store: &Path, arguments: &[String], started: Sender<()>) -> io::Result<()> {
    let host = pidfd_open(getpid(), PidfdFlags::empty())?;
    let mut first = command(FIRST)
        .args(arguments)
        .env("IMAGE_STORE", store)
        .env(HOST, Owner::this_process().to_label())
        .stdin(host)
        .stdout(engine::testament().map_or_else(|_| Stdio::null(), Stdio::from))
        .process_group(0)
        .spawn()?;
    drop(started);
    first.wait().map(drop)
}

fn command(part: &str) -> Command {
    let mut command = Command::new(MYSELF);
    command
        .env(VARIABLE, part)
        .current_dir("/")
        .stderr(Stdio::null());
    command
}

/// Waits for the end of the host, clears up, and ends.
pub fn reap() -> ! {
    if std::env::var_os(VARIABLE).as_deref() == Some(OsStr::new(FIRST)) {
        let is_second = supervise::is_alone() && matches!(supervise::split(), Ok(None));
        if !is_second {
            leave_to_second();
        }
    }
    supervise::let_go();
    let _ = wait_for_host();
    clear_up();
    supervise::exit_at_once(0);
}

/// Ends this process. One with threads has no copy yet: it is started again.
fn leave_to_second() -> ! {
    if !supervise::is_alone() {
        let _ = command(SECOND).args(std::env::args_os().skip(1)).spawn();
    }
    supervise::exit_at_once(0);
}

/// The standard input is the host.
fn wait_for_host() -> io::Result<()> {
    let host = io::stdin();
    loop {
        match poll(&mut [PollFd::new(&host, PollFlags::IN)], None) {
            Err(rustix::io::Errno::INTR) => {}
            ended => return Ok(ended.map(drop)?),
        }
    }
}

/// Only removes what is there: whoever deletes the store when the host has ended must not find it made anew.
fn clear_up() {
    // Before its files go.
    engine::end_running(io::stdout());
    for pause in [Duration::ZERO, AGAIN] {
        std::thread::sleep(pause);
        if let Some(store) = Store::existing() {
            engine::sweep_left(&store);
            store.sweep();
        }
    }
    let runtime = Builder::new_current_thread().enable_all().build();
    if let (Ok(owner), Ok(runtime)) = (std::env::var(HOST), runtime) {
        runtime.block_on(engine::sweep_left_at_daemon(io::stdout(), &owner));
    }
}
