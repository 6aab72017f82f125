//! The host's side of a worker: a container, a socket, two pipes.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::OnceCell;

use super::bundle::{Bundle, BundleError};
use super::inside;
use super::output::Output;
use crate::digest::LayerId;
use crate::engine::{Container, ContainerSpec, Engine, EngineError, Exit, Mount};
use crate::protocol::{
    self, Command, FrameError, HEADER_LENGTH, Header, Hello, Kind, RunOutcome, value,
};
use crate::store::{RunDir, Store, StoreError};

/// How long a container that is running may take until its worker says hello. Only a machine that is badly overloaded
/// comes near.
const HELLO_LIMIT: Duration = Duration::from_secs(60);

/// How long to wait for a container whose worker is gone to say how it ended.
const EXIT_LIMIT: Duration = Duration::from_secs(10);

/// What a worker is started in.
#[derive(Clone, Debug)]
pub struct WorkerSpec {
    /// The root file system.
    pub layer: LayerId,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub workdir: String,
    /// User, as an image's configuration names it.
    pub user: String,
    /// What else the container sees.
    pub mounts: Vec<Mount>,
    /// What it is for, for people.
    pub purpose: String,
}

/// Starts workers: this program, in containers of an engine.
#[derive(Debug)]
pub struct Launcher {
    engine: Arc<dyn Engine>,
    store: Arc<Store>,
    /// Arguments that bring this program to [`super::serve`].
    arguments: Vec<String>,
    /// Made for the first worker.
    ready: OnceCell<Ready>,
}

/// What every worker needs.
#[derive(Debug)]
struct Ready {
    bundle: Bundle,
    run: RunDir,
}

/// A worker that said hello and waits for requests. Dropping it closes its socket, which ends it.
#[derive(Debug)]
pub struct Worker {
    container: Box<dyn Container>,
    socket: UnixStream,
    output: Output,
    directory: WorkerDirectory,
    requests: u64,
}

/// The directory that host and one worker share; removed when dropped.
#[derive(Debug)]
struct WorkerDirectory(PathBuf);

impl Drop for WorkerDirectory {
    fn drop(&mut self) {
        // What cannot be removed now is swept with the directory of this process.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

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
    /// The socket or the pipes could not be made.
    #[error("the worker's socket cannot be made in `{0}`")]
    Socket(PathBuf, #[source] io::Error),
    /// The container ended before its worker said hello.
    #[error("the container ended with {} before it was ready{}", exit_text(.exit), last_lines_text(.last_lines))]
    Ended {
        /// How.
        exit: Exit,
        /// What it printed last.
        last_lines: Vec<String>,
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
    /// Nothing was heard in time.
    #[error("the worker did not answer within {} s", HELLO_LIMIT.as_secs())]
    Silent,
    /// The worker said something else.
    #[error("the worker does not speak this protocol: {0}")]
    Protocol(String),
}

/// A request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallFailure {
    /// The worker told why.
    #[error("the function failed")]
    Failed(protocol::Failure),
    /// The worker ended.
    #[error("the worker ended with {}{}", exit_text(.exit), last_lines_text(.last_lines))]
    Died {
        /// How.
        exit: Exit,
        /// What was printed last.
        last_lines: Vec<String>,
    },
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

/// The last lines as they stand under an error: indented, nothing where there are none.
pub(crate) fn last_lines_text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  | {line}")).collect()
}

impl Launcher {
    /// A launcher of this program. `arguments` bring it to [`super::serve`].
    pub fn new(engine: Arc<dyn Engine>, store: Arc<Store>, arguments: Vec<String>) -> Self {
        Self {
            engine,
            store,
            arguments,
            ready: OnceCell::new(),
        }
    }

    /// Starts a container and waits for its worker.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing is left of the container then.
    pub fn start(&self, spec: WorkerSpec) -> BoxFuture<'_, Result<Worker, StartError>> {
        Box::pin(self.start_in_new_container(spec))
    }

    async fn start_in_new_container(&self, spec: WorkerSpec) -> Result<Worker, StartError> {
        let Ready { bundle, run } = self.ready.get_or_try_init(|| self.prepare()).await?;
        let directory = WorkerDirectory(run.path().join(unique_name()));
        let failed = |error| StartError::Socket(directory.0.clone(), error);
        std::fs::create_dir(&directory.0).map_err(failed)?;
        let listener = listen(&directory.0).map_err(failed)?;
        let output = Output::create(&directory.0).map_err(failed)?;

        let mut argv = bundle.argv(inside::BUNDLE);
        argv.extend_from_slice(&self.arguments);
        let mut mounts = vec![
            Mount::Local {
                source: bundle.directory().to_owned(),
                target: inside::BUNDLE.into(),
                read_only: true,
            },
            Mount::Local {
                source: directory.0.clone(),
                target: inside::RUN.into(),
                read_only: false,
            },
        ];
        mounts.extend(spec.mounts);
        let container = self
            .engine
            .start(&ContainerSpec {
                layer: spec.layer,
                argv,
                env: spec.env,
                workdir: spec.workdir,
                user: spec.user,
                mounts,
                network: true,
                purpose: spec.purpose,
            })
            .await?;
        match agree(&listener, &*container, bundle.build_id()).await {
            Ok(socket) => Ok(Worker {
                container,
                socket,
                output,
                directory,
                requests: 0,
            }),
            Err(error) => {
                // The reason for the start's failure is the one to tell.
                let _ = container.remove().await;
                Err(error)
            }
        }
    }

    async fn prepare(&self) -> Result<Ready, StartError> {
        let workers = self.store.workers();
        let bundle = tokio::task::spawn_blocking(move || Bundle::of_current_exe(workers.path()))
            .await
            .expect("making the bundle does not panic")?;
        Ok(Ready {
            bundle,
            run: self.store.run_dir()?,
        })
    }
}

impl Worker {
    /// A name of the container for people.
    pub fn name(&self) -> &str {
        self.container.name()
    }

