//! The side of those who call: where the supervisor is, if there is one, and how one is started.

use std::io::{self, BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::super::host::Supervised;
use super::super::outside::{Maker, Outside};
use super::super::{CallError, CallErrorKind, Host, chain};
use super::keep::{Ready, VARIABLE, serve};
use super::{Greeting, Role};
use crate::event::Event;
use crate::protocol::{self, Kind, value};
use crate::spec::FunctionSpec;
use crate::store::{Lock, Store, socket_in};
use crate::worker::{Asking, read_frame};

/// How long a supervisor may take to say hello.
const PATIENCE: Duration = Duration::from_secs(5);

/// What this process knows of its supervisor.
enum Known {
    Nothing,
    /// There was none when the first call was made.
    Nobody,
    Somebody(Arc<Outside>),
}

static KNOWN: Mutex<Known> = Mutex::new(Known::Nothing);

/// Held while it is looked for: of calls that are made at the same time, one looks.
static LOOKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A program that keeps its functions running.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) pid: u32,
    pub(crate) socket: PathBuf,
    /// Those whose place it takes. They end when nobody calls them any more.
    pub(crate) replaced: Vec<i32>,
}

/// The supervisor that keeps the functions of this process, where there is one, for a call of a function. It is looked for when the first is
/// made.
pub(in super::super) async fn find(
    function: &FunctionSpec,
) -> Result<Option<Arc<Outside>>, CallError> {
    if matches!(*known(), Known::Nobody) {
        return Ok(None);
    }
    let Some(supervised) = Host::supervised() else {
        *known() = Known::Nobody;
        return Ok(None);
    };
    if supervised.role == Role::Shared {
        // It has nobody to whom it could say how far that is.
        let host = Host::get().await?;
        host.build(host.image_of(function)).await?;
    }
    if let Some(there) = there() {
        return Ok(Some(there));
    }
    let _looking = LOOKING.lock().await;
    match there() {
        Some(there) => Ok(Some(there)),
        None => look_for(supervised).await,
    }
}

/// The supervisor that was found, if it still makes calls.
fn there() -> Option<Arc<Outside>> {
    match &*known() {
        Known::Somebody(outside) if !outside.is_broken() => Some(Arc::clone(outside)),
        _ => None,
    }
}

async fn look_for(supervised: Supervised) -> Result<Option<Arc<Outside>>, CallError> {
    let Supervised {
        role,
        events,
        arguments,
    } = supervised;
    let found = match role {
        Role::Deployed(app) => {
            let (found, others) = look(role);
            for pid in &others {
                let text =
                    format!("calls run here: `{app}` is deployed as another build (process {pid})");
                events.tell(Event::Notice { text });
            }
            if let Some(found) = &found {
                let text = format!(
                    "calls go to `{app}`, which is deployed (process {})",
                    found.pid
                );
                events.tell(Event::Notice { text });
            }
            found
        }
        Role::Shared => shared(&arguments).await?,
    };
    let mut known = known();
    let Some(found) = found else {
        *known = Known::Nobody;
        return Ok(None);
    };
    let outside = Outside::open(
        Arc::new(Asking::new(found.stream)),
        events,
        Maker::Supervisor,
    );
    *known = Known::Somebody(Arc::clone(&outside));
    Ok(Some(outside))
}

/// Has the functions of this app run until they are ended, and replaces what was deployed of it before.
pub(crate) async fn deploy(app: &'static str) -> Result<Deployed, CallError> {
    let role = Role::Deployed(app);
    let _replacing = alone(role).await?;
    let before = connections(role);
    let ready = start(role, &[]).await?;
    Ok(Deployed {
        pid: ready.pid,
        socket: ready.socket,
        replaced: replace(before),
    })
}

/// A program that keeps its functions running here.
#[derive(Debug, Serialize)]
pub(crate) struct Serving {
    #[serde(flatten)]
    ready: Ready,
    /// Those whose place it takes.
    pub(crate) replaced: Vec<i32>,
}

/// Keeps the functions of this app running in this process, in place of what kept them before, until another takes its place. Says when they
/// can be called.
pub(crate) async fn serve_here(
    app: &'static str,
    told: impl FnOnce(&Serving),
) -> Result<(), CallError> {
    let role = Role::Deployed(app);
    let replacing = alone(role).await?;
    let before = connections(role);
    serve(role, |ready| {
        let replaced = replace(before);
        drop(replacing);
        told(&Serving {
            ready: ready.clone(),
            replaced,
        });
        Ok(())
    })
    .await
}

