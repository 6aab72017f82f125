//! Pushes images: blobs that the registry lacks, then the manifest that names them.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, stream};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, Url};

use super::Client;
use super::failure::Failure;
use super::manifest::accepted;
use super::reference::Reference;
use super::session::{ERROR_LIMIT, Session, read};
use crate::base::download::{DownloadError, Tries};
use crate::digest::Digest;
use crate::engine::EngineError;

const CHUNK: usize = 256 * 1024;
/// How long nothing may move. A registry may have to look through a large blob before it answers.
const STALLED: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_secs(1);

/// An image on its way into a repository.
#[derive(Debug)]
pub struct Push {
    session: Arc<Session>,
    reference: String,
    tag: String,
    /// Bytes of bodies that were sent, for those who look whether anything moves.
    moved: Arc<AtomicU64>,
}

impl Client {
    /// Begins to push an image under a name. Nothing is asked yet.
    ///
    /// # Errors
    /// [`EngineError::Refused`]: the name is none that can be pushed to.
    pub fn push(&self, reference: &str) -> Result<Push, EngineError> {
        let parsed = Reference::parse(reference);
        let session = match &parsed.digest {
            Some(_) => Err(Failure::wrong(
                "a name with a digest names what is there already: give a tag",
            )),
            None => self.push_session(&parsed),
        };
        Ok(Push {
            session: session.map_err(|failure| failure.told_of_push(reference))?,
            reference: reference.to_owned(),
            tag: parsed.tag,
            moved: Arc::default(),
        })
    }
}

