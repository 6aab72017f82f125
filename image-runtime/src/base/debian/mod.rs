//! A minimal Debian root file system straight from the archive: signed release files, verified indexes and packages, unpacked by this
//! program, configured by Debian's own dpkg inside a container. No tool of the host takes part.

mod configure;
mod deb;
mod error;
mod index;
mod keys;
mod mirror;
mod part;
mod path;
mod relation;
mod release;
mod select;
mod settings;
mod signature;
#[cfg(test)]
mod tests;
mod tree;
mod version;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use configure::configure;
pub use error::DebianError;
pub use mirror::Mirrors;

use super::download::{DownloadError, Downloads, Wanted};
use crate::digest::{Digest, Encoder};
use crate::engine::FileSource;
use keys::{SUITES, Suite};
use part::Part;

/// The Debian archive, for one suite and one architecture.
#[derive(Clone, Debug)]
pub struct Archive {
    suite: Suite,
    architecture: &'static str,
    mirrors: Mirrors,
    downloads: Downloads,
}

/// The exact packages of a base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Code name of the suite: `bookworm`.
    pub suite: String,
    /// Debian's name of the architecture: `amd64`.
    pub architecture: String,
    /// When the newest of the release files was made, in seconds since 1970.
    pub release_date: u64,
    /// The packages, in the order of their names.
    pub packages: Vec<Package>,
}

/// A package in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// SHA-256 of the `.deb` file.
    pub sha256: Digest,
    /// Length of the `.deb` file in bytes.
    pub size: u64,
    /// Path of the `.deb` file below the root of its archive.
    pub filename: String,
    /// The archive that has it.
    pub origin: Origin,
}

/// One of Debian's archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The archive of releases and their updates.
    Main,
    /// The archive of security updates.
    Security,
}

impl Resolved {
    /// The identity of the base: of its packages and of how they are put together, not of when they were looked up.
    pub fn identity(&self) -> Digest {
        let mut encoder = Encoder::new("image-runtime debian base 1");
        encoder
            .text(&self.suite)
            .text(&self.architecture)
            .number(self.packages.len() as u64);
        for package in &self.packages {
            encoder
                .text(&package.name)
                .text(&package.version)
                .digest(&package.sha256);
        }
        encoder.finish()
    }

    /// Bytes to download.
    pub fn size(&self) -> u64 {
        self.packages.iter().map(|package| package.size).sum()
    }
}

impl Archive {
    /// The archive of a suite (`bookworm`) for an architecture (`amd64`, `arm64`), on the mirrors that the environment names.
    /// Downloads are kept in a directory.
    ///
    /// # Errors
    /// [`DebianError::UnknownSuite`], [`DebianError::UnknownArchitecture`], or that no download is possible at all.
    pub fn new(suite: &str, architecture: &str, downloads: &Path) -> Result<Self, DebianError> {
        Self::with_mirrors(suite, architecture, downloads, Mirrors::from_env())
    }

    /// The same, on mirrors that are named here.
    ///
    /// # Errors
    /// As [`Archive::new`].
    pub fn with_mirrors(
        suite: &str,
        architecture: &str,
        downloads: &Path,
        mirrors: Mirrors,
    ) -> Result<Self, DebianError> {
        let known = || SUITES.map(|suite| format!("`{}`", suite.name)).join(", ");
        Ok(Self {
            suite: SUITES
                .into_iter()
                .find(|known| known.name == suite)
                .ok_or_else(|| DebianError::UnknownSuite {
                    suite: suite.to_owned(),
                    known: known(),
                })?,
            architecture: ["amd64", "arm64"]
                .into_iter()
                .find(|known| *known == architecture)
                .ok_or_else(|| DebianError::UnknownArchitecture {
                    architecture: architecture.to_owned(),
                })?,
            mirrors,
            downloads: Downloads::new(downloads)?,
        })
    }

    /// Asks the archive which packages a minimal system consists of today.
    ///
    /// # Errors
    /// [`DebianError`]
    pub async fn resolve(&self) -> Result<Resolved, DebianError> {
        let part = |origin, suffix: &str| Part {
            origin,
            codename: format!("{}{suffix}", self.suite.name),
            architecture: self.architecture,
            keys: match origin {
                Origin::Main => self.suite.main.to_vec(),
                Origin::Security => self.suite.security.to_vec(),
            },
            mirror: self.mirror(origin),
            downloads: &self.downloads,
        };
        let main = part(Origin::Main, "");
        let updates = part(Origin::Main, "-updates");
        let security = part(Origin::Security, "-security");
        let ((main, date), (updates, updates_date), (security, security_date)) =
            futures_util::future::try_join3(main.index(), updates.index(), security.index())
                .await?;
        let packages = blocking(move || select::minimal(&[main, updates, security])).await?;
        Ok(Resolved {
            suite: self.suite.name.to_owned(),
            architecture: self.architecture.to_owned(),
            release_date: date.max(updates_date).max(security_date),
            packages,
        })
    }

    /// Downloads the packages. `progress` is told the bytes that are there and the bytes in all.
    ///
    /// # Errors
    /// [`DebianError::Download`], or [`DebianError::Gone`] where the archive has moved on since [`Archive::resolve`].
    pub async fn fetch(
        &self,
        resolved: &Resolved,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<(), DebianError> {
        let wanted: Vec<Wanted> = resolved
            .packages
            .iter()
            .map(|package| Wanted {
                url: format!("{}/{}", self.mirror(package.origin), package.filename),
                sha256: package.sha256,
                size: package.size,
            })
            .collect();
        self.downloads
            .all(&wanted, progress)
            .await
            .map_err(|error| match error {
                DownloadError::Missing { url } => DebianError::Gone {
                    package: url.rsplit('/').next().unwrap_or_default().to_owned(),
                    url,
                },
                error => error.into(),
            })
    }

    /// The files of the base, unpacked but not configured: [`configure`] says how the rest is done. The packages have to be
    /// [fetched](Archive::fetch).
    pub fn files(&self, resolved: &Resolved) -> Box<dyn FileSource> {
        Box::new(tree::Tree::new(
            resolved,
            &self.mirrors.inside(),
            &self.downloads,
        ))
    }

    /// The mirror of one of the archives.
    fn mirror(&self, origin: Origin) -> &str {
        match origin {
            Origin::Main => &self.mirrors.main,
            Origin::Security => &self.mirrors.security,
        }
    }
}

/// Runs what takes a while without holding up others.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
