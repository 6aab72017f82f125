//! uv, which installs Python packages: one pinned release, as the static program in its wheel on PyPI. It is kept in the
//! store and put into a build container for as long as a step runs.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::download::{DownloadError, Downloads, Wanted};
use crate::digest::Digest;
use crate::store::{Store, StoreError, is_full};

/// Names the host that wheels are downloaded from.
pub const MIRROR_VARIABLE: &str = "IMAGE_PYPI_MIRROR";

/// PyPI's own host of files.
const PUBLIC: &str = "https://files.pythonhosted.org";

/// A wheel of uv.
struct Wheel {
    version: &'static str,
    /// As Rust names it.
    architecture: &'static str,
    /// Below the host of files.
    path: &'static str,
    sha256: &'static str,
    size: u64,
}

/// The wheels that are known; whatever is downloaded must be one of them to the last bit.
const WHEELS: [Wheel; 2] = [
    Wheel {
        version: "0.13.9",
        architecture: "x86_64",
        path: "packages/fe/fe/794884de0efd3ac77a427cab21aa72c0483e100c55a42cd5cbb02c141b84/uv-0.13.9-py3-none-musllinux_1_1_x86_64.whl",
        sha256: "2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25",
        size: 19_295_638,
    },
    Wheel {
        version: "0.13.9",
        architecture: "aarch64",
        path: "packages/57/15/94b6cd62ac3ff6550288328e8035288875197cbc183f51554b266a69877b/uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        sha256: "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
        size: 18_026_789,
    },
];

/// uv cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum UvError {
    /// No wheel is known.
    #[error("uv {version} for {architecture} is not known")]
    Unknown {
        /// The version asked for.
        version: String,
        /// As Rust names it.
        architecture: &'static str,
    },
    /// The wheel could not be downloaded.
    #[error(
        "uv {version} cannot be downloaded\n  help: set `{MIRROR_VARIABLE}` to a mirror that can be reached"
    )]
    Download {
        /// The version.
        version: &'static str,
        /// Why not.
        source: DownloadError,
    },
    /// The wheel does not hold what it should.
    #[error("the wheel of uv {version} cannot be unpacked")]
    Wheel {
        /// The version.
        version: &'static str,
        /// What is wrong.
        source: io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where the wheels come from.
pub fn mirror() -> String {
    match std::env::var(MIRROR_VARIABLE) {
        Ok(mirror) if !mirror.is_empty() => mirror.trim_end_matches('/').to_owned(),
        _ => PUBLIC.to_owned(),
    }
}

/// The program, for this machine's architecture: downloaded and unpacked if it is not in the store.
///
/// # Errors
/// See [`UvError`].
pub async fn program(version: &str, store: &Store) -> Result<PathBuf, UvError> {
    let architecture = std::env::consts::ARCH;
    let wheel = WHEELS
        .iter()
        .find(|wheel| wheel.version == version && wheel.architecture == architecture)
        .ok_or_else(|| UvError::Unknown {
            version: version.to_owned(),
            architecture,
        })?;
    let program = store.downloads().join(&format!("uv-{}", wheel.sha256));
    if program.exists() {
        return Ok(program);
    }
    let download = |source| match source {
        DownloadError::Store(error) => UvError::Store(error),
        source => UvError::Download {
            version: wheel.version,
            source,
        },
    };
    let downloads = Downloads::new(store.downloads().path()).map_err(download)?;
    let wanted = Wanted {
        url: format!("{}/{}", mirror(), wheel.path),
        sha256: sha256(wheel),
        size: wheel.size,
    };
    let packed = downloads.one(&wanted, &|_| {}).await.map_err(download)?;
    let mut unpacked = store.temp_file()?;
    unpack(&packed, wheel.version, unpacked.as_file_mut()).map_err(|source| {
        // Only writing fails like this, so it is not the wheel that is to blame.
        if is_full(&source) {
            UvError::Store(StoreError::io("write", &program, source))
        } else {
            UvError::Wheel {
                version: wheel.version,
                source,
            }
        }
    })?;
    unpacked
        .persist(&program)
        .map_err(|error| StoreError::io("write", &program, error.error))?;
    Ok(program)
}

fn sha256(wheel: &Wheel) -> Digest {
    wheel
        .sha256
        .parse()
        .expect("the table holds SHA-256 digests")
}

fn unpack(wheel: &Path, version: &str, program: &mut File) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?)?;
    let mut packed = archive.by_name(&format!("uv-{version}.data/scripts/uv"))?;
    io::copy(&mut packed, program)?;
    program.set_permissions(PermissionsExt::from_mode(0o755))?;
    program.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_digests_and_the_default_for_each_architecture() {
        for wheel in &WHEELS {
            assert_eq!(sha256(wheel).to_string(), wheel.sha256);
        }
        for architecture in ["x86_64", "aarch64"] {
            assert!(
                WHEELS
                    .iter()
                    .any(|wheel| wheel.version == crate::plan::DEFAULT_UV
                        && wheel.architecture == architecture)
            );
        }
    }
}
