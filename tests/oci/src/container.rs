//! The life of a container, and what is kept of it between commands.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::{Options, capabilities, warn};

/// What the process waits at for its start. As long as it is there, the program does not run.
pub(crate) const FIFO: &str = "exec.fifo";
const STATE: &str = "state.json";

/// The container's process, which may be any user's, opens what it waits at and what it reports to once more.
const ANYBODY: Mode = Mode::from_raw_mode(0o622);

/// How often, in hundredths of a second, somebody looks whether a process has ended.
const PATIENCE: usize = 1000;

/// A container that was made.
#[derive(Debug)]
pub(crate) struct Container {
    directory: PathBuf,
    kept: Kept,
}

/// What is kept of it.
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    id: String,
    pid: i32,
    /// When it began, in the kernel's count: another process may have its number later.
    began: u64,
    bundle: PathBuf,
    annotations: Option<BTreeMap<String, String>>,
}

/// What `state` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    oci_version: &'static str,
    id: String,
    status: Status,
    pid: i32,
    bundle: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Created,
    Running,
    Stopped,
}

impl Container {
    pub(crate) fn create(
        options: &Options,
        id: &str,
        bundle: &Path,
        pid_file: Option<&Path>,
    ) -> Result<()> {
        let directory = place(&options.root, id)?;
        fs::create_dir_all(&options.root).context("making the folder of states")?;
        match fs::create_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("container `{id}` exists already")
            }
            made => made.context("making the folder of its state")?,
        }
        let made = Self::make(options, id, bundle, &directory);
        let made = made.and_then(|container| match pid_file {
            Some(path) => fs::write(path, container.kept.pid.to_string()).context("`--pid-file`"),
            None => Ok(()),
        });
        if made.is_err() {
            let _ = fs::remove_dir_all(&directory);
        }
        made
    }

    fn make(options: &Options, id: &str, bundle: &Path, directory: &Path) -> Result<Self> {
        let bundle = fs::canonicalize(bundle).context("`--bundle`")?;
        let config = Config::read(&bundle)?;
        let unknown = config
            .process
            .capabilities
            .as_ref()
            .map(capabilities::unknown);
        if let Some(unknown) = unknown.filter(|unknown| !unknown.is_empty()) {
            let names: Vec<_> = unknown.into_iter().collect();
            let names = names.join(" ");
            warn(
                options,
                &format!("ignoring unknown or unavailable capabilities: [{names}]"),
            );
        }
        rustix::fs::mknodat(CWD, directory.join(FIFO), FileType::Fifo, Mode::empty(), 0)?;
        rustix::fs::chmod(directory.join(FIFO), ANYBODY)?;
        let (mut told, report) = std::io::pipe()?;
        fcntl_setfd(&report, FdFlags::empty())?;
        rustix::fs::fchmod(&report, ANYBODY)?;
        let mut command = Command::new("/proc/self/exe");
        command.arg("--root").arg(fs::canonicalize(&options.root)?);
        if let Some(log) = &options.log {
            command.arg("--log").arg(std::path::absolute(log)?);
        }
        command.args(["keep", id]).arg(&bundle);
        let keeper = command.arg(report.as_raw_fd().to_string()).spawn()?;
        drop(report);
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while !text.ends_with('\n') {
            match told.read(&mut buffer)? {
                0 => break,
                read => text += &String::from_utf8_lossy(&buffer[..read]),
            }
        }
        if text != "created\n" {
            bail!("{}", text.trim());
        }
        let pid = child_of(keeper.id()).context("the container's process is gone")?;
        let kept = Kept {
            id: id.to_owned(),
            pid,
            began: began(pid).context("the container's process is gone")?,
            bundle,
            annotations: config.annotations,
        };
        fs::write(directory.join(STATE), serde_json::to_vec(&kept)?)?;
        Ok(Self {
            directory: directory.to_owned(),
            kept,
        })
    }

    pub(crate) fn find(root: &Path, id: &str) -> Result<Self> {
        let directory = place(root, id)?;
        let kept = fs::read(directory.join(STATE))
            .map_err(|_| anyhow!("container `{id}` does not exist"))?;
        let kept = serde_json::from_slice(&kept)?;
        Ok(Self { directory, kept })
    }

    fn status(&self) -> Status {
        if began(self.kept.pid) != Some(self.kept.began) {
            Status::Stopped
        } else if self.directory.join(FIFO).exists() {
            Status::Created
        } else {
            Status::Running
        }
    }

    pub(crate) fn state(self) -> State {
        let status = self.status();
        State {
            oci_version: "1.2.0",
            id: self.kept.id,
            status,
            pid: if status == Status::Stopped {
                0
            } else {
                self.kept.pid
            },
            bundle: self.kept.bundle,
            annotations: self.kept.annotations,
        }
    }

    pub(crate) fn start(self) -> Result<()> {
        let status = self.status();
        ensure!(
            status == Status::Created,
            "container `{}` is {status:?}",
            self.kept.id
        );
        let fifo = self.directory.join(FIFO);
        // With a reader, the process goes on.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let reader = rustix::fs::open(&fifo, flags, Mode::empty())?;
        let patience = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        let mut polled = [PollFd::new(&reader, PollFlags::IN)];
        ensure!(
            poll(&mut polled, Some(&patience))? == 1,
            "the container's process does not answer"
        );
        let mut word = [0];
        File::from(reader).read_exact(&mut word)?;
        Ok(fs::remove_file(fifo)?)
    }

    pub(crate) fn kill(&self, signal: &str) -> Result<()> {
        let signal = named(signal).with_context(|| format!("`{signal}` is no signal"))?;
        let status = self.status();
        ensure!(
            status != Status::Stopped,
            "container `{}` is not running",
            self.kept.id
        );
        self.signal(signal)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.kept.pid).context("its process has no number")?;
        Ok(kill_process(pid, signal)?)
    }

    pub(crate) fn delete(self, force: bool) -> Result<()> {
        match self.status() {
            Status::Running if !force => bail!("container `{}` is running", self.kept.id),
            Status::Stopped => {}
            Status::Created | Status::Running => self.signal(Signal::KILL)?,
        }
        for _ in 0..PATIENCE {
            if self.status() == Status::Stopped {
                return Ok(fs::remove_dir_all(&self.directory)?);
            }
            sleep(Duration::from_millis(10));
        }
        bail!("container `{}` does not end", self.kept.id)
    }
}

