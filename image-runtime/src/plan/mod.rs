//! From definitions to layers: pure logic, no I/O.
//!
//! A [`Chain`] is an image with its extensions unrolled. Together with what had to be looked up (the [`ResolvedBase`], the
//! digest of each copied file tree) it lowers to a [`Plan`]: layers with identities, and the configuration that a
//! container of the image gets.

mod chain;
mod conda;
mod dockerfile;
mod explain;
mod fields;
mod function;
mod lock;
mod lower;
mod pip;
mod planned;
#[cfg(test)]
mod tests;

pub use chain::{Chain, ChainStep, Origin, Part, Root};
pub use conda::{Conda, PREFIX as CONDA_PREFIX};
pub use dockerfile::{CopySpec, Expanded, MountSpec, WordError, expand};
pub use explain::{Change, Explained, Forced, Known, Listing, Reason, explain};
pub use fields::{Fact, StepRecord, Value};
pub use function::FunctionRun;
pub use lock::{
    Contents, Holdings, LOCK_FILE, LockError, LockedAddress, LockedBase, LockedImage, LockedStep,
    Lockfile, PythonPackage, definition, installs, tools,
};
pub use lower::{DEFAULT_CONDA, DEFAULT_UV, base_layer, lower};
pub use pip::{Pip, Sync, normalized};
pub(crate) use planned::DEFAULT_PATH;
pub use planned::{Action, Config, Healthcheck, Plan, PlannedLayer};

use crate::digest::Digest;
use crate::spec::ImageConfig;

/// What a base turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ResolvedBase {
    /// Where the bytes come from, and what pins them.
    pub source: BaseSource,
    /// What the image says of its own environment.
    pub config: ImageConfig,
    /// The standalone Python that is put into it, if one is.
    #[serde(default)]
    pub python: Option<StandalonePython>,
}

/// A build of CPython that runs in any image: an archive in the layout of python-build-standalone.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StandalonePython {
    /// `3.12.6`
    pub version: String,
    /// Where the archive is.
    pub url: String,
    /// What it holds.
    pub sha256: Digest,
    /// The C library it runs with.
    pub libc: Libc,
}

/// The C library of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Libc {
    /// glibc.
    Gnu,
    /// musl, as in Alpine.
    Musl,
}

impl Libc {
    /// As target triples have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gnu => "gnu",
            Self::Musl => "musl",
        }
    }
}

/// Where the bytes of a base come from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum BaseSource {
    /// Nothing at all.
    Scratch,
    /// An image of a registry.
    Registry {
        /// As written or as the builder version names it: `debian:bookworm-slim`.
        reference: String,
        /// The manifest's digest: `sha256:…`.
        digest: String,
    },
    /// Packages of the Debian archive.
    Archive {
        /// The suite: `bookworm`.
        suite: String,
        /// The digest of the exact package set.
        packages: Digest,
        /// The suite's Python series, where the image needs Python: `3.11`.
        python: Option<String>,
    },
}

impl BaseSource {
    /// What people call it: `Debian bookworm from the archive`.
    pub fn describe(&self) -> String {
        match self {
            Self::Scratch => "scratch".into(),
            Self::Registry { reference, .. } => reference.clone(),
            Self::Archive {
                suite,
                python: None,
                ..
            } => format!("Debian {suite} from the archive"),
            Self::Archive {
                suite,
                python: Some(series),
                ..
            } => {
                format!("Debian {suite} from the archive, with its Python {series}")
            }
        }
    }
}
