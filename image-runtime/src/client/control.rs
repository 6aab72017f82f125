//! How a program is asked from outside what containers it has, and to end some: over a socket in a folder of its own in the store. It is
//! there once the program has had a container for a moment; whoever asks finds all programs of a store by their sockets.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::{join, join_all};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::future::runtime;
use super::pool::Leaving;
use super::supervisor::{Role, dismiss_all};
use super::{CallError, Host};
use crate::engine::is_running;
use crate::store::{RunDir, Store, socket_in};
use crate::worker::{Member, Stop, short_name};

/// The socket's name.
const SOCKET: &str = "control";

/// Programs that are done sooner have no socket: nothing is added to the start of a container.
const SETTLED: Duration = Duration::from_millis(50);

/// How long the other side may take to say what it wants, or to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long containers may take to end.
const ENDING: Duration = Duration::from_secs(30);

/// How long a program that is ending may take to be gone.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// More is said by nobody.
const LONGEST: u64 = 16 << 20;

/// What a program is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// What containers it has.
    List,
    /// To end some; answered with these.
    Stop {
        /// Which.
        which: Which,
        /// Who wants that.
        by: String,
    },
}

/// Which containers are meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Which {
    /// All of them.
    All,
    /// Those of a function, a class, or an app that is deployed; or the one of that name.
    Named(String),
}

/// What a program answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Its containers, or those that it has ended.
    pub(crate) containers: Vec<Shown>,
    /// How many calls it has cancelled that had not begun.
    pub(crate) cancelled: usize,
    /// The app that is deployed as this program, or was until now.
    pub(crate) deployed: Option<(String, u32)>,
}

/// A container, as it is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// What tells it apart.
    pub(crate) container: String,
    /// The function that it serves or served last; nothing where it serves none.
    pub(crate) function: Option<String>,
    /// What it was started for.
    pub(crate) purpose: String,
    /// Its image, where it has a name.
    pub(crate) image: Option<String>,
    /// `idle` or `busy`
    pub(crate) state: String,
    /// Seconds since 1970.
    pub(crate) since: u64,
    /// Bytes of memory that it may use.
    pub(crate) memory: Option<u64>,
    /// CPUs that it may use.
    pub(crate) cpu: Option<f64>,
    /// The program that started it.
    pub(crate) program: String,
    /// That program's number.
    pub(crate) pid: u32,
}

/// Lets others ask this program: as soon as it has a container, or at once where that is all it is there for.
pub(super) fn offer(host: &Arc<Host>) {
    let host = Arc::clone(host);
    runtime().spawn(async move {
        if host.keeps_for().is_none() {
            host.launcher.roster.has_begun().await;
            tokio::time::sleep(SETTLED).await;
        }
        // Without a socket nobody sees this program; its calls go on.
        if let Ok((listener, folder)) = listen(&host.store) {
            serve(host, listener, folder).await;
        }
    });
}

fn listen(store: &Store) -> io::Result<(UnixListener, RunDir)> {
    let folder = store.run_dir().map_err(io::Error::other)?;
    let listener = socket_in(folder.path(), SOCKET, |path| UnixListener::bind(path))?;
    Ok((listener, folder))
}

async fn serve(host: Arc<Host>, listener: UnixListener, _folder: RunDir) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let host = Arc::clone(&host);
                // Whoever does not listen gets no answer.
                runtime().spawn(async move { answer(&host, stream).await.ok() });
            }
            // Too many open files, perhaps; that may pass.
            Err(_) => tokio::time::sleep(SETTLED).await,
        }
    }
}

async fn answer(host: &Host, mut stream: UnixStream) -> io::Result<()> {
    let request = timeout(PATIENCE, heard(&mut stream)).await??;
    let members = host.launcher.roster.members();
    match serde_json::from_slice(&request)? {
        Request::List => {
            let answer = Answer {
                containers: shown(host, &members),
                cancelled: 0,
                deployed: deployed(host),
            };
            say(&mut stream, &answer).await
        }
        Request::Stop { which, by } => stop(host, &mut stream, members, &which, by).await,
    }
}

async fn say(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    stream.write_all(&serde_json::to_vec(answer)?).await
}

/// The app that is deployed as this program, and its number.
fn deployed(host: &Host) -> Option<(String, u32)> {
    let app = host.keeps_for()?.app()?;
    Some((app.to_owned(), std::process::id()))
}

