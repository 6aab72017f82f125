//! Standalone Pythons: builds of CPython that run in any image, in the archives of python-build-standalone.
//!
//! Which archives that project has released is what uv knows; where a mirror is named, also what that lists. An archive must have the
//! SHA-256 that `NAME.sha256` or `SHA256SUMS` beside it says. Where there is neither, what comes first is trusted, and its SHA-256 is
//! part of the identity of all that is made with it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::listing::{self, Listed};
use super::name::{self, Name};
use crate::base::download::{DownloadError, Downloads};
use crate::base::uv::{self, UvError};
use crate::digest::Digest;
use crate::plan::{DEFAULT_UV, Libc, StandalonePython};
use crate::spec::base::PythonVersion;
use crate::store::Store;

/// Names the mirror: `http://…`, `https://…` or a directory.
pub const MIRROR_VARIABLE: &str = "IMAGE_PYTHON_MIRROR";

/// The releases of python-build-standalone.
const PUBLIC: &str = "https://github.com/astral-sh/python-build-standalone/releases/download";

/// The longest list of checksums that is read.
const LONGEST_SUMS: u64 = 4 << 20;

/// A standalone Python cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StandaloneError {
    /// The mirror has none.
    #[error("`{mirror}` has no standalone Python {asked} for {machine}")]
    None {
        /// Where was looked.
        mirror: String,
        /// `3.12.6`, or `3.12` where any of them would do.
        asked: String,
        /// `x86_64-unknown-linux-gnu`
        machine: String,
    },
    /// The mirror could not be read.
    #[error("the standalone Pythons of `{mirror}` cannot be read")]
    Directory {
        /// The directory.
        mirror: String,
        /// What reading it said.
        source: std::io::Error,
    },
    /// A download failed.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// uv, which knows the archives, could not be had.
    #[error("uv, which knows the standalone Pythons, cannot be had")]
    Uv(#[from] UvError),
}

/// Where standalone Pythons come from.
#[derive(Clone, Debug)]
pub struct Mirror(String);

/// A standalone Python that was found.
#[derive(Debug)]
pub struct Found {
    /// What it is.
    pub python: StandalonePython,
    /// Whether somebody besides the archive itself says what its SHA-256 is.
    pub is_vouched_for: bool,
}

impl Mirror {
    /// What `IMAGE_PYTHON_MIRROR` names, else the project's own releases.
    pub fn from_env() -> Self {
        match std::env::var(MIRROR_VARIABLE) {
            Ok(mirror) if !mirror.is_empty() => Self::at(&mirror),
            _ => Self::at(PUBLIC),
        }
    }

    /// A mirror by its address. A relative directory is taken from where this program is now.
    pub fn at(mirror: &str) -> Self {
        let address = if mirror.contains("://") {
            mirror.to_owned()
        } else {
            // That it is not there is told by who reads it.
            let path = std::path::absolute(mirror).unwrap_or_else(|_| mirror.into());
            path.to_string_lossy().into_owned()
        };
        Self(address.trim_end_matches('/').to_owned())
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.0
    }

    /// Finds the archive of a version: the exact one, else the newest of its series unless the exact one was asked for.
    ///
    /// # Errors
    /// See [`StandaloneError`].
    pub async fn find(
        &self,
        version: PythonVersion,
        libc: Libc,
        store: &Store,
    ) -> Result<Found, StandaloneError> {
        let folder = store.downloads();
        let downloads = Downloads::new(folder.path())?;
        let mut files = self.archives(version, libc, store, &downloads).await?;
        // What uv names need not be there: the next best may be.
        while let Some((name, file)) = files.pop() {
            let [major, minor, patch] = name.version;
            let expected = checksum(&downloads, &file).await?;
            let sha256 = match expected {
                Some(sha256) => sha256,
                None => match downloads.fetch(store, &file.url, None, &|_| {}).await {
                    Ok(sha256) => sha256,
                    Err(DownloadError::Missing { .. }) => continue,
                    Err(error) => return Err(error.into()),
                },
            };
            return Ok(Found {
                python: StandalonePython {
                    version: format!("{major}.{minor}.{patch}"),
                    url: file.url,
                    sha256,
                    libc,
                },
                is_vouched_for: expected.is_some(),
            });
        }
        Err(StandaloneError::None {
            mirror: self.0.clone(),
            asked: match version.pinned {
                true => version.exact.to_owned(),
                false => version.series.to_owned(),
            },
            machine: format!("{}-unknown-linux-{}", std::env::consts::ARCH, libc.name()),
        })
    }

    /// The archives that would do, the best last.
    async fn archives(
        &self,
        version: PythonVersion,
        libc: Libc,
        store: &Store,
        downloads: &Downloads,
    ) -> Result<Vec<(Name, Listed)>, StandaloneError> {
        let known = match self.directory() {
            Some(_) => Vec::new(),
            None => match self.known(version, libc, store).await {
                // Another mirror may list what it has.
                Err(_) if self.0 != PUBLIC => Vec::new(),
                known => known?,
            },
        };
        let listed = match self.directory() {
            Some(directory) => {
                listing::of_directory(directory).map_err(|source| StandaloneError::Directory {
                    mirror: self.0.clone(),
                    source,
                })?
            }
            None if self.0 == PUBLIC => Vec::new(),
            None => listing::of_server(downloads, &self.0).await?,
        };
        let exact = name::version(version.exact);
        let of_series = |name: &Name| format!("{}.{}", name.version[0], name.version[1]);
        let fits = |name: &Name| match version.pinned {
            true => Some(name.version) == exact,
            false => of_series(name) == version.series,
        };
        // A mirror that lists what it has need not be asked for what it has not, but for what is wanted most.
        let known = known.into_iter().filter(|file| {
            let name = Name::parse(&file.name, std::env::consts::ARCH, libc);
            listed.is_empty() || name.is_some_and(|name| Some(name.version) == exact)
        });
        let mut files: Vec<_> = known
            .chain(listed.iter().map(|file| Listed {
                name: file.name.clone(),
                url: file.url.clone(),
            }))
            .filter_map(|file| {
                let name = Name::parse(&file.name, std::env::consts::ARCH, libc)?;
                fits(&name).then_some((name, file))
            })
            .collect();
        files.sort_by_key(|(name, _)| (Some(name.version) == exact, *name));
        Ok(files)
    }

