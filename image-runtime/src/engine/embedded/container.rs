//! A container of this engine: a process in its sandbox, its place in the store, its last words.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{OnceCell, watch};
use tokio::time::timeout;

use super::cgroup::Cgroup;
use super::layers::{Layers, Scratch};
use super::sandbox::{Process, Sandbox, SandboxError};
use crate::engine::error::failed;
use crate::engine::tail::{Output, Tail};
use crate::engine::{Container, EngineError, Exit, KILLED, NewLayer, REST_OF_OUTPUT, on_thread};

/// A container that was started.
#[derive(Clone, Debug)]
pub(super) struct EmbeddedContainer(Arc<Running>);

#[derive(Debug)]
struct Running {
    name: String,
    layers: Layers,
    process: Process,
    /// What was written, until it is saved or removed.
    scratch: Mutex<Option<Scratch>>,
    cgroup: Cgroup,
    tail: Arc<Tail>,
    /// Closed when all output has been read.
    reading: watch::Receiver<()>,
    exit: OnceCell<Exit>,
    cleaned: OnceCell<()>,
}

impl EmbeddedContainer {
    /// Starts a process that reads `input`. What it writes goes to the scratch.
    pub(super) async fn start(
        (layers, scratch, cgroup): (&Layers, Scratch, Cgroup),
        sandbox: Sandbox,
        input: OwnedFd,
        purpose: &str,
    ) -> Result<Self, SandboxError> {
        let piping = |error| SandboxError::Step {
            doing: "opening its output",
            error,
        };
        let (read, [out, err]) = pipes().map_err(piping)?;
        let entrances = cgroup.entrances().map_err(|error| SandboxError::Step {
            doing: "opening its cgroup",
            error,
        })?;
        let process = sandbox.start(entrances, [input, out, err]).await?;
        let tail = Arc::new(Tail::default());
        let (read_all, reading) = watch::channel(());
        for (from, pipe) in [Output::Stdout, Output::Stderr].into_iter().zip(read) {
            let (tail, read_all) = (Arc::clone(&tail), read_all.clone());
            tokio::spawn(async move {
                // What cannot be read is lost; the process goes on.
                let _ = read_to_end(pipe, from, &tail).await;
                drop(read_all);
            });
        }
        let words = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let words: String = purpose.chars().map(words).take(24).collect();
        let running = Arc::new(Running {
            name: format!("{}-{}", words.trim_matches('-'), scratch.id()),
            layers: layers.clone(),
            process,
            scratch: Mutex::new(Some(scratch)),
            cgroup,
            tail,
            reading,
            exit: OnceCell::new(),
            cleaned: OnceCell::new(),
        });
        // Nothing of a container stays once its process has ended, whoever waits for that.
        let waiting = Arc::clone(&running);
        tokio::spawn(async move {
            let _ = waiting.exit().await;
            waiting.clean().await;
        });
        Ok(Self(running))
    }
}

/// The ends to read and to write of a standard output and a standard error.
fn pipes() -> io::Result<([OwnedFd; 2], [OwnedFd; 2])> {
    let (out, to_out) = pipe_with(PipeFlags::CLOEXEC)?;
    let (err, to_err) = pipe_with(PipeFlags::CLOEXEC)?;
    for end in [&out, &err] {
        rustix::fs::fcntl_setfl(end, rustix::fs::OFlags::NONBLOCK)?;
    }
    Ok(([out, err], [to_out, to_err]))
}

async fn read_to_end(pipe: OwnedFd, from: Output, tail: &Tail) -> io::Result<()> {
    let mut pipe = Receiver::from_owned_fd(pipe)?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match pipe.read(&mut buffer).await? {
            0 => return Ok(()),
            read => tail.push(from, &buffer[..read]),
        }
    }
}

impl Running {
    /// How the process ended; waits for it.
    async fn exit(&self) -> Result<Exit, EngineError> {
        let listen = || async {
            let code = self
                .process
                .wait()
                .await
                .map_err(failed("waiting for a container"))?;
            // All its processes are gone, so the pipes end as soon as they are read.
            let mut reading = self.reading.clone();
            let _ = timeout(REST_OF_OUTPUT, reading.changed()).await;
            Ok(Exit {
                code,
                // Of those that ended, the process that counts is the one this container is for.
                out_of_memory: code == KILLED && self.cgroup.oom_killed(),
                memory_peak: self.cgroup.memory_peak(),
            })
        };
        self.exit.get_or_try_init(listen).await.copied()
    }

    fn take_scratch(&self) -> Option<Scratch> {
        self.scratch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Removes what it wrote, and its cgroup. Who comes second waits until it is done.
    async fn clean(self: &Arc<Self>) {
        let clean = || async {
            let scratch = self.take_scratch();
            let running = Arc::clone(self);
            let cleaned = on_thread(move || {
                if let Some(scratch) = scratch {
                    running.layers.take_back(scratch);
                }
                // A group that its last process still leaves is swept later.
                let _ = running.cgroup.remove();
            });
            cleaned.await;
        };
        self.cleaned.get_or_init(clean).await;
    }

    async fn end(&self) -> Result<(), EngineError> {
        self.process.kill().map_err(failed("ending a container"))?;
        self.exit().await.map(drop)
    }
}

#[async_trait]
impl Container for EmbeddedContainer {
    fn name(&self) -> &str {
        &self.0.name
    }

    async fn wait(&self) -> Result<Exit, EngineError> {
        self.0.exit().await
    }

    fn last_output(&self) -> Vec<String> {
        self.0.tail.lines()
    }

    async fn save(&self, new: &NewLayer) -> Result<(), EngineError> {
        let doing = format!("saving `{}`", new.title);
        let mut scratch = self.0.take_scratch().ok_or_else(|| EngineError::Refused {
            doing: doing.clone(),
            said: "nothing is left of the container".to_owned(),
        })?;
        // Nothing may write to a layer, and what was written is what the process leaves behind.
        self.0.end().await?;
        let (layers, new) = (self.0.layers.clone(), new.clone());
        let replaced = self
            .0
            .layers
            .on_thread(move || layers.publish(&mut scratch, &new))
            .await
            .map_err(failed(doing))
            .map_err(|error| error.on_disk_of(self.0.layers.path()))?;
        // The next step begins meanwhile; what the end of the program leaves of it is swept.
        tokio::task::spawn_blocking(move || drop(replaced));
        Ok(())
    }

    async fn remove(&self) -> Result<(), EngineError> {
        self.0.end().await?;
        self.0.clean().await;
        Ok(())
    }
}
