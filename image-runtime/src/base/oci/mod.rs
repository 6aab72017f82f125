//! Images of registries: what a reference names today, the files of an image, verified and kept, and images pushed to them.
//!
//! The client is our own, over the HTTP client that all downloads share, and not the crate `oci-client`: that one builds 28 more
//! crates (a second SHA-2 among them), while downloads that are resumed, retried, capped and kept would still have to be
//! written here, past its login, which it does not lend. What a registry speaks for pulling is one page of JSON.
//!
//! What stays in the downloads folder is named by its digest, so a second pull of an image asks nobody. On the loopback a
//! registry is spoken to in plain HTTP and without a proxy, elsewhere in HTTPS only.

mod challenge;
pub(crate) mod credentials;
pub(crate) mod docker_config;
mod failure;
mod hashing;
mod login;
mod manifest;
#[cfg(test)]
mod manifest_tests;
pub(crate) mod place;
mod platform;
mod push;
#[cfg(test)]
mod push_tests;
pub(crate) mod reference;
mod session;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

pub use hashing::Hashing;
pub use push::{Blob, Push};

use crate::base::download::{self, DownloadError, Downloads, Tries, Wanted};
use crate::digest::Digest;
use crate::engine::EngineError;
use crate::secrets::Login;
use crate::spec::ImageConfig;
use crate::store::Folder;
use failure::Failure;
use manifest::{DOCUMENT_LIMIT, Descriptor, Document, ImageFile, Manifest};
use place::Place;
use platform::Platform;
use reference::Reference;
use session::{Access, Session};

/// How long a registry may take to tell a digest.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a layer may be on its way to a registry.
const LONGEST_UPLOAD: Duration = Duration::from_secs(24 * 60 * 60);
/// Layers that are fetched at the same time.
const PARALLEL: usize = 4;
/// Indexes may lie in indexes, but not without end.
const MOST_INDEXES: usize = 3;

/// A client of registries. It keeps connections and logins between requests; making one costs nothing.
#[derive(Clone, Debug)]
pub struct Client {
    downloads: Folder,
    docker_config: Option<PathBuf>,
    mirror: Option<String>,
    /// What the registry of a reference is told in place of what Docker's configuration has.
    login: Option<Login>,
    /// For everything else and for the loopback, to pull with and to push with.
    http: [OnceLock<reqwest::Client>; 4],
    sessions: Arc<Mutex<HashMap<String, Arc<Session>>>>,
}

/// Who takes the layers of an image while they arrive.
pub trait Receive: Send + Sync {
    /// The image is known, and where the files of its layers will be. Answers of each layer whether it is needed: others are
    /// not fetched. Asked again, with the same image, where one source broke off and the next one is tried.
    fn begin(&self, image: &Fetched) -> Vec<bool>;

    /// The file of the layer with this index is there.
    fn arrived(&self, index: usize);
}

/// Needs all layers, and waits until they are there.
struct Everything;

impl Receive for Everything {
    fn begin(&self, image: &Fetched) -> Vec<bool> {
        vec![true; image.layers.len()]
    }

    fn arrived(&self, _: usize) {}
}

/// An image, and where the files of its layers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What the image says of its own environment.
    pub config: ImageConfig,
    /// The lowest first. The same one may be there more than once.
    pub layers: Vec<FetchedLayer>,
}

/// A packed layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedLayer {
    /// Of the file. It was verified when the file arrived.
    pub digest: Digest,
    /// Of the archive in it. Whoever unpacks it verifies that, with [`Hashing`]; a file that was damaged since it arrived
    /// shows there, and has to be removed before it is fetched again.
    pub diff_id: Digest,
    /// Where the file is: a tar archive, plain or compressed by gzip or zstd, as its first bytes tell.
    pub path: PathBuf,
    /// Bytes of the file.
    pub size: u64,
}

/// The OCI platform of this program, `linux/amd64`: containers have the same.
pub fn platform() -> String {
    let Platform {
        os, architecture, ..
    } = Platform::of_this_program();
    format!("{os}/{architecture}")
}

impl Client {
    /// A client that keeps what it fetches in a folder. Mirror and credentials are those of the environment.
    pub fn new(downloads: Folder) -> Self {
        Self {
            downloads,
            docker_config: docker_config::folder(),
            mirror: reference::mirror(),
            login: None,
            http: Default::default(),
            sessions: Arc::default(),
        }
    }

    /// Takes names of Docker Hub from `host[:port][/prefix]` first.
    #[must_use]
    pub fn with_mirror(self, mirror: Option<String>) -> Self {
        Self { mirror, ..self }
    }

