//! Starts workers: a container, a socket that its process is given or finds, an agreement that both are the same build.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::net::UnixStream;
use tokio::sync::OnceCell;
use tracing::{Instrument as _, Span, field, info_span};

use super::bundle::{self, Bundle};
use super::error::{EXIT_LIMIT, HELLO_LIMIT, StartError};
use super::host::{StartTimes, Worker};
use super::inside;
use super::line::Line;
use super::meeting::{Meeting, Meetings, hand_over};
use super::output::Output;
use super::relay::{Ends, relay};
use super::roster::{Member, Roster, short_name};
use crate::digest::LayerId;
use crate::engine::{
    Access, Attached, Attaching, Container, ContainerSpec, DRIVER_LIBRARIES, Engine, Limits, Mount,
};
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

/// How long what functions printed stays after their program has ended.
pub(crate) const LOG_KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Starts workers: this program, in containers of an engine.
#[derive(Debug)]
pub struct Launcher {
    engine: Arc<dyn Engine>,
    store: Arc<Store>,
    /// Arguments that bring this program to [`super::serve`].
    arguments: Vec<String>,
    /// Made for the first worker.
    bundle: OnceCell<Bundle>,
    meetings: Meetings,
    /// Done once a worker has started.
    swept: Once,
    /// Whether workers are attached to, and not met; that containers cannot reach the sockets of this machine is found out by the first.
    is_attached: AtomicBool,
    /// Whether workers tell when they work on what.
    is_timed: bool,
    /// The containers that there are.
    pub(crate) roster: Arc<Roster>,
}

impl Launcher {
    /// A launcher of this program. `arguments` bring it to [`super::serve`].
    pub fn new(engine: Arc<dyn Engine>, store: Arc<Store>, arguments: Vec<String>) -> Self {
        let attaching = engine.attaching();
        Self {
            engine,
            store,
            arguments,
            bundle: OnceCell::new(),
            meetings: Meetings::default(),
            swept: Once::new(),
            is_attached: AtomicBool::new(attaching == Attaching::Always),
            is_timed: false,
            roster: Arc::default(),
        }
    }

    /// Has workers tell when they work on what.
    pub(crate) fn timed(self, is_timed: bool) -> Self {
        Self { is_timed, ..self }
    }

    /// Puts this program together for containers, of the file that it is now.
    ///
    /// # Errors
    /// See [`StartError`].
    pub(crate) async fn prepare(&self) -> Result<(), StartError> {
        self.bundle.get_or_try_init(|| self.make_bundle()).await?;
        Ok(())
    }

    /// Starts a container and waits for its worker.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing is left of the container then.
    pub fn start(&self, spec: WorkerSpec) -> BoxFuture<'_, Result<Worker, StartError>> {
        let span = info_span!(
            "container.start",
            purpose = spec.purpose,
            layer = %spec.layer,
            container = field::Empty
        );
        let starting = self.start_in_new_container(spec, span.clone());
        Box::pin(starting.instrument(span))
    }

    async fn start_in_new_container(
        &self,
        spec: WorkerSpec,
        span: Span,
    ) -> Result<Worker, StartError> {
        let bundle = self.bundle.get_or_try_init(|| self.make_bundle()).await?;
        // The worker may load the driver itself, and looks nowhere else.
        let more = (!spec.gpus.is_empty()).then_some(DRIVER_LIBRARIES);
        let mut argv = bundle.argv(inside::BUNDLE, more);
        argv.extend_from_slice(&self.arguments);
        let mut mounts = vec![Mount::Local {
            source: bundle.directory().to_owned(),
            target: inside::BUNDLE.into(),
            access: Access::Fixed,
        }];
        mounts.extend(spec.mounts);
        let mut starting = Starting {
            container: ContainerSpec {
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
            },
            mask: spec.mask,
            build: bundle.build_id(),
            span,
        };
        if !self.is_attached.load(Ordering::Relaxed) {
            let meeting = self.meetings.begin(&self.store)?;
            starting.container.mounts.push(Mount::Local {
                source: meeting.directory().to_owned(),
                target: inside::RUN.into(),
                access: Access::Live,
            });
            match self.start_by(Way::Meeting(meeting), &starting).await {
                Err(error) if error.is_apart() && self.engine.attaching() == Attaching::Apart => {}
                other => return other,
            }
            starting.container.mounts.pop();
        }
        let worker = self.start_by(Way::Attached, &starting).await?;
        self.is_attached.store(true, Ordering::Relaxed);
        Ok(worker)
    }

    async fn start_by(&self, way: Way, starting: &Starting<'_>) -> Result<Worker, StartError> {
        let output = Output::new().map_err(StartError::Pipes)?;
        let spec = &starting.container;
        let memory = spec.limits.memory;
        let begun = Instant::now();
        let (container, way) = match way {
            Way::Meeting(meeting) => (self.engine.start(spec).await?, Met::At(meeting)),
            Way::Attached => {
                let (container, attached) = self.engine.start_attached(spec).await?;
                (container, Met::Over(attached))
            }
        };
        let start = begun.elapsed();
        let container: Arc<dyn Container> = Arc::from(container);
        let member = Member::new(container, spec.layer, spec.limits, spec.purpose.clone());
        let listed = self.roster.list(member);
        let container = listed.member().container();
        starting
            .span
            .record("container", short_name(container.name()));
        let agreed = agree(
            way,
            &output,
            &**container,
            starting.build,
            memory,
            self.is_timed,
        )
        .await;
        match agreed.map_err(|error| error.hiding(&starting.mask)) {
            Ok(sockets) => {
                self.swept.call_once(|| sweep(&self.engine, &self.store));
                let times = StartTimes {
                    start,
                    handshake: begun.elapsed() - start,
                    is_timed: self.is_timed,
                };
                let mask = starting.mask.clone();
                Ok(Worker::new(listed, sockets, output, mask, memory, times))
            }
            Err(error) => {
                let stopped = listed.member().stop().cloned();
                let error = stopped.map_or(error, StartError::Stopped);
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
            store.prune_logs(LOG_KEPT);
        })
        .await;
    });
}

