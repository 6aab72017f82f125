//! Starts workers: a container, a socket that its process finds, an agreement that both are the same build.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::OnceCell;

use super::bundle::{self, Bundle};
use super::error::{EXIT_LIMIT, HELLO_LIMIT, StartError};
use super::host::Worker;
use super::inside;
use super::line::Line;
use super::output::Output;
use crate::digest::LayerId;
use crate::engine::{Container, ContainerSpec, DRIVER_LIBRARIES, Engine, Limits, Mount};
use crate::gpu::Gpu;
use crate::protocol::{self, Hello, Kind, value};
use crate::secrets::Mask;
use crate::store::Store;

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
    /// Whether it reaches the network.
    pub network: bool,
    /// What it may use of the machine.
    pub limits: Limits,
    /// The GPUs that it sees.
    pub gpus: Vec<Gpu>,
    /// What is hidden in all that it prints, and in the errors of its functions.
    pub mask: Mask,
    /// What it is for, for people.
    pub purpose: String,
}

/// How long the bundle of a build stays that nobody runs. Each edit of a program makes one, and keeps its executable on the
/// disk; making one again takes milliseconds.
const BUNDLE_KEPT: Duration = Duration::from_secs(5 * 60);

/// Starts workers: this program, in containers of an engine.
#[derive(Debug)]
pub struct Launcher {
    engine: Arc<dyn Engine>,
    store: Arc<Store>,
    /// Arguments that bring this program to [`super::serve`].
    arguments: Vec<String>,
    /// Made for the first worker.
    bundle: OnceCell<Bundle>,
    /// Done once a worker has started.
    swept: Once,
}

