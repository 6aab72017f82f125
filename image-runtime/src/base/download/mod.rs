//! Downloads: kept by their SHA-256, verified while they arrive, resumed when the connection is cut.
//!
//! An address is `http://…`, `https://…`, `file:///…` or an absolute path. Proxies (`HTTPS_PROXY`, …), `SSL_CERT_FILE` and the
//! system's certificate store are honoured.

mod error;
mod partial;
#[cfg(test)]
pub(in crate::base) mod server;
#[cfg(test)]
mod tests;
mod whole;

use std::fmt;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt, TryStreamExt};
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Response, StatusCode};

pub use error::DownloadError;
use partial::Partial;

use crate::digest::Digest;
use crate::store::StoreError;

/// Files that are fetched at the same time.
const PARALLEL: usize = 8;
/// Tries in a row that may bring nothing.
const FRUITLESS_TRIES: u32 = 3;
/// Tries of one file in all.
const TRIES: u32 = 10;
/// The pause after the first failed try; it doubles from try to try.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a connection may take to stand, and how long it may then be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// A file to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where it is.
    pub url: String,
    /// What it holds.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// A directory of downloads, each named by its SHA-256, and the client that fills it. Several processes may share the directory.
#[derive(Clone, Debug)]
pub struct Downloads {
    directory: PathBuf,
    transport: Arc<dyn Transport>,
    parallel: usize,
}

/// Asks servers for files. What is more than a client says who asks, where a server wants to know.
#[async_trait]
pub(in crate::base) trait Transport: fmt::Debug + Send + Sync {
    /// Sends a request. Any answer is good.
    async fn get(&self, url: &str, headers: HeaderMap) -> Result<Response, DownloadError>;
}

#[async_trait]
impl Transport for reqwest::Client {
    async fn get(&self, url: &str, headers: HeaderMap) -> Result<Response, DownloadError> {
        self.get(url)
            .headers(headers)
            .send()
            .await
            .map_err(|source| DownloadError::unreachable(url, source))
    }
}

impl Downloads {
    /// Downloads kept in a directory, which is made if it is missing.
    ///
    /// # Errors
    /// [`DownloadError::Store`], or [`DownloadError::Client`] where no certificate store is usable.
    pub fn new(directory: &Path) -> Result<Self, DownloadError> {
        Self::with_client(directory, client())
    }

    fn with_client(
        directory: &Path,
        client: reqwest::ClientBuilder,
    ) -> Result<Self, DownloadError> {
        let client = client
            .build()
            .map_err(|source| DownloadError::Client { source })?;
        Self::through(directory, Arc::new(client), PARALLEL)
    }

