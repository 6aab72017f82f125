//! Where a daemon may be: `DOCKER_HOST`, the Docker context, then the sockets that Docker and Podman use.

use std::env;
use std::fmt;
use std::path::PathBuf;

use crate::base::oci::docker_config::{self, read_json};
use crate::digest::Digest;

/// Where a daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// `host:port`, without TLS.
    Tcp(String),
}

impl Address {
    /// Reads an address as `DOCKER_HOST` has it. The error says what may stand there.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("tcp" | "http", host)) if !host.is_empty() => {
                let host = host.trim_end_matches('/');
                let port = if host.contains(':') { "" } else { ":2375" };
                Ok(Self::Tcp(format!("{host}{port}")))
            }
            Some(("ssh", host)) => Err(format!(
                "{KNOWN}; {}",
                by_ssh(host.split('/').next().unwrap_or_default())
            )),
            _ => Err(KNOWN.to_owned()),
        }
    }
}

const KNOWN: &str = "only `unix://`, `tcp://` and `http://` addresses are known";

/// How a daemon of another machine is reached.
pub(super) fn by_ssh(host: &str) -> String {
    format!(
        "`ssh -NL /tmp/docker.sock:/var/run/docker.sock {host}` brings its socket here, and `DOCKER_HOST=unix:///tmp/docker.sock` uses that"
    )
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
        }
    }
}

/// What the environment says about daemons.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// `DOCKER_HOST`.
    pub(super) host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub(super) context: Option<String>,
    /// Docker's own configuration: `DOCKER_CONFIG`, else `~/.docker`.
    pub(super) config: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub(super) runtime: Option<PathBuf>,
    /// `HOME`.
    pub(super) home: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        let text = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let home = text("HOME").map(PathBuf::from);
        Self {
            host: text("DOCKER_HOST"),
            context: text("DOCKER_CONTEXT"),
            config: docker_config::folder(),
            runtime: text("XDG_RUNTIME_DIR").map(PathBuf::from),
            home,
        }
    }

    /// The address that was set on purpose and what set it, if anything did.
    pub(super) fn chosen(&self) -> Result<Option<(String, String)>, ContextError> {
        if let Some(host) = &self.host {
            return Ok(Some((host.clone(), "DOCKER_HOST".to_owned())));
        }
        let Some(name) = self.context_name() else {
            return Ok(None);
        };
        let missing = || ContextError { name: name.clone() };
        let folder = self.config.as_ref().ok_or_else(missing)?;
        let file = folder
            .join("contexts/meta")
            .join(Digest::of(name.as_bytes()).to_string())
            .join("meta.json");
        let host = read_json(&file)
            .and_then(|meta| Some(meta["Endpoints"]["docker"]["Host"].as_str()?.to_owned()))
            .ok_or_else(missing)?;
        Ok(Some((host, format!("the Docker context `{name}`"))))
    }

    fn context_name(&self) -> Option<String> {
        self.context
            .clone()
            .or_else(|| {
                let config = read_json(&self.config.as_ref()?.join("config.json"))?;
                Some(config["currentContext"].as_str()?.to_owned())
            })
            .filter(|name| !name.is_empty() && name != "default")
    }

    /// The sockets to try where nothing was set on purpose, in order.
    pub(super) fn usual(&self) -> Vec<PathBuf> {
        let runtime = |rest| self.runtime.as_ref().map(|folder| folder.join(rest));
        [
            Some(PathBuf::from("/var/run/docker.sock")),
            runtime("docker.sock"),
            self.home
                .as_ref()
                .map(|home| home.join(".docker/run/docker.sock")),
            runtime("podman/podman.sock"),
            Some(PathBuf::from("/run/podman/podman.sock")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// A Docker context is chosen that is not there.
#[derive(Debug, thiserror::Error)]
#[error("there is no Docker context `{name}`")]
pub(super) struct ContextError {
    pub(super) name: String,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn addresses_are_read_as_docker_host_has_them() {
        let unix = Address::parse("unix:///run/x.sock").unwrap();
        assert_eq!(unix, Address::Unix("/run/x.sock".into()));
        let tcp = |text| Address::parse(text).unwrap().to_string();
        assert_eq!(tcp("tcp://10.0.0.1:99"), "tcp://10.0.0.1:99");
        assert_eq!(tcp("http://box/"), "tcp://box:2375");
        for wrong in [
            "ssh://me@box",
            "npipe:////./pipe/x",
            "/var/run/docker.sock",
            "tcp://",
        ] {
            assert!(
                Address::parse(wrong).unwrap_err().contains("`unix://`"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn for_an_address_of_ssh_it_is_said_what_to_do() {
        let error = Address::parse("ssh://me@box/run/docker.sock").unwrap_err();
        assert!(error.contains("docker.sock me@box`"), "{error}");
    }

    fn with_context(name: &str, host: &str) -> (tempfile::TempDir, Surroundings) {
        let folder = tempfile::tempdir().unwrap();
        let meta = folder
            .path()
            .join("contexts/meta")
            .join(Digest::of(name.as_bytes()).to_string());
        fs::create_dir_all(&meta).unwrap();
        let text = serde_json::json!({ "Name": name, "Endpoints": { "docker": { "Host": host } } });
        fs::write(meta.join("meta.json"), text.to_string()).unwrap();
        let config = Some(folder.path().to_owned());
        (
            folder,
            Surroundings {
                config,
                ..Surroundings::default()
            },
        )
    }

    #[test]
    fn the_current_context_of_docker_is_used() {
        let (folder, surroundings) = with_context("far", "tcp://far:2375");
        assert!(surroundings.chosen().unwrap().is_none());
        fs::write(
            folder.path().join("config.json"),
            r#"{"currentContext":"far"}"#,
        )
        .unwrap();
        assert_eq!(surroundings.chosen().unwrap().unwrap().0, "tcp://far:2375");
    }

    #[test]
    fn docker_host_goes_before_docker_context_and_that_before_the_configuration() {
        let (folder, mut surroundings) = with_context("far", "tcp://far:2375");
        fs::write(
            folder.path().join("config.json"),
            r#"{"currentContext":"gone"}"#,
        )
        .unwrap();
        assert_eq!(surroundings.chosen().unwrap_err().name, "gone");
        surroundings.context = Some("far".to_owned());
        assert_eq!(surroundings.chosen().unwrap().unwrap().0, "tcp://far:2375");
        surroundings.context = Some("default".to_owned());
        assert!(surroundings.chosen().unwrap().is_none());
        surroundings.host = Some("unix:///x".to_owned());
        assert_eq!(surroundings.chosen().unwrap().unwrap().0, "unix:///x");
    }
}