    /// Takes credentials from the Docker configuration in a folder, or from none.
    #[must_use]
    pub fn with_docker_config(self, folder: Option<PathBuf>) -> Self {
        Self {
            docker_config: folder,
            ..self
        }
    }

    /// A client that tells the registry of a reference, but no mirror, of a login, if there is one.
    #[must_use]
    pub fn logged_in(&self, login: Option<&Login>) -> Self {
        let mut client = self.clone();
        if login.is_some() {
            client.login = login.cloned();
            client.sessions = Arc::default();
        }
        client
    }

    /// Asks which manifest a reference names today. The answer is `sha256:…`.
    ///
    /// # Errors
    /// [`EngineError::NoSuchImage`], [`EngineError::AccessDenied`], [`EngineError::RegistryUnreachable`].
    pub async fn resolve(&self, reference: &str) -> Result<String, EngineError> {
        let parsed = Reference::parse(reference);
        if let Some(digest) = parsed.digest {
            return Ok(digest);
        }
        let resolve = |session: Arc<Session>, source: Reference| {
            async move {
                timeout(PATIENCE, session.digest(&source.tag))
                    .await
                    .unwrap_or_else(|_| Err(Failure::unreachable("it gave no answer in time")))
            }
            .boxed()
        };
        self.first(parsed, resolve)
            .await
            .map_err(|failure| failure.told("looking for", reference))
    }

    /// Has the files of an image that [`Client::resolve`] found, in the variant for this machine. `progress` is told the bytes
    /// that are there and the bytes in all.
    ///
    /// # Errors
    /// [`EngineError::NoSuchImage`], [`EngineError::AccessDenied`], [`EngineError::RegistryUnreachable`]; [`EngineError::Refused`] where what a registry sends
    /// is wrong or this machine is to blame, [`EngineError::NoSpace`]. What has arrived stays for the next time.
    pub async fn fetch(
        &self,
        reference: &str,
        digest: &str,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Fetched, EngineError> {
        self.fetch_to(reference, digest, progress, &Everything)
            .await
    }

    /// The same, and somebody takes the layers while they arrive.
    ///
    /// # Errors
    /// See [`Client::fetch`].
    pub async fn fetch_to(
        &self,
        reference: &str,
        digest: &str,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
        to: &dyn Receive,
    ) -> Result<Fetched, EngineError> {
        let told = |failure: Failure| failure.told("pulling", reference);
        let digest = manifest::sha256(digest).map_err(told)?;
        let fetch = |session: Arc<Session>, _: Reference| {
            async move { self.fetch_through(&session, digest, progress, to).await }.boxed()
        };
        self.first(Reference::parse(reference), fetch)
            .await
            .map_err(told)
    }

    /// Does something with the first source of a reference that it can be done with.
    async fn first<'a, T>(
        &self,
        reference: Reference,
        with: impl Fn(Arc<Session>, Reference) -> BoxFuture<'a, Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut failed = None;
        let own = reference.registry.clone();
        for source in reference.sources(self.mirror.as_deref()) {
            let login = self.login.as_ref().filter(|_| source.registry == own);
            let failure = match self.session(&source, login) {
                Ok(session) => match with(Arc::clone(&session), source).await {
                    Ok(done) => return Ok(done),
                    Err(failure) => session.explain(failure).await,
                },
                Err(failure) => failure,
            };
            let is_last_word = !failure.is_of_the_registry();
            let failure = failure.after(failed.take());
            if is_last_word {
                return Err(failure);
            }
            failed = Some(failure);
        }
        Err(failed.expect("every reference has a source"))
    }

    fn session(&self, source: &Reference, login: Option<&Login>) -> Result<Arc<Session>, Failure> {
        let place = Place::of(source)?;
        let name = source.name();
        let mut sessions = self.sessions.lock().expect("nobody panics with it");
        if let Some(session) = sessions.get(&name) {
            return Ok(Arc::clone(session));
        }
        let http = self.http(place.loopback, false)?;
        let config = self.docker_config.clone();
        let session = Session::new(http, place, config, Access::Pull).logged_in(login);
        let session = Arc::new(session);
        sessions.insert(name, Arc::clone(&session));
        Ok(session)
    }

    /// A session of its own: who only pulls may be told less by a token server.
    fn push_session(&self, target: &Reference) -> Result<Arc<Session>, Failure> {
        let place = Place::of(target)?;
        let http = self.http(place.loopback, true)?;
        let config = self.docker_config.clone();
        Ok(Arc::new(Session::new(http, place, config, Access::Push)))
    }