/// The bytes of a blob.
#[derive(Clone, Copy, Debug)]
pub enum Blob<'a> {
    /// In a file.
    File(&'a Path),
    /// In memory.
    Bytes(&'a [u8]),
}

impl Push {
    /// Whether the repository has a blob.
    ///
    /// # Errors
    /// As [`Push::blob`].
    pub async fn has(&self, digest: &Digest) -> Result<bool, EngineError> {
        let done = tried(|| self.has_once(digest).boxed());
        self.told(done.await).await
    }

    /// Sends a blob. `sent` is told the bytes that have left, from 0 on again where it is tried again.
    ///
    /// # Errors
    /// [`EngineError::RegistryUnreachableForPush`]; [`EngineError::Refused`] where the registry does not take it.
    pub async fn blob(
        &self,
        digest: &Digest,
        size: u64,
        blob: Blob<'_>,
        sent: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), EngineError> {
        let done = tried(|| self.send_blob(digest, size, blob, sent).boxed());
        self.told(done.await).await
    }

    /// Gives the image its name; answers its digest. Where the name is there for the same image, nothing is sent.
    ///
    /// # Errors
    /// As [`Push::blob`].
    pub async fn manifest(&self, kind: &str, manifest: &[u8]) -> Result<String, EngineError> {
        let digest = format!("sha256:{}", Digest::of(manifest));
        let done = tried(|| self.send_manifest(&digest, kind, manifest).boxed()).await;
        self.told(done).await.map(|()| digest)
    }

    async fn has_once(&self, digest: &Digest) -> Result<bool, Failure> {
        let response = self.ask(Method::HEAD, &self.session.blob(digest)).await?;
        match response.status() {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refusal(response).await),
        }
    }

    async fn send_manifest(
        &self,
        digest: &str,
        kind: &str,
        manifest: &[u8],
    ) -> Result<(), Failure> {
        let url = self.session.manifest(&self.tag);
        let response = self.ask(Method::HEAD, &url).await?;
        let known = response.headers().get("docker-content-digest");
        if response.status().is_success() && known.is_some_and(|known| known == digest) {
            return Ok(());
        }
        let request = || {
            self.session
                .request(Method::PUT, &url)
                .header(CONTENT_TYPE, kind)
                .body(manifest.to_vec())
        };
        let response = self.session.send(&request, &url).await?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        match response.headers().get("docker-content-digest") {
            Some(other) if other != digest => Err(Failure::wrong(format!(
                "it keeps the manifest as `{}` and not as `{digest}`",
                other.to_str().unwrap_or_default().escape_default()
            ))),
            _ => Ok(()),
        }
    }

    async fn ask(&self, method: Method, url: &str) -> Result<Response, Failure> {
        let request = || {
            self.session
                .request(method.clone(), url)
                .header(reqwest::header::ACCEPT, accepted())
        };
        Ok(self.session.send(&request, url).await?)
    }

    /// Asks for a place, and puts the blob there.
    async fn send_blob(
        &self,
        digest: &Digest,
        size: u64,
        blob: Blob<'_>,
        sent: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Failure> {
        let url = self.session.uploads();
        let begin = || {
            self.session
                .request(Method::POST, &url)
                .header(CONTENT_LENGTH, 0)
        };
        let response = self.session.send(&begin, &url).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(refusal(response).await);
        }
        let place = response.headers().get(LOCATION);
        let place = place.and_then(|place| place.to_str().ok());
        let place = place.and_then(|place| response.url().join(place).ok());
        let mut place =
            place.ok_or_else(|| Failure::wrong("it names no place to upload a layer to"))?;
        place
            .query_pairs_mut()
            .append_pair("digest", &format!("sha256:{digest}"));
        let before = self.moved.load(Ordering::Relaxed);
        let put = || {
            let body = match blob {
                Blob::File(path) => {
                    Body::wrap_stream(chunks(path.to_owned(), Arc::clone(&self.moved)))
                }
                Blob::Bytes(bytes) => Body::from(bytes.to_vec()),
            };
            self.session
                .request(Method::PUT, place.as_str())
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, size)
                .body(body)
        };
        let putting = self.put(&place, &put);
        tokio::pin!(putting);
        let (mut last, mut silent) = (before, Duration::ZERO);
        let response = loop {
            tokio::select! {
                response = &mut putting => break response?,
                () = tokio::time::sleep(LOOK) => {}
            }
            let moved = self.moved.load(Ordering::Relaxed);
            silent = if moved == last {
                silent + LOOK
            } else {
                Duration::ZERO
            };
            last = moved;
            sent((moved - before).min(size));
            if silent >= STALLED {
                return Err(Failure::unreachable("nothing moves any more"));
            }
        };
        match response.status() {
            StatusCode::CREATED => {
                sent(size);
                Ok(())
            }
            _ => Err(refusal(response).await),
        }
    }

    /// Puts something where the registry said. Only the registry itself is told who asks.
    async fn put(
        &self,
        place: &Url,
        request: &(dyn Fn() -> RequestBuilder + Send + Sync),
    ) -> Result<Response, Failure> {
        let shown = super::session::without_query(place);
        if self.session.is_at(place) {
            return Ok(self.session.send(request, &shown).await?);
        }
        if place.scheme() != "https" {
            return Err(Failure::wrong(
                "it wants a layer to be sent elsewhere, and without HTTPS",
            ));
        }
        let sent = request().send().await;
        Ok(sent.map_err(|source| DownloadError::unreachable(&shown, source))?)
    }

    async fn told<T>(&self, done: Result<T, Failure>) -> Result<T, EngineError> {
        match done {
            Ok(done) => Ok(done),
            Err(failure) => {
                let failure = self.session.explain_push(failure).await;
                Err(failure.told_of_push(&self.reference))
            }
        }
    }
}

/// Tries again what may go well a moment later.
async fn tried<'a, T>(work: impl Fn() -> BoxFuture<'a, Result<T, Failure>>) -> Result<T, Failure> {
    let mut tries = Tries::default();
    loop {
        match work().await {
            Err(failure) if failure.may_pass() && tries.again(false).await => {}
            done => return done,
        }
    }
}

/// Why a registry did not do it.
async fn refusal(response: Response) -> Failure {
    let status = response.status();
    let body = read(response, ERROR_LIMIT).await.unwrap_or_default();
    Failure::answered(status, &body)
}

/// The content of a file. It is opened when it is asked for, so that a request can be made again.
fn chunks(
    path: PathBuf,
    moved: Arc<AtomicU64>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(None, move |file: Option<File>| {
        let (path, moved) = (path.clone(), Arc::clone(&moved));
        async move {
            let read = tokio::task::spawn_blocking(move || {
                let mut file = match file {
                    Some(file) => file,
                    None => File::open(path)?,
                };
                let mut chunk = vec![0; CHUNK];
                let length = file.read(&mut chunk)?;
                chunk.truncate(length);
                Ok((Bytes::from(chunk), file))
            });
            let read: std::io::Result<(Bytes, File)> = read
                .await
                .unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
            let (chunk, file) = read?;
            moved.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            Ok((!chunk.is_empty()).then_some((chunk, Some(file))))
        }
    })
}