/// Where a container's state is.
fn place(root: &Path, id: &str) -> Result<PathBuf> {
    let may = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    ensure!(
        !id.is_empty() && id.chars().all(may) && !id.starts_with('.'),
        "`{id}` is no name of a container: letters, digits and `_+-.` are"
    );
    Ok(root.join(id))
}

/// Whether none of the first of these descriptors after the first three is open.
pub(crate) fn none_open(count: u32) -> bool {
    (3..3 + count).all(|number| fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_err())
}

/// When a process began, unless it has ended.
fn began(pid: i32) -> Option<u64> {
    let (_, fields) = stat(pid)?;
    let is_dead = matches!(fields.first()?.as_str(), "Z" | "X");
    if is_dead {
        None
    } else {
        fields.get(19)?.parse().ok()
    }
}

/// The only child of a process.
fn child_of(parent: u32) -> Option<i32> {
    let numbers = fs::read_dir("/proc").ok()?.flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut children = numbers.filter(|pid| {
        let found = stat(*pid).and_then(|(_, fields)| fields.get(1)?.parse().ok());
        found == Some(parent)
    });
    children.next()
}

/// The name of a process, and what `/proc/<pid>/stat` says behind it: its state, its parent, …
fn stat(pid: i32) -> Option<(String, Vec<String>)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = text.rsplit_once(')')?;
    Some((
        name.to_owned(),
        rest.split_whitespace().map(str::to_owned).collect(),
    ))
}

/// A signal by its name, with or without `SIG`, or by its number.
fn named(signal: &str) -> Option<Signal> {
    if let Ok(number) = signal.parse() {
        return Signal::from_named_raw(number);
    }
    let name = signal.strip_prefix("SIG").unwrap_or(signal);
    let named = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("ABRT", Signal::ABORT),
        ("KILL", Signal::KILL),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("PIPE", Signal::PIPE),
        ("ALRM", Signal::ALARM),
        ("TERM", Signal::TERM),
        ("CHLD", Signal::CHILD),
        ("CONT", Signal::CONT),
        ("STOP", Signal::STOP),
        ("TSTP", Signal::TSTP),
        ("WINCH", Signal::WINCH),
    ];
    let found = named.iter().find(|(known, _)| *known == name);
    found.map(|(_, signal)| *signal)
}