    /// What uv knows of a series.
    async fn known(
        &self,
        version: PythonVersion,
        libc: Libc,
        store: &Store,
    ) -> Result<Vec<Listed>, StandaloneError> {
        #[derive(serde::Deserialize)]
        struct Row {
            url: Option<String>,
        }
        let program = uv::program(DEFAULT_UV, store).await?;
        let request = format!(
            "cpython-{}-linux-{}-{}",
            version.series,
            std::env::consts::ARCH,
            libc.name()
        );
        let words = [
            "python",
            "list",
            &request,
            "--all-versions",
            "--only-downloads",
            "--show-urls",
            "--output-format=json",
            "--offline",
            "--no-config",
            "--no-cache",
        ];
        let output = tokio::process::Command::new(program)
            .args(words)
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .await;
        // A uv that says nothing knows nothing: the error is then that of the mirror.
        let rows: Vec<Row> = output
            .ok()
            .and_then(|output| serde_json::from_slice(&output.stdout).ok())
            .unwrap_or_default();
        let files = rows.into_iter().filter_map(|row| {
            let url = row.url?;
            let mut parts = url.rsplit('/');
            let (file, release) = (parts.next()?, parts.next()?);
            Some(Listed {
                name: file.replace("%2B", "+"),
                url: format!("{}/{release}/{file}", self.0),
            })
        });
        Ok(files.collect())
    }

    fn directory(&self) -> Option<&Path> {
        let path = self.0.strip_prefix("file://").unwrap_or(&self.0);
        (!path.contains("://")).then(|| Path::new(path))
    }
}

/// Has the archive of a standalone Python, and answers where it is.
///
/// # Errors
/// [`DownloadError`]
pub async fn archive(
    python: &StandalonePython,
    store: &Store,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<PathBuf, DownloadError> {
    let folder = store.downloads();
    let downloads = Downloads::new(folder.path())?;
    let sha256 = downloads
        .fetch(store, &python.url, Some(python.sha256), progress)
        .await?;
    Ok(downloads.path(&sha256))
}

/// The SHA-256 that the mirror says an archive has: in a file of its own, or in a list beside it.
async fn checksum(downloads: &Downloads, file: &Listed) -> Result<Option<Digest>, DownloadError> {
    let folder = file.url.rsplit_once('/').map_or("", |(folder, _)| folder);
    let own = format!("{}.sha256", file.url);
    let list = format!("{folder}/SHA256SUMS");
    for (url, is_list) in [(own, false), (list, true)] {
        match downloads.read(&url, LONGEST_SUMS).await {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let mut lines = text.lines();
                if let Some(sha256) = lines.find_map(|line| in_line(line, file, is_list)) {
                    return Ok(Some(sha256));
                }
            }
            Err(error) if is_not_there(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Whether the mirror has no such file. Stores that do not tell what they have answer that it may not be read.
fn is_not_there(error: &DownloadError) -> bool {
    match error {
        DownloadError::Missing { .. } => true,
        DownloadError::Status { status, .. } => matches!(status.as_u16(), 401 | 403),
        _ => false,
    }
}

/// The SHA-256 that a line says; in a list, of that very file.
fn in_line(line: &str, file: &Listed, is_list: bool) -> Option<Digest> {
    let mut words = line.split_whitespace();
    let sha256 = words.next()?.parse().ok()?;
    let name = words.next().unwrap_or_default().trim_start_matches('*');
    let is_it = name.strip_prefix("./").unwrap_or(name) == file.name;
    (is_it || !is_list).then_some(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::download::server::{Server, answer};

    #[test]
    fn a_relative_directory_is_one_of_where_the_program_was_started() {
        let here = std::env::current_dir().unwrap();
        for (mirror, address) in [
            ("pythons/", here.join("pythons").to_str().unwrap()),
            ("./pythons", here.join("pythons").to_str().unwrap()),
            ("/srv/pythons//", "/srv/pythons"),
            ("file:///srv/pythons", "file:///srv/pythons"),
            ("http://m/pythons/", "http://m/pythons"),
        ] {
            assert_eq!(Mirror::at(mirror).url(), address, "{mirror}");
        }
    }

    #[tokio::test]
    async fn where_a_checksum_of_its_own_may_not_be_read_the_list_is() {
        let folder = tempfile::tempdir().unwrap();
        let downloads = Downloads::new(folder.path()).unwrap();
        let sha256 = Digest::of(b"a python");
        for status in ["404 Not Found", "403 Forbidden", "401 Unauthorized"] {
            let server = Server::start(move |_, request| {
                if request.contains("sha256sums") {
                    answer("200 OK", "", format!("{sha256}  file\n").as_bytes())
                } else {
                    answer(status, "", b"")
                }
            });
            let file = Listed {
                name: "file".to_owned(),
                url: server.await.url,
            };
            let found = checksum(&downloads, &file).await.unwrap();
            assert_eq!(found, Some(sha256), "{status}");
        }
    }
}
