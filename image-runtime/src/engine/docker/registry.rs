//! Images of registries, asked for and pulled by the daemon.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::{CreateImageInfo, ImageInspect};
use bollard::query_parameters::{CreateImageOptionsBuilder, RemoveImageOptionsBuilder};
use futures_util::TryStreamExt as _;
use tokio::time::timeout;

use super::Daemon;
use super::error::{optional, said};
use crate::base::oci::credentials::{Credentials, credentials_for};
use crate::base::oci::docker_config;
use crate::base::oci::reference::{Reference, mirror};
use crate::engine::{EngineError, NewLayer};
use crate::secrets::Login;
use crate::spec::ImageConfig;

/// How long a registry may take to tell a digest.
const PATIENCE: Duration = Duration::from_secs(15);

fn sources(reference: &str) -> Vec<Reference> {
    Reference::parse(reference).sources(mirror().as_deref())
}

/// The credentials for a registry, as a daemon takes them: a login is for the reference's own, and not for a mirror.
async fn credentials(
    registry: &str,
    reference: &str,
    login: Option<&Login>,
) -> Option<DockerCredentials> {
    let login = login.filter(|_| Reference::parse(reference).registry == registry);
    let credentials = match login {
        Some(login) => Credentials::of(login, registry),
        None => {
            let folder = docker_config::folder();
            credentials_for(registry, folder.as_deref())
                .await
                .credentials?
        }
    };
    Some(DockerCredentials {
        username: Some(credentials.username),
        password: Some(credentials.password),
        identitytoken: credentials.identity_token,
        serveraddress: Some(credentials.server),
        ..DockerCredentials::default()
    })
}

