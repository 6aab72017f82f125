//! What can go wrong with a download.

use std::io;
use std::path::{Path, PathBuf};

use reqwest::StatusCode;

use crate::digest::Digest;
use crate::store::StoreError;

/// A file could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// No connection came about.
    #[error(
        "cannot reach `{url}`\n  help: check the network; behind a proxy set `HTTP_PROXY` and `HTTPS_PROXY`, \
         and `SSL_CERT_FILE` if it has a certificate authority of its own"
    )]
    Unreachable {
        /// The address.
        url: String,
        /// What the attempt said.
        source: reqwest::Error,
    },
    /// The connection broke while the file arrived.
    #[error(
        "the connection broke while `{url}` was downloaded\n  help: run it again: what has arrived is kept"
    )]
    Broken {
        /// The address.
        url: String,
        /// What the attempt said.
        source: reqwest::Error,
    },
    /// The server, or the directory, does not have the file.
    #[error("nothing is at `{url}`")]
    Missing {
        /// The address.
        url: String,
    },
    /// The server answered with something else.
    #[error("the server answered {status} for `{url}`")]
    Status {
        /// The address.
        url: String,
        /// What it answered.
        status: StatusCode,
    },
    /// The server wants to know who asks, and cannot be told.
    #[error("no login at `{url}`: {reason}")]
    Login {
        /// Where one logs in.
        url: String,
        /// Why it failed.
        reason: String,
    },
    /// The file ended early.
    #[error(
        "`{url}` was cut short: {got} of {expected} bytes arrived\n  help: run it again: what has arrived is kept"
    )]
    CutShort {
        /// The address.
        url: String,
        /// The bytes that arrived.
        got: u64,
        /// The bytes it should have.
        expected: u64,
    },
    /// The file is longer than it may be.
    #[error(
        "`{url}` is longer than the {expected} bytes it should have\n  help: the server or a proxy sends another file; try another mirror"
    )]
    WrongSize {
        /// The address.
        url: String,
        /// The bytes it should have.
        expected: u64,
    },
    /// The file is another one.
    #[error(
        "`{url}` has the wrong checksum: SHA-256 {got} instead of {expected}\n  help: the server or a proxy sends \
         another file; try again later or another mirror"
    )]
    WrongChecksum {
        /// The address.
        url: String,
        /// The SHA-256 of what arrived.
        got: Digest,
        /// The SHA-256 it should have.
        expected: Digest,
    },
    /// What arrived could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of a mirror on this machine could not be read.
    #[error("`{path}` cannot be read")]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There can be no client.
    #[error(
        "no HTTPS client can be made\n  help: `SSL_CERT_FILE` must name a readable file of PEM certificates, or be unset"
    )]
    Client {
        /// Why.
        source: reqwest::Error,
    },
}

impl DownloadError {
    pub(super) fn disk(path: &Path, source: io::Error) -> Self {
        Self::Disk {
            path: path.to_owned(),
            source,
        }
    }

    pub(in crate::base) fn unreachable(url: &str, source: reqwest::Error) -> Self {
        Self::Unreachable {
            url: url.to_owned(),
            source: source.without_url(),
        }
    }

    /// Whether another try may succeed.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::CutShort { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error()
                    || *status == StatusCode::TOO_MANY_REQUESTS
                    || *status == StatusCode::REQUEST_TIMEOUT
            }
            _ => false,
        }
    }
}
