//! A Docker daemon of its own, for what must not be done to the machine's: fill its disk, remove all its caches, kill it. It needs
//! root and `dockerd`.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// How long a daemon may take to come up. One that was killed first ends the containers that it finds.
const UP: Duration = Duration::from_secs(60);

/// Mounts a file system of a type, with options, over a directory; then it becomes the program that its other arguments name.
const BEHIND: &str = "mount -t \"$1\" -o \"$2\" none \"$3\"; shift 3; exec \"$@\"";

/// What a daemon sees of a directory of this machine.
#[derive(Clone, Copy, Debug)]
pub enum View {
    /// Nothing, as one on another machine.
    Nothing,
    /// Its files, and sockets that nobody can connect to, as one in a virtual machine.
    Files,
}

/// A daemon whose disk is a file system in memory of a fixed size.
#[derive(Debug)]
pub struct Daemon {
    /// Nothing while it is killed.
    process: Option<Child>,
    disk: Disk,
    /// What is mounted where it alone sees it: type, options, place.
    mount: Option<[String; 3]>,
}

#[derive(Debug)]
struct Disk(TempDir);

impl Drop for Disk {
    fn drop(&mut self) {
        // What the daemon mounted lies under it.
        let _ = Command::new("umount")
            .args(["--recursive", "--lazy"])
            .arg(self.0.path())
            .status();
    }
}

impl Daemon {
    /// Starts one, and waits until it answers.
    ///
    /// # Errors
    /// Says why none can be started.
    pub fn start(megabytes: u32) -> Result<Self, String> {
        Self::start_with(megabytes, None)
    }

    /// The same, with its own view of a directory.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn elsewhere(megabytes: u32, directory: &Path, view: View) -> Result<Self, String> {
        let place = directory.display().to_string();
        let (kind, options) = match view {
            View::Nothing => ("tmpfs", "size=1m".to_owned()),
            // Another inode than the one that is listened on.
            View::Files => ("overlay", format!("lowerdir={place}:/sys")),
        };
        Self::start_with(megabytes, Some([kind.to_owned(), options, place]))
    }

    fn start_with(megabytes: u32, mount: Option<[String; 3]>) -> Result<Self, String> {
        if !geteuid().is_root() {
            return Err("only root can start a daemon".to_owned());
        }
        let disk = Disk(tempfile::tempdir().map_err(|error| error.to_string())?);
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "none"])
            .arg(disk.0.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            return Err("no file system of its own can be mounted".to_owned());
        }
        let mut daemon = Self {
            process: None,
            disk,
            mount,
        };
        daemon.start_again()?;
        Ok(daemon)
    }

    /// Starts it on what it left when it was killed, and waits until it answers.
    ///
    /// # Errors
    /// Says why it does not come up.
    pub fn start_again(&mut self) -> Result<(), String> {
        let at = self.disk.0.path();
        let log = at.join("log");
        let settings = at.join("settings.json");
        let written = fs::write(&settings, "{}").and_then(|()| fs::File::create(&log));
        let written = written.map_err(|error| error.to_string())?;
        // Any daemon removes the bridge `docker0` of its network, and the machine's has to keep its own.
        let mut command = Command::new("unshare");
        command.arg("--net");
        if let Some(mount) = &self.mount {
            command.args(["--mount", "sh", "-ec", BEHIND, "sh"]);
            command.args(mount);
        }
        let process = command
            .args(["dockerd", "--config-file"])
            .arg(settings)
            .args([
                "--bridge=none",
                "--iptables=false",
                "--storage-driver=vfs",
                "--host",
                &self.address(),
            ])
            .arg("--data-root")
            .arg(at.join("data"))
            .arg("--exec-root")
            .arg(at.join("run"))
            .arg("--pidfile")
            .arg(at.join("pid"))
            .stdout(Stdio::null())
            .stderr(written)
            .spawn()
            .map_err(|error| format!("`unshare` cannot be started: {error}"))?;
        let process = self.process.insert(process);
        let begin = Instant::now();
        while begin.elapsed() < UP {
            if answers(&self.disk.0.path().join("socket")) {
                return Ok(());
            }
            if process.try_wait().is_ok_and(|ended| ended.is_some()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(log).unwrap_or_default();
        Err(format!(
            "`dockerd` does not come up: {}",
            log.lines().last().unwrap_or_default()
        ))
    }

    /// Where it listens, as `DOCKER_HOST` has it.
    pub fn address(&self) -> String {
        format!("unix://{}", self.disk.0.path().join("socket").display())
    }

    /// Where it keeps its data.
    pub fn data(&self) -> PathBuf {
        self.disk.0.path().join("data")
    }

    /// Kills it, and so its `containerd`. Its containers go on.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
        // Whoever has these numbers now, or has ended and is still in the list of processes, would be taken for one that runs.
        let at = self.disk.0.path();
        let containerd = at.join("run/containerd/containerd.pid");
        if let Ok(pid) = fs::read_to_string(&containerd) {
            while runs(&pid) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        for file in [containerd, at.join("pid")] {
            let _ = fs::remove_file(file);
        }
    }

    /// Keeps it from doing anything. What it is asked for waits.
    pub fn hang(&self) {
        self.send(Signal::STOP);
    }

    /// Lets it do what it was asked for.
    pub fn go_on(&self) {
        self.send(Signal::CONT);
    }

    fn send(&self, signal: Signal) {
        if let Some(process) = &self.process {
            let _ = kill_process(Pid::from_child(process), signal);
        }
    }

    /// The containers that it keeps, whether they run or not.
    pub fn containers(&self) -> Vec<String> {
        let entries = fs::read_dir(self.data().join("containers"));
        entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| format!("container {}", entry.file_name().display()))
            .collect()
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut process) = self.process.take() {
            let _ = kill_process(Pid::from_child(&process), signal);
            let _ = process.wait();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Nobody but a daemon ends the containers of one that was killed.
        if self.process.is_none() {
            let _ = self.start_again();
        }
        self.end(Signal::TERM);
        // What kept a container while no `containerd` ran may wait for one for ever.
        let shims = self.disk.0.path().join("run/containerd/containerd.sock");
        let shims = shims.display().to_string();
        // So may a container that was made and not started.
        let inits = self.disk.0.path().join("run/runtime-runc");
        let inits = format!("_LIBCONTAINER_STATEDIR={}/", inits.display());
        let left = with("cmdline", |argument| argument == shims)
            .chain(with("environ", |variable| variable.starts_with(&inits)));
        for pid in left {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The processes that have such a word in that file of theirs.
fn with(file: &str, is_it: impl Fn(&str) -> bool) -> impl Iterator<Item = Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(move |process| {
        let pid = Pid::from_raw(process.file_name().to_str()?.parse().ok()?)?;
        let words = fs::read(process.path().join(file)).ok()?;
        String::from_utf8_lossy(&words)
            .split('\0')
            .any(&is_it)
            .then_some(pid)
    })
}

/// Whether a process runs that is called `containerd`.
fn runs(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.contains("containerd") && !status.contains("(zombie)")
}

/// Whether a daemon answers at a socket.
fn answers(socket: &Path) -> bool {
    let ask = || {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        io::Result::Ok(answer.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}
