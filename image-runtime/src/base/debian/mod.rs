//! A minimal Debian root file system straight from the archive: signed release files, verified indexes and packages, unpacked by this
//! program, configured by Debian's own dpkg inside a container. No tool of the host takes part.

mod configure;
mod deb;
mod error;
mod index;
mod keys;
mod mirror;
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

use std::io::Read as _;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use configure::configure;
pub use error::DebianError;
pub use mirror::Mirrors;

use super::download::{DownloadError, Downloads, Wanted};
use crate::digest::{Digest, Encoder};
use crate::engine::FileSource;
use index::Index;
use keys::{SUITES, Suite};
use release::{Listed, Release};

/// The longest release file that is read.
const RELEASE_LIMIT: u64 = 8 << 20;

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

/// A part of the archive with a release file of its own.
struct Part {
    origin: Origin,
    codename: String,
    keys: Vec<&'static [u8]>,
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
            keys: match origin {
                Origin::Main => self.suite.main.to_vec(),
                Origin::Security => self.suite.security.to_vec(),
            },
        };
        let ((main, date), (updates, updates_date), (security, security_date)) =
            futures_util::future::try_join3(
                self.index(part(Origin::Main, "")),
                self.index(part(Origin::Main, "-updates")),
                self.index(part(Origin::Security, "-security")),
            )
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
    /// [`DebianError::Download`]
    pub async fn fetch(
        &self,
        resolved: &Resolved,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<(), DebianError> {
        let wanted: Vec<Wanted> = resolved
            .packages
            .iter()
            .map(|package| Wanted {
                url: format!("{}/{}", self.mirror(package.origin).0, package.filename),
                sha256: package.sha256,
                size: package.size,
            })
            .collect();
        Ok(self.downloads.all(&wanted, progress).await?)
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

    /// A mirror and the variable that names it.
    fn mirror(&self, origin: Origin) -> (&str, &'static str) {
        match origin {
            Origin::Main => (&self.mirrors.main, mirror::MAIN_VARIABLE),
            Origin::Security => (&self.mirrors.security, mirror::SECURITY_VARIABLE),
        }
    }

    /// The index of packages of a part, and the date of its release.
    async fn index(&self, part: Part) -> Result<(Index, u64), DebianError> {
        let (mirror, _) = self.mirror(part.origin);
        let dist = format!("{mirror}/dists/{}", part.codename);
        let release_url = format!("{dist}/InRelease");
        let malformed = |reason| DebianError::Malformed {
            url: release_url.clone(),
            reason,
        };
        let release = self.release(&part, &release_url).await?;
        let date = release.date().map_err(malformed)?;
        let plain = format!("main/binary-{}/Packages", self.architecture);
        let packed = format!("{plain}.xz");
        let (plain, listed) = (
            release.file(&plain).map_err(malformed)?,
            release.file(&packed).map_err(malformed)?,
        );
        let by_hash = format!(
            "{dist}/main/binary-{}/by-hash/SHA256/{}",
            self.architecture, listed.sha256
        );
        let mut url = format!("{dist}/{packed}");
        let mut fetched = Err(None);
        if release.has_by_hash() {
            fetched = self.have(&by_hash, listed).await.map_err(Some);
        }
        // Simple mirrors leave `by-hash` out.
        let path = match fetched {
            Ok(path) => {
                url = by_hash;
                path
            }
            Err(Some(error)) if !error.is_missing() => return Err(error.into()),
            Err(_) => self.have(&url, listed).await?,
        };
        let origin = part.origin;
        let index = blocking(move || match unpack(&path, plain.size) {
            Ok(text) => Ok(Index { url, origin, text }),
            Err(error) => Err(DebianError::Malformed {
                url,
                reason: error.to_string(),
            }),
        })
        .await?;
        Ok((index, date))
    }

    async fn have(&self, url: &str, listed: Listed) -> Result<std::path::PathBuf, DownloadError> {
        let wanted = Wanted {
            url: url.to_owned(),
            sha256: listed.sha256,
            size: listed.size,
        };
        self.downloads.one(&wanted, &|_| {}).await
    }

    /// A release file that is signed, meant and fresh.
    async fn release(&self, part: &Part, url: &str) -> Result<Release, DebianError> {
        let (_, variable) = self.mirror(part.origin);
        let file = match self.downloads.read(url, RELEASE_LIMIT).await {
            Err(error) if error.is_missing() => {
                return Err(DebianError::NoSuchSuite {
                    suite: part.codename.clone(),
                    url: url.to_owned(),
                    variable,
                });
            }
            other => other?,
        };
        let keys = part.keys.clone();
        let text = blocking(move || signature::verified_text(&file, &keys))
            .await
            .map_err(|reason| DebianError::Untrusted {
                url: url.to_owned(),
                reason,
                variable,
            })?;
        let malformed = |reason| DebianError::Malformed {
            url: url.to_owned(),
            reason,
        };
        let release = Release::parse(&text).map_err(malformed)?;
        if release.codename() != part.codename {
            return Err(DebianError::WrongSuite {
                url: url.to_owned(),
                wanted: part.codename.clone(),
                found: release.codename().to_owned(),
            });
        }
        match release.valid_until().map_err(malformed)? {
            Some(until) if until < SystemTime::now() => Err(DebianError::Expired {
                url: url.to_owned(),
                until: httpdate::fmt_http_date(until),
            }),
            _ => Ok(release),
        }
    }
}

/// Unpacks an index whose length is known.
fn unpack(path: &Path, size: u64) -> std::io::Result<String> {
    let mut text = String::with_capacity(usize::try_from(size).unwrap_or_default());
    deb::xz(std::fs::File::open(path)?)?
        .take(size + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 == size {
        Ok(text)
    } else {
        Err(std::io::Error::other(format!(
            "it should have {size} bytes unpacked"
        )))
    }
}

/// Runs what takes a while without holding up others.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