    /// The container, to save it.
    pub fn container(&self) -> &dyn Container {
        &*self.container
    }

    /// Whether it still waits for requests: the kernel has not heard of its end.
    pub fn is_alive(&self) -> bool {
        match self.socket.try_read(&mut [0]) {
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            // Its end, or words nobody asked for.
            Ok(_) => false,
        }
    }

    /// Calls a function and answers its encoded result. `tell` takes each line it prints.
    ///
    /// # Errors
    /// See [`CallFailure`]. After all but [`CallFailure::Failed`] and [`CallFailure::Frame`] the worker is of no more use;
    /// likewise when this future is dropped before its end.
    pub async fn call(
        &mut self,
        function: &str,
        arguments: &[u8],
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<Vec<u8>, CallFailure> {
        let (kind, body) = self
            .request(Kind::Call, &[function.as_bytes(), &[0], arguments], tell)
            .await?;
        match kind {
            Kind::Returned => Ok(body),
            Kind::Failed => Err(CallFailure::Failed(decoded(&body)?)),
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
        let (kind, body) = self.request(Kind::Run, &[&body], tell).await?;
        match kind {
            Kind::Ran => decoded(&body),
            other => Err(unexpected(other)),
        }
    }

    /// Ends the worker and removes its container.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn remove(self) -> Result<(), EngineError> {
        let Self {
            container,
            socket,
            directory,
            ..
        } = self;
        drop((socket, directory));
        container.remove().await
    }

    async fn request(
        &mut self,
        kind: Kind,
        parts: &[&[u8]],
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<(Kind, Vec<u8>), CallFailure> {
        self.requests += 1;
        let number = self.requests;
        let frame = protocol::encode(kind, number, parts)?;
        let Self { socket, output, .. } = self;
        let answered = {
            let exchange = async {
                socket.write_all(&frame).await?;
                read_frame(socket).await
            };
            tokio::select! {
                biased;
                answer = exchange => answer,
                error = output.forward(tell) => Err(error),
            }
        };
        output.drain(tell);
        match answered {
            Ok(Some((header, body))) if header.number == number => Ok((header.kind, body)),
            Ok(Some((header, _))) => Err(unexpected(header.kind)),
            Ok(None) => Err(self.end().await),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                Err(self.end().await)
            }
            Err(error) => Err(CallFailure::Connection(error)),
        }
    }

    /// How a worker that closed its socket ended.
    async fn end(&mut self) -> CallFailure {
        let exit = tokio::time::timeout(EXIT_LIMIT, self.container.wait()).await;
        self.output.drain(&mut |_| {});
        let mut last_lines: Vec<_> = self.output.last_lines().map(ToOwned::to_owned).collect();
        if last_lines.is_empty() {
            last_lines = self.container.last_output();
        }
        match exit {
            Ok(Ok(exit)) => CallFailure::Died { exit, last_lines },
            Ok(Err(error)) => CallFailure::Lost(error),
            Err(_) => CallFailure::Connection(io::Error::other(
                "the worker closed it but goes on running",
            )),
        }
    }
}

/// Waits for the worker's hello, or for the container's end.
async fn agree(
    listener: &UnixListener,
    container: &dyn Container,
    build: &str,
) -> Result<UnixStream, StartError> {
    let accepted = tokio::select! {
        biased;
        accepted = hello(listener, build) => accepted,
        exit = container.wait() => Err(StartError::Ended { exit: exit?, last_lines: container.last_output() }),
        () = tokio::time::sleep(HELLO_LIMIT) => Err(StartError::Silent),
    };
    match accepted {
        // The container's own words tell more than the silence of its socket.
        Err(StartError::Protocol(reason)) => {
            match tokio::time::timeout(EXIT_LIMIT, container.wait()).await {
                Ok(Ok(exit)) => Err(StartError::Ended {
                    exit,
                    last_lines: container.last_output(),
                }),
                _ => Err(StartError::Protocol(reason)),
            }
        }
        other => other,
    }
}

async fn hello(listener: &UnixListener, build: &str) -> Result<UnixStream, StartError> {
    let broken = |error: io::Error| StartError::Protocol(error.to_string());
    let (mut socket, _) = listener.accept().await.map_err(broken)?;
    let ours = Hello {
        version: protocol::VERSION,
        build: build.to_owned(),
    };
    let said = value::encode(&ours).map_err(StartError::Protocol)?;
    let said = protocol::encode(Kind::Hello, 0, &[&said])
        .map_err(|error| StartError::Protocol(error.to_string()))?;
    socket.write_all(&said).await.map_err(broken)?;
    let theirs: Hello = match read_frame(&mut socket).await.map_err(broken)? {
        Some((header, body)) if header.kind == Kind::Hello => {
            value::decode(&body).map_err(StartError::Protocol)?
        }
        Some((header, _)) => {
            return Err(StartError::Protocol(format!(
                "{:?} instead of hello",
                header.kind
            )));
        }
        None => return Err(StartError::Protocol("it closed the connection".into())),
    };
    if theirs == ours {
        Ok(socket)
    } else {
        let text = |hello: Hello| format!("{} (protocol {})", hello.build, hello.version);
        Err(StartError::OtherBuild {
            host: text(ours),
            worker: text(theirs),
        })
    }
}

async fn read_frame(socket: &mut UnixStream) -> io::Result<Option<(Header, Vec<u8>)>> {
    let mut header = [0; HEADER_LENGTH];
    match socket.read_exact(&mut header).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let header = Header::from_bytes(header).map_err(io::Error::other)?;
    let mut body = Vec::new();
    let read = socket
        .take(header.length.into())
        .read_to_end(&mut body)
        .await?;
    Ok((read == header.length as usize).then_some((header, body)))
}

fn listen(directory: &Path) -> io::Result<UnixListener> {
    let path = directory.join("socket");
    let listener = UnixListener::bind(&path)?;
    // The image's user need not be ours; the directory above is private.
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666))?;
    Ok(listener)
}

fn decoded<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, CallFailure> {
    value::decode(body).map_err(|reason| CallFailure::Connection(io::Error::other(reason)))
}

fn unexpected(kind: Kind) -> CallFailure {
    CallFailure::Connection(io::Error::other(format!("unexpected message {kind:?}")))
}

/// A name that no other worker of this process has.
fn unique_name() -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_is_told_by_code_or_by_signal() {
        let text = |code| {
            exit_text(&Exit {
                code,
                out_of_memory: false,
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
