//! What can go wrong with the Debian archive.

use crate::base::download::DownloadError;

/// The Debian archive gave no base.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DebianError {
    /// There is no such suite here.
    #[error("there is no Debian suite `{suite}` to install\n  help: {known} are known")]
    UnknownSuite {
        /// What was asked for.
        suite: String,
        /// What there is.
        known: String,
    },
    /// Debian has no such architecture here.
    #[error(
        "Debian cannot be installed for `{architecture}`\n  help: `amd64` and `arm64` are known"
    )]
    UnknownArchitecture {
        /// What was asked for.
        architecture: String,
    },
    /// A file could not be had.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The archive no longer has a package that it had when it was asked.
    #[error(
        "the archive no longer has `{package}`: nothing is at `{url}`\n  help: it was replaced by a newer one; build with \
         `--pull`"
    )]
    Gone {
        /// The package.
        package: String,
        /// Where it was.
        url: String,
    },
    /// The archive does not have the suite.
    #[error(
        "the archive has no suite `{suite}`: nothing is at `{url}`\n  help: a suite that Debian no longer supports moves to \
         archive.debian.org; set `{variable}` to a mirror that has it"
    )]
    NoSuchSuite {
        /// The suite.
        suite: String,
        /// Where it was looked for.
        url: String,
        /// The environment variable that names another mirror.
        variable: &'static str,
    },
    /// The release file is not Debian's.
    #[error(
        "`{url}` is not signed by Debian: {reason}\n  help: the mirror or a proxy sends something else; set \
         `{variable}` to another mirror"
    )]
    Untrusted {
        /// The release file.
        url: String,
        /// What is wrong with it.
        reason: String,
        /// The environment variable that names another mirror.
        variable: &'static str,
    },
    /// The release file is that of another suite.
    #[error("`{url}` is the release file of `{found}`, not of `{wanted}`")]
    WrongSuite {
        /// The release file.
        url: String,
        /// The code name that was asked for.
        wanted: String,
        /// The code name in the file.
        found: String,
    },
    /// The release file is too old.
    #[error(
        "`{url}` was valid until {until}\n  help: the mirror is out of date, or the clock of this machine is wrong"
    )]
    Expired {
        /// The release file.
        url: String,
        /// The end of its time.
        until: String,
    },
    /// A file of the archive is not what it should be.
    #[error("`{url}` is malformed: {reason}")]
    Malformed {
        /// The file.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A package that is needed is not in the archive.
    #[error("the archive has no package for `{relation}`, which {needed_by} needs")]
    Unsatisfied {
        /// The dependency, as written.
        relation: String,
        /// Who needs it.
        needed_by: String,
    },
}
