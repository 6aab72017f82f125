//! Finds the daemon that answers. One small request tells what it is: some ten-thousandths of a second on a socket.

use std::io;
use std::time::Duration;

use bollard::{ClientVersion, Docker};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::address::{Address, Surroundings, by_ssh};
use super::elsewhere::Elsewhere;
use super::{Daemon, ENGINE};
use crate::engine::EngineError;

/// How long a daemon may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one answer may take: storing a big layer is one request.
const ANSWER_SECONDS: u64 = 3600;

/// The oldest API that has all we need: Docker 19.03.
const OLDEST_API: (usize, usize) = (1, 40);

const HOW_TO_START: &str =
    "start it with `sudo systemctl start docker`, or set `DOCKER_HOST` to where it listens";

/// What answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// `Docker` or `Libpod`.
    pub(super) product: String,
    /// Its version.
    pub(super) version: String,
    /// Its API version.
    pub(super) api: (usize, usize),
}

/// Connects to the daemon that was set on purpose, else to the first that answers.
pub(super) async fn connect(surroundings: &Surroundings) -> Result<Daemon, EngineError> {
    let chosen = surroundings
        .chosen()
        .map_err(|error| EngineError::Unreachable {
            engine: ENGINE,
            address: format!("the Docker context `{}`", error.name),
            reason: error.to_string(),
            help:
                "`docker context ls` shows those there are; `docker context use default` takes none"
                    .to_owned(),
        })?;
    if let Some((text, by)) = chosen {
        let address = Address::parse(&text).map_err(|reason| EngineError::Unreachable {
            engine: ENGINE,
            address: text,
            reason,
            help: format!("it comes from {by}"),
        })?;
        return open(&address).await;
    }
    let usual = surroundings.usual();
    let mut failed = None;
    for socket in usual.iter().filter(|socket| socket.exists()) {
        match open(&Address::Unix(socket.clone())).await {
            Ok(daemon) => return Ok(daemon),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Err(failed.unwrap_or_else(|| {
        let places: Vec<_> = usual
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        EngineError::Unreachable {
            engine: ENGINE,
            address: places.join(", "),
            reason: "no socket is there".to_owned(),
            help: HOW_TO_START.to_owned(),
        }
    }))
}

async fn open(address: &Address) -> Result<Daemon, EngineError> {
    let ping = async {
        match address {
            Address::Unix(path) => ask(UnixStream::connect(path).await?).await,
            Address::Tcp(host) => ask(TcpStream::connect(host).await?).await,
        }
    };
    let server = timeout(PATIENCE, ping)
        .await
        .unwrap_or_else(|_| Err(io::Error::other("it does not answer")))
        .map_err(|error| unreachable(address, &error))?;
    if server.api < OLDEST_API {
        return Err(too_old(&server));
    }
    let version = ClientVersion {
        major_version: server.api.0,
        minor_version: server.api.1,
    };
    let docker = match address {
        Address::Unix(path) => {
            Docker::connect_with_unix(&path.to_string_lossy(), ANSWER_SECONDS, &version)
        }
        Address::Tcp(host) => Docker::connect_with_http(host, ANSWER_SECONDS, &version),
    }
    .map_err(|error| unreachable(address, &io::Error::other(error)))?;
    Ok(Daemon {
        docker,
        address: address.to_string(),
        server,
        elsewhere: Elsewhere::default(),
    })
}

fn unreachable(address: &Address, error: &io::Error) -> EngineError {
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "add yourself to the group of the socket (`sudo usermod -aG docker $USER`, then log in again), \
             or use rootless Docker"
        }
        _ => HOW_TO_START,
    };
    EngineError::Unreachable {
        engine: ENGINE,
        address: address.to_string(),
        reason: error.to_string(),
        help: help.to_owned(),
    }
}

fn too_old(server: &Server) -> EngineError {
    let spoken = |(major, minor)| format!("{major}.{minor}");
    EngineError::Unsupported {
        product: server.product.clone(),
        version: server.version.clone(),
        reason: format!(
            "it speaks API {}, and {} is needed",
            spoken(server.api),
            spoken(OLDEST_API)
        ),
        help: "Docker 19.03 or Podman 3 and all later versions can be used".to_owned(),
    }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<Server> {
    let request = b"HEAD /_ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = String::new();
    stream.take(16 * 1024).read_to_string(&mut answer).await?;
    // As servers written in Go say it.
    if answer.contains("HTTP request to an HTTPS server") {
        let instead = by_ssh("HOST");
        return Err(io::Error::other(format!(
            "it wants TLS, which is not supported; {instead}"
        )));
    }
    read_answer(&answer).ok_or_else(|| io::Error::other("what answers is not Docker or Podman"))
}

/// Every answer has the headers we want, also the refusal of a daemon that is too old to know the request.
fn read_answer(answer: &str) -> Option<Server> {
    let header = |name: &str| {
        answer.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let (major, minor) = header("Api-Version")?.split_once('.')?;
    let server = header("Server").unwrap_or_default();
    let (product, version) = server
        .split_once('/')
        .unwrap_or(("Docker", "of unknown version"));
    Some(Server {
        product: product.to_owned(),
        version: version.split(' ').next().unwrap_or_default().to_owned(),
        api: (major.parse().ok()?, minor.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_ping_tells_product_and_api() {
        let answer =
            "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24+dfsg1 (linux)\r\n\r\n";
        let server = read_answer(answer).unwrap();
        assert_eq!((server.product.as_str(), server.api), ("Docker", (1, 41)));
        assert_eq!(server.version, "20.10.24+dfsg1");
        assert_eq!(
            read_answer("HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n"),
            None
        );
    }
}
