//! The supervisor itself.

use std::io::{self, Write as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::super::future::runtime;
use super::super::gateway::{self, heard};
use super::super::job::Wishes;
use super::super::{CallError, CallErrorKind, Callee, Host, chain};
use super::{Greeting, Role};
use crate::event::Event;
use crate::protocol::{self, Kind, value};
use crate::store::{RunDir, socket_in};
use crate::worker::Incoming;

/// Set in this process, and nowhere else: which kind of supervisor it is.
pub(super) const VARIABLE: &str = "IMAGE_RUNTIME_SUPERVISOR";

/// How long one that tests share stays without any of them.
const UNUSED: Duration = Duration::from_secs(5);

/// How long others may take to say hello.
const PATIENCE: Duration = Duration::from_secs(5);

/// What it says once it can be called.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(super) pid: u32,
    pub(super) socket: PathBuf,
}

/// Whether this process is a supervisor.
pub(crate) fn is_supervisor() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Keeps containers until nobody needs them any more, and ends the process.
pub(crate) fn keep(role: Role) -> ! {
    // No key of a terminal reaches it. Where it leads its session already, there is nothing to leave.
    let _ = rustix::process::setsid();
    let done = runtime().block_on(async {
        tokio::select! {
            done = serve(role, say_ready) => done,
            () = ended_by_signal() => Ok(()),
        }
    });
    if let Err(error) = done {
        let _ = say(&Err::<Ready, _>(error.to_string()));
        std::process::exit(1);
    }
    std::process::exit(0);
}

fn say_ready(ready: &Ready) -> io::Result<()> {
    say(&Ok::<_, String>(ready))?;
    // Whoever started it reads no more.
    let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(nowhere)?)
}

fn say(word: &impl Serialize) -> io::Result<()> {
    let word = serde_json::to_string(word).map_err(io::Error::other)?;
    // The harness of tests has begun a line.
    writeln!(io::stdout(), "\n{word}")
}

async fn ended_by_signal() {
    let one = |kind| async move {
        match signal(kind) {
            Ok(mut signals) => signals.recv().await.map_or((), drop),
            // The signal then ends the process by itself.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = one(SignalKind::interrupt()) => {}
        () = one(SignalKind::terminate()) => {}
    }
}

/// Serves whoever comes, until nobody is left who may.
pub(super) async fn serve(
    role: Role,
    ready: impl FnOnce(&Ready) -> io::Result<()>,
) -> Result<(), CallError> {
    let engine =
        |error: &dyn std::error::Error| CallError::new(CallErrorKind::Engine, chain(error));
    let host = Host::get().await?;
    // The file of this executable may be another one soon.
    host.launcher
        .prepare()
        .await
        .map_err(|error| CallError::start(&error))?;
    if let Role::Deployed(_) = role {
        begin_all(&host).await?;
    }
    let name = role.socket();
    let folder = host.store.run_dir().map_err(|error| engine(&error))?;
    let listener = listen(&folder, &name).map_err(|error| engine(&error))?;
    let word = Ready {
        pid: std::process::id(),
        socket: folder.path().join(&name),
    };
    ready(&word).map_err(|error| engine(&error))?;
    let guests = Arc::<Guests>::default();
    let is_shared = role == Role::Shared;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => Guests::receive(&guests, role, stream),
                // Too many open files, perhaps; that may pass.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            () = guests.leave.notified() => {
                if let Role::Deployed(app) = role {
                    let text = format!(
                        "another process keeps `{app}` running now: this one ends when its calls have"
                    );
                    host.events.tell(Event::Notice { text });
                }
                break;
            }
            () = guests.have_gone(UNUSED), if is_shared => break,
        }
    }
    // Whoever comes now looks for another; those that are there are served to their end.
    let _ = std::fs::remove_file(&word.socket);
    drop(listener);
    guests.have_gone(Duration::ZERO).await;
    Ok(())
}

/// Starts the containers that are to be there without a call.
async fn begin_all(host: &Host) -> Result<(), CallError> {
    for function in host.functions() {
        // The arguments of a class are not known before it is called. What has no secrets cannot be, which whoever deploys it is told.
        if function.class.is_none()
            && host.has_secrets_of(function)
            && host.options_of(function).min_containers > Some(0)
        {
            let target = host
                .target(&Callee::from(function), Wishes::default())
                .await?;
            target.pool.begin();
        }
    }
    Ok(())
}

fn listen(folder: &RunDir, name: &str) -> io::Result<UnixListener> {
    let listener = socket_in(folder.path(), name, |path| StdListener::bind(path))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Those that are served.
#[derive(Default)]
struct Guests {
    count: AtomicUsize,
    changed: Notify,
    /// Rung when another takes the place of this process.
    leave: Notify,
}

/// One of them, for as long as it is there.
struct Guest(Arc<Guests>);

impl Guests {
    fn receive(this: &Arc<Self>, role: Role, stream: UnixStream) {
        this.count.fetch_add(1, Ordering::Relaxed);
        this.changed.notify_one();
        let guest = Guest(Arc::clone(this));
        runtime().spawn(async move { guest.serve(role, stream).await });
    }

    /// Waits until there has been nobody for so long.
    async fn have_gone(&self, long: Duration) {
        loop {
            let is_alone = self.count.load(Ordering::Relaxed) == 0;
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(long), if is_alone => return,
            }
        }
    }
}

impl Guest {
    async fn serve(&self, role: Role, stream: UnixStream) -> Option<()> {
        let (mut hearing, saying) = stream.into_split();
        let (mut incoming, mut chunk) = (Incoming::default(), vec![0; 4096]);
        let greeting = heard(&mut hearing, &mut incoming, &mut chunk);
        let (header, body) = timeout(PATIENCE, greeting).await.ok()??.pop()?;
        let theirs: Greeting =
            (header.kind == Kind::Hello).then(|| value::decode(&body).ok())??;
        let ours = role.greeting();
        let said = protocol::encode(Kind::Hello, 0, &[&value::encode(&ours).ok()?]).ok()?;
        saying.as_ref().writable().await.ok()?;
        saying
            .try_write(&said)
            .ok()
            .filter(|count| *count == said.len())?;
        let stream = hearing.reunite(saying).ok()?;
        let is_unwanted = match theirs == ours {
            true => gateway::serve_process(stream).await,
            // Another build calls nothing here.
            false => {
                let (mut hearing, _saying) = stream.into_split();
                let said = heard(&mut hearing, &mut incoming, &mut chunk).await?;
                said.iter().any(|(header, _)| header.kind == Kind::Leave)
            }
        };
        if is_unwanted {
            self.0.leave.notify_one();
        }
        Some(())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}