/// Tells those that keep the functions of an app that another does now. They end when nobody calls them any more.
fn replace(before: Vec<Connection>) -> Vec<i32> {
    let told = before.into_iter().filter_map(|connection| {
        let leave = protocol::encode(Kind::Leave, 0, &[]).ok()?;
        io::Write::write_all(&mut &connection.stream, &leave).ok()?;
        Some(connection.pid)
    });
    told.collect()
}

/// The supervisor that tests of this build share; started where there is none yet. Nothing where that has other surroundings.
async fn shared(arguments: &[String]) -> Result<Option<Connection>, CallError> {
    let role = Role::Shared;
    if let (Some(found), _) = look(role) {
        return Ok(Some(found));
    }
    let _starting = alone(role).await?;
    match look(role) {
        (None, others) if others.is_empty() => {
            start(role, arguments).await?;
            Ok(look(role).0)
        }
        (found, _) => Ok(found),
    }
}

/// Of those that start a supervisor of the same kind, one at a time does; each finds the one before.
async fn alone(role: Role) -> Result<Lock, CallError> {
    let locks = Host::get().await?.store.locks();
    let alone = locks.lock(&role.socket(), || {}).await;
    alone.map_err(|error| CallError::new(CallErrorKind::Engine, chain(&error)))
}

/// A supervisor that said hello.
struct Connection {
    stream: UnixStream,
    pid: i32,
    /// Whether it is of this build, with these surroundings.
    is_ours: bool,
}

/// The supervisor of this build, and the processes of others.
fn look(role: Role) -> (Option<Connection>, Vec<i32>) {
    let (ours, others): (Vec<_>, Vec<_>) = connections(role)
        .into_iter()
        .partition(|connection| connection.is_ours);
    let others = others.iter().map(|connection| connection.pid).collect();
    (ours.into_iter().next(), others)
}

fn connections(role: Role) -> Vec<Connection> {
    let name = role.socket();
    let sockets = Store::existing().map_or_else(Vec::new, |store| store.sockets(&name));
    if sockets.is_empty() {
        return Vec::new();
    }
    // To find that out takes longer than to see that nobody is there.
    let greeting = role.greeting();
    let folders = sockets.iter().filter_map(|socket| socket.parent());
    // Those that do not answer have just ended, or are about to.
    folders
        .filter_map(|folder| connect(folder, &name, &greeting).ok())
        .collect()
}

fn connect(folder: &Path, name: &str, greeting: &Greeting) -> io::Result<Connection> {
    let stream = socket_in(folder, name, |path| UnixStream::connect(path))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let said = value::encode(greeting).map_err(io::Error::other)?;
    let said = protocol::encode(Kind::Hello, 0, &[&said]).map_err(io::Error::other)?;
    io::Write::write_all(&mut &stream, &said)?;
    let Some((header, body)) = read_frame(&mut &stream)? else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    if header.kind != Kind::Hello {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let theirs: Greeting = value::decode(&body).map_err(io::Error::other)?;
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    let peer = rustix::net::sockopt::socket_peercred(&stream)?;
    Ok(Connection {
        stream,
        pid: peer.pid.as_raw_nonzero().get(),
        is_ours: theirs == *greeting,
    })
}

/// Starts a supervisor, and waits until it can be called.
async fn start(role: Role, arguments: &[String]) -> Result<Ready, CallError> {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(std::env::args_os().next().unwrap_or_default())
        .args(arguments)
        .env(VARIABLE, role.word())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let failed = |reason: &str| {
        let text = format!(
            "the supervisor, which is this program once more in the background, cannot be started: {reason}\n  help: {}",
            match role {
                Role::Deployed(_) =>
                    "`serve` does the same in the foreground, and shows what goes wrong",
                Role::Shared => "`cargo test` does without one: there tests are one process",
            }
        );
        CallError::new(CallErrorKind::Engine, text)
    };
    let ready = tokio::task::spawn_blocking(move || -> io::Result<Result<Ready, String>> {
        let mut child = command.spawn()?;
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        for line in said.lines() {
            // The harness of tests says something before.
            if let Ok(ready) = serde_json::from_str(&line?) {
                return Ok(ready);
            }
        }
        let end = child.wait()?;
        Ok(Err(format!("it ended before it was ready, with {end}")))
    });
    match ready.await.expect("starting it does not panic") {
        Ok(Ok(ready)) => Ok(ready),
        Ok(Err(reason)) => Err(failed(&reason)),
        Err(error) => Err(failed(&error.to_string())),
    }
}

/// No holder of this lock can panic half-way.
fn known() -> std::sync::MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}