impl Launcher {
    /// A launcher of this program. `arguments` bring it to [`super::serve`].
    pub fn new(engine: Arc<dyn Engine>, store: Arc<Store>, arguments: Vec<String>) -> Self {
        Self {
            engine,
            store,
            arguments,
            bundle: OnceCell::new(),
            swept: Once::new(),
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
        let bundle = self.bundle.get_or_try_init(|| self.make_bundle()).await?;
        // Both sides have opened what lies in it once they have agreed; nothing of it stays after that.
        let meeting = self.store.run_dir()?;
        let failed = |error| StartError::Socket(meeting.path().to_owned(), error);
        let shared = shared_with_any_user(meeting.path()).map_err(failed)?;
        let listener = listen(&shared).map_err(failed)?;
        let output = Output::create(&shared).map_err(failed)?;

        // The worker may load the driver itself, and looks nowhere else.
        let more = (!spec.gpus.is_empty()).then_some(DRIVER_LIBRARIES);
        let mut argv = bundle.argv(inside::BUNDLE, more);
        argv.extend_from_slice(&self.arguments);
        let mut mounts = vec![
            Mount::Local {
                source: bundle.directory().to_owned(),
                target: inside::BUNDLE.into(),
                read_only: true,
            },
            Mount::Local {
                source: shared,
                target: inside::RUN.into(),
                read_only: false,
            },
        ];
        mounts.extend(spec.mounts);
        let memory = spec.limits.memory;
        let container = self
            .engine
            .start(&ContainerSpec {
                layer: spec.layer,
                argv,
                env: spec.env,
                workdir: spec.workdir,
                user: spec.user,
                mounts,
                network: spec.network,
                limits: spec.limits,
                gpus: spec.gpus,
                purpose: spec.purpose,
            })
            .await?;
        let agreed = agree(&listener, &*container, bundle.build_id(), memory).await;
        match agreed.map_err(|error| error.hiding(&spec.mask)) {
            Ok(sockets) => {
                self.swept.call_once(|| sweep(&self.engine, &self.store));
                Ok(Worker::new(container, sockets, output, spec.mask, memory))
            }
            Err(error) => {
                // The reason for the start's failure is the one to tell.
                let _ = container.remove().await;
                Err(error)
            }
        }
    }

    async fn make_bundle(&self) -> Result<Bundle, StartError> {
        let workers = self.store.workers();
        tokio::task::spawn_blocking(move || Bundle::of_current_exe(workers.path()))
            .await
            .expect("making the bundle does not panic")
            .map_err(StartError::Bundle)
    }
}

/// Removes what killed hosts and earlier builds left, in the background: nobody waits for it, and nobody depends on it.
/// A process that starts no container leaves it to one that does: it is done in less time than this takes.
fn sweep(engine: &Arc<dyn Engine>, store: &Arc<Store>) {
    let (engine, store) = (Arc::clone(engine), Arc::clone(store));
    tokio::spawn(async move {
        let _ = engine.sweep().await;
        let _ = tokio::task::spawn_blocking(move || {
            store.sweep();
            let _ = bundle::prune(store.workers().path(), BUNDLE_KEPT);
        })
        .await;
    });
}

/// Waits for the worker's hello, or for the container's end.
async fn agree(
    listener: &UnixListener,
    container: &dyn Container,
    build: &str,
    memory: Option<u64>,
) -> Result<(Line, UnixStream), StartError> {
    let accepted = tokio::select! {
        biased;
        accepted = hello(listener, build) => accepted,
        exit = container.wait() => Err(StartError::Ended { exit: exit?, last_lines: container.last_output(), memory }),
        () = tokio::time::sleep(HELLO_LIMIT) => Err(StartError::Silent),
    };
    match accepted {
        // The container's own words tell more than the silence of its socket.
        Err(StartError::Protocol(reason)) => {
            match tokio::time::timeout(EXIT_LIMIT, container.wait()).await {
                Ok(Ok(exit)) => Err(StartError::Ended {
                    exit,
                    last_lines: container.last_output(),
                    memory,
                }),
                _ => Err(StartError::Protocol(reason)),
            }
        }
        other => other,
    }
}

/// The worker's two sockets: the one it answers on, and the one it asks on.
async fn hello(listener: &UnixListener, build: &str) -> Result<(Line, UnixStream), StartError> {
    let broken = |error: io::Error| StartError::Protocol(error.to_string());
    let (socket, _) = listener.accept().await.map_err(broken)?;
    let line = Line::new(socket).map_err(broken)?;
    let ours = Hello {
        version: protocol::VERSION,
        build: build.to_owned(),
    };
    let said = value::encode(&ours).map_err(StartError::Protocol)?;
    let said = protocol::encode(Kind::Hello, 0, &[&said])
        .map_err(|error| StartError::Protocol(error.to_string()))?;
    line.tell(&said).await.map_err(broken)?;
    let theirs: Hello = match line.hear().await.map_err(broken)? {
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
        // It connected before it said anything.
        let (asking, _) = listener.accept().await.map_err(broken)?;
        Ok((line, asking))
    } else {
        let text = |hello: Hello| format!("{} (protocol {})", hello.build, hello.version);
        Err(StartError::OtherBuild {
            host: text(ours),
            worker: text(theirs),
        })
    }
}

/// A directory in a private one. The image's user need not be ours, and finds in it what it knows the name of.
fn shared_with_any_user(private: &Path) -> io::Result<PathBuf> {
    let shared = private.join("shared");
    std::fs::create_dir(&shared)?;
    std::fs::set_permissions(&shared, PermissionsExt::from_mode(0o711))?;
    Ok(shared)
}

fn listen(directory: &Path) -> io::Result<UnixListener> {
    // Addresses of sockets hold 107 bytes; this name of the directory is short wherever the store is.
    let opened = std::fs::File::open(directory)?;
    let short = format!("/proc/self/fd/{}/socket", opened.as_raw_fd());
    let listener = UnixListener::bind(&short)?;
    // The image's user need not be ours; the directory above is private.
    std::fs::set_permissions(&short, PermissionsExt::from_mode(0o666))?;
    Ok(listener)
}