    /// Downloads kept in a directory and asked for by somebody else's means, so many at a time.
    pub(in crate::base) fn through(
        directory: &Path,
        transport: Arc<dyn Transport>,
        parallel: usize,
    ) -> Result<Self, DownloadError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| StoreError::io("make the folder", directory, source))?;
        Ok(Self {
            directory: directory.to_owned(),
            transport,
            parallel,
        })
    }

    /// Where the file of a digest is once it has been downloaded.
    pub fn path(&self, sha256: &Digest) -> PathBuf {
        self.directory.join(sha256.to_string())
    }

    /// Has a file, and answers where it is. `progress` is told the bytes that are there.
    ///
    /// # Errors
    /// [`DownloadError`]
    pub async fn one(
        &self,
        wanted: &Wanted,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<PathBuf, DownloadError> {
        let target = self.path(&wanted.sha256);
        let Some(mut partial) = Partial::open(&target, wanted).await? else {
            progress(wanted.size);
            return Ok(target);
        };
        loop {
            self.fill(wanted, &mut partial, progress).await?;
            match partial.finish(&target, wanted) {
                // What an earlier process left may be to blame: once more from the start.
                Err(DownloadError::WrongChecksum { .. }) if partial.is_resumed() => {
                    partial.restart()?;
                }
                done => return done.map(|()| target),
            }
        }
    }

    /// Has all files, several at a time. `progress` is told the bytes that are there and the bytes in all.
    ///
    /// # Errors
    /// The first [`DownloadError`]; what is complete by then stays.
    pub async fn all(
        &self,
        wanted: &[Wanted],
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<(), DownloadError> {
        self.each(wanted, progress, &|_| {}).await
    }

    /// The same, and `arrived` is told the index of each file as soon as it is there.
    ///
    /// # Errors
    /// See [`Downloads::all`].
    pub(in crate::base) async fn each(
        &self,
        wanted: &[Wanted],
        progress: &(dyn Fn(u64, u64) + Send + Sync),
        arrived: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<(), DownloadError> {
        let total = wanted.iter().map(|file| file.size).sum();
        let done: Vec<AtomicU64> = wanted.iter().map(|_| AtomicU64::new(0)).collect();
        let tell = |index: usize, bytes: u64| {
            done[index].store(bytes, Ordering::Relaxed);
            progress(
                done.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum(),
                total,
            );
        };
        let tell = &tell;
        let one = |(index, file): (usize, &'_ Wanted)| {
            let file = file.clone();
            async move {
                self.one(&file, &move |bytes| tell(index, bytes)).await?;
                arrived(index);
                Ok(())
            }
            .boxed()
        };
        let files: Vec<_> = wanted.iter().enumerate().map(one).collect();
        futures_util::stream::iter(files)
            .buffer_unordered(self.parallel)
            .try_collect()
            .await
    }

    /// Reads a short file whose digest nobody knows beforehand. It is not kept.
    ///
    /// # Errors
    /// [`DownloadError`]; [`DownloadError::WrongSize`] where it is longer than `limit` bytes.
    pub async fn read(&self, url: &str, limit: u64) -> Result<Vec<u8>, DownloadError> {
        let mut tries = Tries::default();
        loop {
            match self.read_once(url, limit).await {
                Err(error) if error.is_passing() && tries.again(false).await => {}
                done => return done,
            }
        }
    }

    async fn read_once(&self, url: &str, limit: u64) -> Result<Vec<u8>, DownloadError> {
        let mut bytes = Vec::new();
        let mut source = self.open(url, 0).await?;
        while let Some(chunk) = source.next().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > limit {
                return Err(DownloadError::WrongSize {
                    url: url.to_owned(),
                    expected: limit,
                });
            }
        }
        Ok(bytes)
    }

    /// Fetches what a partial file still lacks.
    async fn fill(
        &self,
        wanted: &Wanted,
        partial: &mut Partial,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), DownloadError> {
        let mut tries = Tries::default();
        while partial.length() < wanted.size {
            let before = partial.length();
            if let Err(error) = self.transfer(wanted, partial, progress).await {
                let fruitful = partial.length() > before;
                if !error.is_passing() || !tries.again(fruitful).await {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Appends what one connection brings.
    async fn transfer(
        &self,
        wanted: &Wanted,
        partial: &mut Partial,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), DownloadError> {
        let mut source = self.open(&wanted.url, partial.length()).await?;
        if source.start != partial.length() {
            partial.restart()?;
        }
        while let Some(chunk) = source.next().await? {
            if partial.length() + chunk.len() as u64 > wanted.size {
                partial.restart()?;
                return Err(DownloadError::WrongSize {
                    url: wanted.url.clone(),
                    expected: wanted.size,
                });
            }
            partial.write(&chunk)?;
            progress(partial.length());
        }
        if partial.length() < wanted.size {
            return Err(DownloadError::CutShort {
                url: wanted.url.clone(),
                got: partial.length(),
                expected: wanted.size,
            });
        }
        Ok(())
    }

    /// Opens an address at an offset. The source may start at 0 instead.
    async fn open<'a>(&self, url: &'a str, offset: u64) -> Result<Source<'a>, DownloadError> {
        if let Some(path) = local_path(url) {
            let file = std::fs::File::open(path).map_err(|source| match source.kind() {
                ErrorKind::NotFound => DownloadError::Missing {
                    url: url.to_owned(),
                },
                _ => DownloadError::disk(path, source),
            })?;
            return Ok(Source {
                url,
                start: 0,
                body: Body::File(file),
            });
        }
        let mut headers = HeaderMap::new();
        if offset > 0 {
            let range = HeaderValue::from_str(&format!("bytes={offset}-"));
            headers.insert(RANGE, range.expect("digits are good in a header"));
        }
        let response = self.transport.get(url, headers).await?;
        let start = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if continues_at(&response, offset) => offset,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => {
                return Box::pin(self.open(url, 0)).await;
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(DownloadError::Missing {
                    url: url.to_owned(),
                });
            }
            status => {
                return Err(DownloadError::Status {
                    url: url.to_owned(),
                    status,
                });
            }
        };
        Ok(Source {
            url,
            start,
            body: Body::Response(response),
        })
    }
}

/// The client of all downloads.
pub(in crate::base) fn client() -> reqwest::ClientBuilder {
    // Whoever comes first decides; a provider that the program installed itself is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("image-runtime/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(PATIENCE)
        .read_timeout(PATIENCE)
}

/// Something that is being read.
struct Source<'a> {
    url: &'a str,
    /// The offset of its first byte in the file.
    start: u64,
    body: Body,
}

enum Body {
    File(std::fs::File),
    Response(reqwest::Response),
}

impl Source<'_> {
    /// The next bytes, or nothing at the end.
    async fn next(&mut self) -> Result<Option<bytes::Bytes>, DownloadError> {
        match &mut self.body {
            Body::Response(response) => {
                response
                    .chunk()
                    .await
                    .map_err(|source| DownloadError::Broken {
                        url: self.url.to_owned(),
                        source: source.without_url(),
                    })
            }
            Body::File(file) => {
                let mut chunk = vec![0; 256 * 1024];
                let length = file
                    .read(&mut chunk)
                    .map_err(|source| DownloadError::disk(Path::new(self.url), source))?;
                chunk.truncate(length);
                Ok((length > 0).then(|| chunk.into()))
            }
        }
    }
}

/// The path of an address that is no URL of a server.
fn local_path(url: &str) -> Option<&Path> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    path.starts_with('/').then(|| Path::new(path))
}

/// Whether a partial answer begins where it was asked to.
fn continues_at(response: &reqwest::Response, offset: u64) -> bool {
    response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with(&format!("bytes {offset}-")))
}

/// Counts tries, and pauses between them.
#[derive(Default)]
pub(in crate::base) struct Tries {
    all: u32,
    fruitless: u32,
}

impl Tries {
    /// Waits and answers true if it is worth another try.
    pub(in crate::base) async fn again(&mut self, fruitful: bool) -> bool {
        self.all += 1;
        self.fruitless = if fruitful { 0 } else { self.fruitless + 1 };
        if self.all >= TRIES || self.fruitless >= FRUITLESS_TRIES {
            return false;
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(self.fruitless)).await;
        true
    }
}