impl Daemon {
    pub(super) async fn resolve(
        &self,
        reference: &str,
        login: Option<&Login>,
    ) -> Result<String, EngineError> {
        if let Some(digest) = Reference::parse(reference).digest {
            return Ok(digest);
        }
        let mut failed = None;
        for source in sources(reference) {
            let credentials = credentials(&source.registry, reference, login).await;
            let name = source.tagged();
            let asked = self.docker.inspect_registry_image(&name, credentials);
            match timeout(PATIENCE, asked)
                .await
                .unwrap_or(Err(Error::RequestTimeoutError))
            {
                Ok(found) => {
                    if let Some(digest) = found.descriptor.digest {
                        return Ok(digest);
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        let local = optional(
            self.docker
                .inspect_image(&Reference::parse(reference).tagged())
                .await,
        )
        .map_err(self.failed("looking for an image"))?;
        match (local.and_then(|image| image.id), failed) {
            (Some(id), _) => Ok(id),
            (None, Some(error)) => Err(self.not_found(reference, error)),
            (None, None) => Err(EngineError::NoSuchImage {
                reference: reference.to_owned(),
                said: "the registry tells no digest".to_owned(),
            }),
        }
    }

    pub(super) async fn pull(
        self: &Arc<Self>,
        new: &NewLayer,
        reference: &str,
        digest: &str,
        login: Option<&Login>,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<ImageConfig, EngineError> {
        let (image, pulled) = match self.image(digest).await? {
            Some(local) => (local, None),
            None => self.pull_first(reference, digest, login, progress).await?,
        };
        self.adopt(&image, new).await?;
        if let Some(name) = pulled {
            // The layer keeps what it needs; the name was ours alone.
            let options = RemoveImageOptionsBuilder::new().noprune(true).build();
            let _ = self.docker.remove_image(&name, Some(options), None).await;
        }
        Ok(config_of(&image))
    }

    /// Pulls from the first source that has the image. Answers its name where it was not there before.
    async fn pull_first(
        &self,
        reference: &str,
        digest: &str,
        login: Option<&Login>,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<(ImageInspect, Option<String>), EngineError> {
        let mut failed = None;
        for source in sources(reference) {
            let name = source.at(digest);
            if let Some(image) = self.image(&name).await? {
                return Ok((image, None));
            }
            let options = CreateImageOptionsBuilder::new().from_image(&name).build();
            let credentials = credentials(&source.registry, reference, login).await;
            let mut sum = Sum::default();
            let pulled = self
                .docker
                .create_image(Some(options), None, credentials)
                .try_for_each(|info| {
                    sum.add(&info);
                    progress(sum.done(), sum.total());
                    async { Ok(()) }
                })
                .await;
            match pulled {
                Ok(()) => match self.image(&name).await? {
                    Some(image) => return Ok((image, Some(name))),
                    None => continue,
                },
                Err(error) if said(&error).contains("no space left on device") => {
                    return Err(self.failed("pulling an image")(error));
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(match failed {
            Some(error) => self.not_found(reference, error),
            None => EngineError::NoSuchImage {
                reference: reference.to_owned(),
                said: "it was pulled and is gone again".to_owned(),
            },
        })
    }

    async fn image(&self, name: &str) -> Result<Option<ImageInspect>, EngineError> {
        optional(self.docker.inspect_image(name).await).map_err(self.failed("looking for an image"))
    }

    fn not_found(&self, reference: &str, error: Error) -> EngineError {
        let said = said(&error);
        let reference = reference.to_owned();
        match &error {
            Error::RequestTimeoutError => unreachable(reference, said),
            Error::DockerResponseServerError { .. } | Error::DockerStreamError { .. } => {
                if is_unreachable(&said) {
                    unreachable(reference, said)
                } else if is_denied(&said) {
                    EngineError::AccessDenied { reference, said }
                } else {
                    EngineError::NoSuchImage { reference, said }
                }
            }
            _ => self.failed(format!("asking for `{reference}`"))(error),
        }
    }
}

fn unreachable(reference: String, said: String) -> EngineError {
    EngineError::RegistryUnreachable {
        reference,
        by_daemon: true,
        said,
    }
}

/// Whether what a daemon says of a registry means that it wants another login, or any.
fn is_denied(said: &str) -> bool {
    let signs = [
        "unauthorized",
        "denied",
        "authentication required",
        "no basic auth credentials",
    ];
    signs.iter().any(|sign| said.contains(sign))
}

/// Whether what a daemon says of a registry means that it could not be reached or was not able to answer.
fn is_unreachable(said: &str) -> bool {
    let signs = [
        "dial tcp",
        "no such host",
        "lookup ",
        "i/o timeout",
        "Client.Timeout",
        "deadline exceeded",
        "connection re",
        "network is unreachable",
        "TLS handshake",
        "tls: ",
        "x509",
        "EOF",
        "server gave HTTP response",
        "proxyconnect",
        "unexpected HTTP status: 5",
        "toomanyrequests",
        "Service Unavailable",
        "Bad Gateway",
        "server misbehaving",
    ];
    signs.iter().any(|sign| said.contains(sign))
}

fn config_of(image: &ImageInspect) -> ImageConfig {
    let config = image.config.clone().unwrap_or_default();
    ImageConfig {
        env: config
            .env
            .unwrap_or_default()
            .iter()
            .filter_map(|variable| variable.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        workdir: config.working_dir.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        cmd: config.cmd.unwrap_or_default(),
        shell: config.shell.unwrap_or_default(),
    }
}

/// Adds up the downloads of an image's layers.
#[derive(Default)]
struct Sum(HashMap<String, (u64, u64)>);

impl Sum {
    fn add(&mut self, info: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&info.id, info.status.as_deref()) else {
            return;
        };
        let detail = info.progress_detail.as_ref();
        let number = |value: Option<i64>| value.unwrap_or_default().max(0) as u64;
        match status {
            "Downloading" => {
                let done = number(detail.and_then(|detail| detail.current));
                let total = number(detail.and_then(|detail| detail.total));
                self.0.insert(id.clone(), (done, total));
            }
            "Download complete" | "Pull complete" => {
                if let Some((done, total)) = self.0.get_mut(id) {
                    *done = *total;
                }
            }
            _ => {}
        }
    }

    fn done(&self) -> u64 {
        self.0.values().map(|(done, _)| done).sum()
    }

    fn total(&self) -> u64 {
        self.0.values().map(|(_, total)| total).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_is_not_there_is_told_from_a_registry_that_is_not() {
        for said in [
            "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
            "Get \"https://r/v2/\": net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
            "received unexpected HTTP status: 503 Service Unavailable",
            "toomanyrequests: You have reached your pull rate limit",
        ] {
            assert!(is_unreachable(said), "{said}");
        }
        for said in [
            "manifest unknown: manifest unknown",
            "pull access denied for nobody/nothing, repository does not exist",
            "errors:\ndenied: requested access to the resource is denied",
        ] {
            assert!(!is_unreachable(said), "{said}");
        }
    }
}
