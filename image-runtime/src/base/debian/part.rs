//! A part of the archive that has a release file of its own: a suite, its updates, its security updates.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::index::Index;
use super::release::{Listed, Release};
use super::{DebianError, Origin, blocking, deb, mirror, signature};
use crate::base::download::{DownloadError, Downloads, Wanted};

/// The longest release file that is read.
const RELEASE_LIMIT: u64 = 8 << 20;

/// Which part, and how it is had.
pub(super) struct Part<'a> {
    pub(super) origin: Origin,
    pub(super) codename: String,
    pub(super) architecture: &'static str,
    pub(super) keys: Vec<&'static [u8]>,
    pub(super) mirror: &'a str,
    pub(super) downloads: &'a Downloads,
}

impl Part<'_> {
    /// The index of packages, and when the release was made.
    pub(super) async fn index(&self) -> Result<(Index, u64), DebianError> {
        let release_url = format!("{}/InRelease", self.address());
        let release = self.release(&release_url).await?;
        let malformed = |reason| DebianError::Malformed {
            url: release_url.clone(),
            reason,
        };
        let date = release.date().map_err(malformed)?;
        let name = format!("main/binary-{}/Packages", self.architecture);
        let plain = release.file(&name).map_err(malformed)?;
        let packed = release.file(&format!("{name}.xz")).map_err(malformed)?;
        let (url, path) = self.packed_index(&release, packed).await?;
        let origin = self.origin;
        let index = blocking(move || match unpack(&path, plain.size) {
            Ok(text) => Ok(Index { url, origin, text }),
            Err(error) => Err(DebianError::Malformed {
                url,
                reason: error.to_string(),
            }),
        });
        Ok((index.await?, date))
    }

    fn address(&self) -> String {
        format!("{}/dists/{}", self.mirror, self.codename)
    }

    /// A release file that is signed, meant and fresh.
    async fn release(&self, url: &str) -> Result<Release, DebianError> {
        let variable = match self.origin {
            Origin::Main => mirror::MAIN_VARIABLE,
            Origin::Security => mirror::SECURITY_VARIABLE,
        };
        let file = match self.downloads.read(url, RELEASE_LIMIT).await {
            Err(DownloadError::Missing { url }) => {
                return Err(DebianError::NoSuchSuite {
                    suite: self.codename.clone(),
                    url,
                    variable,
                });
            }
            other => other?,
        };
        let keys = self.keys.clone();
        let text = blocking(move || signature::verified_text(&file, &keys)).await;
        let text = text.map_err(|reason| DebianError::Untrusted {
            url: url.to_owned(),
            reason,
            variable,
        })?;
        let malformed = |reason| DebianError::Malformed {
            url: url.to_owned(),
            reason,
        };
        let release = Release::parse(&text).map_err(malformed)?;
        if release.codename() != self.codename {
            return Err(DebianError::WrongSuite {
                url: url.to_owned(),
                wanted: self.codename.clone(),
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

    /// Downloads the index by its hash, so that it fits the release file even while the mirror is being renewed. Simple mirrors
    /// have it by its name only.
    async fn packed_index(
        &self,
        release: &Release,
        listed: Listed,
    ) -> Result<(String, PathBuf), DownloadError> {
        let folder = format!("{}/main/binary-{}", self.address(), self.architecture);
        if release.has_by_hash() {
            let url = format!("{folder}/by-hash/SHA256/{}", listed.sha256);
            match self.have(&url, listed).await {
                Err(DownloadError::Missing { .. }) => {}
                done => return Ok((url, done?)),
            }
        }
        let url = format!("{folder}/Packages.xz");
        let path = self.have(&url, listed).await?;
        Ok((url, path))
    }

    async fn have(&self, url: &str, listed: Listed) -> Result<PathBuf, DownloadError> {
        let wanted = Wanted {
            url: url.to_owned(),
            sha256: listed.sha256,
            size: listed.size,
        };
        self.downloads.one(&wanted, &|_| {}).await
    }
}

/// Unpacks an index whose length is known.
fn unpack(path: &Path, size: u64) -> io::Result<String> {
    let mut text = String::with_capacity(usize::try_from(size).unwrap_or_default());
    let packed = deb::xz(std::fs::File::open(path)?)?;
    packed.take(size + 1).read_to_string(&mut text)?;
    if text.len() as u64 == size {
        Ok(text)
    } else {
        Err(io::Error::other(format!(
            "it should have {size} bytes unpacked"
        )))
    }
}