    fn http(&self, loopback: bool, push: bool) -> Result<reqwest::Client, Failure> {
        let client = &self.http[usize::from(loopback) + 2 * usize::from(push)];
        if let Some(client) = client.get() {
            return Ok(client.clone());
        }
        let builder = download::client().connect_timeout(PATIENCE);
        let builder = match push {
            // It would end an upload that takes longer, whatever moves: those are watched by who sends them.
            true => builder.read_timeout(LONGEST_UPLOAD),
            false => builder,
        };
        let made = match loopback {
            true => builder.no_proxy(),
            false => builder.https_only(true),
        };
        let made = made
            .build()
            .map_err(|source| DownloadError::Client { source })?;
        Ok(client.get_or_init(|| made).clone())
    }

    async fn fetch_through(
        &self,
        session: &Arc<Session>,
        digest: Digest,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
        to: &dyn Receive,
    ) -> Result<Fetched, Failure> {
        let here = Platform::of_this_program();
        let manifest = self.manifest(session, digest, &here).await?;
        let transport = Arc::clone(session);
        let downloads = Downloads::through(self.downloads.path(), transport, PARALLEL)?;
        let wanted = |descriptor: &Descriptor| {
            let sha256 = descriptor.sha256()?;
            Ok::<_, Failure>(Wanted {
                url: session.blob(&sha256),
                sha256,
                size: descriptor.size,
            })
        };
        let config = content(&downloads, &wanted(&manifest.config)?).await?;
        let image = ImageFile::parse(&config, manifest.layers.len(), &here)?;
        let layers: Vec<Wanted> = manifest
            .layers
            .iter()
            .map(wanted)
            .collect::<Result<_, _>>()?;
        let described = layers.iter().zip(image.diff_ids);
        let fetched = Fetched {
            config: image.config,
            layers: described
                .map(|(layer, diff_id)| FetchedLayer {
                    digest: layer.sha256,
                    diff_id,
                    path: downloads.path(&layer.sha256),
                    size: layer.size,
                })
                .collect(),
        };
        let needed = to.begin(&fetched);
        let needed = layers.into_iter().enumerate().zip(needed);
        let (indices, needed): (Vec<_>, Vec<_>) = needed
            .filter_map(|(layer, is_needed)| is_needed.then_some(layer))
            .unzip();
        let arrived = |index: usize| to.arrived(indices[index]);
        downloads.each(&needed, progress, &arrived).await?;
        Ok(fetched)
    }

    /// The manifest for a platform, through the indexes that lead to it.
    async fn manifest(
        &self,
        session: &Session,
        mut digest: Digest,
        here: &Platform,
    ) -> Result<Manifest, Failure> {
        for _ in 0..=MOST_INDEXES {
            let document = self.document(session, &digest).await?;
            match Document::parse(&document)? {
                Document::Manifest(manifest) => return Ok(manifest),
                Document::Index(index) => digest = here.choose(&index)?.sha256()?,
            }
        }
        Err(Failure::wrong("its indexes lead to further indexes"))
    }

    /// A manifest or index, from the folder or from the registry.
    async fn document(&self, session: &Session, digest: &Digest) -> Result<Vec<u8>, Failure> {
        let file = digest.to_string();
        let kept = self.downloads.join(&file);
        if kept
            .metadata()
            .is_ok_and(|metadata| metadata.len() <= DOCUMENT_LIMIT)
            && let Some(bytes) = self.downloads.read(&file)
            && Digest::of(&bytes) == *digest
        {
            return Ok(bytes);
        }
        let name = format!("sha256:{digest}");
        let mut tries = Tries::default();
        let bytes = loop {
            match session.document(&name).await {
                Err(failure) if failure.is_passing() && tries.again(false).await => {}
                done => break done?,
            }
        };
        let got = Digest::of(&bytes);
        if got != *digest {
            return Err(Failure::wrong(format!(
                "its manifest has the SHA-256 {got} in place of {digest}"
            )));
        }
        self.downloads
            .write_cache(&file, &bytes)
            .map_err(|error| Failure::local(error.to_string()))?;
        Ok(bytes)
    }
}

/// What is in a small file, which is fetched once more where what was kept of it is damaged.
async fn content(downloads: &Downloads, wanted: &Wanted) -> Result<Vec<u8>, Failure> {
    let read = async || {
        let path = downloads.one(wanted, &|_| {}).await?;
        tokio::fs::read(&path)
            .await
            .map_err(|error| Failure::local(format!("`{}`: {error}", path.display())))
    };
    let kept = read().await?;
    if Digest::of(&kept) == wanted.sha256 {
        return Ok(kept);
    }
    let path = downloads.path(&wanted.sha256);
    match tokio::fs::remove_file(&path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::local(format!("`{}`: {error}", path.display())))
        }
        _ => read().await,
    }
}
