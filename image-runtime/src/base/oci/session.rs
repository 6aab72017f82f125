//! Requests to one repository of a registry, with the login that it asks for.

use std::path::PathBuf;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use tokio::sync::Mutex;

use super::challenge::{Challenge, challenges};
use super::credentials::{Credentials, Found, credentials_for};
use super::failure::Failure;
use super::login;
use super::manifest::{DOCUMENT_LIMIT, accepted, sha256};
use super::place::Place;
use crate::base::download::{DownloadError, Transport};
use crate::digest::Digest;
use crate::secrets::Login;

/// The most bytes that are read of an answer that is an error.
pub(super) const ERROR_LIMIT: u64 = 64 * 1024;

/// What a session does with its repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Pull,
    Push,
}

/// Requests to one repository.
#[derive(Debug)]
pub(super) struct Session {
    http: reqwest::Client,
    place: Place,
    access: Access,
    docker_config: Option<PathBuf>,
    /// Whether the credentials are of a secret.
    given: bool,
    state: Mutex<State>,
}

/// What is known of the login. The lock is held while one is under way, so that requests of the same time share it.
#[derive(Debug, Default)]
struct State {
    /// What the registry was last told. Its `Debug` hides it.
    header: Option<HeaderValue>,
    /// The user's credentials, once they were looked for.
    found: Option<Found>,
}

impl Session {
    pub(super) fn new(
        http: reqwest::Client,
        place: Place,
        docker_config: Option<PathBuf>,
        access: Access,
    ) -> Self {
        Self {
            http,
            place,
            access,
            docker_config,
            given: false,
            state: Mutex::default(),
        }
    }

    /// Tells the registry of a login, where there is one.
    pub(super) fn logged_in(self, login: Option<&Login>) -> Self {
        let Some(login) = login else { return self };
        let credentials = Some(Credentials::of(login, &self.place.registry));
        let found = Found {
            credentials,
            problem: None,
        };
        let state = State {
            header: None,
            found: Some(found),
        };
        Self {
            given: true,
            state: Mutex::new(state),
            ..self
        }
    }

    /// The address of a blob.
    pub(super) fn blob(&self, digest: &Digest) -> String {
        format!("{}/blobs/sha256:{digest}", self.place.url)
    }

    /// Where uploads of blobs begin.
    pub(super) fn uploads(&self) -> String {
        format!("{}/blobs/uploads/", self.place.url)
    }

    /// The address of a manifest.
    pub(super) fn manifest(&self, name: &str) -> String {
        format!("{}/manifests/{name}", self.place.url)
    }

    /// Whether an address is one of the registry.
    pub(super) fn is_at(&self, url: &reqwest::Url) -> bool {
        reqwest::Url::parse(&self.place.url).is_ok_and(|own| own.origin() == url.origin())
    }

    /// A request, for [`Session::send`].
    pub(super) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// The digest of what a tag names.
    pub(super) async fn digest(&self, tag: &str) -> Result<String, Failure> {
        let response = self.ask(Method::HEAD, tag).await?;
        if response.status().is_success()
            && let Some(digest) = response.headers().get("docker-content-digest")
            && let Ok(digest) = digest.to_str()
            && sha256(digest).is_ok()
        {
            return Ok(digest.to_owned());
        }
        // A second look: it gives the reason where there is one, and the bytes to hash where the registry tells no digest.
        let manifest = self.document(tag).await?;
        Ok(format!("sha256:{}", Digest::of(&manifest)))
    }