async fn heard(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(LONGEST).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Ends containers. What that will be is said first: this program may end with its calls. It is done when the stream ends.
async fn stop(
    host: &Host,
    stream: &mut UnixStream,
    mut members: Vec<Arc<Member>>,
    which: &Which,
    by: String,
) -> io::Result<()> {
    let app = host.keeps_for().and_then(Role::app);
    members.retain(|member| which.means(member, app));
    // One that is named by itself is ended alone; what waits goes to others.
    let is_one = |name: &String| members.iter().any(|member| is_container(member, name));
    let everywhere = !matches!(which, Which::Named(name) if is_one(name));
    let is_meant = |function: &str| match which {
        Which::All => true,
        Which::Named(name) => everywhere && (is_of(function, name) || app == Some(name)),
    };
    // Taken before containers end, lest they begin in others.
    let waiting = host.pools.take_waiting(is_meant);
    let ends = match which {
        Which::All => host.keeps_for().is_some(),
        Which::Named(name) => host.keeps_for().and_then(Role::app) == Some(name),
    };
    let answer = Answer {
        containers: shown(host, &members),
        cancelled: waiting.len(),
        deployed: deployed(host).filter(|_| ends),
    };
    let told = say(stream, &answer).await;
    for job in waiting {
        let error = CallError::stopped(job.name(), &by);
        job.end(Err(error));
    }
    let is_stopped = |idle: &Arc<Member>| members.iter().any(|member| Arc::ptr_eq(member, idle));
    let leaving = host.pools.take_leaving(is_stopped);
    members.retain(|member| !leaving.iter().any(|leaving| leaving.is(member)));
    let stop = Stop {
        by: by.clone(),
        everywhere,
    };
    // An engine that fails says so to whoever the container belongs to.
    let ending = members.iter().map(|member| member.end(stop.clone()));
    let leaving = leaving.into_iter().map(Leaving::leave);
    join(join_all(ending), join_all(leaving)).await;
    if ends {
        dismiss_all(&by).await;
        std::process::exit(0);
    }
    told
}

impl Which {
    /// Whether a container of an app is meant, where that is deployed.
    fn means(&self, member: &Member, app: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Named(name) if app == Some(name) => true,
            Self::Named(name) => {
                let function = member.doing().function.or(called(member));
                is_container(member, name)
                    || function.is_some_and(|function| is_of(function, name))
                    || called(member).is_some_and(|function| is_of(function, name))
            }
        }
    }
}

/// Whether a function is the one that is meant, or a method of the class that is.
pub(crate) fn is_of(function: &str, meant: &str) -> bool {
    let rest = function.strip_prefix(meant);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn is_container(member: &Member, name: &str) -> bool {
    member.name() == name || short_name(member.name()) == name
}

/// The function or the class that a container was started for.
fn called(member: &Member) -> Option<&str> {
    member.purpose.strip_prefix("call ")
}

fn shown(host: &Host, members: &[Arc<Member>]) -> Vec<Shown> {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default();
    let show = |member: &Arc<Member>| {
        let doing = member.doing();
        let function = doing.function.or(called(member));
        let since = member.since.duration_since(SystemTime::UNIX_EPOCH);
        Shown {
            container: short_name(member.name()).to_owned(),
            function: function.map(str::to_owned),
            purpose: member.purpose.clone(),
            // Images that differ in no layer are told apart by what runs in them.
            image: function
                .and_then(|function| host.image_name_of(function))
                .or_else(|| host.builder.name_of(&member.layer)),
            state: if doing.is_idle { "idle" } else { "busy" }.to_owned(),
            since: since.map_or(0, |since| since.as_secs()),
            memory: member.limits.memory,
            cpu: member.limits.cpus,
            program: program.to_string_lossy().into_owned(),
            pid: std::process::id(),
        }
    };
    members.iter().map(show).collect()
}

/// Asks all programs that have containers on a store. Those that have ended meanwhile have none; of the others that cannot be asked, their
/// numbers are answered beside.
pub(crate) async fn ask_all(store: &Store, request: &Request) -> (Vec<Answer>, Vec<i32>) {
    let limit = match request {
        Request::List => PATIENCE,
        Request::Stop { .. } => ENDING,
    };
    let request = serde_json::to_vec(request).expect("requests have string keys");
    let sockets = store.sockets(SOCKET);
    let asked = sockets.iter().map(|socket| ask(socket, &request, limit));
    let (mut answers, mut silent) = (Vec::new(), Vec::new());
    for asked in join_all(asked).await {
        match asked {
            Ok(answer) => answers.push(answer),
            Err(pid) => silent.extend(pid),
        }
    }
    (answers, silent)
}

/// Asks one program. One that lives and does not answer is an error, with its number.
async fn ask(socket: &Path, request: &[u8], limit: Duration) -> Result<Answer, Option<i32>> {
    let folder = socket.parent().ok_or(None)?;
    let connect = socket_in(folder, SOCKET, |path| {
        std::os::unix::net::UnixStream::connect(path)
    });
    let connected = connect.and_then(|stream| {
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    });
    let mut stream = connected.map_err(|_| None)?;
    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
    let exchange = async {
        stream.write_all(request).await?;
        stream.shutdown().await?;
        let answer = heard(&mut stream).await?;
        Ok::<_, io::Error>(serde_json::from_slice(&answer)?)
    };
    match timeout(limit, exchange).await {
        Ok(Ok(answer)) => Ok(answer),
        // It was about to end: its sockets are closed before it is gone.
        Ok(Err(_)) => match pid {
            Some(pid) if !ends(pid).await => Err(Some(pid)),
            _ => Err(None),
        },
        Err(_) => Err(pid),
    }
}

/// Whether a process that does not answer any more is gone in a moment.
async fn ends(pid: i32) -> bool {
    let gone = async {
        while u32::try_from(pid).is_ok_and(is_running) {
            tokio::time::sleep(SETTLED).await;
        }
    };
    timeout(LAST_MOMENT, gone).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::ends;

    #[tokio::test]
    async fn a_program_that_ends_is_told_from_one_that_goes_on() {
        let mut child = std::process::Command::new("sleep")
            .arg("0.2")
            .spawn()
            .unwrap();
        assert!(ends(i32::try_from(child.id()).unwrap()).await);
        child.wait().unwrap();
        assert!(!ends(i32::try_from(std::process::id()).unwrap()).await);
    }
}