/// A container about to be started.
struct Starting<'a> {
    container: ContainerSpec,
    mask: Mask,
    build: &'a str,
    span: Span,
}

/// How host and worker are to find each other.
enum Way {
    Meeting(Meeting),
    Attached,
}

/// Where they do.
enum Met {
    At(Meeting),
    Over(Attached),
}

impl Met {
    /// The host's ends of the worker's two sockets: the one it answers on, and the one it asks on.
    async fn sockets(self, output: &Output) -> io::Result<(net::UnixStream, UnixStream)> {
        let [stdout, stderr] = output.ends();
        let line = match self {
            Self::At(meeting) => meeting.listener.accept().await?.0.into_std()?,
            Self::Over(Attached::Socket(line)) => line,
            Self::Over(Attached::Streams {
                input,
                output: said,
            }) => {
                let (line, their_line) = UnixStream::pair()?;
                let (asking, their_asking) = UnixStream::pair()?;
                let ends = Ends {
                    line: their_line,
                    asking: their_asking,
                    stdout: stdout.try_clone_to_owned()?,
                    stderr: stderr.try_clone_to_owned()?,
                };
                relay(input, said, ends)?;
                return Ok((line.into_std()?, asking));
            }
        };
        let (asking, theirs) = net::UnixStream::pair()?;
        hand_over(&line, [stdout, stderr, theirs.as_fd()])?;
        asking.set_nonblocking(true)?;
        Ok((line, UnixStream::from_std(asking)?))
    }
}

/// Waits for the worker's hello, or for the container's end.
async fn agree(
    way: Met,
    output: &Output,
    container: &dyn Container,
    build: &str,
    memory: Option<u64>,
    is_timed: bool,
) -> Result<(Line, UnixStream), StartError> {
    let accepted = tokio::select! {
        biased;
        accepted = hello(way, output, build, is_timed) => accepted,
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
async fn hello(
    way: Met,
    output: &Output,
    build: &str,
    is_timed: bool,
) -> Result<(Line, UnixStream), StartError> {
    let broken = |error: io::Error| StartError::Protocol(error.to_string());
    let (line, asking) = way.sockets(output).await.map_err(broken)?;
    let line = Line::new(line);
    let ours = Hello {
        version: protocol::VERSION,
        build: build.to_owned(),
    };
    let said = value::encode(&ours).map_err(StartError::Protocol)?;
    let said = protocol::encode(Kind::Hello, 0, &[&said])
        .map_err(|error| StartError::Protocol(error.to_string()))?;
    line.tell(&[&said]).await.map_err(broken)?;
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
        if is_timed {
            let time = protocol::encode(Kind::Time, 0, &[]);
            let time = time.map_err(|error| StartError::Protocol(error.to_string()))?;
            line.tell(&[&time]).await.map_err(broken)?;
        }
        Ok((line, asking))
    } else {
        let text = |hello: Hello| format!("{} (protocol {})", hello.build, hello.version);
        Err(StartError::OtherBuild {
            host: text(ours),
            worker: text(theirs),
        })
    }
}