    /// The manifest or index that a tag or a digest names.
    pub(super) async fn document(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let response = self.ask(Method::GET, name).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(read(response, DOCUMENT_LIMIT).await?);
        }
        let body = read(response, ERROR_LIMIT).await.unwrap_or_default();
        Err(Failure::answered(status, &body))
    }

    async fn ask(&self, method: Method, name: &str) -> Result<Response, DownloadError> {
        let url = self.manifest(name);
        let request = || {
            self.request(method.clone(), &url)
                .header(ACCEPT, accepted())
        };
        self.send(&request, &url).await
    }

    /// Sends a request, and once more with a login where the registry wants one. Any answer is good.
    pub(super) async fn send(
        &self,
        request: &(dyn Fn() -> RequestBuilder + Send + Sync),
        url: &str,
    ) -> Result<Response, DownloadError> {
        let once = async |header: Option<&HeaderValue>| {
            let mut request = request();
            if let Some(header) = header {
                request = request.header(AUTHORIZATION, header.clone());
            }
            let sent = request.send().await;
            sent.map_err(|source| DownloadError::unreachable(url, source))
        };
        let known = self.state.lock().await.header.clone();
        let response = once(known.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let challenges = challenges(response.headers());
        match self.log_in(&challenges, known).await? {
            Some(header) => once(Some(&header)).await,
            None => Ok(response),
        }
    }

    /// What to tell the registry in place of what it refused. Nothing where nothing else is known.
    async fn log_in(
        &self,
        challenges: &[Challenge],
        refused: Option<HeaderValue>,
    ) -> Result<Option<HeaderValue>, DownloadError> {
        let mut state = self.state.lock().await;
        if state.header != refused {
            // Another request was faster.
            return Ok(state.header.clone());
        }
        if state.found.is_none() {
            let config = self.docker_config.as_deref();
            state.found = Some(credentials_for(&self.place.registry, config).await);
        }
        let credentials = state.found.as_ref();
        let credentials = credentials.and_then(|found| found.credentials.as_ref());
        let of = |scheme: &str| challenges.iter().find(|challenge| challenge.is(scheme));
        let header = match (of("bearer"), of("basic"), credentials) {
            (Some(challenge), _, _) => {
                let token =
                    login::token(&self.http, &self.place, self.access, challenge, credentials)
                        .await?;
                Some(token)
            }
            (None, Some(_), Some(credentials)) => Some(login::basic(credentials)),
            _ => None,
        };
        if header.is_some() {
            state.header.clone_from(&header);
        }
        Ok(header.filter(|header| Some(header) != refused.as_ref()))
    }

    /// Adds to a failure of a push what can be done about it.
    pub(super) async fn explain_push(&self, failure: Failure) -> Failure {
        let registry = &self.place.registry;
        let unknown = format!("`docker login {registry}` is needed");
        self.explained(failure, &unknown).await
    }

    /// Adds to a failure what can be done about it.
    pub(super) async fn explain(&self, failure: Failure) -> Failure {
        let registry = &self.place.registry;
        let unknown = format!("it does not exist, or `docker login {registry}` is needed");
        self.explained(failure, &unknown).await
    }

    async fn explained(&self, failure: Failure, unknown: &str) -> Failure {
        let host = &self.place.host;
        if !failure.is_denied() {
            return failure.at(host);
        }
        let state = self.state.lock().await;
        let found = state.found.as_ref();
        let registry = &self.place.registry;
        let more = match found.map(|found| (&found.problem, &found.credentials)) {
            Some((Some(problem), _)) => problem.clone(),
            _ if self.given => "with the login of the image’s `secret`".to_owned(),
            Some((None, Some(_))) => {
                format!("with the credentials that Docker's configuration has for `{registry}`")
            }
            _ => unknown.to_owned(),
        };
        failure.at(host).and(&more)
    }
}

#[async_trait]
impl Transport for Session {
    async fn get(&self, url: &str, headers: HeaderMap) -> Result<Response, DownloadError> {
        let request = || self.http.get(url).headers(headers.clone());
        self.send(&request, url).await
    }
}

/// The body of an answer, up to a limit.
pub(super) async fn read(mut response: Response, limit: u64) -> Result<Vec<u8>, DownloadError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 <= limit => {
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => {
                return Err(DownloadError::WrongSize {
                    url: without_query(response.url()),
                    expected: limit,
                });
            }
            Err(source) => {
                return Err(DownloadError::Broken {
                    url: without_query(response.url()),
                    source: source.without_url(),
                });
            }
        }
    }
}

/// An address without what may hold a signature or a password.
pub(super) fn without_query(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}
